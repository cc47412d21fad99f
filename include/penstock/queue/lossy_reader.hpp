// SPDX-License-Identifier: BSL-1.0
// One of the readers of a lossy broadcast_ring. It gets copies, and counts what it missed.
//
//   while (auto t = r.try_pop()) {
//       if (r.lagged() > 0) missed(r.lagged());
//       use(*t);
//   }
//   if (r.drained()) return;                      // closed, and nothing is left
//
// Threads   One at a time. It is a value: a copy reads on from the same element, in any thread. It
//           must not be used after its ring.
// Progress  try_pop is lock-free: it looks again only if a producer has overtaken it meanwhile.
// Errors    Empty: nothing is there, or the next element is claimed and not yet written.
//
// The edges (K), (F) and (B) are those of lossy_ring.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <penstock/core/config.hpp>
#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class Ring>
class lossy_reader {
public:
    using value_type = typename Ring::value_type;
    using element = typename Ring::element;

    /// The next element, or one that tests false.
    [[nodiscard]] element try_pop() noexcept {
        for (;;) {
            auto& cell = ring_->at(cursor_);
            const Cursor stamp = cell.stamp.load(std::memory_order_acquire);  // (K), with (F), (B)
            if (stamp == cursor_ + Ring::filled) {
                element e = cell.read(cursor_, stamp);
                if (!e) continue;  // overtaken just now, and the stamp says so
                lagged_ = std::exchange(skipped_, 0);
                missed_ += lagged_;
                cursor_ = ring_->laps_.next(cursor_);
                return e;
            }
            if (!Ring::laps::before(static_cast<Cursor>(cursor_ + Ring::laps::flags), stamp))
                return element{};
            const Cursor oldest = ring_->laps_.lap_earlier(ring_->tail());  // came with (K)
            skipped_ += ring_->laps_.distance(cursor_, oldest);
            cursor_ = oldest;
        }
    }

    /// Calls f(const T&) for what is there, `most` elements at most (or a capacity); returns how
    /// many. What f throws leaves; its element counts as read.
    template <class F>
    std::size_t for_each(F&& f, std::size_t most = static_cast<std::size_t>(-1)) {
        if (most > ring_->capacity()) most = ring_->capacity();
        std::size_t n = 0;
        for (; n < most; ++n) {
            const element e = try_pop();
            if (!e) break;
            f(*e);
        }
        return n;
    }

    /// How many elements this reader missed right before the one that it popped last.
    [[nodiscard]] std::uint64_t lagged() const noexcept { return lagged_; }
    /// And before all that it popped.
    [[nodiscard]] std::uint64_t missed() const noexcept { return missed_; }

    /// How many elements lie before it, those included that it will miss. May be stale when it returns.
    [[nodiscard]] std::uint64_t unread_approx() const noexcept {
        return ring_->laps_.distance(cursor_, ring_->tail());
    }

    /// The ring is closed, and there is nothing left for this reader.
    [[nodiscard]] bool drained() const noexcept {
        return ring_->closed() && cursor_ == ring_->tail();  // final once closed
    }

private:
    friend Ring;
    using Cursor = typename Ring::cursor_type;

    lossy_reader(const Ring& ring, Cursor first) noexcept : ring_{&ring}, cursor_{first} {}

    const Ring* ring_;
    Cursor cursor_;
    std::uint64_t skipped_ = 0, lagged_ = 0, missed_ = 0;
};

}  // namespace penstock::inline PENSTOCK_ABI
