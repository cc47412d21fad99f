// SPDX-License-Identifier: BSL-1.0
// How do the lines of a ring get from core to core as fast as the hardware moves them?
//
// Two things, of which the second helps only with the first (benchmarks/README.md has the figures):
//   - A line that its consumer has only read stays shared: the producer's next store to it has to
//     take it back first, and stores wait for each other. A consumer that writes to the line, when
//     it has taken the last element of it, has it alone; then a load is enough to get it, and loads
//     don't wait for each other.
//   - Who asks for a line some lines ahead, as soon as it is known to be his, has several under way
//     at once. Where lines stay shared, asking ahead takes what is still being read.
//
// All of it is a hint: nothing depends on it.
#pragma once

#include <cstddef>

#include <penstock/core/cache_line.hpp>
#include <penstock/fwd.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// Slots that stand next to each other from the start of a line on, and are used in that order.
template <class Slot>
struct line_flow {
    /// So many slots further lies the one to ask for: 12 lines.
    static constexpr std::size_t ahead = (12 * cache_line + sizeof(Slot) - 1) / sizeof(Slot);
    /// Slots a line; of larger ones each ends a line. Where they don't fit evenly, about so many.
    static constexpr std::size_t a_line = sizeof(Slot) < cache_line ? cache_line / sizeof(Slot) : 1;

    /// How many slots after number i are in its line.
    static constexpr std::size_t left_in_line(std::size_t i) noexcept {
        return a_line - 1 - i % a_line;
    }
    /// Writes to each line that ends in the n slots from number i on.
    static void touch(Slot* slots, std::size_t i, std::size_t n) noexcept {
        for (std::size_t k = left_in_line(i); k < n; k += a_line) slots[k].touch();
    }
    /// Asks for the lines of a slot, for writing.
    static void ask_for([[maybe_unused]] const Slot& s) noexcept {
#ifdef __GNUC__
        for (std::size_t at = 0; at < sizeof(Slot); at += cache_line)
            __builtin_prefetch(reinterpret_cast<const char*>(&s) + at, 1);
        asm volatile("");  // to g++ a function that only prefetches does nothing: it drops the call
#endif
    }
    /// The same where the target is so old that the builtin only reads. It made queues whose slots have
    /// stamps faster, spsc_ring slower where an element is smaller than a line.
    static void ask_to_write(const Slot& s) noexcept {
#if defined(__x86_64__) && defined(__GNUC__)
        for (std::size_t at = 0; at < sizeof(Slot); at += cache_line)
            asm volatile("prefetchw %0" ::"m"(*(reinterpret_cast<const char*>(&s) + at)));
#else
        ask_for(s);
#endif
    }
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
