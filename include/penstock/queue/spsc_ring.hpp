// SPDX-License-Identifier: BSL-1.0
// Bounded FIFO between one producer thread and one consumer thread.
//
//   penstock::spsc_ring<job> ring{1000};      // exactly 1,000; or spsc_ring<job, 1000>
//   if (!ring.try_push(job{7})) shed_load();  // producer
//   while (auto j = ring.try_pop()) run(*j);  // consumer
//
// Cost      Wait-free, O(1), at most one acquire load a call. One allocation, in the constructor.
// Threads   [producer] and [consumer] calls may overlap each other, never themselves. A role may
//           move to another thread if the hand-over synchronizes. try_* may be called from a
//           signal handler that interrupts no other call of its role.
// Errors    Full and empty are answers, not errors, and exact. A refused try_push leaves its
//           argument unmoved. Throws std::invalid_argument for a capacity of 0 or one that can't
//           be addressed, and what the allocator throws.
// Order     FIFO. Writes before a push are visible to whoever pops that element.
//
// Invariants (cursors count elements since construction, and wrap with their type)
//   I1  head <= tail <= head + capacity.
//   I2  The slots of [head, tail) hold a live T; all others are raw memory.
//   I3  Each side knows of `ready` slots that are its own: at most those that are. When it has used
//       them up it looks again before it says full or empty.
//
// Why these memory orders suffice. Each side keeps its own cursor privately and publishes it on a
// line of its own: a side that streams touches no line that the other one writes, but slots and,
// once in a while, that cursor. Two edges carry the rest:
//   (P) producer store-release tail -> (C) consumer load-acquire: built before used.
//   (F) consumer store-release head -> (R) producer load-acquire: gone before reused.
// No store-load order is needed: nobody sleeps here. core/waiter.hpp adds it.
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
        : slots_{capacity, allocator} {
        if (capacity > static_cast<Cursor>(-1))
            throw std::invalid_argument{
                "penstock: this capacity is too large for the cursor's type"};
        producer_.ready = capacity;
    }
    spsc_ring(const spsc_ring&) = delete;
    spsc_ring& operator=(const spsc_ring&) = delete;
    ~spsc_ring() { clear(); }

    /// [producer]
    [[nodiscard]] bool try_push(T&& value) noexcept {
        if (room(1) == 0) return false;
        slots_[producer_.index].put(std::move(value));
        advance(producer_);
        publish_tail();
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
        n = room(n);
        for (std::size_t i = 0; i < n; ++i, ++first) {
            slots_[producer_.index].emplace(*first);
            advance(producer_);
        }
        if (n > 0) publish_tail();
        return n;
    }

    /// [producer] The next slot, to build an element in; false when full (queue/reservation.hpp).
    /// One at a time, and no push before it is committed or gone.
    [[nodiscard]] reservation<spsc_ring> reserve() noexcept {
        if (room(1) == 0) return {};
        return {*this, slots_[producer_.index], 0};
    }

    /// [consumer]
    [[nodiscard]] std::optional<T> try_pop() noexcept {
        if (filled(1) == 0) return std::nullopt;
        std::optional<T> value{slots_[consumer_.index].take()};
        advance(consumer_);
        publish_head();
        return value;
    }
    [[nodiscard]] bool try_pop(T& value) noexcept(std::is_nothrow_move_assignable_v<T>) {
        if (filled(1) == 0) return false;
        slots_[consumer_.index].take_into(value);
        advance(consumer_);
        publish_head();
        return true;
    }

    /// [consumer] Writes up to `n` elements to `out`; returns how many.
    template <class Iterator>
    std::size_t try_pop_n(Iterator out, std::size_t n) {
        static_assert(std::is_nothrow_assignable_v<decltype(*out), T&&>,
                      "writing to `out` may throw and lose an element: pass a pointer");
        n = filled(n);
        for (std::size_t i = 0; i < n; ++i, ++out) {
            *out = slots_[consumer_.index].take();
            advance(consumer_);
        }
        if (n > 0) publish_head();
        return n;
    }

    /// [consumer] The oldest element, in place, or null. pop() then removes it.
    [[nodiscard]] T* front() noexcept {
        return filled(1) == 0 ? nullptr : &slots_[consumer_.index].get();
    }
    void pop() noexcept {
        PENSTOCK_ASSERT(filled(1) > 0, "pop() removes what front() found: call it only then");
        slots_[consumer_.index].drop();
        advance(consumer_);
        publish_head();
    }

    /// [consumer] Destroys what is in.
    void clear() noexcept {
        while (front()) pop();
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return slots_.count(); }

    /// [any thread] Exact for a role about its own side's progress, stale about the other's.
    [[nodiscard]] std::size_t size_approx() const noexcept {
        const Cursor head = head_.load(std::memory_order_acquire);  // (F): tail is no older
        const Cursor tail = tail_.load(std::memory_order_relaxed);  // a hint
        const auto size = static_cast<std::size_t>(static_cast<Cursor>(tail - head));
        return size < capacity() ? size : capacity();
    }

private:
    friend reservation<spsc_ring>;
    static_assert(std::is_unsigned_v<Cursor>);

    struct side {
        Cursor cursor = 0;
        std::size_t index = 0;  // cursor % capacity, kept without dividing
        std::size_t ready = 0;  // slots from here on that are known to be this side's
    };

    std::size_t room(std::size_t wanted) noexcept {
        if (producer_.ready < wanted) {
            const Cursor head = head_.load(std::memory_order_acquire);  // (R), pairs with (F)
            producer_.ready = capacity() - static_cast<Cursor>(producer_.cursor - head);
        }
        return producer_.ready < wanted ? producer_.ready : wanted;
    }
    std::size_t filled(std::size_t wanted) noexcept {
        if (consumer_.ready < wanted) {
            const Cursor tail = tail_.load(std::memory_order_acquire);  // (C), pairs with (P)
            consumer_.ready = static_cast<Cursor>(tail - consumer_.cursor);
        }
        return consumer_.ready < wanted ? consumer_.ready : wanted;
    }

    void advance(side& s) noexcept {
        ++s.cursor;
        --s.ready;
        if (++s.index == capacity()) s.index = 0;
    }

    void publish_tail() noexcept {
        tail_.store(producer_.cursor, std::memory_order_release);  // (P), pairs with (C)
    }
    void publish_head() noexcept {
        head_.store(consumer_.cursor, std::memory_order_release);  // (F), pairs with (R)
    }

    void publish(Cursor) noexcept {  // what a reservation built
        advance(producer_);
        publish_tail();
    }
    void abandon(Cursor) noexcept {}  // nothing was claimed that others see

    detail::cells<slot<T>, Capacity, Allocator> slots_;
    alignas(cache_line) side producer_;
    alignas(cache_line) sys::atomic<Cursor> tail_{0};
    alignas(cache_line) side consumer_;
    alignas(cache_line) sys::atomic<Cursor> head_{0};
};

}  // namespace penstock::inline PENSTOCK_ABI
