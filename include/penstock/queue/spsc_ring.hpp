// SPDX-License-Identifier: BSL-1.0
// Bounded FIFO between one producer thread and one consumer thread.
//
//   penstock::spsc_ring<job> ring{1000};      // exactly 1,000
//   if (!ring.try_push(job{7})) shed_load();  // producer
//   while (auto j = ring.try_pop()) run(*j);  // consumer
//
// Cost      Wait-free, O(1), at most one acquire load a call. One allocation, in the constructor.
// Threads   [producer] and [consumer] calls may overlap each other, never themselves. A role may
//           move to another thread if the hand-over synchronizes. try_* may be called from a
//           signal handler that interrupts no other call of its role.
// Errors    Full and empty are answers, not errors, and exact. A refused try_push leaves its
//           argument unmoved. Throws std::invalid_argument for capacity 0, std::bad_alloc.
// Order     FIFO. Writes before a push are visible to whoever pops that element.
//
// Invariants (cursors count elements since construction)
//   I1  head <= tail <= head + capacity.
//   I2  The slots of [head, tail) hold a live T; all others are raw memory.
//   I3  head_seen <= head and tail_seen <= tail: a stale copy makes the ring look fuller to the
//       producer or emptier to the consumer, who then looks again before saying so.
//
// Why these memory orders suffice. Each side keeps its own cursor privately, with its last view of
// the other's, and publishes it on a line of its own: a side that streams touches no line that the
// other one writes, but slots and, once in a while, that cursor. Two edges carry the rest:
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
#include <penstock/queue/concepts.hpp>
#include <penstock/queue/detail/cells.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T>
class spsc_ring {
public:
    using value_type = T;
    static constexpr bool single_producer = true;
    static constexpr bool single_consumer = true;

    explicit spsc_ring(std::size_t capacity) : slots_{capacity} {}
    spsc_ring(const spsc_ring&) = delete;
    spsc_ring& operator=(const spsc_ring&) = delete;
    ~spsc_ring() { clear(); }

    /// [producer]
    [[nodiscard]] bool try_push(T&& value) noexcept {
        if (room(1) == 0) return false;
        put_next(std::move(value));
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
        for (std::size_t i = 0; i < n; ++i, ++first) put_next(T(*first));
        if (n > 0) publish_tail();
        return n;
    }

    /// [consumer]
    [[nodiscard]] std::optional<T> try_pop() noexcept {
        if (ready(1) == 0) return std::nullopt;
        std::optional<T> value{slots_[consumer_.index].take()};
        advance(consumer_);
        publish_head();
        return value;
    }
    [[nodiscard]] bool try_pop(T& value) noexcept(std::is_nothrow_move_assignable_v<T>) {
        if (ready(1) == 0) return false;
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
        n = ready(n);
        for (std::size_t i = 0; i < n; ++i, ++out) {
            *out = slots_[consumer_.index].take();
            advance(consumer_);
        }
        if (n > 0) publish_head();
        return n;
    }

    /// [consumer] The oldest element, in place, or null. pop() then removes it.
    [[nodiscard]] T* front() noexcept {
        return ready(1) == 0 ? nullptr : &slots_[consumer_.index].get();
    }
    void pop() noexcept {
        PENSTOCK_ASSERT(ready(1) > 0, "pop() removes what front() found: call it only then");
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
        const auto head = head_.load(std::memory_order_acquire);  // pairs with (F)
        const auto tail = tail_.load(std::memory_order_acquire);  // pairs with (P)
        const auto size = static_cast<std::size_t>(tail - head);
        return size < capacity() ? size : capacity();
    }

private:
    struct side {
        std::uint64_t cursor = 0;  // own
        std::uint64_t other = 0;   // the other side's, as last seen
        std::size_t index = 0;     // cursor % capacity, kept without dividing
    };

    std::size_t room(std::size_t wanted) noexcept {
        std::size_t free = capacity() - static_cast<std::size_t>(producer_.cursor - producer_.other);
        if (free < wanted) {
            producer_.other = head_.load(std::memory_order_acquire);  // (R), pairs with (F)
            free = capacity() - static_cast<std::size_t>(producer_.cursor - producer_.other);
        }
        return free < wanted ? free : wanted;
    }

    std::size_t ready(std::size_t wanted) noexcept {
        std::size_t in = static_cast<std::size_t>(consumer_.other - consumer_.cursor);
        if (in < wanted) {
            consumer_.other = tail_.load(std::memory_order_acquire);  // (C), pairs with (P)
            in = static_cast<std::size_t>(consumer_.other - consumer_.cursor);
        }
        return in < wanted ? in : wanted;
    }

    void put_next(T&& value) noexcept {
        slots_[producer_.index].put(std::move(value));
        advance(producer_);
    }

    void advance(side& s) noexcept {
        ++s.cursor;
        if (++s.index == capacity()) s.index = 0;
    }

    void publish_tail() noexcept {
        tail_.store(producer_.cursor, std::memory_order_release);  // (P), pairs with (C)
    }
    void publish_head() noexcept {
        head_.store(consumer_.cursor, std::memory_order_release);  // (F), pairs with (R)
    }

    detail::cells<slot<T>> slots_;
    alignas(cache_line) side producer_;
    alignas(cache_line) sys::atomic<std::uint64_t> tail_{0};
    alignas(cache_line) side consumer_;
    alignas(cache_line) sys::atomic<std::uint64_t> head_{0};
};

}  // namespace penstock::inline PENSTOCK_ABI
