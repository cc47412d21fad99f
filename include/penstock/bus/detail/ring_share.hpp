// SPDX-License-Identifier: BSL-1.0
// A reader's place in a ring of messages, whose slowest reader holds the publishers or is overtaken:
// under one interface (bus/broadcast.hpp).
//
//   take()     the next message, as something that points to it and tests false where there is none
//   done()     it is handled
//   unread()   how many are there for it. By any thread that excludes join and leave
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <penstock/bus/message.hpp>
#include <penstock/core/sync.hpp>
#include <penstock/queue/broadcast_ring.hpp>
#include <penstock/queue/lossy_ring.hpp>
#include <penstock/queue/reservation.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
class gated_share {
public:
    using ring = broadcast_ring<message<T>>;
    using place = reservation<ring>;
    static constexpr bool drops = false;

    /// False: the ring has no place for another reader.
    [[nodiscard]] bool join(ring& r) noexcept { return static_cast<bool>(is_ = r.join()); }
    void leave() noexcept { is_ = {}; }
    [[nodiscard]] const message<T>* take() noexcept { return is_.front(); }
    std::uint64_t done() noexcept {
        is_.pop();
        return 0;
    }
    [[nodiscard]] std::uint64_t unread(std::uint64_t) const noexcept {
        return is_ ? is_.unread_approx() : 0;
    }

private:
    typename ring::reader is_;
};

template <class T>
class lossy_share {
public:
    using ring = broadcast_ring<message<T>, lossy>;
    using place = char;  // none is kept
    static constexpr bool drops = true;

    [[nodiscard]] bool join(ring& r) noexcept {
        began_.emplace(r.join());
        is_.emplace(*began_);
        return true;
    }
    void leave() noexcept { began_.reset(); }
    [[nodiscard]] std::shared_ptr<const message<T>> take() noexcept { return is_->try_pop(); }
    /// How many it had missed before.
    std::uint64_t done() const noexcept { return is_->lagged(); }
    /// All there were since it joined, but for the `seen` ones.
    [[nodiscard]] std::uint64_t unread(std::uint64_t seen) const noexcept {
        return began_ ? began_->unread_approx() - seen : 0;
    }

private:
    std::optional<typename ring::reader> is_;
    std::optional<typename ring::reader> began_;  // never moves on: anybody may ask it
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
