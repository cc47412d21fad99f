// SPDX-License-Identifier: BSL-1.0
// A count that many publishers raise and hardly anybody reads. The first few visits (by their number,
// detail/visitor.hpp) have a cell of their own each, which they alone write: no exchange, no line
// that two of them share. All others share one.
//
// Threads   add by whoever holds the visit of that number; value by anybody, exact when they rest.
#pragma once

#include <cstddef>
#include <cstdint>

#include <penstock/core/cache_line.hpp>
#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class counter {
public:
    void add(unsigned visit) noexcept {
        if (visit < cells) [[likely]] {
            auto& mine = cells_[visit].n;
            mine.store(mine.load(std::memory_order_relaxed) + 1,  // the only writer
                       std::memory_order_relaxed);                // a count; carries nothing
        } else {
            cells_[cells].n.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
        }
    }
    [[nodiscard]] std::uint64_t value() const noexcept {
        std::uint64_t sum = 0;
        for (const cell& c : cells_) sum += c.n.load(std::memory_order_relaxed);  // a count
        return sum;
    }

private:
    static constexpr std::size_t cells = 8;
    struct alignas(cache_line) cell {
        sys::atomic<std::uint64_t> n{0};
    };
    cell cells_[cells + 1];
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
