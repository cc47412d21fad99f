// SPDX-License-Identifier: BSL-1.0
// How far a journal is: what is appended, what is on disk, and whether it is broken.
//
//   (A) append store-release -> reader load-acquire: a record's bytes before its reading
//   (S) sync release -> load-acquire: the sync before whoever relies on it
//   (F) fail release -> load-acquire: what broke before the answer `failed`
//
// Syncing is led by one thread at a time; who finds it led waits, and then finds itself covered or
// leads the next one: one sync for all who came during the one before. (L) passes the lead on.
//
// Threads   Everything may be called by any number of threads at once.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <system_error>

#include <penstock/core/os_file.hpp>
#include <penstock/core/status.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class progress {
public:
    [[nodiscard]] std::uint64_t appended() const noexcept {
        return appended_.load(std::memory_order_acquire);  // (A)
    }
    [[nodiscard]] std::uint64_t synced() const noexcept {
        return synced_.load(std::memory_order_acquire);  // (S)
    }
    [[nodiscard]] bool failed() const noexcept {
        return failed_.load(std::memory_order_acquire);  // (F)
    }

    /// By who appends, one at a time.
    void set_appended(std::uint64_t end) noexcept {
        appended_.store(end, std::memory_order_release);  // (A)
    }
    void raise_synced(std::uint64_t end) noexcept {
        auto seen = synced_.load(std::memory_order_relaxed);  // the exchange decides
        while (seen < end && !synced_.compare_exchange_weak(seen, end, std::memory_order_release,
                                                            std::memory_order_relaxed)) {  // (S)
        }
    }

    /// Returns ok once all before `end` is synced. `lead` syncs once, and raises or fails.
    template <class Lead>
    status wait_synced(std::uint64_t end, Lead&& lead) {
        for (;;) {
            if (synced() >= end) return status::ok;
            if (failed()) return status::failed;
            if (!led_.exchange(true, std::memory_order_acquire)) {  // (L)
                gather();
                lead();
                expected_ = waiting_.waiting_approx() + 1;
                led_.store(false, std::memory_order_release);  // (L)
                waiting_.notify_all();
                continue;
            }
            (void)waiting_.wait(
                [&] {
                    return synced() >= end || failed() ||
                           !led_.load(
                               std::memory_order_relaxed);  // exchanged before it is relied on
                },
                [] { return false; });
        }
    }

    /// All who wait here are woken when more is synced, when it fails, and by whoever ends it.
    [[nodiscard]] waiter& waiting() noexcept { return waiting_; }

    /// For good. The first trouble is the one that is told.
    void fail(const os::trouble& t) noexcept {
        {
            std::lock_guard lock{mutex_};
            if (!failure_) failure_ = t;
        }
        failed_.store(true, std::memory_order_release);  // (F)
        waiting_.notify_all();
    }
    [[nodiscard]] std::string failure(const std::string& path) const {
        std::lock_guard lock{mutex_};
        if (!failure_) return {};
        return std::string{failure_.operation} + " " + path + ": " +
               std::generic_category().message(failure_.code);
    }

private:
    /// Those the last sync served are on their way to their next append: worth a moment, so that
    /// this one serves them too.
    void gather() noexcept {
        for (std::size_t patience = 6 * expected_; patience > 0; --patience) {
            if (waiting_.waiting_approx() + 1 >= expected_) break;
            // Written for a checker, which takes a loop that only reads for one without an end.
            patience_.store(patience, std::memory_order_relaxed);  // by who leads
            sys::yield();
        }
    }

    alignas(cache_line) sys::atomic<std::uint64_t> appended_{0};
    alignas(cache_line) sys::atomic<std::uint64_t> synced_{0};
    sys::atomic<bool> led_{false};
    sys::atomic<std::size_t> patience_{0};
    std::size_t expected_ = 0;  // by who leads: how many waited for the last sync
    sys::atomic<bool> failed_{false};
    waiter waiting_{waiter::rarely_notified{}, wait_policy::park};
    mutable sys::mutex mutex_;  // guards failure_
    os::trouble failure_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
