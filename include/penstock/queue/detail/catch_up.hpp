// SPDX-License-Identifier: BSL-1.0
// When should a side that has caught up with the other let it get ahead again?
//
// Lines move between cores far cheaper in blocks than one by one, and two sides in step move each
// line alone. So a busy side that finds nothing pauses once before it says so: the other one gets
// ahead, and many lines move at once. Not so who waits for single elements, as in a round trip: it is
// refused several times for each.
//
//   if (pace.pauses(cursor, capacity)) pace.brought(how many there are now);  // else: refuse
//
// Rule      An element earns two points, a refusal costs one. At 64 the side pauses 32 times (0.8 us; in
//           a ring of less than 256 a sixteenth of the capacity, or it would outlast what is in it) and
//           starts again from 0. A pause that brought fewer than 8 elements doubles the price, up to
//           8,192 points; one that brought more resets it.
// Threads   Any; all of it is a hint. Who is refused again and again with nothing between writes
//           nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// `One`: by how much a cursor grows with an element.
template <class Cursor, Cursor One>
class catch_up {
public:
    /// The side is at `now` and would refuse. True: it has paused and should look again.
    [[gnu::noinline]] bool pauses(Cursor now, std::size_t capacity) noexcept {
        const Cursor last = last_.load(std::memory_order_relaxed);            // a hint, as all here
        const std::int32_t points = points_.load(std::memory_order_relaxed);  // a hint
        if (now == last && points == 0) return false;
        last_.store(now, std::memory_order_relaxed);  // a hint
        const auto sum = points + earned(static_cast<Cursor>(now - last)) - 1;
        const bool enough = sum >= price_.load(std::memory_order_relaxed);      // a hint
        points_.store(enough || sum < 0 ? 0 : sum, std::memory_order_relaxed);  // a hint
        if (!enough) return false;
        const std::size_t often = capacity < 256 ? capacity / 16 : 32;
        for (std::size_t i = 0; i < often; ++i) sys::pause();
        return true;
    }
    /// How many elements, or free slots, there are after a pause.
    void brought(std::size_t elements) noexcept {
        const std::int32_t price = price_.load(std::memory_order_relaxed);  // a hint
        const std::int32_t next = elements >= 8 ? least : price < most ? 2 * price : most;
        if (next != price) price_.store(next, std::memory_order_relaxed);  // a hint
    }

private:
    static constexpr std::int32_t least = 64, most = 8192;

    static std::int32_t earned(Cursor progress) noexcept {
        if (static_cast<std::make_signed_t<Cursor>>(progress) < 0) return 0;  // another was further
        return progress / One < most / 2 ? 2 * static_cast<std::int32_t>(progress / One) : most;
    }

    sys::atomic<Cursor> last_{0};
    sys::atomic<std::int32_t> points_{0}, price_{least};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
