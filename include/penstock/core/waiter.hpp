// SPDX-License-Identifier: BSL-1.0
// The one place in Penstock where a thread sleeps: a list of those who wait for something to
// change. Whoever changed it notifies; that costs one load while nobody waits.
//
//   status s = readers.wait([&] { return ring.try_pop(out); }, [&] { return !ring.empty(); }, {}, stop);
//   ring.try_push(x); readers.notify_one();
//
// Those who wait are wake_targets (core/wake_target.hpp): threads, and coroutines and event loops,
// which enlist by entries of their own. A target may stand in several waiters' lists (select).
//
// Cost      notify with nobody waiting: wait-free, a load, no fence and no system call. With
//           somebody: a mutex, and for a thread a futex wake (7 us). wait: spins as its policy says
//           (core/wait_policy.hpp), then enlists (a mutex, a process barrier of 0.3 to 10 us), then
//           sleeps at no cost.
// Threads   Everything may be called by any number of threads at once.
// Progress  wait blocks; notify blocks only for another's few instructions in the list. It runs
//           coroutines that resume on the waking thread, as its last step: hold no lock then.
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
// A barrier for each wait is too dear for coroutines that wake each other in one thread. Where one
// thread was seen to do both, time after time, the list turns `symmetric`: who enlists sets that bit
// of `waiting_`, then pays a last barrier under the mutex. A changer's look after it sees the bit and
// takes the mutex in any case, which orders it with all who enlist; a change before it is seen by
// all who enlist later. Once another thread wakes somebody the bit goes, and who enlists pays again;
// a changer who still sees it takes the mutex for nothing.
//
// A wake is never lost. notify_one takes one off the list who was not woken otherwise (by a stop, at
// another waiter), so each wake goes to somebody who then looks again. If he leaves something ready
// (he took one of two, timed out, was stopped or destroyed), he passes the wake on. That also covers
// a slot that is claimed and not yet written: its successors' wakes find nothing to take, but
// whoever writes it wakes one more, and the wake travels on.
#pragma once

#include <mutex>
#include <utility>

#include <penstock/core/cache_line.hpp>
#include <penstock/core/clock.hpp>
#include <penstock/core/status.hpp>
#include <penstock/core/sync_wait.hpp>
#include <penstock/core/trampoline.hpp>
#include <penstock/core/wait_policy.hpp>
#include <penstock/core/wake_target.hpp>

namespace penstock::inline PENSTOCK_ABI {

class waiter {
public:
    explicit waiter(wait_policy policy = wait_policy::hybrid) noexcept
        : asymmetric_{sys::asymmetric()}, spin_{policy} {}
    /// For where a notify is rarer than a wait: it pays an atomic instruction, the wait no barrier.
    struct rarely_notified {};
    waiter(rarely_notified, wait_policy policy) noexcept : asymmetric_{false}, spin_{policy} {}
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;
    ~waiter() { PENSTOCK_ASSERT(!first_, "a waiter was destroyed while somebody waits on it"); }

    /// Waits until done() answers true (ok), the deadline passes (timed_out) or a stop is requested
    /// (stopped); done() is asked before either, so what is ready is taken first. `left` says
    /// whether something is ready that another waiter could take. Both must be cheap and not throw.
    template <class Done, class Left>
    status wait(Done&& done, Left&& left, const deadline& until = {},
                const sys::stop_token& stop = {}) {
        status answer = status::ok;
        if (done() || spin(done, until, stop, answer)) return answer;
        struct alignas(cache_line) {  // one line to take for who wakes it
            wake_target me{};
            entry here;
        } asleep{.here = {*this, asleep.me}};
        const sys::time_point since = sys::now();
        answer = sleep(&asleep.here, 1, asleep.me, done, until, stop);
        spin_.slept(sys::now() - since);
        if (left()) notify_one();
        return answer;
    }

    void notify_one() noexcept { notify_n(1); }
    /// Wakes n, or all if fewer wait: for n changes that one each can take.
    void notify_n(std::size_t n) noexcept {
        if (somebody_waits()) wake_up_to(n);
    }
    void notify_all() noexcept {
        if (somebody_waits()) wake_up_to(waiting_approx());  // who re-enlists waits
    }
    /// Asks only if somebody waits: for a condition that is dearer than that load.
    template <class Condition>
    void notify_all_if(Condition&& condition) noexcept {
        if (somebody_waits() && condition()) wake_up_to(waiting_approx());
    }

    /// How many wait right now; stale when it returns.
    [[nodiscard]] std::size_t waiting_approx() const noexcept {
        return waiting_.load(std::memory_order_relaxed) / one;  // a hint: pairs with nothing
    }

    /// A target's place in a list. By itself for who doesn't sleep as a thread does.
    class entry {
    public:
        entry(waiter& at, wake_target& who) noexcept : at_{&at}, who_{&who} {}
        entry(const entry&) = delete;
        ~entry() { PENSTOCK_ASSERT(!home_, "an entry was destroyed while it is enlisted"); }
        [[nodiscard]] waiter& at() const noexcept { return *at_; }

    private:
        friend waiter;
        waiter* at_;
        wake_target* who_;
        // By the waiter's mutex:
        entry* next_ = nullptr;
        entry* previous_ = nullptr;   // of the first: the last
        const void* home_ = nullptr;  // the thread that enlisted it; null: not enlisted
    };

    /// Enlists the n of one target. Every change is now seen by a look, or wakes the target.
    static void enlist(entry* first, std::size_t n) {
        bool owes_barrier = false;
        for (entry* e = first; e != first + n; ++e) owes_barrier |= e->at_->link(*e);
        if (owes_barrier) sys::process_barrier();
    }
    /// When it returns, nobody who notifies refers to the target any more, unless it was armed.
    static void delist(entry* first, std::size_t n) noexcept {
        for (entry* e = first; e != first + n; ++e) {
            std::lock_guard lock{e->at_->mutex_};
            if (e->home_) e->at_->unlink(*e);
        }
    }

    /// A thread's sleep at n waiters at once, without a spin before and a wake passed on after.
    template <class Done>
    static status sleep(entry* places, std::size_t n, wake_target& me, Done& done,
                        const deadline& until, const sys::stop_token& stop) {
        alarm clock_alarm{me, until};
        auto interrupt = [&me]() noexcept { me.interrupt(); };
        sys::stop_callback on_stop{stop, interrupt};
        for (;;) {
            me.look();
            enlist(places, n);
            status answer = status::ok;
            if (!done()) {
                if (stop.stop_requested()) {
                    answer = status::stopped;
                } else if (until.passed()) {
                    answer = status::timed_out;
                } else {
                    sys::futex_wait(me.word_, wake_target::looking, clock_alarm.system_deadline());
                    delist(places, n);
                    if (!done()) continue;
                    return answer;
                }
            }
            delist(places, n);
            return answer;
        }
    }

    /// The part of a wait before the sleep. False: time to sleep.
    template <class Done>
    bool spin(Done& done, const deadline& until, const sys::stop_token& stop, status& answer) {
        const bool to_the_end = spin_.policy() == wait_policy::yield ||  //
                                spin_.policy() == wait_policy::spin;
        const auto over = [&] {
            if (done()) return true;
            if (stop.stop_requested()) return answer = status::stopped, true;
            if (to_the_end && until.passed()) return answer = status::timed_out, true;
            return false;
        };
        return spin_(over);
    }

private:
    static constexpr std::size_t symmetric = 1, one = 2;  // waiting_: how many, and that bit
    static constexpr int often = 8;

    /// Wakes its sleeper when a clock moves that the kernel's timers don't follow.
    class alarm final : clock::sleeper {
    public:
        alarm(wake_target& who, const deadline& until) : who_{who}, until_{until} {
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
        void clock_moved() noexcept override { who_.interrupt(); }

        wake_target& who_;
        const deadline& until_;
        bool watching_ = false;
    };

    /// False: nobody can have missed what was done before.
    bool somebody_waits() noexcept {
        if (asymmetric_) {
            sys::compiler_barrier();
            return waiting_.load(std::memory_order_relaxed) != 0;  // pairs with process_barrier
        }
        return waiting_.fetch_add(0, std::memory_order_release) != 0;  // (N), pairs with (E)
    }

    /// By who has the mutex. Without a process barrier, (N) must find its place among these.
    void count(std::size_t n) noexcept {
        if (asymmetric_) {
            waiting_.store(waiting_.load(std::memory_order_relaxed) + n,
                           std::memory_order_relaxed);  // pairs with process_barrier
        } else {
            waiting_.fetch_add(n, std::memory_order_acquire);  // (E), pairs with (N)
        }
    }

    /// True: whoever enlists owes a process barrier.
    bool link(entry& e) {
        std::lock_guard lock{mutex_};
        if (first_) {
            e.previous_ = std::exchange(first_->previous_, &e);
            e.previous_->next_ = &e;
        } else {
            e.previous_ = first_ = &e;
        }
        e.home_ = &detail::trampoline::of_this_thread();
        count(one);
        if (!asymmetric_) return false;
        const bool was_symmetric = waiting_.load(std::memory_order_relaxed) & symmetric;  // our own
        if (at_home_ < often) {
            if (was_symmetric) count(-symmetric);
            return true;
        }
        if (!was_symmetric) {
            count(symmetric);
            sys::process_barrier();
        }
        return false;
    }

    void unlink(entry& e) noexcept {
        const bool first = first_ == &e;
        if (e.next_ || !first) (e.next_ ? e.next_ : first_)->previous_ = e.previous_;
        (first ? first_ : e.previous_->next_) = e.next_;
        e.next_ = nullptr;
        e.home_ = nullptr;
        count(-one);
    }

    [[gnu::noinline]] void wake_up_to(std::size_t n) noexcept {
        detail::trampoline::hold later;  // a coroutine may be the end of this waiter
        while (n-- > 0) {
            const wake_target::wake w = take_first();
            if (!w.first()) return;
            w();
        }
    }

    wake_target::wake take_first() noexcept {
        std::lock_guard lock{mutex_};
        const void* here = &detail::trampoline::of_this_thread();
        while (entry* e = first_) {
            const bool at_home = e->home_ == here;
            unlink(*e);
            const wake_target::wake w = e->who_->claim();
            if (!w.first()) continue;  // woken otherwise: the next one needs it
            at_home_ = !at_home ? 0 : at_home_ < often ? at_home_ + 1 : often;
            return w;
        }
        return {};
    }

    alignas(cache_line) sys::atomic<std::size_t> waiting_{0};
    const bool asymmetric_;
    int at_home_ = 0;   // by the mutex: woken in a row by the thread that had enlisted them
    sys::mutex mutex_;  // guards the list; all up to here, and first_, is one line
    entry* first_ = nullptr;
    alignas(cache_line) detail::spinner spin_;  // written while others notify
};

}  // namespace penstock::inline PENSTOCK_ABI
