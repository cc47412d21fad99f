// SPDX-License-Identifier: BSL-1.0
// One who waits, and is woken once for all the places at which it waits: a thread, a coroutine, an
// event loop. core/waiter.hpp has the places.
//
// Waiting goes in rounds. look() begins one: enlist, then see whether what is waited for is there.
// If not, arm() hands over: from then on whoever wakes it owns it, and resumes it. Who wakes it
// earlier only leaves a mark, so that nobody runs it while its owner still looks. A thread need not
// arm: it sleeps on the word, and goes on by itself.
//
//     looking ──arm──► armed        claim: looking or armed -> woken
//        ▲                │         interrupt: any -> interrupted
//        └───── look ─────┘         whoever finds it armed resumes it, the others do nothing
//
// Edges
//   (A) arm release -> (B) claim, interrupt acquire: what its owner did before it handed it over
//       happens before it is resumed.
//   (I) interrupt release -> (L) look acquire: a stop or a clock that came before this round is
//       seen in it. One that comes later finds it looking, and marks it.
#pragma once

#include <cstdint>

#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {

class wake_target {
public:
    /// Called once for each arm() that answered true, by the thread that wakes, without a lock.
    using resume_function = void (*)(void*) noexcept;

    wake_target() noexcept = default;  ///< a thread, that sleeps on the word
    wake_target(resume_function f, void* argument) noexcept : how_{f, argument} {}
    wake_target(const wake_target&) = delete;
    wake_target& operator=(const wake_target&) = delete;

    void resume_by(resume_function f, void* argument) noexcept { how_ = {f, argument}; }

    void look() noexcept { word_.exchange(looking, std::memory_order_acquire); }  // (L), with (I)

    /// False: it was woken since look(), and is still its owner's.
    [[nodiscard]] bool arm() noexcept {
        std::uint32_t expected = looking;
        return word_.compare_exchange_strong(
            expected, armed, std::memory_order_release,
            std::memory_order_relaxed);  // (A), with (B); failed: delisting it orders the rest
    }

    /// Its owner, who keeps it alive, takes it back. True: it was armed and nobody wakes it now.
    bool disarm() noexcept {
        return word_.exchange(woken, std::memory_order_acquire) == armed;  // as (B)
    }

    /// True: a waiter woke it, and has taken it off its list. For who was resumed.
    [[nodiscard]] bool was_claimed() const noexcept {
        return word_.load(std::memory_order_relaxed) == woken;  // the one who resumes has seen it
    }

    /// A stop or a clock ends the wait. The target stays while this runs.
    void interrupt() noexcept {
        const wake w{
            *this, word_.exchange(interrupted, std::memory_order_acq_rel)};  // (I), with (L); (B)
        w();
    }

    /// What is left to do for one who was claimed, when no lock is held any more. The target may be
    /// gone by then, unless it was armed: then it is ours.
    class wake {
    public:
        wake() noexcept = default;
        /// False: it was woken before, which was meant for somebody else.
        [[nodiscard]] bool first() const noexcept { return first_; }
        void operator()() const noexcept {
            if (resume_.call) {
                resume_.call(resume_.argument);
            } else if (sleeper_) {
                sys::futex_wake(sleeper_);  // an address only
            }
        }

    private:
        friend wake_target;
        wake(const wake_target& t, std::uint32_t before) noexcept
            : first_{before == looking || before == armed} {
            if (!first_) return;
            if (!t.how_.call) sleeper_ = &t.word_;
            if (before == armed) resume_ = t.how_;
        }
        struct resumption {
            resume_function call = nullptr;
            void* argument = nullptr;
        };
        resumption resume_{};
        const void* sleeper_ = nullptr;
        bool first_ = false;
    };

    /// For a waiter that had it on its list, and so knows that it is there.
    [[nodiscard]] wake claim() noexcept {
        std::uint32_t before = word_.load(std::memory_order_relaxed);  // the exchange decides
        while (before == looking || before == armed)
            if (word_.compare_exchange_weak(
                    before, woken, std::memory_order_acquire, std::memory_order_relaxed))
                return {*this, before};  // (B), with (A)
        return {};
    }

private:
    friend class waiter;
    static constexpr std::uint32_t looking = 0, armed = 1, woken = 2, interrupted = 3;

    sys::atomic<std::uint32_t> word_{looking};  // a thread's futex
    wake::resumption how_{};
};

}  // namespace penstock::inline PENSTOCK_ABI
