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
// Producers and consumers claim slots by (lap, index) cursors, and each slot says whose turn it is:
// the algorithm, and why its memory orders suffice, are in queue/detail/turns.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include <penstock/fwd.hpp>
#include <penstock/queue/concepts.hpp>
#include <penstock/queue/detail/cells.hpp>
#include <penstock/queue/detail/turns.hpp>
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
        : turns_{capacity, allocator} {}
    mpmc_ring(const mpmc_ring&) = delete;
    mpmc_ring& operator=(const mpmc_ring&) = delete;

    [[nodiscard]] bool try_push(T&& value) noexcept {
        Cursor cursor;
        cell* const mine = turns_.template claim_one<free>(cursor);
        if (!mine) return false;
        mine->value.put(std::move(value));
        turns::publish(*mine, cursor);
        return true;
    }
    [[nodiscard]] bool try_push(const T& value) { return try_emplace(value); }

    /// Constructs first, so that a throwing constructor claims no slot.
    template <class... Args>
    [[nodiscard]] bool try_emplace(Args&&... args) {
        T value(std::forward<Args>(args)...);
        return try_push(std::move(value));
    }

    /// As try_emplace and try_pop, where nobody else is at that side meanwhile (who pushes, reserves or
    /// closes; who pops or skips): without an exchange. False: ask the other one.
    template <class... Args>
    [[nodiscard]] bool try_emplace_alone(Args&&... args) noexcept {
        static_assert(std::is_nothrow_constructible_v<T, Args...>, "it is built in its slot");
        Cursor cursor;
        cell* const mine = turns_.template claim_alone<free>(cursor);
        if (!mine) return false;
        mine->value.emplace(std::forward<Args>(args)...);
        turns::publish(*mine, cursor);
        return true;
    }
    [[nodiscard]] bool try_pop_alone(T& value) noexcept {
        Cursor cursor;
        cell* const mine = turns_.template claim_alone<filled>(cursor);
        if (!mine) return false;
        mine->value.take_into(value);
        turns_.release(*mine, cursor);
        return true;
    }

    /// Takes from `first` on as many of `n` as there is room for, next to each other; returns how
    /// many. Elements are constructed from *first: pass std::make_move_iterator(first) to move.
    template <class Iterator>
    std::size_t try_push_n(Iterator first, std::size_t n) {
        static_assert(std::is_nothrow_constructible_v<T, decltype(*first)>,
                      "copying may throw in mid-batch: pass std::make_move_iterator(first)");
        Cursor cursor;
        n = turns_.template claim<free>(n, cursor);
        for (std::size_t i = 0; i < n; ++i, ++first, cursor = turns_.next(cursor)) {
            turns_.at(cursor).value.emplace(*first);
            turns::publish(turns_.at(cursor), cursor);
        }
        return n;
    }

    /// Claims a slot to build an element in; false when full (queue/reservation.hpp).
    [[nodiscard]] reservation<mpmc_ring> reserve() noexcept {
        Cursor cursor;
        cell* const mine = turns_.template claim_one<free>(cursor);
        if (!mine) return {};
        return {*this, mine->value, cursor};
    }

    [[nodiscard]] std::optional<T> try_pop() noexcept {
        Cursor cursor;
        cell* const mine = turns_.template claim_one<filled>(cursor);
        if (!mine) return std::nullopt;
        std::optional<T> value{mine->value.take()};
        turns_.release(*mine, cursor);
        return value;
    }
    [[nodiscard]] bool try_pop(T& value) noexcept {
        static_assert(std::is_nothrow_move_assignable_v<T>, "use try_pop(), which only constructs");
        Cursor cursor;
        cell* const mine = turns_.template claim_one<filled>(cursor);
        if (!mine) return false;
        mine->value.take_into(value);
        turns_.release(*mine, cursor);
        return true;
    }

    /// Writes up to `n` elements that stand next to each other to `out`; returns how many.
    template <class Iterator>
    std::size_t try_pop_n(Iterator out, std::size_t n) {
        static_assert(std::is_nothrow_assignable_v<decltype(*out), T&&>,
                      "writing to `out` may throw and lose an element: pass a pointer");
        Cursor cursor;
        n = turns_.template claim<filled>(n, cursor);
        for (std::size_t i = 0; i < n; ++i, ++out, cursor = turns_.next(cursor)) {
            *out = turns_.at(cursor).value.take();
            turns_.release(turns_.at(cursor), cursor);
        }
        return n;
    }

    /// Steps over abandoned slots that consumers stand before. True: there is room.
    bool skip_abandoned() noexcept { return turns_.skip_abandoned(); }

    /// Destroys what is in.
    void clear() noexcept {
        while (try_pop()) {
        }
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return turns_.capacity(); }

    /// Counts claimed and abandoned slots too, so that 0 means: nothing is in, nothing is coming.
    [[nodiscard]] std::size_t size_approx() const noexcept { return turns_.size_approx(); }

    /// Elements that were ever pushed, abandoned slots included; exact while nobody pushes.
    [[nodiscard]] std::uint64_t pushed_approx() const noexcept { return turns_.pushed_approx(); }

    /// From now on every push is refused; what is in, or claimed before, stays.
    void close() noexcept { turns_.close(); }
    [[nodiscard]] bool closed() const noexcept { return turns_.closed(); }
    /// Closed, and every element has found its consumer.
    [[nodiscard]] bool drained() const noexcept { return turns_.drained(); }

private:
    friend reservation<mpmc_ring>;
    using turns = detail::turns<T, Capacity, Allocator, Cursor>;
    using cell = typename turns::cell;
    static constexpr Cursor free = turns::free, filled = turns::filled;

    void publish(Cursor c) noexcept { turns::publish(turns_.at(c), c); }  // a reservation's
    void abandon(Cursor c) noexcept { turns::abandon(turns_.at(c), c); }

    turns turns_;
};

}  // namespace penstock::inline PENSTOCK_ABI
