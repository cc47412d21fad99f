// SPDX-License-Identifier: BSL-1.0
// Stands before the callbacks of one subscription: lets callers in until it is closed, and then
// says when the last of them has come out. That is what a subscription's destructor waits for.
//
//   inside here{gate, nullptr};
//   if (!here) return;  // closed: the callbacks may be gone
//   call the handler    // they stay until `here` goes
//
// Cost      In and out: a store to the caller's own record and a load each (detail/visitors.hpp), so
//           that callers share no line that is written. close: a process barrier, and a look at
//           every record.
// Progress  enter and leave wait-free, except that who leaves a closed gate wakes who waits for that
//           (core/waiter.hpp: a mutex, for a few instructions); close blocks until the others are out.
//
// A caller announces itself, then looks whether the gate is open; close closes it, and then reads
// the announcements. So whoever got in is seen by who closes, and who came later is turned back.
// The same the other way round when a caller leaves: it takes its announcement back, then looks;
// if the gate is closed, it wakes who may wait, and ends the callbacks if it was the last.
//
// The last one. With the gate `shut` (that is, after a closer's barrier), who finds nobody inside ends
// the callbacks: once, calling last_out() while it counts as inside itself, so that who waits waits
// for that too. Whoever leaves a closed gate looks after he is out, and so does a closer. One looks
// at a time: who comes while another does leaves his call, and the other looks once more. So nobody
// waits for somebody who is stopped half-way, and of all the calls the last is answered by a look
// that comes after it.
//   (L) a call's release -> (K) the acquire of who answers it: he was out before.
//   (E) gone's release -> (W) the acquire of who waits: callbacks ended before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <penstock/bus/detail/visitors.hpp>
#include <penstock/core/sync.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class gate {
public:
    explicit gate(visitors& all) noexcept : gate{all, this} {}
    /// Announced by that id, where callers know it and not the gate (detail/direct.hpp).
    gate(visitors& all, const void* id) noexcept : id_{id}, all_{all} {}
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;

    /// True: `v` is inside. Else it is not, and the callbacks may be gone.
    [[nodiscard]] bool enter(visitor& v) noexcept {
        all_.by().announce(v.calling, id_);
        if (all_.by().look(state_) == open) [[likely]]
            return true;
        leave(v);
        return false;
    }

    void leave(visitor& v) noexcept {
        all_.by().announce(v.calling, nobody);
        if (all_.by().look(state_) != open) [[unlikely]]
            left();
    }

    /// Lets nobody in any more and waits until all are out. False: not waited for, because the
    /// caller is one of those inside, or one of those inside waits for the caller. Not `found`:
    /// nobody has ever come to this gate, or will, and all who close it know that.
    bool close(bool found = true) {
        if (gone_.load(std::memory_order_acquire)) return true;  // (W), pairs with (E)
        shut_without_waiting(found);
        return wait_outside();
    }

    /// Lets nobody in any more. The last one out ends the callbacks; it may be the caller, here.
    void shut_without_waiting(bool found = true) {
        if (gone_.load(std::memory_order_relaxed)) return;  // who doesn't wait sees nothing of it
        if (found) {
            state expected = open;
            state_.compare_exchange_strong(expected, closing, std::memory_order_relaxed,
                                           std::memory_order_relaxed);  // `shut` orders, below
            all_.by().barrier();
        }
        state_.store(shut, std::memory_order_seq_cst);
        end_if_last(found);
    }

    [[nodiscard]] bool closed() const noexcept {
        return state_.load(std::memory_order_relaxed) != open;  // a hint
    }

    [[nodiscard]] visitors& all() const noexcept { return all_; }
    [[nodiscard]] const void* id() const noexcept { return id_; }

protected:
    ~gate() = default;

    /// A caller has found it closed after he took his announcement back.
    [[gnu::noinline, gnu::cold]] void left() noexcept {
        end_if_last(true);
        outside_.notify_all();
    }

private:
    using state = std::uint32_t;
    static constexpr state open = 0, closing = 1, shut = 2;
    static constexpr const void* nobody = nullptr;

    /// Once, when closed and nobody else is inside.
    virtual void last_out() noexcept = 0;

    void end_if_last(bool found) {
        visitor& me = all_.take();
        if (calls_.fetch_add(1, std::memory_order_acq_rel) == 0) {  // (L), pairs with (K)
            std::uint32_t answered = 1;
            do {
                look(me, found);
            } while (!calls_.compare_exchange_strong(
                answered, 0, std::memory_order_release,  // pairs with who calls next, (L)
                std::memory_order_acquire));             // (K), pairs with (L)
        }
        all_.put(me);
    }

    /// One at a time.
    void look(visitor& me, bool found) {
        sys::read(&ended_);
        if (ended_ || state_.load(std::memory_order_seq_cst) != shut ||
            (found && all_.callers(id_) > 0))
            return;
        sys::wrote(&ended_);
        ended_ = true;
        all_.by().announce(me.calling, id_);
        last_out();
        gone_.store(true, std::memory_order_release);  // (E), pairs with (W)
        all_.by().announce(me.calling, nobody);
        outside_.notify_all();
    }

    bool wait_outside() {
        visitor* const top = visitor::top();
        const auto mine = visitor::count(top, id_);
        const auto others_out = [&] {
            return mine > 0 ? all_.callers(id_) <= mine
                            : gone_.load(std::memory_order_acquire);  // (W), pairs with (E)
        };
        if (!others_out()) {
            wait_graph::wait me{top, id_};
            if (top && !all_.graph().enlist(me)) return false;
            (void)outside_.wait(others_out, [] { return false; });
            if (top) all_.graph().delist(me);
        }
        return mine == 0;
    }

    const void* const id_;
    sys::atomic<state> state_{open};
    sys::atomic<bool> gone_{false};
    visitors& all_;
    sys::atomic<std::uint32_t> calls_{0};
    bool ended_ = false;  // by who looks
    waiter outside_;
};

/// A visit: let in or not; while inside, on the thread's handler stack.
class inside {
public:
    inside(gate& g, const void* queue) : gate_{g}, visit_{g.all().take()}, in_{g.enter(visit_)} {
        if (in_) visit_.queue = queue;
        visit_.dropped = 0;
    }
    inside(const inside&) = delete;
    inside& operator=(const inside&) = delete;
    ~inside() {
        visit_.queue = nullptr;
        if (in_) gate_.leave(visit_);  // still on the stack: last_out() calls user code
        gate_.all().put(visit_);
    }
    explicit operator bool() const noexcept { return in_; }
    /// Messages that a send in here had to drop.
    [[nodiscard]] std::size_t dropped() const noexcept { return visit_.dropped; }

private:
    gate& gate_;
    visitor& visit_;
    const bool in_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
