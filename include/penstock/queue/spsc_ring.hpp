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
// A cursor is (lap, index): the index takes as many bits as the capacity needs, so that any capacity
// is exact and nothing divides. Cursors wrap with their type, of which a lap is at most half.
//
// Invariants (distances in slots)
//   I1  head <= tail <= head + capacity.
//   I2  The slots of [head, tail) hold a live T; all others are raw memory.
//   I3  The slots before a side's `limit` are its own. When it gets there it looks again before it
//       says full or empty.
//
// Why these memory orders suffice. Two edges carry everything:
//   (P) producer store-release tail -> (C) consumer load-acquire: built before used.
//   (F) consumer store-release head -> (R) producer load-acquire: gone before reused.
// No store-load order is needed: nobody sleeps here. core/waiter.hpp adds it.
//
// What makes it fast (benchmarks/README.md has the figures)
//   - The producer reads its own cursor from a line of its own: a consumer that polls for the next
//     element takes the line of `tail_` away. `head_` is asked for once a lap.
//   - A busy side that has caught up pauses once before it refuses, so that lines move in blocks
//     (queue/detail/catch_up.hpp).
//   - Lines change owners as a whole and several at once (queue/detail/line_flow.hpp).
//   - Batches of trivially copyable elements are copied as memory: by wide stores, of which the
//     store buffer holds more lines.
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
#include <penstock/fwd.hpp>
#include <penstock/queue/concepts.hpp>
#include <penstock/queue/detail/catch_up.hpp>
#include <penstock/queue/detail/cells.hpp>
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
        : slots_{capacity, allocator}, mask_{mask_of(capacity)} {
        if (capacity > static_cast<Cursor>(-1) / 2 + 1)
            throw std::invalid_argument{
                "penstock: this capacity is too large for the cursor's type"};
        producer_.limit = static_cast<Cursor>(mask() + 1);
    }
    spsc_ring(const spsc_ring&) = delete;
    spsc_ring& operator=(const spsc_ring&) = delete;
    ~spsc_ring() { clear(); }

    /// [producer]
    [[nodiscard]] bool try_push(T&& value) noexcept {
        const Cursor tail = producer_.cursor;
        if (!has_room(tail)) return false;
        slots_[index(tail)].put(std::move(value));
        if (flow::left_in_line(index(tail)) == 0) ask_ahead(tail, producer_.limit);
        publish_tail(after(tail, 1));
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
        const Cursor tail = producer_.cursor;
        if (n == 0 || !has_room(tail)) return 0;
        if (distance(tail, producer_.limit) < n) look_for_room(tail);
        n = least(n, distance(tail, producer_.limit));
        publish_tail(in_runs(
            tail, n, [&](slot<T>* to, std::size_t count) { slot<T>::put_n(to, first, count); }));
        return n;
    }

    /// [producer] The next slot, to build an element in; false when full (queue/reservation.hpp).
    /// One at a time, and no push before it is committed or gone.
    [[nodiscard]] reservation<spsc_ring> reserve() noexcept {
        const Cursor tail = producer_.cursor;
        if (!has_room(tail)) return {};
        return {*this, slots_[index(tail)], tail};
    }

    /// [consumer]
    [[nodiscard]] std::optional<T> try_pop() noexcept {
        const Cursor head = my_head();
        if (!has_element(head)) return std::nullopt;
        std::optional<T> value{slots_[index(head)].take()};
        let_go(head);
        return value;
    }
    [[nodiscard]] bool try_pop(T& value) noexcept(std::is_nothrow_move_assignable_v<T>) {
        const Cursor head = my_head();
        if (!has_element(head)) return false;
        slots_[index(head)].take_into(value);
        let_go(head);
        return true;
    }

    /// [consumer] Writes up to `n` elements to `out`; returns how many.
    template <class Iterator>
    std::size_t try_pop_n(Iterator out, std::size_t n) {
        static_assert(std::is_nothrow_assignable_v<decltype(*out), T&&>,
                      "writing to `out` may throw and lose an element: pass a pointer");
        const Cursor head = my_head();
        if (n == 0 || !has_element(head)) return 0;
        if (distance(head, consumer_.limit) < n) look_for_elements(head);
        n = least(n, distance(head, consumer_.limit));
        publish_head(in_runs(head, n, [&](slot<T>* from, std::size_t count) {
            slot<T>::take_n(from, out, count);
            const auto first = static_cast<std::size_t>(from - &slots_[0]);
            for (std::size_t i = flow::left_in_line(first); i < count; i += flow::a_line)
                from[i].touch();
        }));
        return n;
    }

    /// [consumer] The oldest element, in place, or null. pop() then removes it.
    [[nodiscard]] T* front() noexcept {
        const Cursor head = my_head();
        return has_element(head) ? &slots_[index(head)].get() : nullptr;
    }
    void pop() noexcept {
        const Cursor head = my_head();
        PENSTOCK_ASSERT(has_element(head), "pop() removes what front() found: call it only then");
        slots_[index(head)].drop();
        let_go(head);
    }

    /// [consumer] Destroys what is in.
    void clear() noexcept {
        for (Cursor head = my_head(); look_for_elements(head); head = my_head()) pop();
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return slots_.count(); }

    /// [any thread] Exact for a role about its own side's progress, stale about the other's.
    [[nodiscard]] std::size_t size_approx() const noexcept {
        const Cursor head = head_.load(std::memory_order_acquire);  // (F): tail is no older
        const Cursor tail = tail_.load(std::memory_order_relaxed);  // a hint
        const auto size = distance(head, tail);
        return size < capacity() ? size : capacity();
    }

    /// [any thread] Elements that were ever pushed.
    [[nodiscard]] std::uint64_t pushed_approx() const noexcept {
        const Cursor tail = tail_.load(std::memory_order_relaxed);  // a count; carries nothing
        return tail / (std::uint64_t{mask()} + 1) * capacity() + index(tail);
    }

private:
    friend reservation<spsc_ring>;
    using flow = detail::line_flow<slot<T>>;
    static_assert(std::is_unsigned_v<Cursor>);

    /// What a side keeps to itself.
    struct side {
        Cursor cursor = 0;  // its own, where it must not wait for a line that the other one reads
        Cursor limit = 0;   // before it, the slots are known to be this side's
        detail::catch_up<Cursor, 1> pace;
    };

    static constexpr Cursor mask_of(std::size_t capacity) noexcept {
        return static_cast<Cursor>(std::bit_ceil(capacity) - 1);
    }
    [[nodiscard]] Cursor mask() const noexcept {
        if constexpr (Capacity != at_run_time)
            return mask_of(Capacity);
        else
            return mask_;
    }
    [[nodiscard]] std::size_t index(Cursor c) const noexcept { return c & mask(); }
    [[nodiscard]] Cursor after(Cursor c, std::size_t n) const noexcept {  // in the same lap
        constexpr bool gaps = Capacity == at_run_time || !std::has_single_bit(Capacity);
        if (gaps && index(c) + n == capacity()) return static_cast<Cursor>((c | mask()) + 1);
        return static_cast<Cursor>(c + n);
    }
    [[nodiscard]] std::size_t distance(Cursor from, Cursor to) const noexcept {
        const std::size_t n = static_cast<Cursor>(to - from);
        const bool same_lap = ((from ^ to) & ~mask()) == 0;
        return same_lap ? n : n - (std::size_t{mask()} + 1 - capacity());
    }
    static std::size_t least(std::size_t a, std::size_t b) noexcept { return a < b ? a : b; }

    [[nodiscard]] Cursor my_head() const noexcept {
        return head_.load(std::memory_order_relaxed);  // the consumer's own
    }

    bool has_room(Cursor tail) noexcept {
        if (tail != producer_.limit || look_for_room(tail)) return true;
        if (!producer_.pace.pauses(tail)) return false;
        look_for_room(tail);
        producer_.pace.brought(distance(tail, producer_.limit));
        return tail != producer_.limit;
    }
    bool has_element(Cursor head) noexcept {
        if (head != consumer_.limit || look_for_elements(head)) return true;
        if (!consumer_.pace.pauses(head)) return false;
        look_for_elements(head);
        consumer_.pace.brought(distance(head, consumer_.limit));
        return head != consumer_.limit;
    }
    bool look_for_room(Cursor tail) noexcept {
        const Cursor head = head_.load(std::memory_order_acquire);  // (R), pairs with (F)
        producer_.limit = static_cast<Cursor>(head + mask() + 1);
        return tail != producer_.limit;
    }
    bool look_for_elements(Cursor head) noexcept {
        const Cursor tail = tail_.load(std::memory_order_acquire);  // (C), pairs with (P)
        consumer_.limit = tail;
        return head != tail;
    }

    /// Asks for lines that will be needed soon and are known to be this side's.
    [[gnu::always_inline]] void ask_ahead(Cursor c, Cursor limit) const noexcept {
        if (flow::ahead >= capacity() || distance(c, limit) <= flow::ahead) return;
        const std::size_t i = index(c) + flow::ahead;
        flow::ask_for(slots_[i < capacity() ? i : i - capacity()]);
    }
    /// The consumer has emptied the slot at its head.
    void let_go(Cursor head) noexcept {
        if (flow::left_in_line(index(head)) == 0) {
            slots_[index(head)].touch();
            ask_ahead(head, consumer_.limit);
        }
        publish_head(after(head, 1));
    }

    /// Calls use(first slot, count) for the n slots from c on: twice where they go round the end.
    template <class Use>
    Cursor in_runs(Cursor c, std::size_t n, Use use) {
        while (n > 0) {
            const std::size_t count = least(n, capacity() - index(c));
            use(&slots_[index(c)], count);
            c = after(c, count);
            n -= count;
        }
        return c;
    }

    void publish_tail(Cursor c) noexcept {
        producer_.cursor = c;
        tail_.store(c, std::memory_order_release);  // (P), pairs with (C)
    }
    void publish_head(Cursor c) noexcept {
        head_.store(c, std::memory_order_release);  // (F), pairs with (R)
    }

    void publish(Cursor tail) noexcept { publish_tail(after(tail, 1)); }  // a reservation's
    void abandon(Cursor) noexcept {}  // nothing was claimed that others see

    detail::cells<slot<T>, Capacity, Allocator> slots_;
    Cursor mask_;
    alignas(cache_line) side producer_;
    alignas(cache_line) sys::atomic<Cursor> tail_{0};
    alignas(cache_line) side consumer_;
    alignas(cache_line) sys::atomic<Cursor> head_{0};
};

}  // namespace penstock::inline PENSTOCK_ABI
