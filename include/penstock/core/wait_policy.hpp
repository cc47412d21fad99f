// SPDX-License-Identifier: BSL-1.0
// What a thread does before it sleeps, and at which cost.
//
//            CPU while nothing comes          who wakes it               for
//   hybrid   up to 26 us a wait, then none    a futex, if it sleeps      nearly everybody: the default
//   park     none                             a futex, always            rare messages; battery
//   yield    one CPU, given to who wants it   nobody: a load sees it     short waits, CPUs to spare
//   spin     one CPU                          nobody: 0.1 us             a CPU of its own
//
// hybrid spins only where that has paid: it goes on for twice as long as the last message took to
// come, up to 1,000 pauses (26 us on the machine in benchmarks/README.md), and halves that each
// time it had to sleep all the same, down to none. Of the waits that sleep, a few (at last one in
// 64) spin to the end, to find out whether messages come faster now; not right after a sleep of
// 200 us or more, which has told. On one CPU nobody spins: who could end the wait needs that CPU.
// There `spin` yields.
//
// yield and spin never sleep: such a wait looks at its stop token and its clock instead.
#pragma once

#include <chrono>
#include <cstdint>

#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {

enum class wait_policy : unsigned char { hybrid, park, yield, spin };

namespace detail {

/// The part of a wait before the sleep; shared by all who wait at one place. Its numbers steer it
/// and carry nothing.
class spinner {
public:
    explicit spinner(wait_policy p) noexcept
        : policy_{p}, one_cpu_{sys::usable_cpus() <= 1}, state_{one_cpu_ ? 0u : least} {}

    [[nodiscard]] wait_policy policy() const noexcept { return policy_; }

    /// True as soon as over() is; false when it is time to sleep.
    template <class Over>
    bool operator()(Over&& over) {
        if (policy_ == wait_policy::park) return false;
        if (policy_ != wait_policy::hybrid) {
            while (!over()) policy_ == wait_policy::yield || one_cpu_ ? sys::yield() : sys::pause();
            return true;
        }
        if (one_cpu_) return false;
        const std::uint32_t seen = state_.load(std::memory_order_relaxed);  // see above
        const std::uint32_t limit = seen % failure;
        for (std::uint32_t used = 0, step = 1; used < limit; step = step < 32 ? 2 * step : step) {
            for (std::uint32_t i = 0; i < step; ++i) sys::pause();
            used += step;
            if (!over()) continue;
            set(seen, after_success(limit, used));
            return true;
        }
        set(seen, after_failure(limit, seen / failure));
        return false;
    }

    /// How long the sleep took. What comes that late is not caught by spinning: no probe next time.
    void slept(sys::time_point::duration time) noexcept {
        if (time < long_sleep || policy_ != wait_policy::hybrid || one_cpu_) return;
        const std::uint32_t seen = state_.load(std::memory_order_relaxed);  // see above
        if (seen / failure >= first_probe) set(seen, seen - seen % failure);
    }

private:
    static constexpr std::chrono::microseconds long_sleep{200};  // waking takes up to 50 us of it
    static constexpr std::uint32_t least = 64, most = 1000;      // pauses
    static constexpr std::uint32_t failure = 1 << 16;            // state_: failures, limit
    static constexpr std::uint32_t first_probe = 8;              // failures

    static std::uint32_t after_success(std::uint32_t limit, std::uint32_t used) noexcept {
        std::uint32_t next = limit - limit / 8;
        if (next < 2 * used) next = 2 * used;
        return next < least ? least : next > most ? most : next;
    }
    /// Probes after failures 8, 16, 32, 64 and then each 64th; one that fails costs no second one.
    static std::uint32_t after_failure(std::uint32_t limit, std::uint32_t failures) noexcept {
        if (++failures == 128) failures = 64;
        const bool probe = failures >= first_probe && (failures & (failures - 1)) == 0;
        const bool tries = failures < first_probe && limit >= 32;
        return failures * failure + (probe ? most : tries ? limit / 2 : 0);
    }
    void set(std::uint32_t seen, std::uint32_t next) noexcept {
        if (next != seen) state_.store(next, std::memory_order_relaxed);  // see above
    }

    const wait_policy policy_;
    const bool one_cpu_;  // asked once: it takes a system call
    sys::atomic<std::uint32_t> state_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
