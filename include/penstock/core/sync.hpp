// SPDX-License-Identifier: BSL-1.0
// The seam: every header names through `penstock::sys` whatever a scheduler must see. In a program
// these are the standard library's types and the kernel's calls, at no cost. A checker defines
// PENSTOCK_SYNC_HEADER as the header that brings its own, and runs the unchanged headers on them.
//
//   here (needs only <atomic>)            core/sync_wait.hpp (what waits)
//   atomic, atomic_ref                    mutex
//   wrote, read: a plain access happens   futex_wait, futex_wake
//   pause                                 now: the steady clock; yield
//   compiler_barrier                      process_barrier, asymmetric
//                                         stop_token, stop_source, stop_callback
//                                         thread, per_thread, usable_cpus
#pragma once

#include <penstock/core/config.hpp>

#ifdef PENSTOCK_SYNC_HEADER
#include PENSTOCK_SYNC_HEADER
#else

#include <atomic>

namespace penstock::inline PENSTOCK_ABI {
namespace sys {

using std::atomic;
using std::atomic_ref;

/// Plain accesses to memory that changes owners through atomics (core/slot.hpp). A checker
/// compares them for data races; here they are nothing.
inline void wrote(const void*) noexcept {}
inline void read(const void*) noexcept {}

/// Tells the core that this is a spin loop. 26 ns on the machine in benchmarks/README.md.
inline void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();  // <immintrin.h> would triple a ring's compile time
#elif defined(__aarch64__)
    asm volatile("isb" ::: "memory");
#endif
}

/// Orders this thread's accesses for the compiler only: the cheap half of an asymmetric fence,
/// whose other half is process_barrier() in core/sync_wait.hpp.
inline void compiler_barrier() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }

}  // namespace sys
}  // namespace penstock::inline PENSTOCK_ABI
#endif
