// SPDX-License-Identifier: BSL-1.0
// A subscription without a queue: publish calls its handler, then goes on.
//
// Threads   The handler runs in every publisher's thread, in several at once if they publish at once.
// Progress  A publish takes as long as its direct handlers. A handler that throws has failed; the
//           publish goes on to the next.
// Order     Per publisher; between handlers of one publish, the order in which they subscribed.
#pragma once

#include <memory>
#include <utility>

#include <penstock/bus/detail/gate.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/registry.hpp>
#include <penstock/bus/options.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
class direct_listener final : public listener<T>, public subscriber, private gate {
public:
    direct_listener(std::shared_ptr<registry> home, pattern by, subscribe_options<T>&& options,
                    handler<T> h)
        : listener<T>{type_of<T>, std::move(by), std::move(options.group)},
          gate{home->waits()},
          home_{std::move(home)},
          filters_{static_cast<bool>(options.where)},
          where_{std::move(options.where)},
          handler_{std::move(h)} {}

    void deliver(envelope<T>& e, const patience&, tally& t) override {
        const inside here{*this, nullptr};
        if (!here) return;
        try {
            if (filters_ && !where_(e.view())) return;
            handler_(e);
            handled_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
            ++t.handled;
        } catch (...) {
            failed_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
            ++t.failed;
            t.why = status::failed;
            home_->report(e.topic(), this->by());
        }
    }

    void end_intake() override {}
    void finish() override { cancel(); }

    bool cancel() override {
        {
            const auto lock = home_->lock();
            if (std::exchange(attached_, false)) home_->detach(*this);
        }
        return gate::close();
    }

    [[nodiscard]] bool active() const override { return !gate::closed(); }
    [[nodiscard]] subscription_counts counts() const override {
        subscription_counts c;
        c.handled = handled_.load(std::memory_order_relaxed);  // a count; carries nothing
        c.failed = failed_.load(std::memory_order_relaxed);    // a count; carries nothing
        c.received = c.handled + c.failed;
        return c;
    }
    [[nodiscard]] const listener_base& listens() const override { return *this; }
    [[nodiscard]] registry& home() const override { return *home_; }

private:
    void last_out() noexcept override {
        where_ = nullptr;
        handler_ = {};
    }

    const std::shared_ptr<registry> home_;
    bool attached_ = true;  // by the registry's lock
    const bool filters_;
    unique_function<bool(const T&)> where_;  // by the gate
    handler<T> handler_;                     // by the gate
    sys::atomic<std::uint64_t> handled_{0};
    sys::atomic<std::uint64_t> failed_{0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
