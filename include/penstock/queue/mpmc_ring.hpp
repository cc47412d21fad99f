// SPDX-License-Identifier: BSL-1.0
// Bounded FIFO for any number of producer and consumer threads.
//
//   penstock::mpmc_ring<job> ring{1000};      // exactly 1,000
//   if (!ring.try_push(job{7})) shed_load();
//   while (auto j = ring.try_pop()) run(*j);
//
// Cost      O(1): one compare-exchange and two accesses to the slot's line when nobody interferes.
//           One allocation, in the constructor: 8 bytes a slot beside the element.
// Threads   Everything but construction and destruction may overlap.
// Progress  Lock-free except for this: who has claimed a slot and stalls before writing (or
//           emptying) it holds up those who come to that slot: consumers are told empty although
//           later slots are filled, producers full a lap later. Others finish as before.
// Errors    Full and empty are answers: full means that every slot is filled, or the oldest is
//           being emptied; empty that none is, or the oldest is being filled. A refused try_push
//           leaves its argument unmoved. Throws std::invalid_argument for capacity 0, bad_alloc.
// Order     Total FIFO, by the order in which slots were claimed.
//
// The algorithm is Vyukov's bounded MPMC queue (1024cores.net, 2010), with cursors of (lap, index)
// as in crossbeam's ArrayQueue, so that any capacity is exact and nothing divides.
//
// A cursor is lap * one_lap + index; one_lap is the power of two above capacity. Slot i carries a
// stamp that says whose turn it is; it only grows:
//   lap * one_lap + i        free, for the producer whose tail cursor is just that
//   lap * one_lap + i + 1    filled, for the consumer whose head cursor is one less
//
// Why these memory orders suffice. Cursors only hand out turns: they carry no data and are read
// and exchanged relaxed; a stale cursor finds a stamp that doesn't match and looks again, or, where
// the stamp is behind it, proves the answer: nobody can have got past a slot whose turn has not
// come. Two edges carry the elements:
//   (P) producer store-release stamp -> (C) consumer load-acquire: built before used.
//   (F) consumer store-release stamp -> (R) producer load-acquire: gone before reused.
// close() sets a bit in the tail itself, so that no claim can slip past it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include <penstock/core/cache_line.hpp>
#include <penstock/core/slot.hpp>
#include <penstock/core/sync.hpp>
#include <penstock/queue/concepts.hpp>
#include <penstock/queue/detail/cells.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T>
class mpmc_ring {
public:
    using value_type = T;
    static constexpr bool single_producer = false;
    static constexpr bool single_consumer = false;

    explicit mpmc_ring(std::size_t capacity)
        : cells_{capacity}, one_lap_{std::bit_ceil(std::uint64_t{capacity} + 1)} {
        for (std::size_t i = 0; i < capacity; ++i)
            cells_[i].stamp.store(i, std::memory_order_relaxed);  // nobody else is here yet
    }
    mpmc_ring(const mpmc_ring&) = delete;
    mpmc_ring& operator=(const mpmc_ring&) = delete;
    ~mpmc_ring() { clear(); }

    [[nodiscard]] bool try_push(T&& value) noexcept {
        std::uint64_t cursor;
        if (claim_free(1, cursor) == 0) return false;
        fill(cursor, std::move(value));
        return true;
    }
    [[nodiscard]] bool try_push(const T& value) { return try_emplace(value); }

    /// Constructs first, so that a throwing constructor claims no slot.
    template <class... Args>
    [[nodiscard]] bool try_emplace(Args&&... args) {
        T value(std::forward<Args>(args)...);
        return try_push(std::move(value));
    }

    /// Takes from `first` on as many of `n` as there is room for, next to each other; returns how
    /// many. Elements are constructed from *first: pass std::make_move_iterator(first) to move.
    template <class Iterator>
    std::size_t try_push_n(Iterator first, std::size_t n) {
        static_assert(std::is_nothrow_constructible_v<T, decltype(*first)>,
                      "copying may throw in mid-batch: pass std::make_move_iterator(first)");
        std::uint64_t cursor;
        n = claim_free(n, cursor);
        for (std::size_t i = 0; i < n; ++i, ++first, cursor = next(cursor)) fill(cursor, T(*first));
        return n;
    }

    [[nodiscard]] std::optional<T> try_pop() noexcept {
        std::uint64_t cursor;
        if (claim_filled(1, cursor) == 0) return std::nullopt;
        std::optional<T> value{at(cursor).value.take()};
        release(cursor);
        return value;
    }
    [[nodiscard]] bool try_pop(T& value) noexcept {
        static_assert(std::is_nothrow_move_assignable_v<T>, "use try_pop(), which only constructs");
        std::uint64_t cursor;
        if (claim_filled(1, cursor) == 0) return false;
        at(cursor).value.take_into(value);
        release(cursor);
        return true;
    }

    /// Writes up to `n` elements that stand next to each other to `out`; returns how many.
    template <class Iterator>
    std::size_t try_pop_n(Iterator out, std::size_t n) {
        static_assert(std::is_nothrow_assignable_v<decltype(*out), T&&>,
                      "writing to `out` may throw and lose an element: pass a pointer");
        std::uint64_t cursor;
        n = claim_filled(n, cursor);
        for (std::size_t i = 0; i < n; ++i, ++out, cursor = next(cursor)) {
            *out = at(cursor).value.take();
            release(cursor);
        }
        return n;
    }

    /// Destroys what is in.
    void clear() noexcept {
        while (try_pop()) {
        }
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return cells_.count(); }

    /// Counts claimed slots too, so that 0 means: nothing is in and nothing is coming.
    [[nodiscard]] std::size_t size_approx() const noexcept {
        const auto head = count(head_.load(std::memory_order_relaxed));  // a hint
        const auto tail = count(tail_.load(std::memory_order_relaxed) & ~closed_bit);
        const auto size = tail > head ? static_cast<std::size_t>(tail - head) : 0;
        return size < capacity() ? size : capacity();
    }

    /// From now on every push is refused; what is in, or claimed before, stays.
    void close() noexcept {
        tail_.fetch_or(closed_bit, std::memory_order_relaxed);  // claims compare the whole word
    }
    [[nodiscard]] bool closed() const noexcept {
        return (tail_.load(std::memory_order_relaxed) & closed_bit) != 0;  // final once set
    }
    /// Closed, and every element has found its consumer.
    [[nodiscard]] bool drained() const noexcept {
        const auto tail = tail_.load(std::memory_order_relaxed);  // final once closed
        return (tail & closed_bit) != 0 &&
               head_.load(std::memory_order_relaxed) == (tail & ~closed_bit);  // stale: not yet
    }

private:
    struct cell {
        sys::atomic<std::uint64_t> stamp{0};
        slot<T> value;
    };

    static constexpr std::uint64_t closed_bit = std::uint64_t{1} << 63;

    cell& at(std::uint64_t cursor) const noexcept {
        return cells_[static_cast<std::size_t>(cursor & (one_lap_ - 1))];
    }
    [[nodiscard]] std::uint64_t next(std::uint64_t cursor) const noexcept {
        const std::uint64_t index = cursor & (one_lap_ - 1);
        return index + 1 < capacity() ? cursor + 1 : cursor - index + one_lap_;
    }
    /// Elements before this cursor since construction.
    [[nodiscard]] std::uint64_t count(std::uint64_t cursor) const noexcept {
        return (cursor / one_lap_) * capacity() + (cursor & (one_lap_ - 1));
    }

    /// Claims up to `wanted` neighbouring slots whose stamp is their cursor + `turn`, by moving
    /// `end` past them. A slot that is ready stays so until its own claim, which would move `end`
    /// first, so one compare-exchange claims them all.
    std::size_t claim(sys::atomic<std::uint64_t>& end, std::uint64_t turn, std::size_t wanted,
                      std::uint64_t& cursor) noexcept {
        cursor = end.load(std::memory_order_relaxed);  // a stale one finds out by the stamp
        while ((cursor & closed_bit) == 0) {
            std::size_t n = 0;
            std::uint64_t past = cursor;
            std::int64_t ahead = 0;
            for (; n < wanted; ++n, past = next(past)) {
                const auto stamp = at(past).stamp.load(std::memory_order_acquire);  // (C) (R)
                ahead = static_cast<std::int64_t>(stamp - past - turn);
                if (ahead != 0) break;
            }
            if (n > 0) {
                if (end.compare_exchange_weak(cursor, past, std::memory_order_relaxed,
                                              std::memory_order_relaxed))  // carries no data
                    return n;
            } else if (ahead < 0 || wanted == 0) {
                return 0;  // its turn has not come
            } else {
                cursor = end.load(std::memory_order_relaxed);  // somebody was faster
            }
        }
        return 0;
    }
    std::size_t claim_free(std::size_t wanted, std::uint64_t& cursor) noexcept {
        return claim(tail_, 0, wanted, cursor);
    }
    std::size_t claim_filled(std::size_t wanted, std::uint64_t& cursor) noexcept {
        return claim(head_, 1, wanted, cursor);
    }

    void fill(std::uint64_t cursor, T&& value) noexcept {
        at(cursor).value.put(std::move(value));
        at(cursor).stamp.store(cursor + 1, std::memory_order_release);  // (P), pairs with (C)
    }
    void release(std::uint64_t cursor) noexcept {
        at(cursor).stamp.store(cursor + one_lap_, std::memory_order_release);  // (F), with (R)
    }

    detail::cells<cell> cells_;
    const std::uint64_t one_lap_;
    alignas(cache_line) sys::atomic<std::uint64_t> tail_{0};
    alignas(cache_line) sys::atomic<std::uint64_t> head_{0};
};

}  // namespace penstock::inline PENSTOCK_ABI
