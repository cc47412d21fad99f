// SPDX-License-Identifier: BSL-1.0
// Time as a parameter: what waits or expires asks a clock, the steady one by default. Tests bring
// a manual_clock (core/manual_clock.hpp) and move it.
//
// Threads   now() may be called by any number of threads at once.
#pragma once

#include <chrono>

#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {

class clock {
public:
    using duration = sys::time_point::duration;
    using time_point = sys::time_point;

    /// One who sleeps by a clock that the system's timers don't follow: told when it moves.
    class sleeper {
    public:
        virtual void clock_moved() noexcept = 0;

    protected:
        ~sleeper() = default;
    };

    [[nodiscard]] virtual time_point now() const noexcept = 0;

    /// False for the steady clock: the kernel's timers follow it and nobody needs to be told.
    virtual bool watch(sleeper&) { return false; }
    /// When it returns, clock_moved() isn't running and won't be called any more.
    virtual void unwatch(sleeper&) noexcept {}

protected:
    ~clock() = default;
};

namespace detail {
class system_clock final : public clock {
public:
    [[nodiscard]] time_point now() const noexcept override { return sys::now(); }
};
inline constinit system_clock steady;
}  // namespace detail

/// The clock an option names; the steady clock unless told otherwise. The clock must outlive it.
class clock_ref {
public:
    clock_ref() noexcept : clock_{&detail::steady} {}
    clock_ref(clock& c) noexcept : clock_{&c} {}
    clock* operator->() const noexcept { return clock_; }
    clock& operator*() const noexcept { return *clock_; }

private:
    clock* clock_;
};

/// When a wait ends without an answer: by a clock, or never.
class deadline {
public:
    deadline() = default;  // never
    deadline(clock_ref by, clock::time_point at) noexcept : by_{by}, at_{at} {}

    template <class Rep, class Period>
    static deadline after(clock_ref by, std::chrono::duration<Rep, Period> d) {
        using wide = std::chrono::duration<double>;
        const auto now = by->now();
        if (wide{d} >= wide{clock::time_point::max() - now}) return {};
        return {by, now + std::chrono::ceil<clock::duration>(d)};
    }

    [[nodiscard]] bool never() const noexcept { return at_ == clock::time_point::max(); }
    [[nodiscard]] bool passed() const noexcept { return !never() && by_->now() >= at_; }
    [[nodiscard]] clock& by() const noexcept { return *by_; }
    [[nodiscard]] clock::time_point at() const noexcept { return at_; }

private:
    clock_ref by_;
    clock::time_point at_ = clock::time_point::max();
};

}  // namespace penstock::inline PENSTOCK_ABI
