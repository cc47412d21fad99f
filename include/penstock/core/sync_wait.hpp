// SPDX-License-Identifier: BSL-1.0
// The second half of the seam (see core/sync.hpp): what makes a thread wait, and what ends a wait.
// Apart, so that the queue layer, which never waits, does not pay for these includes.
#pragma once

#include <penstock/core/sync.hpp>

#ifndef PENSTOCK_SYNC_HEADER

#include <chrono>
#include <mutex>
#include <stop_token>
#include <thread>
#include <type_traits>

#include <penstock/core/os_linux.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace sys {

using std::mutex;
using std::stop_callback;
using std::stop_source;
using std::stop_token;
using thread = std::jthread;

using time_point = std::chrono::steady_clock::time_point;
inline time_point now() noexcept { return std::chrono::steady_clock::now(); }

inline void yield() noexcept { std::this_thread::yield(); }

/// This thread's own T, value-initialised at first; one for each Tag.
template <class Tag, class T>
T& per_thread() noexcept {
    static thread_local T mine{};
    return mine;
}

/// The same, but destroyed when the thread ends. Costs a check at every call.
template <class Tag, class T>
T& per_thread_object() {
    static thread_local T mine{};
    return mine;
}

/// The process's own T, whose construction is constant: there before anything runs, and never
/// destroyed. One for each Tag; of libraries that hide their symbols, one each.
template <class Tag, class T>
T& process_wide() noexcept {
    static_assert(std::is_trivially_destructible_v<T>);
    static constinit T one{};
    return one;
}

using os::usable_cpus;

/// Sleeps while `word` holds `expected`, at most until `deadline`. May return for no reason.
inline void futex_wait(const atomic<std::uint32_t>& word, std::uint32_t expected,
                       time_point deadline = time_point::max()) noexcept {
    os::futex_wait(word, expected,
                   deadline == time_point::max()
                       ? -1
                       : std::chrono::nanoseconds{deadline.time_since_epoch()}.count());
}
using os::futex_wake;

/// True when process_barrier() works. ThreadSanitizer can't see it, so there it is false.
inline bool asymmetric() noexcept { return !PENSTOCK_TSAN && os::membarrier_ready(); }

/// A sequentially consistent fence in every running thread of the process: the dear half of an
/// asymmetric fence. 0.3 us when nobody else runs, about 10 us when another core does.
inline void process_barrier() noexcept { os::membarrier(); }

}  // namespace sys
}  // namespace penstock::inline PENSTOCK_ABI
#endif
