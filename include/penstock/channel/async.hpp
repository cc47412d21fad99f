// SPDX-License-Identifier: BSL-1.0
// The two ends of a channel for coroutines.
//
//   while (auto j = co_await rx.async_receive(stop)) run(*j);   // result<job>
//   status s = co_await tx.async_send(std::move(j), stop);      // waits while it is full
//   auto j = co_await rx.async_receive(stop, pool);             // goes on in pool.post(task)
//
// Threads, coroutines, select and event loops wait at the same channel, in one order.
//
// Cost      With something there: as try_receive, no allocation. Else see core/async_wait.hpp, also on
//           where the coroutine goes on, and when it may be destroyed.
// Errors    As the calls for threads: closed, stopped; a refused value stays where it was, unmoved.
//           A const T& is copied first, which may throw.
// Loss      None: an element is taken by the coroutine that resumes with it, or stays in. One that is
//           stopped or destroyed passes its wake on.
// Lifetime  What async_send(T&&) is given lives until the wait is over: in `co_await
//           tx.async_send(job{7})` it does. The end lives as long too.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include <penstock/channel/ends.hpp>
#include <penstock/core/async_wait.hpp>
#include <penstock/core/result.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T, class Storage>
class [[nodiscard]] receive_awaitable : public detail::async_wait<receive_awaitable<T, Storage>> {
    using base = detail::async_wait<receive_awaitable>;

public:
    receive_awaitable(detail::conduit<T, Storage>& from, const sys::stop_token& stop,
                      resume_on where) noexcept
        : base{stop, where}, from_{from} {}
    ~receive_awaitable() { base::destroyed(); }

    result<T> await_resume() {
        base::resume();
        return {std::move(value_), why_not_};
    }

private:
    friend base;
    waiter::entry* places() noexcept { return &place_; }
    static constexpr std::size_t place_count() noexcept { return 1; }
    bool done() noexcept {
        if (auto got = from_.take()) return value_.emplace(std::move(*got)), true;
        if (!from_.drained()) return false;
        why_not_ = status::closed;
        return true;
    }
    void stopped() noexcept { why_not_ = status::stopped; }
    void pass_on() noexcept {
        if (from_.receivable()) from_.receivers().notify_one();
    }

    detail::conduit<T, Storage>& from_;
    waiter::entry place_{from_.receivers(), base::target_};
    std::optional<T> value_{};
    status why_not_{status::closed};
};

template <class T, class Storage>
class [[nodiscard]] send_awaitable : public detail::async_wait<send_awaitable<T, Storage>> {
    using base = detail::async_wait<send_awaitable>;

public:
    send_awaitable(detail::conduit<T, Storage>& to, T&& value, const sys::stop_token& stop,
                   resume_on where) noexcept
        : base{stop, where}, to_{to}, value_{&value} {}
    send_awaitable(detail::conduit<T, Storage>& to, const T& value, const sys::stop_token& stop,
                   resume_on where)
        : base{stop, where}, to_{to}, copy_{value}, value_{&*copy_} {}
    ~send_awaitable() { base::destroyed(); }

    status await_resume() noexcept {
        base::resume();
        return answer_;
    }

private:
    friend base;
    waiter::entry* places() noexcept { return &place_; }
    static constexpr std::size_t place_count() noexcept { return 1; }
    bool done() noexcept {
        if (to_.policy() != overflow::block) return answer_ = to_.try_put(std::move(*value_)), true;
        answer_ = to_.try_put(std::move(*value_), pass_);
        if (answer_ != status::full) return true;
        pass_.stand_in_line();
        return false;
    }
    void stopped() noexcept { answer_ = status::stopped; }
    void pass_on() noexcept {
        pass_.give_up();
        if (to_.sendable()) to_.senders().notify_one();
        to_.sender_left();
    }

    detail::conduit<T, Storage>& to_;
    waiter::entry place_{to_.senders(), base::target_};
    std::optional<T> copy_{};
    T* value_;
    typename detail::conduit<T, Storage>::pass pass_{to_};
    status answer_{status::full};
};

}  // namespace penstock::inline PENSTOCK_ABI
