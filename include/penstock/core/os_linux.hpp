// SPDX-License-Identifier: BSL-1.0
// What Penstock asks of Linux besides files: futex, membarrier, and how many CPUs it may use.
// Nobody calls these directly: core/sync.hpp passes them on.
#pragma once

#if !defined(__linux__)
#error "Penstock runs on Linux so far; other systems are planned (README, Platforms)"
#endif

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <ctime>

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace os {

/// Sleeps while `word` holds `expected`, at most until `deadline_ns` on CLOCK_MONOTONIC (negative:
/// for ever). May return for no reason: the caller looks again.
inline void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                       std::int64_t deadline_ns) noexcept {
    timespec at{};
    if (deadline_ns >= 0) {
        at.tv_sec = static_cast<std::time_t>(deadline_ns / 1'000'000'000);
        at.tv_nsec = static_cast<long>(deadline_ns % 1'000'000'000);
    }
    // FUTEX_WAIT_BITSET takes an absolute deadline, so that a spurious return needs no arithmetic.
    const int before = errno;
    syscall(SYS_futex, static_cast<const void*>(&word), FUTEX_WAIT_BITSET_PRIVATE, expected,
            deadline_ns >= 0 ? &at : nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
    errno = before;
}

/// Wakes one sleeper. The word's memory may be gone already: the kernel then finds nobody.
inline void futex_wake(const void* word) noexcept {
    const int before = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    errno = before;
}

/// True when the kernel can run a full fence in all threads of this process at one caller's cost.
/// Registers the process on the first call, which takes milliseconds while threads are running.
inline bool membarrier_ready() noexcept {
    static const bool ready =
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    return ready;
}

inline void membarrier() noexcept {
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

/// CPUs this thread may run on: what `taskset` or a container left of the machine. One that is pinned
/// meets others elsewhere, so where it has but one those of the first thread count, too.
inline int usable_cpus() noexcept {
    cpu_set_t mine, first;
    CPU_ZERO(&mine);
    if (sched_getaffinity(0, sizeof mine, &mine) != 0) return 1;
    if (CPU_COUNT(&mine) > 1) return CPU_COUNT(&mine);
    CPU_ZERO(&first);
    if (sched_getaffinity(getpid(), sizeof first, &first) == 0) CPU_OR(&mine, &mine, &first);
    return CPU_COUNT(&mine);
}

}  // namespace os
}  // namespace penstock::inline PENSTOCK_ABI
