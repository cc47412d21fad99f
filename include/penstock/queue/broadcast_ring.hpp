// SPDX-License-Identifier: BSL-1.0
// Bounded ring in which every reader sees every element, in place: any number of producer threads,
// up to 64 readers. The slowest reader holds the producers.
//
//   penstock::broadcast_ring<tick> ring{1024};    // exactly 1,024; or <tick, gated, 1024>
//   auto audit = ring.join();                     // a reader: sees what is pushed from now on
//   auto trade = ring.join();
//   auto ship = ring.join(behind(audit, trade));  // sees an element when both are done with it
//   if (!ring.try_push(tick{7})) hold_up(ring.slowest().id == audit.id());
//   while (const tick* t = audit.front()) {       // in audit's thread
//       use(*t);
//       audit.pop();
//   }
//   trade.for_each(use);                          // in trade's: what is there, as one batch
//
// Stages of work are readers: one after the other, b = join(behind(a)); side by side, two join();
// a diamond, as above. What a stage writes into an element for a later one is a mutable member of
// it. broadcast_ring<T, lossy> (queue/lossy_ring.hpp) never holds a producer.
//
// Cost      A push: a compare-exchange and the slot's line; once a lap, a look at each gate.
//           A pop: a store to the reader's own line. 8 bytes a slot beside the element, 4 KiB of
//           gates; one allocation, in the constructor. An element lives until its slot is needed or
//           the ring goes: a push destroys the one that lies there.
// Threads   Everything but construction and destruction may overlap; a reader belongs to one thread
//           at a time, and leaves before the ring goes.
// Progress  Lock-free except for this: who has claimed a slot and stalls before it is written holds
//           up all readers there, and producers a lap later; a reader that stalls, in join() too,
//           holds up producers a lap later, and those behind it. Readers' calls are wait-free.
// Errors    Full is an answer, and true: a reader has a capacity of elements before it, or an older
//           push is still writing. A refused try_push leaves its argument unmoved. join()
//           answers a reader that tests false when 64 gates are in use (a reader's that has left
//           too, while another is behind it). Throws std::invalid_argument for a capacity of 0 or
//           one that can't be addressed, and what the allocator throws.
// Order     Total: all readers see one sequence, each without a gap from its join to its leave.
//           Writes before a push are visible to whoever reads that element.
//
// The design is the Disruptor's (Thompson, Farley, Barker, Gee, Stewart: "Disruptor", LMAX 2011),
// with cursors of (lap, index), stamps in the slots so that producers publish in any order, and
// readers that come and go while it runs: detail/gates.hpp says why that is safe.
//
// Slot i's stamp says what is in it; a producer at cursor c claims a slot whose stamp is that of
// the element a lap before c, when all gates are past that element:
//   lap, i, 0 1   that element, live
//   lap, i, 1 1   nothing: a reservation that was let go; readers step over it
// The tail's own lowest bit says closed: claims compare the whole word, so none slips past close().
//
// Why these memory orders suffice. The tail hands out turns; three edges carry the elements:
//   (P) producer store-release stamp -> (C) reader load-acquire: built before read;
//                                    -> (R) producer load-acquire: built before destroyed.
//   (D) reader store-release gate -> (S) producer load-acquire (detail/gates.hpp), then
//   (L) that producer store-release limit -> (G) any producer load-acquire: read before destroyed.
//   (E) -> (T), in detail/gates.hpp: no limit is computed without a reader that has joined.
// A limit may be stored late, by a producer that looked long ago: an older one is a smaller one,
// which is safe, and whoever reaches it looks again.
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
#include <penstock/queue/detail/cells.hpp>
#include <penstock/queue/detail/gates.hpp>
#include <penstock/queue/gated_reader.hpp>
#include <penstock/queue/reservation.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T, class Mode, std::size_t Capacity, class Allocator, class Cursor>
class broadcast_ring {
    static_assert(!std::is_same_v<Mode, lossy>,
                  "broadcast_ring<T, lossy> is in <penstock/queue/lossy_ring.hpp>: include it");
    static_assert(std::is_same_v<Mode, gated>, "a broadcast_ring is gated or lossy");

public:
    using value_type = T;
    using cursor_type = Cursor;
    using reader = gated_reader<broadcast_ring>;

    broadcast_ring()
        requires(Capacity != at_run_time)
        : broadcast_ring{Capacity} {}
    explicit broadcast_ring(std::size_t capacity, const Allocator& allocator = {})
        : cells_{capacity, allocator}, laps_{capacity}, limit_{laps_.lap()} {
        Cursor before = laps_.lap_earlier(0);
        for (std::size_t i = 0; i < capacity; ++i, before = laps_.next(before))
            cells_[i].stamp.store(static_cast<Cursor>(before + nothing),
                                  std::memory_order_relaxed);  // nobody else is here yet
    }
    broadcast_ring(const broadcast_ring&) = delete;
    broadcast_ring& operator=(const broadcast_ring&) = delete;
    ~broadcast_ring() {
        PENSTOCK_ASSERT(readers() == 0, "a reader outlives its broadcast_ring: let it go before");
        for (std::size_t i = 0; i < capacity(); ++i) empty(cells_[i]);
    }

    /// A reader of what is pushed from now on, or one that tests false: 64 are there already.
    [[nodiscard]] reader join() noexcept { return join(behind{}); }
    /// One that sees an element only after these are done with it, or have left.
    [[nodiscard]] reader join(const behind& others) noexcept {
        PENSTOCK_ASSERT(!others.ring_ || others.ring_ == this, "behind() a reader of another ring");
        const auto entry = gates_.enter(tail_, others.gates_);
        return entry ? reader{*this, *entry, others.gates_} : reader{};
    }

    [[nodiscard]] bool try_push(T&& value) noexcept {
        Cursor cursor;
        if (claim(1, cursor) == 0) return false;
        place(cursor).put(std::move(value));
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
        n = claim(n, cursor);
        for (std::size_t i = 0; i < n; ++i, ++first, cursor = laps_.next(cursor)) {
            place(cursor).emplace(*first);
            publish(cursor);
        }
        return n;
    }

    /// Claims a slot to build an element in; false when full (queue/reservation.hpp).
    [[nodiscard]] reservation<broadcast_ring> reserve() noexcept {
        Cursor cursor;
        if (claim(1, cursor) == 0) return {};
        return {*this, place(cursor), cursor};
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return cells_.count(); }

    /// The reader that holds the producers, or will first: the one with the most unread
    /// elements. Its id is 0 when all have read everything. May be stale when it returns.
    [[nodiscard]] slowest_reader slowest() const noexcept {
        slowest_reader r;
        const Cursor tail = laps_.start(tail_.load(std::memory_order_relaxed));  // a hint, no limit
        r.unread = static_cast<std::size_t>(laps_.distance(gates_.slowest(tail, &r.id), tail));
        return r;
    }
    /// Elements that some reader has not read yet, claimed and abandoned slots included.
    [[nodiscard]] std::size_t size_approx() const noexcept { return slowest().unread; }
    [[nodiscard]] std::size_t readers() const noexcept { return gates_.in_use(); }

    /// From now on every push is refused; what is in, or claimed before, can still be read.
    void close() noexcept {
        tail_.fetch_or(closed_bit, std::memory_order_relaxed);  // claims compare the whole word
    }
    [[nodiscard]] bool closed() const noexcept {
        return (tail_.load(std::memory_order_relaxed) & closed_bit) != 0;  // final once set
    }

private:
    friend reservation<broadcast_ring>;
    friend reader;

    static constexpr Cursor filled = 1, nothing = 3;  // flags of a stamp
    static constexpr Cursor closed_bit = 1;           // of the tail

    struct cell {
        sys::atomic<Cursor> stamp{0};
        slot<T> value;
    };

    cell& at(Cursor cursor) const noexcept { return cells_[laps_.index(cursor)]; }

    /// Claims up to `wanted` neighbouring slots by moving the tail past them.
    std::size_t claim(std::size_t wanted, Cursor& cursor) noexcept {
        for (;;) {
            cursor = tail_.load(std::memory_order_acquire);  // (T), pairs with (E)
            if ((cursor & closed_bit) != 0 || wanted == 0) return 0;
            const std::size_t room = room_from(cursor, wanted);
            std::size_t n = 0;
            Cursor past = cursor;
            for (; n < room && is_free(past); ++n) past = laps_.next(past);
            Cursor same = cursor;
            if (n > 0 ? tail_.compare_exchange_weak(same, past, std::memory_order_relaxed,
                                                    std::memory_order_relaxed)  // carries no data
                      : tail_.load(std::memory_order_relaxed) == cursor)  // so nothing was stale
                return n;
        }
    }

    /// Its stamp is that of a lap before.
    bool is_free(Cursor cursor) const noexcept {
        const Cursor stamp =
            at(cursor).stamp.load(std::memory_order_acquire);  // (R), pairs with (P)
        return (stamp | nothing) == static_cast<Cursor>(laps_.lap_earlier(cursor) + nothing);
    }

    /// How many of `wanted` slots from `cursor` on, a value of the tail, the readers leave.
    std::size_t room_from(Cursor cursor, std::size_t wanted) noexcept {
        if (wanted > capacity()) wanted = capacity();
        const Cursor known = limit_.load(std::memory_order_acquire);  // (G), pairs with (L)
        std::uint64_t room = laps_.distance(cursor, known);
        if (room < wanted) {
            const Cursor limit = laps_.lap_later(gates_.slowest(cursor));
            if (limit != known) limit_.store(limit, std::memory_order_release);  // (L), with (G)
            room = laps_.distance(cursor, limit);
        }
        return room < wanted ? static_cast<std::size_t>(room) : wanted;
    }

    /// A claimed slot, without the element of a lap ago. Should it never be filled, the destructor
    /// finds nothing there.
    slot<T>& place(Cursor cursor) noexcept {
        cell& c = at(cursor);
        empty(c);
        c.stamp.store(static_cast<Cursor>(laps_.lap_earlier(cursor) + nothing),
                      std::memory_order_relaxed);  // nobody can claim it now, or read it
        return c.value;
    }
    static void empty(cell& c) noexcept {
        const Cursor stamp = c.stamp.load(std::memory_order_relaxed);  // (R) has read it before
        if ((stamp & nothing) == filled) c.value.drop();
    }
    void publish(Cursor cursor) noexcept {
        at(cursor).stamp.store(static_cast<Cursor>(cursor + filled),
                               std::memory_order_release);  // (P), with (C) and (R)
    }
    void abandon(Cursor cursor) noexcept {
        at(cursor).stamp.store(static_cast<Cursor>(cursor + nothing),
                               std::memory_order_release);  // (P), with (C) and (R)
    }

    detail::cells<cell, Capacity, Allocator> cells_;
    const detail::lap_cursor<Cursor, Capacity> laps_;
    alignas(cache_line) sys::atomic<Cursor> tail_{0};
    sys::atomic<Cursor> limit_;  // beside the tail: whoever needs one needs both
    alignas(cache_line) detail::gates<Cursor> gates_;
};

}  // namespace penstock::inline PENSTOCK_ABI
