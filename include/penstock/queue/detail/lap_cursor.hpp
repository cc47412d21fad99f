// SPDX-License-Identifier: BSL-1.0
// Cursors of (lap, index): they count elements, find a slot without dividing, whatever the
// capacity, and leave two bits for flags.
//
//   [ lap | index | 0 0 ]
//
// An index takes as many bits as the capacity needs, so some cursors are never used: next() steps
// over them. Cursors compare by their order, which is right as long as less than half of the type's
// range lies between two of them. They wrap with their type.
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
class lap_cursor {
    static_assert(std::is_unsigned_v<Cursor>);

public:
    static constexpr Cursor one = 4;  // one index further
    static constexpr Cursor flags = one - 1;

    explicit lap_cursor(std::size_t capacity) : capacity_{capacity}, lap_{lap_of(capacity)} {}

    [[nodiscard]] std::size_t capacity() const noexcept {
        if constexpr (Capacity != at_run_time)
            return Capacity;
        else
            return capacity_;
    }
    /// The cursor of which this is a flagged one.
    [[nodiscard]] static Cursor start(Cursor c) noexcept {
        return static_cast<Cursor>(c - (c & flags));
    }
    [[nodiscard]] Cursor lap() const noexcept { return lap_; }

    [[nodiscard]] std::size_t index(Cursor c) const noexcept {
        return static_cast<std::size_t>((c & (lap_ - 1)) / one);
    }
    [[nodiscard]] Cursor next(Cursor c) const noexcept {
        return static_cast<Cursor>(
            index(c) + 1 < capacity() ? c + one : c - (c & (lap_ - 1)) + lap_);
    }
    [[nodiscard]] Cursor lap_later(Cursor c) const noexcept {
        return static_cast<Cursor>(c + lap_);
    }
    [[nodiscard]] Cursor lap_earlier(Cursor c) const noexcept {
        return static_cast<Cursor>(c - lap_);
    }

    [[nodiscard]] static bool before(Cursor a, Cursor b) noexcept {
        return static_cast<std::make_signed_t<Cursor>>(static_cast<Cursor>(a - b)) < 0;
    }
    /// How many cursors come before it; wraps with the type.
    [[nodiscard]] std::uint64_t count(Cursor c) const noexcept {
        return std::uint64_t{c >> lap_bits_} * capacity() + index(c);
    }
    /// How many elements lie in [from, to); 0 if `to` is before `from`.
    [[nodiscard]] std::uint64_t distance(Cursor from, Cursor to) const noexcept {
        if (!before(from, to)) return 0;
        const auto lap_start = [this](Cursor c) {
            return static_cast<Cursor>(c - (c & (lap_ - 1)));
        };
        const auto laps = static_cast<Cursor>(lap_start(to) - lap_start(from)) >> lap_bits_;
        return static_cast<std::uint64_t>(laps) * capacity() + index(to) - index(from);
    }

private:
    static Cursor lap_of(std::size_t capacity) {
        const auto lap = std::bit_ceil(std::uint64_t{capacity}) * one;
        if (lap > static_cast<Cursor>(-1) / 4 + 1)  // four laps: before and behind stay apart
            throw std::invalid_argument{
                "penstock: this capacity is too large for the cursor's type"};
        return static_cast<Cursor>(lap);
    }

    std::size_t capacity_;
    Cursor lap_;
    int lap_bits_ = std::countr_zero(lap_);
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
