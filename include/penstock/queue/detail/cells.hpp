// SPDX-License-Identifier: BSL-1.0
// The one allocation of a bounded queue: `count` default-constructed cells, from a cache line on.
#pragma once

#include <cstddef>
#include <new>
#include <stdexcept>

#include <penstock/core/cache_line.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class Cell>
class cells {
public:
    explicit cells(std::size_t count) : count_{count} {
        if (count == 0)
            throw std::invalid_argument{"penstock: a queue's capacity is 1 or more, not 0"};
        if (count > static_cast<std::size_t>(-1) / 2 / sizeof(Cell))
            throw std::invalid_argument{
                "penstock: this capacity needs more memory than can be addressed: is it negative?"};
        begin_ = static_cast<Cell*>(::operator new(count * sizeof(Cell), alignment));
        for (std::size_t i = 0; i < count; ++i) ::new (static_cast<void*>(begin_ + i)) Cell;
    }
    cells(const cells&) = delete;
    cells& operator=(const cells&) = delete;
    ~cells() { ::operator delete(begin_, alignment); }  // cells hold raw memory by now

    Cell& operator[](std::size_t i) const noexcept { return begin_[i]; }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

private:
    static constexpr std::align_val_t alignment{alignof(Cell) > cache_line ? alignof(Cell)
                                                                           : cache_line};
    std::size_t count_;
    Cell* begin_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
