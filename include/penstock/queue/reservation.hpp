// SPDX-License-Identifier: BSL-1.0
// A ring's next slot, claimed and still empty: an element is built where it will stay.
//
//   if (auto place = ring.reserve()) {
//       frame& f = place.emplace(header);  // in the ring, no copy
//       if (fill(f)) place.commit();       // from now on a consumer can take it
//   }                                      // otherwise: abandoned, and consumers skip it
//
// Errors    emplace() may throw; the reservation is then still open and may try again or be let go.
// Threads   As a push: whoever holds a reservation holds up those who come to its slot, so between
//           reserve() and commit() belongs little. It must not outlive the ring.
#pragma once

#include <utility>

#include <penstock/core/slot.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class Ring>
class [[nodiscard]] reservation {
public:
    using value_type = typename Ring::value_type;

    reservation() = default;  // full: nothing was reserved
    reservation(Ring& ring, slot<value_type>& place, typename Ring::cursor_type cursor) noexcept
        : ring_{&ring}, place_{&place}, cursor_{cursor} {}
    reservation(reservation&& other) noexcept
        : ring_{std::exchange(other.ring_, nullptr)},
          place_{other.place_},
          value_{std::exchange(other.value_, nullptr)},
          cursor_{other.cursor_} {}
    reservation& operator=(reservation&&) = delete;
    ~reservation() {
        if (!ring_) return;
        if (value_) place_->drop();
        ring_->abandon(cursor_);
    }

    explicit operator bool() const noexcept { return ring_ != nullptr; }

    template <class... Args>
    value_type& emplace(Args&&... args) {
        PENSTOCK_ASSERT(ring_ && !value_, "emplace() once, in a reservation that is true");
        return *(value_ = &place_->emplace(std::forward<Args>(args)...));
    }
    value_type& operator*() const noexcept { return *value_; }
    value_type* operator->() const noexcept { return value_; }

    void commit() noexcept {
        PENSTOCK_ASSERT(value_, "commit() publishes what emplace() built: call emplace() first");
        std::exchange(ring_, nullptr)->publish(cursor_);
    }

private:
    Ring* ring_ = nullptr;
    slot<value_type>* place_ = nullptr;
    value_type* value_ = nullptr;
    typename Ring::cursor_type cursor_{};
};

}  // namespace penstock::inline PENSTOCK_ABI
