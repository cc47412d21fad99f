// SPDX-License-Identifier: BSL-1.0
// What became of one publish, subscription by subscription. True when somebody got it.
//
//   published p = strong.publish(quake{"us", 6.1});
//   if (!p) std::puts(p.status().name());  // no_subscribers, full, dropped, closed, ...
//   if (p.dropped()) slow_down();
//
// Not [[nodiscard]]: an event that nobody listens to is the everyday case of an event.
#pragma once

#include <cstdint>

#include <penstock/core/status.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// Counted up while the subscriptions are gone through.
struct tally {
    std::uint32_t handled = 0, failed = 0, queued = 0, rejected = 0, dropped = 0, refused = 0;
    status why = status::no_subscribers;  // the last reason for not getting it
    bool halted = false;                  // nobody else gets it either: its keeper has refused it
};

}  // namespace detail

class published {
public:
    published() = default;  ///< nobody was asked
    explicit published(const detail::tally& t) noexcept : t_{t} {}

    /// By who publishes. Counted where it is returned: words put together from halves that were just
    /// stored are read late.
    [[nodiscard]] detail::tally& tally() noexcept { return t_; }

    /// Subscriptions whose pattern and `where` said yes; a group counts once.
    [[nodiscard]] std::uint32_t matched() const noexcept {
        return t_.handled + t_.failed + t_.queued + t_.refused;
    }
    /// Direct handlers that have run.
    [[nodiscard]] std::uint32_t handled() const noexcept { return t_.handled; }
    /// Direct handlers, or `where`s, that threw.
    [[nodiscard]] std::uint32_t failed() const noexcept { return t_.failed; }
    /// Queues that it is in.
    [[nodiscard]] std::uint32_t queued() const noexcept { return t_.queued; }
    /// Full queues that refused it.
    [[nodiscard]] std::uint32_t rejected() const noexcept { return t_.rejected; }
    /// Messages that were dropped because of it: itself by drop_newest, an older one by drop_oldest.
    [[nodiscard]] std::uint32_t dropped() const noexcept { return t_.dropped; }

    /// ok when somebody got it; else why not (the last reason, where there are several).
    [[nodiscard]] penstock::status status() const noexcept {
        return *this ? penstock::status::ok : t_.why;
    }
    explicit operator bool() const noexcept { return t_.handled + t_.queued > 0; }

private:
    detail::tally t_;
};

}  // namespace penstock::inline PENSTOCK_ABI
