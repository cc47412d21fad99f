// SPDX-License-Identifier: BSL-1.0
// A member that handles what comes: woken, it runs a turn, as a task of its executor or in a thread of
// its own.
//
// A turn handles up to `batch` messages; a task then posts itself again, so that a pool is shared
// fairly among subscriptions that are never idle.
//
// `Member` derives from it and from its gate, and has run(), for one task or one turn of the thread. A
// publisher who wakes it is behind that gate while he posts: who ends it may end its executor next.
//
// Threads   start with the registry's lock held, after joining; one thread, which took the member out,
//           calls stop_thread and then join_thread or detach_thread; wake by any.
#pragma once

#include <memory>

#include <penstock/bus/detail/gate.hpp>
#include <penstock/bus/detail/members.hpp>
#include <penstock/core/sync_wait.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class Member>
class runner : public member_base {
public:
    using member_base::member_base;

    void start() {
        if (!runs_on.is_own_thread()) return;
        thread_ =
            sys::thread{[this, alive = self()](const sys::stop_token& stop) { this->live(stop); }};
    }
    void wake() override {
        if (runs_on.is_own_thread()) {
            woken_.store(true, std::memory_order_relaxed);  // the bell orders what it finds
            bell_.notify_one();
        } else {
            const inside here{
                static_cast<Member&>(*this), nullptr};  // so the executor is still there
            if (here) runs_on.post([this, alive = self()] { turn(); });
        }
    }

protected:
    static constexpr int batch = 64;

    bool posted_again() noexcept {
        if (runs_on.is_own_thread()) return false;
        try {
            wake();
            return true;
        } catch (...) {
            return false;  // the executor is out of room: go on here
        }
    }

    void stop_thread() { thread_.request_stop(); }
    /// `out`: no handler runs any more.
    void join_thread(bool out) {
        if (!thread_.joinable()) return;
        if (out) {
            thread_.join();
        } else {
            thread_.detach();  // it is us, or waits for us; it ends with its handler
        }
    }
    void detach_thread() {
        if (thread_.joinable()) thread_.detach();  // it holds what it needs, and ends
    }

private:
    void turn() { static_cast<Member&>(*this).run(); }
    void live(const sys::stop_token& stop) {
        while (bell_.wait([this] { return woken_.exchange(false, std::memory_order_relaxed); },
                          [] { return false; }, {}, stop))  // the bell orders
            turn();
    }

    sys::thread thread_;
    sys::atomic<bool> woken_{false};
    waiter bell_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
