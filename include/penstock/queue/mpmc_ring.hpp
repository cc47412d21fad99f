// SPDX-License-Identifier: BSL-1.0
// Bounded FIFO for any number of producer and consumer threads.
//
//   penstock::mpmc_ring<job> ring{1000};      // exactly 1,000; or mpmc_ring<job, 1000>
//   if (!ring.try_push(job{7})) shed_load();
//   while (auto j = ring.try_pop()) run(*j);
//
// Cost      O(1): one compare-exchange and two accesses to the slot's line when nobody interferes.
//           One allocation, in the constructor: 8 bytes a slot beside the element. A refusal of
//           a side that was busy may take 0.8 us more (queue/detail/catch_up.hpp); who loses an
//           exchange pauses 1, 2, 4, at most 64 times (1.7 us) before the next.
// Threads   Everything but construction and destruction may overlap.
// Progress  Lock-free except for this: who has claimed a slot and stalls before writing (or
//           emptying) it holds up those who come to that slot: consumers are told empty although
//           later slots are filled, producers full a lap later. Others finish as before.
// Errors    Full and empty are answers: full means that every slot is filled, or the oldest is
//           being emptied; empty that none is, or the oldest is being filled. A refused try_push
//           leaves its argument unmoved. Throws std::invalid_argument for a capacity of 0 or one
//           that can't be addressed, and what the allocator throws.
// Order     Total FIFO, by the order in which slots were claimed.
//
// The algorithm is Vyukov's bounded MPMC queue (1024cores.net, 2010), with cursors of (lap, index)
// as in crossbeam's ArrayQueue, so that any capacity is exact and nothing divides.
//
// A cursor is [ lap | index | 0 0 ]. Slot i carries a stamp that says whose turn it is, and which
// only grows:
//   lap, i, 0 0   free, for the producer whose tail cursor is just that
//   lap, i, 0 1   filled, for the consumer whose head cursor has that lap and index
//   lap, i, 1 1   abandoned by a reservation: consumers step over it
// The tail's own lowest bit says closed: claims compare the whole word, so none slips past close().
// Cursors wrap with their type; 64 bits take longer than anybody waits.
//
// Why these memory orders suffice. Cursors only hand out turns: they carry no data and are read
// and exchanged relaxed; a stale cursor finds a stamp that doesn't match and looks again, or, where
// the stamp is behind it, proves the answer: nobody can have got past a slot whose turn has not
// come. Two edges carry the elements:
//   (P) producer store-release stamp -> (C) consumer load-acquire: built before used.
//   (F) consumer store-release stamp -> (R) producer load-acquire: gone before reused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include <penstock/core/cache_line.hpp>
#include <penstock/core/slot.hpp>
#include <penstock/core/sync.hpp>
#include <penstock/fwd.hpp>
#include <penstock/queue/concepts.hpp>
#include <penstock/queue/detail/catch_up.hpp>
#include <penstock/queue/detail/cells.hpp>
#include <penstock/queue/detail/lap_cursor.hpp>
#include <penstock/queue/reservation.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T, std::size_t Capacity, class Allocator, class Cursor>
class mpmc_ring {
public:
    using value_type = T;
    using cursor_type = Cursor;
    static constexpr bool single_producer = false;
    static constexpr bool single_consumer = false;

    mpmc_ring()
        requires(Capacity != at_run_time)
        : mpmc_ring{Capacity} {}
    explicit mpmc_ring(std::size_t capacity, const Allocator& allocator = {})
        : cells_{capacity, allocator}, cursors_{capacity} {
        Cursor cursor = 0;
        for (std::size_t i = 0; i < capacity; ++i, cursor = next(cursor))
            cells_[i].stamp.store(cursor, std::memory_order_relaxed);  // nobody else is here yet
    }
    mpmc_ring(const mpmc_ring&) = delete;
    mpmc_ring& operator=(const mpmc_ring&) = delete;
    ~mpmc_ring() {
        // Not clear(): that would stop at a slot whose claim was never finished.
        const Cursor tail =
            producers_.end.load(std::memory_order_relaxed) & ~closed_bit;  // all have left
        for (Cursor c = consumers_.end.load(std::memory_order_relaxed); c != tail; c = next(c))
            if (at(c).stamp.load(std::memory_order_relaxed) == c + filled) at(c).value.drop();
    }

    [[nodiscard]] bool try_push(T&& value) noexcept {
        Cursor cursor;
        if (claim<free>(1, cursor) == 0) return false;
        at(cursor).value.put(std::move(value));
        publish(cursor);
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
        Cursor cursor;
        n = claim<free>(n, cursor);
        for (std::size_t i = 0; i < n; ++i, ++first, cursor = next(cursor)) {
            at(cursor).value.emplace(*first);
            publish(cursor);
        }
        return n;
    }

    /// Claims a slot to build an element in; false when full (queue/reservation.hpp).
    [[nodiscard]] reservation<mpmc_ring> reserve() noexcept {
        Cursor cursor;
        if (claim<free>(1, cursor) == 0) return {};
        return {*this, at(cursor).value, cursor};
    }

    [[nodiscard]] std::optional<T> try_pop() noexcept {
        Cursor cursor;
        if (claim<filled>(1, cursor) == 0) return std::nullopt;
        std::optional<T> value{at(cursor).value.take()};
        release(cursor);
        return value;
    }
    [[nodiscard]] bool try_pop(T& value) noexcept {
        static_assert(std::is_nothrow_move_assignable_v<T>, "use try_pop(), which only constructs");
        Cursor cursor;
        if (claim<filled>(1, cursor) == 0) return false;
        at(cursor).value.take_into(value);
        release(cursor);
        return true;
    }

    /// Writes up to `n` elements that stand next to each other to `out`; returns how many.
    template <class Iterator>
    std::size_t try_pop_n(Iterator out, std::size_t n) {
        static_assert(std::is_nothrow_assignable_v<decltype(*out), T&&>,
                      "writing to `out` may throw and lose an element: pass a pointer");
        Cursor cursor;
        n = claim<filled>(n, cursor);
        for (std::size_t i = 0; i < n; ++i, ++out, cursor = next(cursor)) {
            *out = at(cursor).value.take();
            release(cursor);
        }
        return n;
    }

    /// Steps over abandoned slots that consumers stand before. True: there is room.
    bool skip_abandoned() noexcept {
        bool any = false;
        Cursor c = consumers_.end.load(std::memory_order_relaxed);  // the exchange decides
        while (at(c).stamp.load(std::memory_order_acquire) == c + abandoned) {  // (C)
            if (step_over(c)) any = true;
        }
        return any;
    }

    /// Destroys what is in.
    void clear() noexcept {
        while (try_pop()) {
        }
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return cells_.count(); }

    /// Counts claimed and abandoned slots too, so that 0 means: nothing is in, nothing is coming.
    [[nodiscard]] std::size_t size_approx() const noexcept {
        const Cursor head = consumers_.end.load(std::memory_order_relaxed);  // a hint
        const Cursor tail = producers_.end.load(std::memory_order_relaxed) & ~closed_bit;
        const auto size = cursors_.distance(head, tail);
        return size < capacity() ? static_cast<std::size_t>(size) : capacity();
    }

    /// Elements that were ever pushed, abandoned slots included; exact while nobody pushes.
    [[nodiscard]] std::uint64_t pushed_approx() const noexcept {
        return cursors_.count(
            producers_.end.load(std::memory_order_relaxed) & ~closed_bit);  // a count
    }

    /// From now on every push is refused; what is in, or claimed before, stays.
    void close() noexcept {
        // Claims compare the whole word. What was done before is seen by who finds the end.
        producers_.end.fetch_or(closed_bit, std::memory_order_release);  // (Z), pairs with drained
    }
    [[nodiscard]] bool closed() const noexcept {
        return (producers_.end.load(std::memory_order_relaxed) & closed_bit) !=
               0;  // final once set
    }
    /// Closed, and every element has found its consumer.
    [[nodiscard]] bool drained() const noexcept {
        const Cursor tail = producers_.end.load(std::memory_order_acquire);  // pairs with (Z)
        return (tail & closed_bit) != 0 && consumers_.end.load(std::memory_order_relaxed) ==
                                               tail - closed_bit;  // stale: not yet
    }

private:
    friend reservation<mpmc_ring>;

    static constexpr Cursor free = 0, filled = 1, abandoned = 3;  // flags of a stamp
    static constexpr Cursor closed_bit = 1;                       // of the tail

    static constexpr int most_pauses = 64;  // after lost exchanges

    struct side {
        sys::atomic<Cursor> end{0};  // producers': the tail; consumers': the head
        detail::catch_up<Cursor, 4> pace;
    };
    struct cell {
        sys::atomic<Cursor> stamp{0};
        slot<T> value;
    };

    cell& at(Cursor cursor) const noexcept { return cells_[cursors_.index(cursor)]; }
    [[nodiscard]] Cursor next(Cursor cursor) const noexcept { return cursors_.next(cursor); }

    /// Claims up to `wanted` neighbouring slots whose stamp is their cursor + Turn, by moving `end`
    /// past them. A slot that is ready stays so until its own claim, which would move `end` first,
    /// so one compare-exchange claims them all.
    template <Cursor Turn>
    std::size_t claim(std::size_t wanted, Cursor& cursor) noexcept {
        side& mine = Turn == free ? producers_ : consumers_;
        int lost = 1;
        bool paused = false;
        cursor = mine.end.load(std::memory_order_relaxed);  // a stale one finds out by the stamp
        while ((cursor & closed_bit) == 0 && wanted > 0) {
            std::size_t n = 0;
            Cursor past = cursor;
            std::make_signed_t<Cursor> ahead = 0;  // how much later the slot's turn is than ours
            for (; n < wanted; ++n, past = next(past)) {
                const Cursor stamp = at(past).stamp.load(std::memory_order_acquire);  // (C) (R)
                ahead = static_cast<std::make_signed_t<Cursor>>(stamp - past - Turn);
                if (ahead != 0) break;
            }
            Cursor seen = cursor;  // of its own: what follows need not wait for the exchange
            if (n > 0) {
                if (mine.end.compare_exchange_weak(seen, past, std::memory_order_relaxed,
                                                   std::memory_order_relaxed))  // carries no data
                    return n;
                for (int i = 0; i < lost; ++i) sys::pause();  // lets the winner have the line
                if (lost < most_pauses) lost *= 2;
                seen = mine.end.load(std::memory_order_relaxed);  // a hint
            } else if (ahead < 0) {
                if (paused || !mine.pace.pauses(cursor, capacity())) return 0;  // its turn has not come
                paused = true;
                seen = mine.end.load(std::memory_order_relaxed);  // a hint
                mine.pace.brought(ready<Turn>(seen));
            } else if (Turn == filled && ahead == abandoned - filled) {
                step_over(seen);
            } else {
                seen = mine.end.load(std::memory_order_relaxed);  // somebody was faster
            }
            cursor = seen;
        }
        return 0;
    }

    /// The slot at `head` is abandoned: moves past it, or sees where the head has got to.
    bool step_over(Cursor& head) noexcept {
        const Cursor past = head;
        if (!consumers_.end.compare_exchange_weak(head, next(past), std::memory_order_relaxed,
                                                  std::memory_order_relaxed))  // carries no data
            return false;
        release(past);
        head = next(past);
        return true;
    }

    /// About how many slots from here on may be claimed.
    template <Cursor Turn>
    [[nodiscard]] std::size_t ready(Cursor from) const noexcept {
        const Cursor to = Turn == free
                              ? cursors_.lap_later(consumers_.end.load(std::memory_order_relaxed))
                              : producers_.end.load(std::memory_order_relaxed);  // a hint, both
        return static_cast<std::size_t>(cursors_.distance(from, to & ~closed_bit));
    }

    void publish(Cursor cursor) noexcept {
        at(cursor).stamp.store(cursor + filled, std::memory_order_release);  // (P), pairs with (C)
    }
    void abandon(Cursor cursor) noexcept {
        at(cursor).stamp.store(cursor + abandoned, std::memory_order_release);  // (P), with (C)
    }
    void release(Cursor cursor) noexcept {
        at(cursor).stamp.store(cursors_.lap_later(cursor),
                               std::memory_order_release);  // (F), pairs with (R)
    }

    detail::cells<cell, Capacity, Allocator> cells_;
    const detail::lap_cursor<Cursor, Capacity> cursors_;
    alignas(cache_line) side producers_;
    alignas(cache_line) side consumers_;
};

}  // namespace penstock::inline PENSTOCK_ABI
