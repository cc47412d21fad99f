// SPDX-License-Identifier: BSL-1.0
// The distance that keeps two threads' data from sharing a cache line.
#pragma once

#include <cstddef>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// A constant, not std::hardware_destructive_interference_size: that one changes with compiler
/// flags, and with it the layout of every type that uses it.
inline constexpr std::size_t cache_line = 64;

}  // namespace penstock::inline PENSTOCK_ABI
