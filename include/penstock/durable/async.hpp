// SPDX-License-Identifier: BSL-1.0
// A journal and its groups for coroutines.
//
//   while (auto d = co_await billing.async_receive(stop)) { bill(*d); d.accept(); }
//   status s = co_await books.async_synced(offset, stop);    // all before it is on disk
//   auto d = co_await billing.async_receive(stop, pool);     // goes on in pool.post(task)
//
// Threads and coroutines wait in one order.
//
// Cost      With something there: as try_receive, no allocation. Else see core/async_wait.hpp, also on
//           where the coroutine goes on, and when it may be destroyed. async_appended: every append
//           of the journal wakes it, to look.
// Errors    As the calls for threads. What the codec throws comes out of co_await; the message is
//           released then.
// Loss      None: a message is claimed by the coroutine that resumes with it, or stays in. One that was
//           claimed for a coroutine that is destroyed before it resumes is released.
// Lifetime  A wait keeps what it waits at, not the journal open: closing that ends it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <penstock/core/async_wait.hpp>
#include <penstock/durable/group.hpp>
#include <penstock/durable/journal.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T>
class [[nodiscard]] durable_receive_awaitable
    : public detail::async_wait<durable_receive_awaitable<T>> {
    using base = detail::async_wait<durable_receive_awaitable>;

public:
    durable_receive_awaitable(durable_group<T> from, const sys::stop_token& stop,
                              const resume_on& where)
        : base{stop, where}, from_{std::move(from)} {}
    ~durable_receive_awaitable() {
        base::destroyed();
        if (answer_) (void)state().settle(claim_.token, verdict::release);
    }

    delivery<T> await_resume() {
        base::resume();
        const status answer = std::exchange(answer_, status::empty);
        return from_.hand_out(answer, claim_);
    }

private:
    friend base;
    waiter::entry* places() noexcept { return &place_; }
    static constexpr std::size_t place_count() noexcept { return 1; }
    bool done() {
        answer_ = state().take(*from_.stream_, claim_);
        return answer_ != status::empty;
    }
    void stopped() noexcept { answer_ = status::stopped; }
    void pass_on() noexcept { state().pass_on(*from_.stream_); }
    detail::group_state& state() noexcept { return *from_.state_; }

    durable_group<T> from_;
    waiter::entry place_{state().receivers(), base::target_};
    detail::claimed claim_{};
    status answer_{status::empty};
};

class [[nodiscard]] offset_awaitable : public detail::async_status<offset_awaitable> {
    using base = detail::async_status<offset_awaitable>;

public:
    offset_awaitable(std::shared_ptr<detail::journal_core> of, detail::milestone what,
                     std::uint64_t offset, const sys::stop_token& stop, const resume_on& where)
        : base{detail::changes_of(*of, what), stop, where},
          of_{std::move(of)},
          what_{what},
          offset_{offset} {}
    ~offset_awaitable() { base::destroyed(); }

private:
    friend detail::async_wait<offset_awaitable>;
    bool done() noexcept { return detail::reached(*of_, what_, offset_, answer_); }

    const std::shared_ptr<detail::journal_core> of_;
    const detail::milestone what_;
    const std::uint64_t offset_;
};

inline offset_awaitable journal::async_synced(std::uint64_t offset, const sys::stop_token& stop,
                                              const resume_on& where) {
    return {core_, detail::milestone::synced, offset, stop, where};
}
inline offset_awaitable journal::async_appended(std::uint64_t offset, const sys::stop_token& stop,
                                                const resume_on& where) {
    return {core_, detail::milestone::appended, offset, stop, where};
}

}  // namespace penstock::inline PENSTOCK_ABI
