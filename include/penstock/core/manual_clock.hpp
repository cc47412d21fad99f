// SPDX-License-Identifier: BSL-1.0
// A clock that stands still until it is moved: tests of timed waits need no sleep.
//
//   manual_clock time;
//   channel<job> c{{.capacity = 1, .clock = time}};
//   std::jthread waits{[&] { auto r = c.receive_for(1h); }};
//   time.advance(1h);  // the receiver answers timed_out
//
// Threads   Everything may be called by any number of threads at once.
#pragma once

#include <mutex>
#include <vector>

#include <penstock/core/clock.hpp>

namespace penstock::inline PENSTOCK_ABI {

class manual_clock final : public clock {
public:
    explicit manual_clock(time_point start = time_point{}) noexcept
        : now_{start.time_since_epoch().count()} {}

    [[nodiscard]] time_point now() const noexcept override {
        return time_point{duration{now_.load(std::memory_order_acquire)}};  // pairs with advance
    }

    /// Moves on and tells all who sleep by this clock.
    void advance(duration d) {
        std::lock_guard lock{mutex_};
        now_.fetch_add(d.count(), std::memory_order_release);  // pairs with now
        for (sleeper* s : sleepers_) s->clock_moved();
    }

    /// How many sleep by this clock right now: a test waits for it instead of guessing.
    [[nodiscard]] std::size_t sleepers() const {
        std::lock_guard lock{mutex_};
        return sleepers_.size();
    }

    bool watch(sleeper& s) override {
        std::lock_guard lock{mutex_};
        sleepers_.push_back(&s);
        return true;
    }

    void unwatch(sleeper& s) noexcept override {
        std::lock_guard lock{mutex_};
        std::erase(sleepers_, &s);
    }

private:
    sys::atomic<duration::rep> now_;
    mutable sys::mutex mutex_;  // held while sleepers are told, so that unwatch() waits for it
    std::vector<sleeper*> sleepers_;
};

}  // namespace penstock::inline PENSTOCK_ABI
