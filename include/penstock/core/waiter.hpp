// SPDX-License-Identifier: BSL-1.0
// The one place in Penstock where a thread sleeps: a list of those who wait for something to
// change. Whoever changed it notifies; that costs one load while nobody waits.
//
//   status s = readers.wait([&] { return ring.try_pop(out); }, [&] { return !ring.empty(); }, {}, stop);
//   ring.try_push(x); readers.notify_one();
//
// Cost      notify with nobody waiting: wait-free, a load, no fence and no system call. With
//           somebody: a mutex and a futex wake (7 us). wait: spins about 1.6 us (not at all on one
//           CPU), then enlists (a mutex, a process barrier of 0.3 to 10 us), then sleeps at no cost.
// Threads   Everything may be called by any number of threads at once.
// Progress  wait blocks; notify blocks only for another's few instructions in the list.
// Order     First to enlist, first woken.
//
// Enlist, look again, then sleep. Two threads could miss each other:
//   sleeper: enlists, looks (nothing there), sleeps      changer: changes, looks (nobody there)
// One of the two looks must see the other's write, which takes a store-load order on both sides:
//   asymmetric (membarrier): the changer orders its two steps for the compiler only; the sleeper's
//     process barrier is a full fence in the changer at some instant. A change before that instant
//     is seen by the sleeper's look; a changer's look after it sees the enlisted sleeper.
//   otherwise: both are read-modify-writes of `waiting_`, so one reads the other: (E) -> (N) the
//     changer sees the sleeper, and finds him by the mutex; (N) -> (E) releases the change to the
//     sleeper's look.
//
// A wake is never lost. notify_one takes a sleeper off the list, so each wake goes to somebody who
// then looks again. If he leaves something ready (he took one of two, timed out, was stopped), he
// passes the wake on. That also covers a slot that is claimed and not yet written: its successors'
// wakes find nothing to take, but whoever writes it wakes one more, and the wake travels on.
#pragma once

#include <mutex>

#include <penstock/core/cache_line.hpp>
#include <penstock/core/clock.hpp>
#include <penstock/core/status.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {

class waiter {
public:
    waiter() noexcept
        : asymmetric_{sys::asymmetric()}, spins_{sys::usable_cpus() > 1 ? spin_rounds : 0} {}
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;
    ~waiter() { PENSTOCK_ASSERT(!first_, "a waiter was destroyed while somebody waits on it"); }

    /// Waits until done() answers true (ok), the deadline passes (timed_out) or a stop is requested
    /// (stopped); done() is asked before either, so what is ready is taken first. `left` says
    /// whether something is ready that another waiter could take. Both must be cheap and not throw.
    template <class Done, class Left>
    status wait(Done&& done, Left&& left, const deadline& until = {},
                const sys::stop_token& stop = {}) {
        for (int round = 0;; ++round) {
            if (done()) return status::ok;
            if (stop.stop_requested()) return status::stopped;
            if (round >= spins_) break;
            for (int i = 0; i < (1 << round); ++i) sys::pause();
        }
        const status answer = sleep(done, until, stop);
        if (left()) notify_one();
        return answer;
    }

    void notify_one() noexcept {
        if (somebody_waits()) wake_first();
    }

    void notify_all() noexcept {
        if (!somebody_waits()) return;
        for (std::size_t n = waiting_approx(); n > 0 && wake_first();
             --n) {  // who re-enlists waits
        }
    }

    /// How many wait right now; stale when it returns.
    [[nodiscard]] std::size_t waiting_approx() const noexcept {
        return waiting_.load(std::memory_order_relaxed);  // a hint: pairs with nothing
    }

private:
    static constexpr int spin_rounds = 6;  // 1 + 2 + ... + 32 pauses

    struct entry {
        sys::atomic<std::uint32_t> woken{0};  // the futex
        entry* next = nullptr;
        entry* previous = nullptr;
        bool enlisted = false;  // by the waiter's mutex
    };

    template <class Done>
    status sleep(Done& done, const deadline& until, const sys::stop_token& stop) {
        entry me;
        alarm clock_alarm{*this, me, until};
        auto interrupt = [this, &me]() noexcept { wake(me); };
        sys::stop_callback on_stop{stop, interrupt};
        for (;;) {
            enlist(me);
            status answer = status::ok;
            if (!done()) {
                if (stop.stop_requested()) {
                    answer = status::stopped;
                } else if (until.passed()) {
                    answer = status::timed_out;
                } else {
                    sys::futex_wait(me.woken, 0, clock_alarm.system_deadline());
                    delist(me);
                    if (!done()) continue;
                }
            }
            delist(me);
            return answer;
        }
    }

    /// Wakes its sleeper when a clock moves that the kernel's timers don't follow.
    class alarm final : clock::sleeper {
    public:
        alarm(waiter& list, entry& who, const deadline& until)
            : list_{list}, who_{who}, until_{until} {
            if (!until.never()) watching_ = until.by().watch(*this);
        }
        alarm(const alarm&) = delete;
        ~alarm() {
            if (watching_) until_.by().unwatch(*this);
        }
        [[nodiscard]] sys::time_point system_deadline() const noexcept {
            return watching_ ? sys::time_point::max() : until_.at();
        }

    private:
        void clock_moved() noexcept override { list_.wake(who_); }

        waiter& list_;
        entry& who_;
        const deadline& until_;
        bool watching_ = false;
    };

    bool somebody_waits() noexcept {
        if (asymmetric_) {
            sys::compiler_barrier();
            return waiting_.load(std::memory_order_relaxed) != 0;  // pairs with process_barrier
        }
        return waiting_.fetch_add(0, std::memory_order_release) != 0;  // (N), pairs with (E)
    }

    void enlist(entry& me) {
        {
            std::lock_guard lock{mutex_};
            me.woken.store(0, std::memory_order_relaxed);  // others write it under the mutex only
            me.previous = last_;
            (last_ ? last_->next : first_) = &me;
            last_ = &me;
            me.enlisted = true;
            waiting_.fetch_add(1, std::memory_order_acquire);  // (E), pairs with (N)
        }
        if (asymmetric_) sys::process_barrier();
    }

    void delist(entry& me) noexcept {
        std::lock_guard lock{mutex_};
        if (me.enlisted) unlink(me);
    }

    void unlink(entry& e) noexcept {
        (e.previous ? e.previous->next : first_) = e.next;
        (e.next ? e.next->previous : last_) = e.previous;
        e.next = e.previous = nullptr;
        e.enlisted = false;
        waiting_.fetch_sub(1, std::memory_order_relaxed);  // fewer than counted: a needless look
    }

    bool wake_first() noexcept {
        entry* e;
        {
            std::lock_guard lock{mutex_};
            e = first_;
            if (!e) return false;
            unlink(*e);
            e->woken.store(1, std::memory_order_relaxed);  // what changed travels by (N) or done()
        }
        sys::futex_wake(&e->woken);  // an address only: the sleeper may be gone
        return true;
    }

    /// Wakes this one, who is still in sleep(): a stop or a clock ends his wait, not a change.
    void wake(entry& e) noexcept {
        {
            std::lock_guard lock{mutex_};
            if (e.enlisted) unlink(e);
            e.woken.store(1, std::memory_order_relaxed);  // looked at again before he sleeps
        }
        sys::futex_wake(&e.woken);
    }

    alignas(cache_line) sys::atomic<std::size_t> waiting_{0};
    const bool asymmetric_;
    const int spins_;   // asked once: it takes a system call
    sys::mutex mutex_;  // guards the list
    entry* first_ = nullptr;
    entry* last_ = nullptr;
};

}  // namespace penstock::inline PENSTOCK_ABI
