// SPDX-License-Identifier: BSL-1.0
// A place in a channel, claimed and still empty: what is put there finds room, whatever comes
// meanwhile, also a close.
//
//   if (auto kept = core.reserve()) {  // conduit, reservoir
//       ...
//       kept.put(std::move(value));
//   }                                  // otherwise: let go
//
// It holds up those who come to it (queue/reservation.hpp), so it is filled or let go soon. Let go,
// it counts as in until what stands before it has been received.
#pragma once

#include <utility>

#include <penstock/queue/reservation.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class Reservoir, class Slot>
class [[nodiscard]] place {
public:
    place(Reservoir& in, Slot&& slot) noexcept : in_{&in}, slot_{std::move(slot)} {}
    place(place&&) noexcept = default;
    ~place() {
        if (!slot_) return;
        in_->place_goes();
        { const auto gone = std::move(slot_); }
        in_->place_gone();
    }

    /// False: there is no room, or the channel is closed.
    explicit operator bool() const noexcept { return static_cast<bool>(slot_); }

    void put(typename Slot::value_type&& value) noexcept {
        slot_.emplace(std::move(value));
        slot_.commit();
        in_->place_filled();
    }

private:
    Reservoir* in_;
    Slot slot_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
