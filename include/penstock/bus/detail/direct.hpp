// SPDX-License-Identifier: BSL-1.0
// A subscription without a queue: publish calls its handler, then goes on.
//
// Threads   The handler runs in every publisher's thread, in several at once if they publish at once.
// Progress  A publish takes as long as its direct handlers. A handler that throws has failed; the
//           publish goes on to the next.
// Order     Per publisher; between handlers of one publish, the order in which they subscribed.
#pragma once

#include <optional>
#include <utility>

#include <penstock/bus/detail/counter.hpp>
#include <penstock/bus/detail/gate.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/registry.hpp>
#include <penstock/bus/options.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T, class F>
class direct_listener final : public listener<T>, public subscriber, private gate {
public:
    template <class G>
    direct_listener(registry& home, pattern by, subscribe_options<T>&& options, G&& f, bool counts)
        : listener<T>{type_of<T>, std::move(by), std::move(options.group)},
          gate{home.visits()},
          home_{home},
          counts_{counts},
          filters_{static_cast<bool>(options.where)},
          where_{std::move(options.where)} {
        handler_.emplace(std::forward<G>(f));
    }

    bool deliver(envelope<T>& e, const patience&, tally& t, visitor& v) override {
        if (!gate::enter(v)) return false;
        bool handled = false;
        try {
            if (!filters_ || where_(e.view())) {
                call_handler<T>(*handler_, e);
                handled_.add(v.number());
                handled = counts_;
            }
        } catch (...) {
            has_failed(e, t);
        }
        gate::leave(v);
        return handled;
    }

    void end_intake() override {}
    void finish() override { cancel(); }

    bool cancel() override {
        leave();
        return gate::close();
    }
    void cancel_without_waiting() override {
        leave();
        gate::shut_without_waiting();
    }

    [[nodiscard]] bool active() const override { return !gate::closed(); }
    [[nodiscard]] subscription_counts counts() const override {
        subscription_counts c;
        c.handled = handled_.value();
        c.failed = failed_.load(std::memory_order_relaxed);  // a count; carries nothing
        c.received = c.handled + c.failed;
        return c;
    }
    [[nodiscard]] const listener_base& listens() const override { return *this; }
    [[nodiscard]] registry& home() const override { return home_; }

private:
    void leave() {
        const auto lock = home_.lock();
        if (std::exchange(attached_, false)) home_.detach(*this);
    }

    [[gnu::noinline, gnu::cold]] void has_failed(const envelope<T>& e, tally& t) noexcept {
        failed_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
        if (counts_) {
            ++t.failed;
            t.why = status::failed;
        }
        home_.report(e.topic(), this->by());
    }

    void last_out() noexcept override {
        where_ = nullptr;
        handler_.reset();
    }

    registry& home_;
    bool attached_ = true;  // by the registry's lock
    const bool counts_;     // for the publisher: not what taps
    const bool filters_;
    unique_function<bool(const T&)> where_;  // by the gate
    std::optional<F> handler_;               // by the gate
    counter handled_;
    sys::atomic<std::uint64_t> failed_{0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
