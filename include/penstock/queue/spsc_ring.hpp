// SPDX-License-Identifier: BSL-1.0
// Bounded FIFO between one producer thread and one consumer thread.
//
//   penstock::spsc_ring<job> ring{1000};      // exactly 1,000; or spsc_ring<job, 1000>
//   if (!ring.try_push(job{7})) shed_load();  // producer
//   while (auto j = ring.try_pop()) run(*j);  // consumer
//
// Cost      Wait-free, O(1), at most two acquire loads a call. One allocation, in the constructor.
//           A refusal of a side that was busy may take 0.8 us more (queue/detail/catch_up.hpp).
// Threads   [producer] and [consumer] calls may overlap each other, never themselves. A role may
//           move to another thread if the hand-over synchronizes. try_* may be called from a
//           signal handler that interrupts no other call of its role.
// Errors    Full and empty are answers, not errors, and exact. A refused try_push leaves its
//           argument unmoved. Throws std::invalid_argument for a capacity of 0 or one that can't
//           be addressed, and what the allocator throws.
// Order     FIFO. Writes before a push are visible to whoever pops that element.
//
// Cursors are (lap, index), for any capacity (queue/detail/laps.hpp). A side steps over the gap between
// two laps when it gets to its limit, so that the step after an element is an addition.
//
// Invariants (distances in slots)
//   I1  head <= tail <= head + capacity.
//   I2  The slots of [head, tail) hold a live T; all others are raw memory.
//   I3  The slots from a side's cursor to its `limit` are its own and lie in one lap. When it gets
//       there it looks again before it says full or empty.
//
// Why these memory orders suffice. Two edges carry everything:
//   (P) producer store-release tail -> (C) consumer load-acquire: built before used.
//   (F) consumer store-release head -> (R) producer load-acquire: gone before reused.
// No store-load order is needed: nobody sleeps here. core/waiter.hpp adds it.
//
// What makes it fast (benchmarks/README.md has the figures)
//   - The producer reads its own cursor from a line of its own: a consumer that polls for the next
//     element takes the line of `tail_` away. `head_` is asked for once a lap.
//   - Lines move in blocks (queue/detail/catch_up.hpp), and as a whole (queue/detail/line_flow.hpp).
//   - What finds its slot is small enough to be inlined, and asks nothing about the capacity.
//   - Batches of trivially copyable elements are copied as memory, by wide stores.
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
#include <penstock/queue/detail/laps.hpp>
#include <penstock/queue/detail/line_flow.hpp>
#include <penstock/queue/reservation.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T, std::size_t Capacity, class Allocator, class Cursor>
class spsc_ring {
public:
    using value_type = T;
    using cursor_type = Cursor;
    static constexpr bool single_producer = true;
    static constexpr bool single_consumer = true;

    spsc_ring()
        requires(Capacity != at_run_time)
        : spsc_ring{Capacity} {}
    explicit spsc_ring(std::size_t capacity, const Allocator& allocator = {})
        : slots_{capacity, allocator}, laps_{capacity} {
        set_limit(producer_, 0, laps_.lap_later(0));
    }
    spsc_ring(const spsc_ring&) = delete;
    spsc_ring& operator=(const spsc_ring&) = delete;
    ~spsc_ring() { clear(); }

    /// [producer]
    [[nodiscard]] bool try_push(T&& value) noexcept {
        Cursor tail;
        if (!has_room(tail)) return false;
        slots_[laps_.index(tail)].put(std::move(value));
        if (flow::left_in_line(tail) == 0) ask_ahead(tail, producer_);
        publish(tail);
        return true;
    }
    [[nodiscard]] bool try_push(const T& value) { return try_emplace(value); }

    /// [producer] Constructs first, so that a throwing constructor leaves the ring as it was.
    template <class... Args>
    [[nodiscard]] bool try_emplace(Args&&... args) {
        T value(std::forward<Args>(args)...);
        return try_push(std::move(value));
    }

    /// [producer] Takes from `first` on as many of `n` as there is room for; returns how many.
    /// Elements are constructed from *first: pass std::make_move_iterator(first) to move them.
    template <class Iterator>
    std::size_t try_push_n(Iterator first, std::size_t n) {
        static_assert(std::is_nothrow_constructible_v<T, decltype(*first)>,
                      "copying may throw in mid-batch: pass std::make_move_iterator(first)");
        Cursor tail;
        if (n == 0 || !has_room(tail)) return 0;
        if (laps_.distance(tail, known(producer_)) < n) look_for_room();
        publish_tail(in_runs(producer_, tail, n, [&](slot<T>* to, std::size_t count) {
            slot<T>::put_n(to, first, count);
        }));
        return n;
    }

    /// [producer] The next slot, to build an element in; false when full (queue/reservation.hpp).
    /// One at a time, and no push before it is committed or gone.
    [[nodiscard]] reservation<spsc_ring> reserve() noexcept {
        Cursor tail;
        if (!has_room(tail)) return {};
        return {*this, slots_[laps_.index(tail)], tail};
    }

    /// [consumer]
    [[nodiscard]] std::optional<T> try_pop() noexcept {
        Cursor head;
        if (!has_element(head)) return std::nullopt;
        std::optional<T> value{slots_[laps_.index(head)].take()};
        let_go(head);
        return value;
    }
    [[nodiscard]] bool try_pop(T& value) noexcept(std::is_nothrow_move_assignable_v<T>) {
        Cursor head;
        if (!has_element(head)) return false;
        slots_[laps_.index(head)].take_into(value);
        let_go(head);
        return true;
    }

    /// [consumer] Writes up to `n` elements to `out`; returns how many.
    template <class Iterator>
    std::size_t try_pop_n(Iterator out, std::size_t n) {
        static_assert(std::is_nothrow_assignable_v<decltype(*out), T&&>,
                      "writing to `out` may throw and lose an element: pass a pointer");
        Cursor head;
        if (n == 0 || !has_element(head)) return 0;
        if (laps_.distance(head, known(consumer_)) < n) look_for_elements(head);
        publish_head(in_runs(consumer_, head, n, [&](slot<T>* from, std::size_t count) {
            slot<T>::take_n(from, out, count);
            flow::touch(from, static_cast<std::size_t>(from - &slots_[0]), count);
        }));
        return n;
    }

    /// [consumer] The oldest element, in place, or null. pop() then removes it.
    [[nodiscard]] T* front() noexcept {
        Cursor head;
        return has_element(head) ? &slots_[laps_.index(head)].get() : nullptr;
    }
    void pop() noexcept {
        const Cursor head = my_head();
        PENSTOCK_ASSERT(
            head != consumer_.limit, "pop() removes what front() found: call it only then");
        slots_[laps_.index(head)].drop();
        let_go(head);
    }

    /// [consumer] Destroys what is in.
    void clear() noexcept {
        for (Cursor head; has_element(head);) pop();
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return laps_.capacity(); }

    /// [any thread] Exact for a role about its own side's progress, stale about the other's.
    [[nodiscard]] std::size_t size_approx() const noexcept {
        const Cursor head = head_.load(std::memory_order_acquire);  // (F): tail is no older
        const Cursor tail = tail_.load(std::memory_order_relaxed);  // a hint
        const auto size = laps_.distance(head, laps_.onward(tail));
        return size < capacity() ? size : capacity();
    }

    /// [any thread] Elements that were ever pushed.
    [[nodiscard]] std::uint64_t pushed_approx() const noexcept {
        return laps_.count(tail_.load(std::memory_order_relaxed));  // a count; carries nothing
    }

private:
    friend reservation<spsc_ring>;
    using flow = detail::line_flow<slot<T>>;
    using laps = detail::laps<Cursor, Capacity>;

    struct side {           // what it keeps to itself
        Cursor cursor = 0;  // the producer's: it must not wait for a line that the other one reads
        Cursor known = 0, limit = 0;  // before them the slots are its own; the limit is in this lap
        detail::catch_up<Cursor, 1> pace;
    };

    [[nodiscard]] static Cursor known(const side& mine) noexcept {
        return laps::gaps ? mine.known : mine.limit;
    }
    /// The slots from c to `known` are this side's. False: those are none.
    bool set_limit(side& mine, Cursor c, Cursor known) const noexcept {
        Cursor limit = known;
        if constexpr (laps::gaps) {
            mine.known = known;
            if (!laps_.same_lap(c, known)) limit = laps_.lap_end(c);
        }
        mine.limit = limit;
        return c != limit;
    }
    static std::size_t least(std::size_t a, std::size_t b) noexcept { return a < b ? a : b; }
    [[nodiscard]] Cursor my_head() const noexcept {
        return head_.load(std::memory_order_relaxed);  // the consumer's own
    }

    bool has_room(Cursor& tail) noexcept {
        const bool has = producer_.cursor != producer_.limit || finds_room();
        tail = producer_.cursor;
        return has;
    }
    bool has_element(Cursor& head) noexcept {
        head = my_head();
        if (head != consumer_.limit || look_for_elements(head)) return true;
        if (!catches_up(head)) return false;
        head = my_head();
        return true;
    }
    // Out of line, without references to a caller's cursor: what finds its slot stays small enough
    // to be inlined, and keeps that cursor in a register.
    [[gnu::noinline]] bool finds_room() noexcept {
        if (look_for_room()) return true;
        if (!producer_.pace.pauses(producer_.cursor, capacity())) return false;
        look_for_room();
        producer_.pace.brought(laps_.distance(producer_.cursor, known(producer_)));
        return producer_.cursor != producer_.limit;
    }
    [[gnu::noinline]] bool catches_up(Cursor head) noexcept {
        if (!consumer_.pace.pauses(head, capacity())) return false;
        look_for_elements(head);
        consumer_.pace.brought(laps_.distance(head, known(consumer_)));
        return head != consumer_.limit;
    }
    bool look_for_room() noexcept {
        const Cursor tail = producer_.cursor = laps_.onward(producer_.cursor);
        const Cursor head = head_.load(std::memory_order_acquire);  // (R), pairs with (F)
        return set_limit(producer_, tail, laps_.lap_later(laps_.onward(head)));
    }
    [[gnu::always_inline]] bool look_for_elements(Cursor& head) noexcept {
        Cursor tail = tail_.load(std::memory_order_acquire);  // (C), pairs with (P)
        if (!laps_.same_lap(head, tail)) {
            tail = laps_.onward(tail);
            if (laps_.at_gap(head)) publish_head(head = laps_.onward(head));
        }
        return set_limit(consumer_, head, tail);
    }

    /// Asks for a line that will be needed soon and is known to be this side's.
    void ask_ahead(Cursor c, const side& mine) const noexcept {
        if (flow::ahead >= capacity() || laps_.distance(c, known(mine)) <= flow::ahead) return;
        flow::ask_for(slots_[laps_.index_after(c, flow::ahead)]);
    }
    /// The consumer has emptied the slot at its head.
    void let_go(Cursor head) noexcept {
        if (flow::left_in_line(head) == 0) {
            slots_[laps_.index(head)].touch();
            ask_ahead(head, consumer_);
        }
        publish_head(static_cast<Cursor>(head + 1));
    }

    /// Calls use(first slot, count) for at most n slots from c on: twice where they go round the end.
    template <class Use>
    Cursor in_runs(side& mine, Cursor c, std::size_t& n, Use use) {
        n = least(n, laps_.distance(c, known(mine)));
        for (std::size_t left = n, count; left > 0; left -= count) {
            c = laps_.onward(c);
            count = least(left, capacity() - laps_.index(c));
            use(&slots_[laps_.index(c)], count);
            c = static_cast<Cursor>(c + count);
        }
        set_limit(mine, c, known(mine));
        return c;
    }

    void publish_tail(Cursor c) noexcept {
        producer_.cursor = c;
        tail_.store(c, std::memory_order_release);  // (P), pairs with (C)
    }
    void publish_head(Cursor c) noexcept {
        head_.store(c, std::memory_order_release);  // (F), pairs with (R)
    }
    void publish(Cursor tail) noexcept { publish_tail(static_cast<Cursor>(tail + 1)); }
    void abandon(Cursor) noexcept {}  // nothing was claimed that others see

    detail::cells<slot<T>, Capacity, Allocator> slots_;
    const laps laps_;
    alignas(cache_line) side producer_;
    alignas(cache_line) sys::atomic<Cursor> tail_{0};
    alignas(cache_line) side consumer_;
    alignas(cache_line) sys::atomic<Cursor> head_{0};
};

}  // namespace penstock::inline PENSTOCK_ABI
