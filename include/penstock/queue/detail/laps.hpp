// SPDX-License-Identifier: BSL-1.0
// Cursors of (lap, index) whose step is an addition.
//
//   [ lap | index ]
//
// An index takes as many bits as the capacity needs, so that any capacity is exact and nothing
// divides. Where the capacity is no power of two, a gap lies between the end of a lap and the start of
// the next. Both are one place: who gets to a gap steps over it by onward() before he uses a slot.
// Cursors wrap with their type, of which a lap is at most half. lap_cursor.hpp has those with flags,
// which several threads exchange and which are never at a gap.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <type_traits>

#include <penstock/fwd.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class Cursor, std::size_t Capacity>
class laps {
    static_assert(std::is_unsigned_v<Cursor>);

public:
    static constexpr bool gaps = Capacity == at_run_time || !std::has_single_bit(Capacity);

    explicit laps(std::size_t capacity) : capacity_{capacity}, mask_{mask_of(capacity)} {
        if (capacity > static_cast<Cursor>(-1) / 2 + 1)
            throw std::invalid_argument{
                "penstock: this capacity is too large for the cursor's type"};
    }

    [[nodiscard]] std::size_t capacity() const noexcept {
        if constexpr (Capacity != at_run_time)
            return Capacity;
        else
            return capacity_;
    }
    [[nodiscard]] std::size_t index(Cursor c) const noexcept { return c & mask(); }
    /// n < capacity elements after c.
    [[nodiscard]] std::size_t index_after(Cursor c, std::size_t n) const noexcept {
        const std::size_t i = index(c) + n;
        return i < capacity() ? i : i - capacity();
    }
    [[nodiscard]] bool same_lap(Cursor a, Cursor b) const noexcept {
        return ((a ^ b) & ~mask()) == 0;
    }
    [[nodiscard]] Cursor lap_later(Cursor c) const noexcept {
        return static_cast<Cursor>(c + mask() + 1);
    }
    [[nodiscard]] Cursor lap_end(Cursor c) const noexcept {
        return static_cast<Cursor>((c & ~mask()) + capacity());
    }
    [[nodiscard]] bool at_gap(Cursor c) const noexcept { return gaps && index(c) == capacity(); }
    [[nodiscard]] Cursor onward(Cursor c) const noexcept {
        return at_gap(c) ? static_cast<Cursor>(c + gap()) : c;
    }
    /// Elements in [from, to): `to` at no gap, and at most a lap further.
    [[nodiscard]] std::size_t distance(Cursor from, Cursor to) const noexcept {
        const std::size_t n = static_cast<Cursor>(to - from);
        return same_lap(from, to) ? n : n - gap();
    }
    /// How many elements come before c; wraps with the type.
    [[nodiscard]] std::uint64_t count(Cursor c) const noexcept {
        return c / (std::uint64_t{mask()} + 1) * capacity() + index(c);
    }

private:
    static constexpr Cursor mask_of(std::size_t capacity) noexcept {
        return static_cast<Cursor>(std::bit_ceil(capacity) - 1);
    }
    [[nodiscard]] Cursor mask() const noexcept {
        if constexpr (Capacity != at_run_time)
            return mask_of(Capacity);
        else
            return mask_;
    }
    [[nodiscard]] std::size_t gap() const noexcept { return std::size_t{mask()} + 1 - capacity(); }

    std::size_t capacity_;
    Cursor mask_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
