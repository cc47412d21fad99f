// SPDX-License-Identifier: BSL-1.0
// A receiver for an event loop: a file descriptor that is readable while there is something to
// receive.
//
//   event_handle jobs{rx};
//   epoll_event e{.events = EPOLLIN, .data = {.ptr = &jobs}};
//   epoll_ctl(loop, EPOLL_CTL_ADD, jobs.fd(), &e);
//   ...                                              // epoll_wait says that jobs is readable:
//   while (auto j = jobs.try_receive()) run(*j);     // until empty, or only some
//
// The descriptor stays readable until try_receive has answered `empty`, and for ever once it would
// answer `closed`. It may be readable for nothing, if another receiver was faster. Wait for it
// level-triggered, by epoll, poll, or what a library's loop has for descriptors; never read from it.
//
// Cost      While the loop finds something: as try_receive, and senders make no system call. To
//           answer `empty`: a read of the descriptor, a mutex and a process barrier. The first send
//           after that: a mutex and a write, about 1 us.
// Threads   try_receive belongs to one thread at a time, the loop's; fd() to any.
// Errors    The constructor throws std::system_error where there are no descriptors left.
// Order     In one line with threads and coroutines that wait at the same channel.
// Loss      None. Destroyed with a wake that it hasn't used, it passes that on.
//
// It is awake (readable, in no list) or asleep (cleared, enlisted). Whoever wakes it signals, then
// says so in `signalled_`, his last touch of it: before that it is neither cleared nor destroyed.
//   (S) waker store-release signalled_ -> (T) loop load-acquire.
#pragma once

#include <optional>
#include <utility>

#include <penstock/channel/ends.hpp>
#include <penstock/core/backoff.hpp>
#include <penstock/core/result.hpp>
#include <penstock/core/sync_event.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T, class Storage = mpmc_ring<T>>
class event_handle {
public:
    using value_type = T;

    /// Keeps an end of its own: the channel has a receiver while the handle lives.
    explicit event_handle(receiver<T, Storage> rx)
        : rx_{std::move(rx)}, from_{detail::channel_access::core(rx_)} {
        event_.signal();
    }
    event_handle(const event_handle&) = delete;
    event_handle& operator=(const event_handle&) = delete;
    ~event_handle() {
        if (asleep_) {
            waiter::delist(&place_, 1);
            if (!target_.disarm()) {
                for (backoff wait; !signalled();) wait();
                used_wake_ = false;
            }
        }
        pass_on();
    }

    [[nodiscard]] int fd() const noexcept { return event_.fd(); }
    /// What poll would say of it; for tests.
    [[nodiscard]] bool readable() const noexcept { return event_.readable(); }

    /// Never waits: empty, or closed and drained.
    result<T> try_receive() {
        auto got = from_.take();
        if (!got && !from_.drained()) got = fall_asleep();
        if (got) {
            if (asleep_ && signalled()) wake_up();
            pass_on();
        }
        return {std::move(got), from_.drained() ? status::closed : status::empty};
    }

private:
    /// What came meanwhile: then it has stayed awake.
    std::optional<T> fall_asleep() {
        if (asleep_) {
            if (!signalled()) return std::nullopt;  // it still sleeps, or is about to be readable
            wake_up();
        }
        event_.clear();
        signalled_.store(false, std::memory_order_relaxed);  // nobody else knows it now
        target_.look();
        waiter::enlist(&place_, 1);
        auto got = from_.take();
        if (!got && !from_.drained() && target_.arm()) {
            asleep_ = true;
            return got;
        }
        waiter::delist(&place_, 1);
        used_wake_ = false;  // there may have been one
        event_.signal();
        if (!got) got = from_.take();
        return got;
    }
    void wake_up() noexcept {
        asleep_ = false;
        used_wake_ = false;
    }
    void pass_on() noexcept {
        if (!std::exchange(used_wake_, true) && from_.receivable()) from_.receivers().notify_one();
    }

    static void woken(void* self) noexcept {
        auto& me = *static_cast<event_handle*>(self);
        me.event_.signal();
        me.signalled_.store(true, std::memory_order_release);  // (S), pairs with (T)
    }
    [[nodiscard]] bool signalled() const noexcept {
        return signalled_.load(std::memory_order_acquire);  // (T), pairs with (S)
    }

    receiver<T, Storage> rx_;
    detail::conduit<T, Storage>& from_;
    sys::event event_{};
    wake_target target_{woken, this};
    waiter::entry place_{from_.receivers(), target_};
    sys::atomic<bool> signalled_{false};
    bool asleep_ = false;
    bool used_wake_ = true;  // the loop's, as asleep_
};

template <class T, class Storage>
event_handle(receiver<T, Storage>) -> event_handle<T, Storage>;

}  // namespace penstock::inline PENSTOCK_ABI
