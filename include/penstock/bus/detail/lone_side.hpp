// SPDX-License-Identifier: BSL-1.0
// One side of a queue that one user has to himself until another one comes: till then he moves its
// cursor by plain stores, where users that may meet need an exchange.
//
//   alone ──end: another comes──► ending ──the first is outside──► shared, for good
//
//   user:     if (side.enter(me)) { ...alone...; side.leave(); } else { side.end(); ...by exchanges... }
//
// The first says that he is inside, then looks whether the side is still his; who ends it says so, then
// looks whether he is inside: a handshake (detail/handshake.hpp), whose dear half is paid once.
//   (L) leave's release -> (W) the acquire of who ends it: what he did alone is seen.
//   (S) `shared`, released -> (O) the acquire of who finds it so: the same, by those who come later.
// Where fences are not asymmetric an announcement costs as much as the exchange: shared from the start.
//
// Threads   enter and leave by any number, each with an id that no other thread uses meanwhile; end by
//           anybody, also by him, outside.
// Progress  enter, leave: wait-free. end waits, once in the side's life, until he has left: for some
//           ten instructions, or until he has a CPU again.
#pragma once

#include <penstock/bus/detail/handshake.hpp>
#include <penstock/core/backoff.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class lone_side {
public:
    lone_side() noexcept : user_{handshake{}.asymmetric() ? nullptr : &shared} {}

    /// True: it is his alone until leave().
    [[nodiscard]] bool enter(const void* me) noexcept {
        const void* user = user_.load(std::memory_order_relaxed);  // looked at again
        if (user != me &&
            (user || !user_.compare_exchange_strong(user, me, std::memory_order_relaxed,
                                                    std::memory_order_relaxed)))  // nothing before
            return false;
        by_.announce(inside_, true);
        if (by_.look(user_) == me) [[likely]]
            return true;
        leave();
        return false;
    }
    void leave() noexcept { inside_.store(false, std::memory_order_release); }  // (L), with (W)

    [[nodiscard]] bool is(const void* user) const noexcept {
        return user_.load(std::memory_order_relaxed) == user;  // only he makes it so
    }

    void end() noexcept {
        const void* user = user_.load(std::memory_order_acquire);  // (O), pairs with (S)
        if (user == &shared) return;
        if (!user && user_.compare_exchange_strong(user, &shared, std::memory_order_relaxed,
                                                   std::memory_order_relaxed))  // nothing before
            return;
        user_.store(&ending, std::memory_order_relaxed);  // the barrier orders it
        by_.barrier();
        for (backoff wait; by_.read(inside_); wait()) {  // (W), pairs with (L)
        }
        user_.store(&shared, std::memory_order_release);  // (S), pairs with (O)
    }

private:
    static inline const char shared{}, ending{};

    const handshake_of<is_asymmetric> by_{};  // else nobody enters
    sys::atomic<const void*> user_;
    sys::atomic<bool> inside_{false};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
