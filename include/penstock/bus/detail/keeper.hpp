// SPDX-License-Identifier: BSL-1.0
// What stands first among a kept topic's listeners, and sends each message to the store before anybody
// else gets it: see bus/persist.hpp.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <penstock/bus/detail/counter.hpp>
#include <penstock/bus/detail/covers.hpp>
#include <penstock/bus/detail/gate.hpp>
#include <penstock/bus/detail/kept_lane.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/registry.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T, class Store>
class store_keeper final
    : public keeper<T>,
      public subscriber,
      public std::enable_shared_from_this<store_keeper<T, Store>>,
      private gate {
    using group = decltype(std::declval<Store&>().group(std::string{}));

public:
    store_keeper(registry& home, pattern by, Store& store)
        : keeper<T>{type_of<T>, std::move(by)}, gate{home.visits()}, home_{home}, store_{store} {}

    bool deliver(envelope<T>& e, const patience&, tally& t, visitor& v) override {
        if (!gate::enter(v)) return false;
        status answer = status::failed;
        bool thrown = false;
        try {
            answer = store_.send(e.view(), e.topic());
        } catch (...) {
            thrown = true;
            home_.report(e.topic(), this->by());
        }
        gate::leave(v);
        if (answer) {
            handled_.add(v.number());
            return true;
        }
        t.halted = true;
        t.why = answer;
        if (thrown) {
            failed_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
            ++t.failed;
        } else {
            rejected_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
            ++t.refused;
            ++t.rejected;
        }
        return false;
    }

    std::unique_ptr<lane<T>> lane_for(const std::string& name, const pattern& by) override {
        const bool whole = by.text() == this->by().text();
        return std::make_unique<kept_lane<T, group>>(
            store_.group(whole ? name : name + " " + by.text()), by, whole,
            this->shared_from_this());
    }
    [[nodiscard]] bool covers(const pattern& p) const override {
        return detail::covers(this->by(), p);
    }
    [[nodiscard]] bool keeping() const noexcept override { return !gate::closed(); }

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
        c.failed = failed_.load(std::memory_order_relaxed);      // counts; they carry nothing
        c.rejected = rejected_.load(std::memory_order_relaxed);  // the same
        c.received = c.handled + c.failed + c.rejected;
        return c;
    }
    [[nodiscard]] const listener_base& listens() const override { return *this; }
    [[nodiscard]] registry& home() const override { return home_; }

private:
    void leave() {
        const auto lock = home_.lock();
        if (std::exchange(attached_, false)) home_.detach(*this);
    }
    void last_out() noexcept override {}

    registry& home_;
    Store& store_;
    bool attached_ = true;  // by the registry's lock
    counter handled_;
    sys::atomic<std::uint64_t> failed_{0};
    sys::atomic<std::uint64_t> rejected_{0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
