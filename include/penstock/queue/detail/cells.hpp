// SPDX-License-Identifier: BSL-1.0
// Where a bounded queue keeps its cells: inside itself when the capacity is a template argument,
// else in one allocation, from a cache line on.
//
// Allocator   Anything with value_type, allocate(n) and deallocate(p, n): std::allocator,
//             std::pmr::polymorphic_allocator. It is not rebound: memory is asked for in units of
//             its value_type. The default, `heap`, is operator new, without an include.
// Errors      std::invalid_argument for a capacity of 0 or one whose bytes can't be addressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <type_traits>

#include <penstock/core/cache_line.hpp>
#include <penstock/fwd.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// operator new and delete as an allocator.
class heap {
public:
    using value_type = std::byte;
    static std::byte* allocate(std::size_t n) { return static_cast<std::byte*>(::operator new(n)); }
    static void deallocate(std::byte* p, std::size_t) noexcept { ::operator delete(p); }
};

namespace detail {

template <class Cell>
inline constexpr std::size_t cell_alignment = alignof(Cell) > cache_line ? alignof(Cell)
                                                                         : cache_line;

template <class Cell, std::size_t Capacity, class Allocator>
class cells {
    static_assert(Capacity > 0, "a queue's capacity is 1 or more, not 0");

public:
    cells() = default;
    /// For code that passes every storage its capacity, as a channel does.
    cells(std::size_t count, const Allocator&) {
        if (count != Capacity)
            throw std::invalid_argument{
                "penstock: this queue's capacity is its template argument; pass the same number"};
    }
    cells(const cells&) = delete;
    cells& operator=(const cells&) = delete;

    Cell& operator[](std::size_t i) const noexcept { return cells_[i]; }
    [[nodiscard]] static constexpr std::size_t count() noexcept { return Capacity; }

private:
    alignas(cell_alignment<Cell>) mutable Cell cells_[Capacity];
};

template <class Cell, class Allocator>
class cells<Cell, at_run_time, Allocator> {
public:
    cells(std::size_t count, const Allocator& allocator)
        : allocator_{allocator}, count_{count}, units_{units(count)} {
        memory_ = allocator_.allocate(units_);
        const auto address = reinterpret_cast<std::uintptr_t>(memory_);
        const auto skip = (alignment - address % alignment) % alignment;
        begin_ = reinterpret_cast<Cell*>(reinterpret_cast<std::byte*>(memory_) + skip);
        for (std::size_t i = 0; i < count; ++i) ::new (static_cast<void*>(begin_ + i)) Cell;
    }
    cells(const cells&) = delete;
    cells& operator=(const cells&) = delete;
    ~cells() { allocator_.deallocate(memory_, units_); }  // cells hold raw memory by now

    Cell& operator[](std::size_t i) const noexcept { return begin_[i]; }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

private:
    using unit = typename Allocator::value_type;
    static constexpr std::size_t alignment = cell_alignment<Cell>;
#ifndef PENSTOCK_SYNC_HEADER  // a checker's atomics say when they go
    static_assert(std::is_trivially_destructible_v<Cell>);
#endif

    static std::size_t units(std::size_t count) {
        if (count == 0)
            throw std::invalid_argument{"penstock: a queue's capacity is 1 or more, not 0"};
        if (count > (static_cast<std::size_t>(-1) / 2 - alignment) / sizeof(Cell))
            throw std::invalid_argument{
                "penstock: this capacity needs more memory than can be addressed: is it negative?"};
        return (count * sizeof(Cell) + alignment + sizeof(unit) - 1) / sizeof(unit);
    }

    [[no_unique_address]] Allocator allocator_;
    std::size_t count_;
    std::size_t units_;
    unit* memory_;
    Cell* begin_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
