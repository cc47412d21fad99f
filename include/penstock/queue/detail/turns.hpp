// SPDX-License-Identifier: BSL-1.0
// Whose turn is it at a slot, of any number of producers and consumers? (queue/mpmc_ring.hpp)
//
//   if (auto* c = turns.claim_one<turns.free>(cursor)) { fill(c->value); turns.publish(*c, cursor); }
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
#include <type_traits>

#include <penstock/core/cache_line.hpp>
#include <penstock/core/slot.hpp>
#include <penstock/core/sync.hpp>
#include <penstock/fwd.hpp>
#include <penstock/queue/detail/catch_up.hpp>
#include <penstock/queue/detail/cells.hpp>
#include <penstock/queue/detail/lap_cursor.hpp>
#include <penstock/queue/detail/line_flow.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T, std::size_t Capacity, class Allocator, class Cursor>
class turns {
public:
    static constexpr Cursor free = 0, filled = 1, abandoned = 3;  // flags of a stamp

    struct cell {
        sys::atomic<Cursor> stamp{0};
        slot<T> value;
    };

    turns(std::size_t capacity, const Allocator& allocator)
        : cells_{capacity, allocator}, cursors_{capacity} {
        Cursor cursor = 0;
        for (std::size_t i = 0; i < capacity; ++i, cursor = next(cursor))
            cells_[i].stamp.store(cursor, std::memory_order_relaxed);  // nobody else is here yet
    }
    turns(const turns&) = delete;
    turns& operator=(const turns&) = delete;
    ~turns() {
        // Every slot is looked at: consumers would stop at one whose claim was never finished.
        const Cursor tail =
            producers_.end.load(std::memory_order_relaxed) & ~closed_bit;  // all have left
        for (Cursor c = consumers_.end.load(std::memory_order_relaxed); c != tail; c = next(c))
            if (at(c).stamp.load(std::memory_order_relaxed) == c + filled) at(c).value.drop();
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return cells_.count(); }
    cell& at(Cursor cursor) const noexcept { return cells_[cursors_.index(cursor)]; }
    [[nodiscard]] Cursor next(Cursor cursor) const noexcept { return cursors_.next(cursor); }

    /// One slot, when nobody interferes: found before the exchange, which is what takes long.
    template <Cursor Turn>
    [[gnu::always_inline]] cell* claim_one(Cursor& cursor) noexcept {
        sys::atomic<Cursor>& end = (Turn == free ? producers_ : consumers_).end;
        Cursor seen = end.load(std::memory_order_relaxed);  // a stale one finds out by the stamp
        cell& mine = at(seen);
        const Cursor stamp = mine.stamp.load(std::memory_order_acquire);  // (C) (R)
        cursor = seen;
        if ((seen & closed_bit) == 0 && stamp == static_cast<Cursor>(seen + Turn)) {
            if (end.compare_exchange_weak(seen, next(seen), std::memory_order_relaxed,
                                          std::memory_order_relaxed))  // carries no data
                return &mine;
            sys::pause();  // lets the winner have the line
        }
        return claim<Turn>(1, cursor) == 0 ? nullptr : &at(cursor);
    }

    /// As claim_one, where nobody else moves that end meanwhile: no exchange, and he knows which lines
    /// to ask for ahead. Null: ask claim_one.
    template <Cursor Turn>
    [[gnu::always_inline]] cell* claim_alone(Cursor& cursor) noexcept {
        side& mine = Turn == free ? producers_ : consumers_;
        cursor = mine.end.load(std::memory_order_relaxed);  // who moved it last was before us
        cell& found = at(cursor);
        const Cursor stamp = found.stamp.load(std::memory_order_acquire);  // (C) (R)
        if (stamp != static_cast<Cursor>(cursor + Turn)) return nullptr;   // as of a closed end
        if (mine.ahead == 0) [[unlikely]]
            mine.ahead = ask_for_all<Turn>(cursor);
        if (--mine.ahead >= flow::ahead) ask_for(cursor, flow::ahead);
        mine.end.store(next(cursor), std::memory_order_relaxed);  // carries no data
        return &found;
    }

    /// Claims up to `wanted` neighbouring slots whose stamp is their cursor + Turn, by moving `end`
    /// past them. A slot that is ready stays so until its own claim, which would move `end` first,
    /// so one compare-exchange claims them all.
    template <Cursor Turn>
    [[gnu::noinline]] std::size_t claim(std::size_t wanted, Cursor& cursor) noexcept {
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
                if (paused || !mine.pace.pauses(cursor, capacity()))
                    return 0;  // its turn has not come
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

    static void publish(cell& c, Cursor cursor) noexcept {
        c.stamp.store(cursor + filled, std::memory_order_release);  // (P), pairs with (C)
    }
    static void abandon(cell& c, Cursor cursor) noexcept {
        c.stamp.store(cursor + abandoned, std::memory_order_release);  // (P), pairs with (C)
    }
    void release(cell& c, Cursor cursor) noexcept {
        c.stamp.store(
            cursors_.lap_later(cursor), std::memory_order_release);  // (F), pairs with (R)
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
    static constexpr Cursor closed_bit = 1;  // of the tail
    static constexpr int most_pauses = 64;   // after lost exchanges

    struct side {
        sys::atomic<Cursor> end{0};  // producers': the tail; consumers': the head
        catch_up<Cursor, 4> pace;
        std::size_t ahead = 0;  // slots until who is alone looks again: they are ready, or few
    };
    using flow = line_flow<cell>;

    void ask_for(Cursor from, std::size_t n) const noexcept {
        const std::size_t i = cursors_.index(from) + n;
        flow::ask_to_write(cells_[i < capacity() ? i : i - capacity()]);
    }
    /// For the first lines of those that are ready. Returns after how many slots to look again: who is
    /// close behind the other side doesn't take its line for each.
    template <Cursor Turn>
    [[gnu::noinline]] std::size_t ask_for_all(Cursor from) const noexcept {
        const std::size_t n = ready<Turn>(from);
        for (std::size_t i = 1; i < n && i < flow::ahead && i < capacity(); ++i) ask_for(from, i);
        return n > flow::ahead ? n : flow::ahead;
    }

    /// The slot at `head` is abandoned: moves past it, or sees where the head has got to.
    bool step_over(Cursor& head) noexcept {
        const Cursor past = head;
        if (!consumers_.end.compare_exchange_weak(head, next(past), std::memory_order_relaxed,
                                                  std::memory_order_relaxed))  // carries no data
            return false;
        release(at(past), past);
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

    cells<cell, Capacity, Allocator> cells_;
    const lap_cursor<Cursor, Capacity> cursors_;
    alignas(cache_line) side producers_;
    alignas(cache_line) side consumers_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
