// SPDX-License-Identifier: BSL-1.0
// What a coroutine does while it waits at waiters: the part that all awaitables share.
//
//   struct tick : async_wait<tick> {  // see channel/async.hpp for real ones
//       bool done();          // tries; true when the wait is over
//       bool left() ...       // pass_on(): wakes others for what it leaves ready
//   };
//   co_await rx.async_receive(stop);        // resumes on the thread that wakes it
//   co_await rx.async_receive(stop, pool);  // by pool.post(task): any executor of the bus, say
//
// What is waited for is taken by the thread that resumes the coroutine, right before it does, and
// not at all if it is not resumed: a wake only says that it may be worth a try. A coroutine that
// doesn't have to wait goes on where it is.
//
// Cost      Suspending: a mutex, and a process barrier (0.3 to 10 us) unless one thread was seen to
//           do both the waiting and the waking (core/waiter.hpp); no allocation. With an executor: one.
// Threads   Without an executor the coroutine runs inside the call that wakes it: a send, a receive, a
//           close, request_stop. If that call is made by a coroutine that was resumed so, it runs
//           when that one suspends (core/trampoline.hpp): don't block such a thread.
// Lifetime  What it waits at outlives the wait. A suspended coroutine may be destroyed where it
//           would be resumed: with an executor, in the executor, one task at a time; without, where
//           nobody else can wake it at the same moment. It then leaves what it waited for to others.
// Errors    What a try throws (a copy, `weigh`, on_drop) comes out of co_await, where the coroutine
//           goes on; never out of the call that woke it. post and the resumed coroutine must not
//           throw into the one who wakes: that terminates. The ticket may throw std::bad_alloc out
//           of co_await; nothing was taken then.
// Compilers g++ 11 and 12 give a coroutine that has not one variable of its own a wrong frame if it
//           awaits in a condition, `if (co_await ...)`: name the answer there.
//
// An executor's task may come when the coroutine is gone. It finds that out by a `ticket`, which
// outlives both. While the wait is armed the ticket holds itself; whoever wakes takes that hold.
//   (P) waker store-release posted -> (X) load-acquire where it is resumed or destroyed: the waker has
//       left the executor, which may be destroyed from then on.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include <penstock/core/backoff.hpp>
#include <penstock/core/resume_on.hpp>
#include <penstock/core/status.hpp>
#include <penstock/core/sync_wait.hpp>
#include <penstock/core/trampoline.hpp>
#include <penstock/core/waiter.hpp>
#include <penstock/core/wake_target.hpp>

namespace penstock::inline PENSTOCK_ABI {

namespace detail {

/// `Self` has: waiter::entry* places(); std::size_t place_count(); bool done(), which says that it is
/// over with or without success; void stopped() noexcept; void pass_on() noexcept.
template <class Self>
class async_wait : trampoline::item {
public:
    async_wait(const async_wait&) = delete;
    async_wait& operator=(const async_wait&) = delete;

    [[nodiscard]] bool await_ready() noexcept { return over(); }

    // Not inlined: the coroutine may be gone when it returns, and clang before 17 would put its
    // variables into that frame (llvm-project issue 56301).
    [[gnu::noinline]] bool await_suspend(std::coroutine_handle<> h) {
        if (where_) {
            ticket_ = std::make_shared<ticket>(*this);
            target_.resume_by(
                [](void* t) noexcept { static_cast<ticket*>(t)->post(); }, ticket_.get());
        } else {
            target_.resume_by(
                [](void* me) noexcept {
                    trampoline::of_this_thread().post(*static_cast<async_wait*>(me));
                },
                this);
        }
        coroutine_ = h;
        suspended_ = true;
        trampoline::hold later;
        if (stop_.stop_possible()) on_stop_.emplace(stop_, interrupt{target_});
        if (!settle()) return true;
        if (!later.something_to_run()) return suspended_ = false;
        // Others run first, and might destroy this coroutine while it is still suspended.
        trampoline::of_this_thread().post(*this);
        return true;
    }

protected:
    async_wait(const sys::stop_token& stop, resume_on where) noexcept
        : item{[](item& i) noexcept { static_cast<async_wait&>(i).resumed(); }},
          stop_{stop},
          where_{where} {}
    ~async_wait() = default;
    /// Where Self's destructor begins.
    void destroyed() noexcept {
        if (suspended_) abandon();
    }
    /// Where Self's await_resume begins: the coroutine runs, so whoever this wakes can't destroy it.
    void resume() {
        if (std::exchange(waited_, false)) self().pass_on();
        if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    }

    wake_target target_;  // for Self's entries

private:
    struct interrupt {
        void operator()() const noexcept { target.interrupt(); }
        wake_target& target;
    };

    struct ticket {
        explicit ticket(async_wait& w) noexcept : wait{&w}, where{w.where_} {}
        void post() noexcept {
            const std::shared_ptr<ticket> hold = std::move(self);
            poster.store(&trampoline::of_this_thread(), std::memory_order_relaxed);  // an identity
            where.post([mine = hold] {
                if (mine->wait) mine->wait->resumed();
            });
            posted.store(true, std::memory_order_release);  // (P), pairs with (X)
        }
        /// Until whoever posts has left the executor, which may go when the wait has ended.
        void await_poster() const noexcept {
            if (poster.load(std::memory_order_relaxed) == &trampoline::of_this_thread()) return;
            for (backoff pause; !posted.load(std::memory_order_acquire);) pause();  // (X), with (P)
        }
        async_wait* wait;  // null: destroyed meanwhile; known in the executor only
        const resume_on where;
        std::shared_ptr<ticket> self{};
        sys::atomic<const void*> poster{nullptr};
        sys::atomic<bool> posted{false};
    };

    Self& self() noexcept { return static_cast<Self&>(*this); }

    bool over() noexcept {
        try {
            if (self().done()) return true;
        } catch (...) {
            thrown_ = std::current_exception();
            return true;
        }
        if (!stop_.stop_requested()) return false;
        self().stopped();
        return true;
    }

    /// True: the wait is over, and the coroutine ours to go on with. False: whoever wakes it has it,
    /// and it may be gone already.
    bool settle() noexcept {
        for (;; target_.look()) {
            waiter::enlist(self().places(), self().place_count());
            bool ended = over();
            if (!ended) {
                if (ticket_) {
                    ticket_->poster.store(nullptr, std::memory_order_relaxed);  // by (A), with (B)
                    ticket_->posted.store(false, std::memory_order_relaxed);    // the same
                    ticket_->self = ticket_;
                }
                if (target_.arm()) return false;
                if (ticket_) ticket_->self.reset();
            }
            waiter::delist(self().places(), self().place_count());
            if (!ended && !over()) continue;
            leave();
            return true;
        }
    }

    /// By whoever woke it, where it is to be resumed.
    void resumed() noexcept {
        if (ticket_) ticket_->await_poster();
        trampoline::hold later;
        if (!waited_) {
            if (self().place_count() > 1 || !target_.was_claimed())
                waiter::delist(self().places(), self().place_count());
            if (over()) {
                leave();
            } else {
                target_.look();
                if (!settle()) return;
            }
        }
        suspended_ = false;
        coroutine_.resume();
    }

    void leave() noexcept {
        on_stop_.reset();
        ticket_.reset();
        waited_ = true;
    }

    void abandon() noexcept {
        on_stop_.reset();
        waiter::delist(self().places(), self().place_count());
        if (ticket_) {
            if (target_.disarm()) {
                ticket_->self.reset();
            } else if (!waited_) {
                ticket_->await_poster();
            }
            ticket_->wait = nullptr;
        }
        trampoline::of_this_thread().forget(*this);
        self().pass_on();
    }

    std::coroutine_handle<> coroutine_{};
    bool suspended_ = false;
    bool waited_ = false;  // and is over
    const sys::stop_token stop_;
    std::optional<sys::stop_callback<interrupt>> on_stop_{};
    const resume_on where_;
    std::shared_ptr<ticket> ticket_{};
    std::exception_ptr thrown_{};  // by a try
};

/// Until something is so, at one waiter, where all are woken. `Self` has done(), which may say in
/// answer_ why it is over, and begins its destructor by destroyed().
template <class Self>
class async_status : public async_wait<Self> {
public:
    status await_resume() {
        this->resume();
        return answer_;
    }

protected:
    async_status(waiter& at, const sys::stop_token& stop, const resume_on& where)
        : async_wait<Self>{stop, where}, place_{at, this->target_} {}

    status answer_{status::ok};

private:
    friend async_wait<Self>;
    waiter::entry* places() noexcept { return &place_; }
    static constexpr std::size_t place_count() noexcept { return 1; }
    void stopped() noexcept { answer_ = status::stopped; }
    static void pass_on() noexcept {}

    waiter::entry place_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
