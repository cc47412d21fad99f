// SPDX-License-Identifier: BSL-1.0
// Listeners in the order in which they subscribed. By the C library's sort: <algorithm> would cost
// more than the registry to compile, and this is not where a publish passes.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <vector>

#include <penstock/bus/detail/listener.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

inline void put_in_order(std::vector<listener_base*>& all) noexcept {
    if (all.empty()) return;
    constexpr std::size_t size = sizeof(listener_base*);  // NOLINT(bugprone-sizeof-expression)
    std::qsort(all.data(), all.size(), size, [](const void* a, const void* b) {
        const auto x = (*static_cast<listener_base* const*>(a))->number;
        const auto y = (*static_cast<listener_base* const*>(b))->number;
        return x < y ? -1 : x > y;
    });
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
