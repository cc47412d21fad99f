// SPDX-License-Identifier: BSL-1.0
// Version, inline namespace and the few macros of Penstock: all of them are in this header.
#pragma once

/// major * 10000 + minor * 100 + patch.
#define PENSTOCK_VERSION 100

// Everything lives in `penstock::inline PENSTOCK_ABI`. Two versions can then be linked into one
// program, and headers compiled for a checker (PENSTOCK_SYNC_HEADER, see core/sync.hpp) never meet
// their production twins under the same symbol.
#ifdef PENSTOCK_SYNC_HEADER
#define PENSTOCK_ABI checked
#else
#define PENSTOCK_ABI v0
#endif

#if defined(__SANITIZE_THREAD__)
#define PENSTOCK_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PENSTOCK_TSAN 1
#endif
#endif
#ifndef PENSTOCK_TSAN
#define PENSTOCK_TSAN 0
#endif

// A broken contract stops the program with the cure in the message. Define PENSTOCK_ASSERT to
// route it elsewhere; NDEBUG alone removes it.
#ifndef PENSTOCK_ASSERT
#include <cassert>
#define PENSTOCK_ASSERT(condition, cure) assert((condition) && (cure))
#endif

namespace penstock::inline PENSTOCK_ABI {
namespace detail {}
}  // namespace penstock::inline PENSTOCK_ABI
