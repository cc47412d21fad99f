// SPDX-License-Identifier: BSL-1.0
// The two ends of a channel for coroutines.
//
//   while (auto j = co_await rx.async_receive(stop)) run(*j);   // result<job>
//   status s = co_await tx.async_send(std::move(j), stop);      // waits while it is full
//   auto j = co_await rx.async_receive(stop, pool);             // goes on in pool.post(task)
//   batch_result some = co_await rx.async_receive_n(out, 32, stop);        // one or more
//   auto sent = co_await tx.async_send_n(std::make_move_iterator(first), n, stop);  // all, or why
//
// Threads, coroutines, select and event loops wait at the same channel, in one order.
//
// Cost      With something there: as try_receive, no allocation. Else see core/async_wait.hpp, also on
//           where the coroutine goes on, and when it may be destroyed.
// Errors    As the calls for threads: closed, stopped; a refused value stays where it was, unmoved.
//           A const T& is copied first, which may throw. A batch that ends early says how many went
//           in, and the rest is untouched; if a copy throws, those that stand before it are in.
// Loss      None: an element is taken by the coroutine that resumes with it, or stays in. One that is
//           stopped or destroyed passes its wake on. What a batch had sent before is in.
// Lifetime  What async_send(T&&) is given lives until the wait is over: in `co_await
//           tx.async_send(job{7})` it does. So do what a batch's iterators refer to, and the end.
#pragma once

#include <cstddef>
#include <utility>

#include <penstock/channel/detail/errand.hpp>
#include <penstock/channel/ends.hpp>
#include <penstock/core/async_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// What async_receive and the others return: co_await it, once. Errand: detail/errand.hpp.
template <class Errand>
class [[nodiscard]] errand_awaitable : public async_wait<errand_awaitable<Errand>> {
    using base = async_wait<errand_awaitable>;

public:
    template <class... Args>
    errand_awaitable(const sys::stop_token& stop, const resume_on& where, Args&&... args)
        : base{stop, where}, errand_(std::forward<Args>(args)...) {}
    ~errand_awaitable() { base::destroyed(); }

    auto await_resume() {
        base::resume();
        return errand_.answer();
    }

private:
    friend base;
    waiter::entry* places() noexcept { return &place_; }
    static constexpr std::size_t place_count() noexcept { return 1; }
    bool done() { return errand_.done(); }
    void stopped() noexcept { errand_.stopped(); }
    void pass_on() noexcept { errand_.pass_on(); }

    Errand errand_;
    waiter::entry place_{errand_.where(), base::target_};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
