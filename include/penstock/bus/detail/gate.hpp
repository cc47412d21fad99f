// SPDX-License-Identifier: BSL-1.0
// Stands before the callbacks of one subscription: lets callers in until it is closed, and then
// says when the last of them has come out. That is what a subscription's destructor waits for.
//
//   inside here{gate, nullptr};
//   if (!here) return;  // closed: the callbacks may be gone
//   call the handler    // they stay until `here` goes
//
// Cost      A compare-exchange in, another out: two publishers inside one subscription share that
//           line. (The one place to change when callbacks are to be entered without writing.)
// Progress  enter and leave lock-free; close blocks until the others are out.
//
// The word is inside * one + closed_bit. Once closed it never grows, so exactly one thread finds
// itself the last one inside. It calls last_out(), where callbacks are destroyed, while it still
// counts as inside: who waits for the gate waits for that too.
//   (L) leave's release -> (W) the acquire of who waits, or of the last: callbacks ended before.
#pragma once

#include <cstddef>
#include <cstdint>

#include <penstock/bus/detail/handler_stack.hpp>
#include <penstock/bus/detail/wait_graph.hpp>
#include <penstock/core/sync.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class gate {
public:
    explicit gate(wait_graph& waits) noexcept : waits_{waits} {}
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;

    [[nodiscard]] bool enter() noexcept {
        auto word = word_.load(std::memory_order_relaxed);  // the exchange decides
        do {
            if (word & closed_bit) return false;
        } while (!word_.compare_exchange_weak(word, word + one, std::memory_order_relaxed,
                                              std::memory_order_relaxed));  // only counts
        return true;
    }

    void leave() noexcept {
        auto word = word_.load(std::memory_order_acquire);  // (W), pairs with (L)
        for (;;) {
            if (word == (closed_bit | one)) {
                last_out();
                word_.store(closed_bit, std::memory_order_release);  // (L), pairs with (W)
                break;
            }
            if (word_.compare_exchange_weak(word, word - one, std::memory_order_release,  // (L)
                                            std::memory_order_acquire)) {                 // (W)
                if (!(word & closed_bit)) return;
                break;
            }
        }
        outside_.notify_all();
    }

    /// Lets nobody in any more and waits until all are out. False: not waited for, because the
    /// caller is one of those inside, or one of those inside waits for the caller.
    bool close() {
        auto word = word_.load(std::memory_order_relaxed);  // the exchange decides
        while (!(word & closed_bit)) {
            // Closes and enters in one step, so that somebody is sure to be the last one.
            if (!word_.compare_exchange_weak(
                    word, (word | closed_bit) + one, std::memory_order_relaxed,
                    std::memory_order_relaxed))  // leave orders what it must
                continue;
            frame me{*this, nullptr};
            me.push();
            leave();
            me.pop();
            break;
        }
        return wait_outside();
    }

    [[nodiscard]] bool closed() const noexcept {
        return (word_.load(std::memory_order_relaxed) & closed_bit) != 0;  // a hint
    }

    [[nodiscard]] const wait_graph& graph() const noexcept { return waits_; }

protected:
    ~gate() = default;

private:
    static constexpr std::uint64_t closed_bit = 1;
    static constexpr std::uint64_t one = 2;

    /// Once, when closed and nobody else is inside.
    virtual void last_out() noexcept = 0;

    bool wait_outside() {
        frame* const top = frame::top();
        const auto mine = frame::count(top, *this);
        const auto others_out = [&] {
            return word_.load(std::memory_order_acquire) / one <= mine;  // (W), pairs with (L)
        };
        if (!others_out()) {
            wait_graph::wait me{top, *this};
            if (top && !waits_.enlist(me)) return false;
            (void)outside_.wait(others_out, [] { return false; });
            if (top) waits_.delist(me);
        }
        return mine == 0;
    }

    sys::atomic<std::uint64_t> word_{0};
    wait_graph& waits_;
    waiter outside_;
};

/// A visit: let in or not; while inside, on the thread's handler stack.
class inside {
public:
    inside(gate& g, const void* queue) noexcept : gate_{g}, frame_{g, queue}, in_{g.enter()} {
        if (in_) frame_.push();
    }
    inside(const inside&) = delete;
    inside& operator=(const inside&) = delete;
    ~inside() {
        if (!in_) return;
        gate_.leave();  // still on the stack: last_out() calls user code
        frame_.pop();
    }
    explicit operator bool() const noexcept { return in_; }
    /// Messages that a send in here had to drop.
    [[nodiscard]] std::size_t dropped() const noexcept { return frame_.dropped; }

private:
    gate& gate_;
    frame frame_;
    const bool in_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
