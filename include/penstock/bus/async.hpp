// SPDX-License-Identifier: BSL-1.0
// A receipt for coroutines.
//
//   receipt r = payments.publish_tracked(p);
//   status s = co_await r.async_wait(stop);           // all outcomes are known: ok; or stopped
//   (void)co_await r.async_wait(stop, pool);          // goes on in pool.post(task)
//
// A pulled subscription is a receiver: channel/async.hpp has its async_receive.
//
// Cost      With all outcomes known: two loads. Else see core/async_wait.hpp, also on where the coroutine
//           goes on, and when it may be destroyed. Every outcome wakes it, to look.
// Lifetime  A wait keeps what it waits at, and not the bus.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include <penstock/bus/detail/tracker.hpp>
#include <penstock/bus/receipt.hpp>
#include <penstock/core/async_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {

class [[nodiscard]] receipt_awaitable : public detail::async_wait<receipt_awaitable> {
    using base = detail::async_wait<receipt_awaitable>;

public:
    receipt_awaitable(std::shared_ptr<detail::tracker> of, const sys::stop_token& stop,
                      const resume_on& where)
        : base{stop, where}, of_{std::move(of)} {}
    ~receipt_awaitable() { base::destroyed(); }

    status await_resume() {
        base::resume();
        return answer_;
    }

private:
    friend base;
    waiter::entry* places() noexcept { return &place_; }
    static constexpr std::size_t place_count() noexcept { return 1; }
    bool done() noexcept { return of_->settled(); }
    void stopped() noexcept { answer_ = status::stopped; }
    static void pass_on() noexcept {}  // all are woken

    const std::shared_ptr<detail::tracker> of_;
    waiter::entry place_{of_->known(), base::target_};
    status answer_{status::ok};
};

inline receipt_awaitable receipt::async_wait(const sys::stop_token& stop,
                                             const resume_on& where) const {
    return {of_, stop, where};
}

}  // namespace penstock::inline PENSTOCK_ABI
