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

#include <memory>
#include <utility>

#include <penstock/bus/detail/tracker.hpp>
#include <penstock/bus/receipt.hpp>
#include <penstock/core/async_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {

class [[nodiscard]] receipt_awaitable : public detail::async_status<receipt_awaitable> {
    using base = detail::async_status<receipt_awaitable>;

public:
    receipt_awaitable(std::shared_ptr<detail::tracker> of, const sys::stop_token& stop,
                      const resume_on& where)
        : base{of->known(), stop, where}, of_{std::move(of)} {}
    ~receipt_awaitable() { base::destroyed(); }

private:
    friend detail::async_wait<receipt_awaitable>;
    bool done() noexcept { return of_->settled(); }

    const std::shared_ptr<detail::tracker> of_;
};

inline receipt_awaitable receipt::async_wait(const sys::stop_token& stop,
                                             const resume_on& where) const {
    return {of_, stop, where};
}

}  // namespace penstock::inline PENSTOCK_ABI
