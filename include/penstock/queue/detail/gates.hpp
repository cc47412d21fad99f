// SPDX-License-Identifier: BSL-1.0
// Where the readers of a gated broadcast_ring are: a gate each, which holds the cursor of the first
// element that its reader is not done with. Producers don't go a lap past the slowest of them.
//
//   if (auto way = gates.enter(tail, after)) ...  // a gate, and its reader's first element
//   gates.pass(gate, cursor);                     // done with all before cursor
//   gates.slowest(tail);                          // the smallest cursor, or tail
//   gates.leave(gate, after);
//
// Threads   Everything by any number of threads; pass and leave by the gate's reader.
// Progress  enter is lock-free, all others are wait-free: 64 gates at most.
//
// A reader enters at "now" while producers run. What must not happen: a producer takes the slot of
// an element at or after the reader's first one, G, without having looked at its gate. So
//   the reader opens a gate at a cursor t that the tail had, then reads the tail by a
//       read-modify-write: what that read is G;
//   the producer loads the tail, t0, then looks at the gates, and goes to min(t0, gates) + a lap.
// Either t0 is not past G: then it goes to G + a lap at most, which takes none of its slots. Or it
// is: then its load read a value later than the reader's (E), and, as whatever changes the
// tail is a read-modify-write, one of (E)'s release sequence: it sees the gate open, at t or later.
//
// Edges (the tags stand again at the lines that form them)
//   (E) entering, RMW-release tail -> (T) producer load-acquire tail, in the ring: as above.
//   (D) reader store-release its gate -> (S) producer load-acquire: read before overwritten, by
//       this reader, and by those who had the gate before: (A) came first;
//                                     -> (B) reader behind it, load-acquire: done with before seen.
//   (O) leaving, RMW-release open -> (M) producer load-acquire: who is open no longer has read for
//       the last time. Opening needs no edge here: who must see it sees it by (E).
//   (U) RMW-release used -> (A) RMW-acquire: a gate's next reader comes after all who used it, and
//       these one after the other by the RMW-acq_rel of `users`.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <penstock/core/cache_line.hpp>
#include <penstock/core/sync.hpp>
#include <penstock/queue/detail/lap_cursor.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class Cursor>
class gates {
public:
    using mask = std::uint64_t;  // a bit for each gate
    static constexpr unsigned most = 64;

    struct entry {
        unsigned gate;
        Cursor first;
        std::uint64_t id;
    };

    /// None when all gates are in use. `after`: gates that this one's reader stays behind; they
    /// belong to readers that are there, and are not given to others before this one leaves too.
    std::optional<entry> enter(sys::atomic<Cursor>& tail, mask after) noexcept {
        mask used = used_.load(std::memory_order_relaxed);  // the exchange checks it
        unsigned gate;
        do {
            if (~used == 0) return std::nullopt;
            gate = static_cast<unsigned>(std::countr_one(used));
        } while (!used_.compare_exchange_weak(used, used | bit(gate), std::memory_order_acquire,
                                              std::memory_order_relaxed));  // (A), pairs with (U)
        for_each(after | bit(gate), [](one& g) {
            g.users.fetch_add(1, std::memory_order_relaxed);  // his reader's own count keeps it > 0
        });
        one& mine = gates_[gate];
        const std::uint64_t id = ids_.fetch_add(1, std::memory_order_relaxed) + 1;  // just a number
        mine.id.store(id, std::memory_order_relaxed);                   // travels with (D)
        pass(gate, laps::start(tail.load(std::memory_order_relaxed)));  // (E) looks again
        open_.fetch_or(bit(gate), std::memory_order_relaxed);           // travels with (E)
        const Cursor first =
            laps::start(tail.fetch_add(0, std::memory_order_release));  // (E), pairs with (T)
        pass(gate, first);
        return entry{gate, first, id};
    }

    void leave(unsigned gate, mask after) noexcept {
        pass(gate, gone);  // who is behind waits for it no longer
        open_.fetch_and(~bit(gate), std::memory_order_release);  // (O), pairs with (M)
        for (mask m = after | bit(gate); m != 0; m &= m - 1) {
            const auto g = static_cast<unsigned>(std::countr_zero(m));
            if (gates_[g].users.fetch_sub(1, std::memory_order_acq_rel) == 1)  // with each other
                used_.fetch_and(~bit(g), std::memory_order_release);  // (U), pairs with (A)
        }
    }

    void pass(unsigned gate, Cursor cursor) noexcept {
        gates_[gate].cursor.store(cursor, std::memory_order_release);  // (D), with (S) and (B)
    }

    /// The smallest cursor of an open gate that is before `tail`, else `tail`: a value that the
    /// tail had; loaded with acquire where a limit depends on it.
    [[nodiscard]] Cursor slowest(Cursor tail, std::uint64_t* id = nullptr) const noexcept {
        Cursor least = tail;
        const mask open = open_.load(std::memory_order_acquire);  // (M), pairs with (O)
        for_each(open, [&](const one& g) {
            const Cursor c = g.cursor.load(std::memory_order_acquire);  // (S), pairs with (D)
            if (c == gone || !before(c, least)) return;
            least = c;
            if (id) *id = g.id.load(std::memory_order_relaxed);  // came with (S)
        });
        return least;
    }

    /// What all of these are done with, `bound` at most.
    [[nodiscard]] Cursor passed(mask of, Cursor bound) const noexcept {
        for_each(of, [&](const one& g) {
            const Cursor c = g.cursor.load(std::memory_order_acquire);  // (B), pairs with (D)
            if (c != gone && before(c, bound)) bound = c;
        });
        return bound;
    }

    [[nodiscard]] unsigned in_use() const noexcept {
        return static_cast<unsigned>(
            std::popcount(open_.load(std::memory_order_relaxed)));  // a hint
    }

    static constexpr mask bit(unsigned gate) noexcept { return mask{1} << gate; }

    static bool before(Cursor a, Cursor b) noexcept { return laps::before(a, b); }

private:
    using laps = lap_cursor<Cursor, at_run_time>;
    static constexpr Cursor gone = 1;  // a flag's bit: no cursor of an element

    struct alignas(cache_line) one {
        sys::atomic<Cursor> cursor{gone};
        sys::atomic<std::uint32_t> users{0};  // its reader, and those behind it
        sys::atomic<std::uint64_t> id{0};
    };

    template <class F>
    void for_each(mask m, F f) {
        for (; m != 0; m &= m - 1) f(gates_[std::countr_zero(m)]);
    }
    template <class F>
    void for_each(mask m, F f) const {
        for (; m != 0; m &= m - 1) f(gates_[std::countr_zero(m)]);
    }

    alignas(cache_line) sys::atomic<mask> open_{0};
    sys::atomic<mask> used_{0};  // open, or looked at by readers behind
    sys::atomic<std::uint64_t> ids_{0};
    one gates_[most];
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
