// SPDX-License-Identifier: BSL-1.0
// One of the readers of a gated broadcast_ring. It reads elements where they lie, and holds the
// producers until it has popped them. It leaves when it is destroyed.
//
//   while (const tick* t = r.front()) { use(*t); r.pop(); }
//   std::size_t n = r.for_each(use, 32);          // up to 32, then one store for all of them
//
// Threads   One at a time; it may move to another thread if the hand-over synchronizes. What
//           front() answered is there until pop().
// Progress  Wait-free, but that front steps over reservations that were let go.
// Errors    Null: nothing is there, or the next element is claimed and not yet written, or those
//           that this reader is behind are not done with it. What `f` throws leaves for_each; the
//           element it threw for, and those after it, are still to be read.
//
// The edges (P)-(C), (D)-(S) and (D)-(B) are those of broadcast_ring.hpp and detail/gates.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <penstock/core/config.hpp>
#include <penstock/queue/detail/gates.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// What broadcast_ring::slowest() answers: which reader, and how many elements lie before it.
struct slowest_reader {
    std::uint64_t id = 0;
    std::size_t unread = 0;
    explicit operator bool() const noexcept { return id != 0; }
};

template <class Ring>
class gated_reader;

/// The readers that another one stays behind: ring.join(behind(a, b)). They are in their ring then.
class behind {
public:
    behind() = default;
    template <class... Rings>
    explicit behind(const gated_reader<Rings>&... readers) noexcept {
        (add(readers), ...);
    }

private:
    template <class T, class Mode, std::size_t Capacity, class Allocator, class Cursor>
    friend class broadcast_ring;

    template <class Ring>
    void add(const gated_reader<Ring>& r) noexcept {
        PENSTOCK_ASSERT(r && (!ring_ || ring_ == r.ring_), "readers of one ring, that have joined");
        ring_ = r.ring_;
        gates_ |= std::uint64_t{1} << r.gate_ | r.after_;  // it may leave before those it is behind
    }

    const void* ring_ = nullptr;
    std::uint64_t gates_ = 0;
};

template <class Ring>
class [[nodiscard]] gated_reader {
public:
    using value_type = typename Ring::value_type;

    gated_reader() = default;  // tests false
    gated_reader(gated_reader&& other) noexcept
        : ring_{std::exchange(other.ring_, nullptr)},
          after_{other.after_},
          id_{other.id_},
          cursor_{other.cursor_},
          bound_{other.bound_},
          gate_{other.gate_} {}
    gated_reader& operator=(gated_reader other) noexcept {  // who was here leaves with `other`
        std::swap(ring_, other.ring_);
        std::swap(after_, other.after_);
        std::swap(id_, other.id_);
        std::swap(cursor_, other.cursor_);
        std::swap(bound_, other.bound_);
        std::swap(gate_, other.gate_);
        return *this;
    }
    ~gated_reader() {
        if (ring_) ring_->gates_.leave(gate_, after_);
    }

    explicit operator bool() const noexcept { return ring_ != nullptr; }
    /// 1, 2, 3 ... in the order of joining; no other reader of this ring ever has it.
    [[nodiscard]] std::uint64_t id() const noexcept { return ring_ ? id_ : 0; }

    /// The next element, or null. pop() then goes on to the one after it.
    [[nodiscard]] const value_type* front() noexcept {
        PENSTOCK_ASSERT(ring_, "this reader has not joined: 64 are there, or it was moved from");
        const Cursor start = cursor_;
        const value_type* element = next();
        if (cursor_ != start) ring_->gates_.pass(gate_, cursor_);
        return element;
    }
    void pop() noexcept {
        PENSTOCK_ASSERT(next(), "pop() goes past what front() found: call it only then");
        cursor_ = ring_->laps_.next(cursor_);
        ring_->gates_.pass(gate_, cursor_);
    }

    /// Calls f(const T&) for each element that is there, `most` at most (or a capacity of them);
    /// returns how many. Producers get all their slots at the end.
    template <class F>
    std::size_t for_each(F&& f, std::size_t most = static_cast<std::size_t>(-1)) {
        PENSTOCK_ASSERT(ring_, "this reader has not joined: 64 are there, or it was moved from");
        const batch done{*this, cursor_};
        if (most > ring_->capacity()) most = ring_->capacity();
        std::size_t n = 0;
        for (; n < most; ++n, cursor_ = ring_->laps_.next(cursor_)) {
            const value_type* element = next();
            if (!element) break;
            f(*element);
        }
        return n;
    }

    /// How many elements it has not read, claimed and abandoned ones included. By any thread, while it
    /// is in the ring; may be stale when it returns.
    [[nodiscard]] std::size_t unread_approx() const noexcept {
        PENSTOCK_ASSERT(ring_, "this reader has not joined: 64 are there, or it was moved from");
        const Cursor tail =
            ring_->laps_.start(ring_->tail_.load(std::memory_order_relaxed));  // a hint
        const Cursor mine = ring_->gates_.passed(std::uint64_t{1} << gate_, tail);
        return static_cast<std::size_t>(ring_->laps_.distance(mine, tail));
    }

    /// The ring is closed, and this reader has seen all that was pushed.
    [[nodiscard]] bool drained() noexcept {
        PENSTOCK_ASSERT(ring_, "this reader has not joined: 64 are there, or it was moved from");
        return !front() && ring_->tail_.load(std::memory_order_relaxed) ==  // final once closed
                               cursor_ + Ring::closed_bit;
    }

private:
    friend Ring;
    friend behind;
    using Cursor = typename Ring::cursor_type;
    using gates_type = detail::gates<Cursor>;

    gated_reader(Ring& ring, const typename gates_type::entry& entry, std::uint64_t after) noexcept
        : ring_{&ring},
          after_{after},
          id_{entry.id},
          cursor_{entry.first},
          bound_{after ? entry.first : ring.laps_.lap_later(entry.first)},
          gate_{entry.gate} {}

    struct batch {  // passes the gate also where f throws
        ~batch() {
            if (r.cursor_ != start) r.ring_->gates_.pass(r.gate_, r.cursor_);
        }
        gated_reader& r;
        Cursor start;
    };

    const value_type* next() noexcept {
        for (;; cursor_ = ring_->laps_.next(cursor_)) {
            if (after_ != 0 && !gates_type::before(cursor_, bound_)) {
                bound_ = ring_->gates_.passed(after_, ring_->laps_.lap_later(cursor_));
                if (!gates_type::before(cursor_, bound_)) return nullptr;
            }
            auto& cell = ring_->at(cursor_);
            const Cursor stamp = cell.stamp.load(std::memory_order_acquire);  // (C), pairs with (P)
            if (stamp == cursor_ + Ring::filled) return &cell.value.get();
            if (stamp != cursor_ + Ring::nothing) return nullptr;
        }
    }

    Ring* ring_ = nullptr;
    std::uint64_t after_ = 0;  // gates that it is behind
    std::uint64_t id_ = 0;
    Cursor cursor_ = 0;
    Cursor bound_ = 0;  // those before it are done with all elements before this
    unsigned gate_ = 0;
};

}  // namespace penstock::inline PENSTOCK_ABI
