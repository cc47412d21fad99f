// SPDX-License-Identifier: BSL-1.0
// Bounded ring in which every reader sees every element, or is told how many it missed: any number
// of producers and readers, and no reader ever holds a producer.
//
//   penstock::broadcast_ring<tick, penstock::lossy> ring{1024};
//   auto r = ring.join();                         // a reader: of what is pushed from now on
//   if (!ring.try_push(tick{7})) return;          // overwrites the oldest; false: closed
//   while (auto t = r.try_pop()) {                // std::optional<tick>
//       if (r.lagged() > 0) missed(r.lagged());   // exactly so many lay before this one
//       use(*t);
//   }
//
// A reader that was overtaken goes on with the oldest element that is kept. What it gets is a copy:
//   T trivially copyable   std::optional<T>, by words; the ring needs no other memory
//   any other T            std::shared_ptr<const T>: one allocation a push, none a pop
// Both test true when there is one, and *t is it.
//
// Cost      A push: a compare-exchange and the slot's line; 8 bytes a slot beside the element; one
//           allocation, in the constructor. A pop: the slot's line; with shared_ptr two
//           read-modify-writes of it. A shared element goes when its slot is needed and the last
//           reader lets go: in a push, or in a reader's thread.
// Threads   Everything but construction and destruction may overlap; a reader belongs to one thread
//           at a time.
// Progress  try_push is lock-free and never waits for a reader. A producer that stalls while it
//           writes holds up the readers there until it is overtaken, and producers a lap later:
//           they are refused, as two writers would tear that element. try_pop is lock-free: it
//           looks again only if a producer has overtaken it meanwhile.
// Errors    try_push is refused, its argument unmoved, when the ring is closed, or by a stalled
//           producer as above; it throws what allocating throws, before anything has changed. The
//           constructor throws std::invalid_argument for a capacity of 0 or one that can't be
//           addressed, and what the allocator throws.
// Order     Total: all readers see parts of one sequence, in its order. lagged() is exact: it is a
//           distance in that sequence. Writes before a push are visible to whoever reads it.
//
// Slot i's stamp says what is in it; it only grows. A producer at cursor c claims a slot that holds
// the element of a lap before, whole:
//   lap, i, 0 1   that element
//   lap, i, 1 0   being overwritten by that element
// How a reader gets an element whole or not at all: detail/seqlock.hpp and detail/shared_cell.hpp.
//
// Why these memory orders suffice. The tail hands out turns; it is changed and read relaxed.
//   (F) producer store-release filled stamp -> (K) reader load-acquire: written before read;
//                                           -> (R) producer load-acquire: one after the other.
//   (B) producer store-release busy stamp -> (K) reader load-acquire: who finds its element
//       overwritten also sees the tail past the one that did it, and so goes forward.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <penstock/core/cache_line.hpp>
#include <penstock/core/slot.hpp>
#include <penstock/core/sync.hpp>
#include <penstock/fwd.hpp>
#include <penstock/queue/concepts.hpp>
#include <penstock/queue/detail/cells.hpp>
#include <penstock/queue/detail/lap_cursor.hpp>
#include <penstock/queue/detail/lossy_cell.hpp>
#include <penstock/queue/lossy_reader.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T, std::size_t Capacity, class Allocator, class Cursor>
class broadcast_ring<T, lossy, Capacity, Allocator, Cursor> {
    using cell = detail::lossy_cell<T, Cursor>;

public:
    using value_type = T;
    using cursor_type = Cursor;
    using element = typename cell::element;
    using reader = lossy_reader<broadcast_ring>;

    broadcast_ring()
        requires(Capacity != at_run_time)
        : broadcast_ring{Capacity} {}
    explicit broadcast_ring(std::size_t capacity, const Allocator& allocator = {})
        : cells_{capacity, allocator}, laps_{capacity} {
        Cursor before = laps_.lap_earlier(0);
        for (std::size_t i = 0; i < capacity; ++i, before = laps_.next(before))
            cells_[i].stamp.store(static_cast<Cursor>(before + filled),
                                  std::memory_order_relaxed);  // nobody else is here yet
    }
    broadcast_ring(const broadcast_ring&) = delete;
    broadcast_ring& operator=(const broadcast_ring&) = delete;
    ~broadcast_ring() {
        for (std::size_t i = 0; i < capacity(); ++i) cells_[i].clear();
    }

    /// A reader of what is pushed from now on. It must not outlive the ring.
    [[nodiscard]] reader join() const noexcept { return {*this, tail()}; }

    [[nodiscard]] bool try_push(T&& value) noexcept(cell::in_place) {
        auto room = cell::make();
        Cursor cursor;
        if (claim(1, cursor) == 0) return false;
        write(cursor, std::move(room), std::move(value));
        return true;
    }
    [[nodiscard]] bool try_push(const T& value) { return try_emplace(value); }

    /// Constructs first, so that a throwing constructor claims no slot.
    template <class... Args>
    [[nodiscard]] bool try_emplace(Args&&... args) {
        T value(std::forward<Args>(args)...);
        return try_push(std::move(value));
    }

    /// Takes `n` elements from `first` on, next to each other, but a capacity of them at most: the
    /// rest would overwrite the beginning. Returns how many.
    template <class Iterator>
    std::size_t try_push_n(Iterator first, std::size_t n)
        requires(cell::in_place)
    {
        Cursor cursor;
        n = claim(n < capacity() ? n : capacity(), cursor);
        for (std::size_t i = 0; i < n; ++i, ++first, cursor = laps_.next(cursor))
            write(cursor, cell::make(), T(*first));
        return n;
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return cells_.count(); }

    /// From now on every push is refused; what is in, or claimed before, can still be read.
    void close() noexcept {
        tail_.fetch_or(closed_bit, std::memory_order_relaxed);  // claims compare the whole word
    }
    [[nodiscard]] bool closed() const noexcept {
        return (tail_.load(std::memory_order_relaxed) & closed_bit) != 0;  // final once set
    }

private:
    friend reader;
    using laps = detail::lap_cursor<Cursor, Capacity>;

    static constexpr Cursor filled = 1, busy = 2;  // flags of a stamp
    static constexpr Cursor closed_bit = 1;        // of the tail

    cell& at(Cursor cursor) const noexcept { return cells_[laps_.index(cursor)]; }
    Cursor tail() const noexcept {
        return laps::start(tail_.load(std::memory_order_relaxed));  // a turn, carries nothing
    }

    /// Claims up to `wanted` neighbouring slots by moving the tail past them.
    std::size_t claim(std::size_t wanted, Cursor& cursor) noexcept {
        for (;;) {
            cursor = tail_.load(std::memory_order_relaxed);  // the exchange checks it
            if ((cursor & closed_bit) != 0 || wanted == 0) return 0;
            std::size_t n = 0;
            Cursor past = cursor;
            for (; n < wanted && is_free(past); ++n) past = laps_.next(past);
            Cursor same = cursor;
            if (n > 0 ? tail_.compare_exchange_weak(same, past, std::memory_order_relaxed,
                                                    std::memory_order_relaxed)  // carries no data
                      : tail_.load(std::memory_order_relaxed) == cursor)  // so it was not stale
                return n;
        }
    }

    /// It holds the element of a lap before, whole.
    bool is_free(Cursor cursor) const noexcept {
        return at(cursor).stamp.load(std::memory_order_acquire) ==  // (R), pairs with (F)
               static_cast<Cursor>(laps_.lap_earlier(cursor) + filled);
    }

    void write(Cursor cursor, typename cell::prepared&& room, T&& value) noexcept {
        cell& c = at(cursor);
        c.stamp.store(
            static_cast<Cursor>(cursor + busy), std::memory_order_release);  // (B), with (K)
        c.write(cursor, std::move(room), std::move(value));
        c.stamp.store(static_cast<Cursor>(cursor + filled),
                      std::memory_order_release);  // (F), pairs with (K) and (R)
    }

    detail::cells<cell, Capacity, Allocator> cells_;
    const laps laps_;
    alignas(cache_line) sys::atomic<Cursor> tail_{0};
};

}  // namespace penstock::inline PENSTOCK_ABI
