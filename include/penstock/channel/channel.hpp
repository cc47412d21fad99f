// SPDX-License-Identifier: BSL-1.0
// A bounded queue whose two sides wait for each other, with an answer to "what if it is full?" and
// a clean end. Usually used through its two ends, channel/ends.hpp; by itself it is both of them.
//
//   channel<job> jobs{{.capacity = 1024}};
//   if (!jobs.send(job{7})) return;               // waits while 1,024 are queued; false: closed
//   while (auto j = jobs.receive(stop)) run(*j);  // waits; ends when closed and drained
//   jobs.close();
//
// Cost      The storage's, plus one load to see that nobody sleeps, and in receive another to see
//           that nobody waits for quiescence. A sleeper is woken by the thread that sends, at 7 us;
//           a sleeping side costs no CPU (core/wait_policy.hpp). A batch wakes as many as it has
//           elements, at once.
// Threads   Everything may overlap, as far as the storage's roles allow: with spsc_ring one thread
//           at a time sends and one receives; close(), quiesce() and the counts belong to no role.
//           The destructor may overlap waits, which it ends, but no call that begins.
// Progress  try_* as the storage; the others block. overflow other than block never waits for a
//           receiver; drop_oldest takes a mutex where it drops.
// Errors    A refused value (full, closed, stopped, timed_out, too_large) stays with its owner,
//           unmoved. What copying a value, or `weigh`, throws leaves the call that sends, which has
//           then sent nothing (a batch: only what stands before that one). What `on_drop` throws
//           leaves the call that dropped, which has else done its part: that element counts as
//           dropped, drop_oldest's newcomer is in, close_and_discard has closed and leaves the rest
//           in. The destructor swallows it. Throws std::invalid_argument for capacity 0,
//           drop_oldest over a storage whose producer can't pop, a budget that nothing keeps.
// on_drop   runs outside locks, in the thread that drops, and may use the channel.
// Order     The storage's. A batch's elements stay in order. A send that returned ok before the
//           close is received. What was done before the close is seen by a receiver that is told
//           `closed`.
// Loss      What is in when the last receiver goes, or when the channel is destroyed, is handed to
//           on_drop and counted. Nothing else is lost.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <penstock/channel/batch.hpp>
#include <penstock/channel/detail/conduit.hpp>
#include <penstock/channel/options.hpp>
#include <penstock/channel/overflow.hpp>
#include <penstock/core/clock.hpp>
#include <penstock/core/result.hpp>
#include <penstock/core/resume_on.hpp>
#include <penstock/core/status.hpp>
#include <penstock/queue/concepts.hpp>
#include <penstock/queue/mpmc_ring.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {
struct channel_access;  // for those who wait in their own way
template <class Errand>
class errand_awaitable;  // channel/async.hpp
template <class T, class Storage>
class receive_errand;
template <class T, class Storage>
class send_errand;
template <class T, class Storage, class Out>
class receive_n_errand;
template <class T, class Storage, class Iterator>
class send_n_errand;
}  // namespace detail

template <class T, class Storage>
using receive_awaitable = detail::errand_awaitable<detail::receive_errand<T, Storage>>;
template <class T, class Storage>
using send_awaitable = detail::errand_awaitable<detail::send_errand<T, Storage>>;
template <class T, class Storage, class Out>
using receive_n_awaitable = detail::errand_awaitable<detail::receive_n_errand<T, Storage, Out>>;
template <class T, class Storage, class Iterator>
using send_n_awaitable = detail::errand_awaitable<detail::send_n_errand<T, Storage, Iterator>>;

template <class T, queue Storage = mpmc_ring<T>>
class channel {
    using stop_token = sys::stop_token;
    using time_point = clock::time_point;

public:
    using value_type = T;
    using storage_type = Storage;

    explicit channel(std::size_t capacity) : channel{channel_options<T>{.capacity = capacity}} {}
    explicit channel(channel_options<T> o) : clock_{o.clock}, core_{std::move(o)} {}
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    /// Ends every wait with `closed`, and returns when those who waited have left.
    ~channel() = default;

    /// Waits for room where overflow is block. ok, closed, stopped; full (reject), dropped
    /// (drop_newest), too_large (channel/weighed.hpp).
    status send(T&& value, const stop_token& stop = {}) {
        return core_.put(std::move(value), {}, stop);
    }
    /// Also timed_out.
    template <class Rep, class Period>
    status send_for(T&& value, std::chrono::duration<Rep, Period> d, const stop_token& stop = {}) {
        return core_.put(std::move(value), deadline::after(clock_, d), stop);
    }
    status send_until(T&& value, time_point at, const stop_token& stop = {}) {
        return core_.put(std::move(value), {clock_, at}, stop);
    }
    /// Never waits: full also where overflow is block.
    status try_send(T&& value) { return core_.try_put(std::move(value)); }

    // Of a value that is to be copied: the copy is made first, and may throw.
    status send(const T& value, const stop_token& stop = {}) { return send(T(value), stop); }
    template <class Rep, class Period>
    status send_for(const T& value, std::chrono::duration<Rep, Period> d,
                    const stop_token& stop = {}) {
        return send_for(T(value), d, stop);
    }
    status send_until(const T& value, time_point at, const stop_token& stop = {}) {
        return send_until(T(value), at, stop);
    }
    status try_send(const T& value) { return try_send(T(value)); }

    /// For coroutines: include channel/async.hpp.
    send_awaitable<T, Storage> async_send(T&& value, const stop_token& stop = {},
                                          const resume_on& where = {}) {
        return {stop, where, core_, std::move(value)};
    }
    send_awaitable<T, Storage> async_send(const T& value, const stop_token& stop = {},
                                          const resume_on& where = {}) {
        return {stop, where, core_, value};
    }
    receive_awaitable<T, Storage> async_receive(const stop_token& stop = {},
                                                const resume_on& where = {}) {
        return {stop, where, core_};
    }
    template <class Iterator>
    send_n_awaitable<T, Storage, Iterator> async_send_n(
        Iterator first, std::size_t n, const stop_token& stop = {}, const resume_on& where = {}) {
        return {stop, where, core_, first, n};
    }
    template <class Out>
    receive_n_awaitable<T, Storage, Out> async_receive_n(
        Out out, std::size_t n, const stop_token& stop = {}, const resume_on& where = {}) {
        return {stop, where, core_, out, n};
    }

    /// Sends n from `first` on, waiting for room as send does. The count says how many went in; the
    /// status why the next one didn't (with drop_newest: `dropped` if any was). What did not go is
    /// untouched. Elements are copied: pass std::make_move_iterator(first) to move them.
    template <class Iterator>
    batch_result send_n(Iterator first, std::size_t n, const stop_token& stop = {}) {
        return core_.put_n(first, n, {}, stop);
    }
    template <class Iterator, class Rep, class Period>
    batch_result send_n_for(Iterator first, std::size_t n, std::chrono::duration<Rep, Period> d,
                            const stop_token& stop = {}) {
        return core_.put_n(first, n, deadline::after(clock_, d), stop);
    }
    template <class Iterator>
    batch_result send_n_until(Iterator first, std::size_t n, time_point at,
                              const stop_token& stop = {}) {
        return core_.put_n(first, n, {clock_, at}, stop);
    }
    /// Never waits: sends as many as there is room for.
    template <class Iterator>
    batch_result try_send_n(Iterator first, std::size_t n) {
        return core_.try_put_n(first, n);
    }

    /// Waits for an element. closed (and drained), stopped.
    result<T> receive(const stop_token& stop = {}) { return core_.get({}, stop); }
    /// Also timed_out.
    template <class Rep, class Period>
    result<T> receive_for(std::chrono::duration<Rep, Period> d, const stop_token& stop = {}) {
        return core_.get(deadline::after(clock_, d), stop);
    }
    result<T> receive_until(time_point at, const stop_token& stop = {}) {
        return core_.get({clock_, at}, stop);
    }
    /// Never waits: empty, or closed and drained.
    result<T> try_receive() {
        auto value = core_.take();
        return {std::move(value), nothing()};
    }

    /// Waits for an element, then writes those that are there, up to n, to `out`, a pointer or what
    /// else can be written to without throwing. ok: the count is at least one; closed, stopped: 0.
    template <class Out>
    batch_result receive_n(Out out, std::size_t n, const stop_token& stop = {}) {
        return core_.get_n(out, n, {}, stop);
    }
    template <class Out, class Rep, class Period>
    batch_result receive_n_for(Out out, std::size_t n, std::chrono::duration<Rep, Period> d,
                               const stop_token& stop = {}) {
        return core_.get_n(out, n, deadline::after(clock_, d), stop);
    }
    template <class Out>
    batch_result receive_n_until(Out out, std::size_t n, time_point at,
                                 const stop_token& stop = {}) {
        return core_.get_n(out, n, {clock_, at}, stop);
    }
    template <class Out>
    batch_result try_receive_n(Out out, std::size_t n) {
        const std::size_t taken = core_.take_n(out, n);
        return {taken, taken > 0 || n == 0 ? status::ok : nothing()};
    }
    /// Takes what is there now, no more, and calls use(T&&) for each; returns how many. What `use`
    /// throws leaves the rest in.
    template <class Use>
    std::size_t drain(Use&& use) {
        std::size_t n = 0;
        for (const std::size_t there = size_approx(); n < there; ++n) {
            auto value = core_.take();
            if (!value) break;
            use(std::move(*value));
        }
        return n;
    }

    /// No more sends; what is in stays receivable. Both sides wake at once.
    void close() { core_.close(); }
    /// Closes, and hands what is in to on_drop. Takes the consumer's role. A send that is in
    /// mid-air is told ok and dropped by the destructor.
    void close_and_discard() {
        core_.close();
        core_.discard();
    }
    [[nodiscard]] bool closed() const { return core_.closed(); }

    /// Waits until nothing is in and no sender waits or is on his way in: for an instant, unless
    /// nobody sends any more. What receivers have taken they may still be working at. ok,
    /// timed_out, stopped; closed when the channel is destroyed.
    status quiesce(const deadline& until = {}, const stop_token& stop = {}) {
        return core_.quiesce(until, stop);
    }
    template <class Rep, class Period>
    status quiesce_for(std::chrono::duration<Rep, Period> d, const stop_token& stop = {}) {
        return core_.quiesce(deadline::after(clock_, d), stop);
    }

    [[nodiscard]] std::size_t capacity() const { return core_.content().capacity(); }
    [[nodiscard]] std::size_t size_approx() const { return core_.content().size(); }

    /// With a byte budget: the bytes that are in or on their way in.
    [[nodiscard]] std::size_t bytes_approx() const
        requires requires(const detail::cargo<T, Storage>& c) { c.bytes(); }
    {
        return core_.content().bytes();
    }

    [[nodiscard]] channel_counts counts() const { return core_.counts(); }
    /// Elements that were handed to on_drop, whatever the reason. Exact once senders rest.
    [[nodiscard]] std::uint64_t dropped() const noexcept { return core_.dropped(); }
    /// Sends that overflow::reject answered with full, and those answered too_large.
    [[nodiscard]] std::uint64_t rejected() const noexcept { return core_.rejected(); }

    /// How many wait in receive and in send right now; stale when it returns.
    [[nodiscard]] std::size_t waiting_receivers_approx() const noexcept {
        return core_.receivers().waiting_approx();
    }
    [[nodiscard]] std::size_t waiting_senders_approx() const noexcept {
        return core_.senders().waiting_approx();
    }

private:
    friend detail::channel_access;

    [[nodiscard]] status nothing() const {
        return core_.drained() ? status::closed : status::empty;
    }

    const clock_ref clock_;  // before the options are moved from
    detail::conduit<T, Storage> core_;
};

}  // namespace penstock::inline PENSTOCK_ABI
