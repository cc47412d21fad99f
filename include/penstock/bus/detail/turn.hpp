// SPDX-License-Identifier: BSL-1.0
// Whether the one task that empties a queue is posted or runs: at most one is, and none rests while
// something is in.
//
//   publisher: puts something in; if (turn.wanted()) post the task;
//   task:      takes and handles until it finds nothing; then
//              if (turn.goes_on([&] { return take again; })) more, else it is over
//
//   idle ──wanted: post──► busy ──goes_on──► looking ──nothing──► idle
//                            ▲ ◄──found one──────┤
//                            └──wanted, unposted─┘  and it looks again
//
// No message stays in by this: publisher puts it in, looks at the state (N); task says `looking` (E),
// looks at the queue. One of the two looks must see the other's write, which takes a store-load
// order on both sides, as in core/waiter.hpp: asymmetric, the task pays a process barrier between
// its two steps; otherwise (E) and (N) are read-modify-writes of one word, so one reads the other,
// and (N) -> (E) carries the message to the look. A claimed slot that is not yet written needs
// nothing: its writer is before his own (N).
//   (I) idle's release -> (P) the acquire of who posts next: tasks come one after the other; and ->
//       (R) the acquire of who waits for rest: handlers have returned.
//
// Progress  wanted: wait-free. goes_on: a process barrier; again when somebody came meanwhile.
#pragma once

#include <cstdint>

#include <penstock/bus/detail/handshake.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class turn {
public:
    explicit turn(const handshake& by) noexcept : by_{by} {}

    /// Something is in. True: the task is to be posted.
    [[nodiscard]] bool wanted() noexcept {
        if (by_.asymmetric()) {
            sys::compiler_barrier();
            if (state_.load(std::memory_order_relaxed) == busy) return false;  // (N), with (E)
        } else if (state_.fetch_add(0, std::memory_order_release) == busy) {   // (N), with (E)
            return false;
        }
        return state_.exchange(busy, std::memory_order_acquire) == idle;  // (P), pairs with (I)
    }

    /// By the task, which has found nothing. True: look() has, now. False: it is over.
    template <class Look>
    [[nodiscard]] bool goes_on(Look&& look) {
        for (;;) {
            state_.exchange(looking, std::memory_order_acquire);  // (E), pairs with (N)
            if (by_.asymmetric()) sys::process_barrier();
            if (look()) {
                state_.exchange(
                    busy, std::memory_order_relaxed);  // hands what it reads to next (E)
                return true;
            }
            std::uint32_t still = looking;
            if (state_.compare_exchange_strong(still, idle,
                                               std::memory_order_release,     // (I), with (P), (R)
                                               std::memory_order_relaxed)) {  // (E) is next
                return false;
            }
        }
    }

    /// It could not be posted: the next message tries again.
    void gave_up() noexcept { state_.store(idle, std::memory_order_release); }  // (I), with (P)

    [[nodiscard]] bool over() const noexcept {
        return state_.load(std::memory_order_acquire) == idle;  // (R), pairs with (I)
    }

private:
    enum : std::uint32_t { idle, looking, busy };
    const handshake by_;
    sys::atomic<std::uint32_t> state_{idle};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
