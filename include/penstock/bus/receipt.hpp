// SPDX-License-Identifier: BSL-1.0
// What became of one message, to wait for: each subscriber's outcome.
//
//   receipt r = strong.publish_tracked(quake{"us", 6.1});
//   if (r.wait_for(1s) && r.failed() == 0) std::puts("everybody has handled it");
//
// An outcome comes from each direct handler before publish_tracked returns, and from each queue that
// took the message when its handler returned (handled) or threw (failed), when it was dropped, or,
// where it is pulled, when those who received it have let go of it (released; after all others).
//
// Cost      An allocation more than publish, and a notification for each outcome.
// Threads   Everything by any number of threads. A receipt may outlive the bus.
// Progress  wait blocks until all outcomes are known. Waited for in a handler that one of them needs
//           to run, it waits for itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include <penstock/bus/detail/tracker.hpp>
#include <penstock/bus/published.hpp>
#include <penstock/core/clock.hpp>
#include <penstock/core/resume_on.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {

class receipt_awaitable;  // bus/async.hpp

class receipt {
public:
    receipt(std::shared_ptr<detail::tracker> of, const penstock::published& p) noexcept
        : of_{std::move(of)}, published_{p} {}

    /// What publish would have answered.
    [[nodiscard]] const penstock::published& published() const noexcept { return published_; }

    /// Whether all outcomes are known; then they stay as they are.
    [[nodiscard]] bool settled() const noexcept { return of_->settled(); }
    /// ok when they are, or stopped.
    status wait(const sys::stop_token& stop = {}) const { return of_->wait({}, stop); }
    /// Also timed_out.
    template <class Rep, class Period>
    status wait_for(std::chrono::duration<Rep, Period> d, const sys::stop_token& stop = {},
                    clock_ref by = {}) const {
        return of_->wait(deadline::after(by, d), stop);
    }

    /// For coroutines: include bus/async.hpp.
    receipt_awaitable async_wait(const sys::stop_token& stop = {},
                                 const resume_on& where = {}) const;

    /// So far; each subscriber, or group, once.
    [[nodiscard]] std::uint32_t handled() const noexcept {
        return published_.handled() + of_->count(detail::outcome::handled);
    }
    [[nodiscard]] std::uint32_t failed() const noexcept {
        return published_.failed() + of_->count(detail::outcome::failed);
    }
    [[nodiscard]] std::uint32_t dropped() const noexcept {
        return of_->count(detail::outcome::dropped);
    }
    [[nodiscard]] std::uint32_t released() const noexcept {
        return of_->count(detail::outcome::released);
    }

private:
    std::shared_ptr<detail::tracker> of_;
    penstock::published published_;
};

}  // namespace penstock::inline PENSTOCK_ABI
