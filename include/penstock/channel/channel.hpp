// SPDX-License-Identifier: BSL-1.0
// A bounded queue whose two sides wait for each other, with an answer to "what if it is full?" and
// a clean end. Usually used through its two ends, channel/ends.hpp; by itself it is both of them.
//
//   channel<job> jobs{{.capacity = 1024}};
//   if (!jobs.send(job{7})) return;              // waits while 1,024 are queued; false: closed
//   while (auto j = jobs.receive(stop)) run(*j);  // waits; ends when closed and drained
//   jobs.close();
//
// Cost      The storage's, plus one load to see that nobody sleeps. A sleeper is woken by the
//           thread that sends, at 7 us; a sleeping side costs no CPU (core/waiter.hpp).
// Threads   Everything may overlap, as far as the storage's roles allow: with spsc_ring one thread
//           at a time sends and one receives; close() belongs to no role.
// Progress  try_send and try_receive as the storage; the others block. overflow other than block
//           never waits for a receiver.
// Errors    A refused value (full, closed, stopped, timed_out) stays with its owner, unmoved.
//           Throws std::invalid_argument for capacity 0, or drop_oldest over a storage whose
//           producer can't pop. `on_drop` must not throw; it runs outside locks, in the thread that
//           drops, and may use the channel.
// Order     The storage's. A send that returned ok before the close is received. What was done
//           before the close is seen by a receiver that is told `closed`.
// Loss      What is in when the last receiver goes, or when the channel is destroyed, is handed to
//           on_drop and counted. Nothing else is lost.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>

#include <penstock/channel/detail/intake.hpp>
#include <penstock/channel/overflow.hpp>
#include <penstock/core/clock.hpp>
#include <penstock/core/function.hpp>
#include <penstock/core/result.hpp>
#include <penstock/core/status.hpp>
#include <penstock/core/waiter.hpp>
#include <penstock/queue/concepts.hpp>
#include <penstock/queue/mpmc_ring.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// A size that has no default: leaving it out of an options struct doesn't compile.
class required_size {
public:
    constexpr required_size(std::size_t n) noexcept : n_{n} {}
    constexpr operator std::size_t() const noexcept { return n_; }

private:
    std::size_t n_;
};

template <class T>
struct channel_options {
    required_size capacity;  ///< exact; over `unbounded`, what to prepare for
    penstock::overflow overflow = penstock::overflow::block;
    unique_function<void(T&&)> on_drop{};  ///< gets what is dropped; nothing: it is destroyed
    clock_ref clock{};                     ///< for *_for and *_until
};

template <class T, queue Storage = mpmc_ring<T>>
class channel {
public:
    using value_type = T;
    using storage_type = Storage;

    explicit channel(std::size_t capacity) : channel{channel_options<T>{.capacity = capacity}} {}
    explicit channel(channel_options<T> options)
        : intake_{options.capacity},
          overflow_{options.overflow},
          clock_{options.clock},
          on_drop_{std::move(options.on_drop)} {
        if (overflow_ == overflow::drop_oldest && Storage::single_consumer)
            throw std::invalid_argument{
                "penstock: drop_oldest lets a sender pop, which this storage allows to one receiver "
                "only: use mpmc_ring, or drop_newest"};
    }
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    ~channel() { discard(); }

    /// Waits for room where overflow is block. ok, closed, stopped; full (reject), dropped.
    status send(T&& value, const sys::stop_token& stop = {}) {
        return put(std::move(value), {}, stop);
    }
    /// Also timed_out.
    template <class Rep, class Period>
    status send_for(T&& value, std::chrono::duration<Rep, Period> d,
                    const sys::stop_token& stop = {}) {
        return put(std::move(value), deadline::after(clock_, d), stop);
    }
    status send_until(T&& value, clock::time_point at, const sys::stop_token& stop = {}) {
        return put(std::move(value), {clock_, at}, stop);
    }
    /// Never waits: full also where overflow is block.
    status try_send(T&& value) {
        const status answer = offer(std::move(value));
        return answer == status::full ? refuse(std::move(value)) : answer;
    }

    // Of a value that is to be copied: the copy is made first, and may throw.
    status send(const T& value, const sys::stop_token& stop = {}) { return send(T(value), stop); }
    template <class Rep, class Period>
    status send_for(const T& value, std::chrono::duration<Rep, Period> d,
                    const sys::stop_token& stop = {}) {
        return send_for(T(value), d, stop);
    }
    status send_until(const T& value, clock::time_point at, const sys::stop_token& stop = {}) {
        return send_until(T(value), at, stop);
    }
    status try_send(const T& value) { return try_send(T(value)); }

    /// Waits for an element. closed (and drained), stopped.
    result<T> receive(const sys::stop_token& stop = {}) { return get({}, stop); }
    /// Also timed_out.
    template <class Rep, class Period>
    result<T> receive_for(std::chrono::duration<Rep, Period> d, const sys::stop_token& stop = {}) {
        return get(deadline::after(clock_, d), stop);
    }
    result<T> receive_until(clock::time_point at, const sys::stop_token& stop = {}) {
        return get({clock_, at}, stop);
    }
    /// Never waits: empty, or closed and drained.
    result<T> try_receive() {
        auto value = take();
        return {std::move(value), intake_.drained() ? status::closed : status::empty};
    }

    /// No more sends; what is in stays receivable. Both sides wake at once.
    void close() {
        intake_.close();
        receivers_.notify_all();
        senders_.notify_all();
    }
    /// Closes, and hands what is in to on_drop. Takes the consumer's role.
    void close_and_discard() {
        close();
        discard();
    }
    [[nodiscard]] bool closed() const { return intake_.closed(); }

    [[nodiscard]] std::size_t capacity() const { return intake_.storage().capacity(); }
    [[nodiscard]] std::size_t size_approx() const { return intake_.storage().size_approx(); }

    /// Elements that were handed to on_drop, whatever the reason. Exact once senders rest.
    [[nodiscard]] std::uint64_t dropped() const noexcept {
        return dropped_.load(std::memory_order_relaxed);  // a count; carries nothing
    }
    /// Sends that overflow::reject answered with full.
    [[nodiscard]] std::uint64_t rejected() const noexcept {
        return rejected_.load(std::memory_order_relaxed);  // a count; carries nothing
    }

    /// Threads that wait in receive and in send right now; stale when it returns.
    [[nodiscard]] std::size_t waiting_receivers_approx() const noexcept {
        return receivers_.waiting_approx();
    }
    [[nodiscard]] std::size_t waiting_senders_approx() const noexcept {
        return senders_.waiting_approx();
    }

private:
    status offer(T&& value) {
        const status answer = intake_.push(std::move(value));
        if (answer == status::ok) {
            receivers_.notify_one();
        } else if (closed()) {
            receivers_.notify_all();  // one may sleep because this sender was still at the gate
        }
        return answer;
    }

    status put(T&& value, const deadline& until, const sys::stop_token& stop) {
        status answer = offer(std::move(value));
        if (answer != status::full) return answer;
        if (overflow_ != overflow::block) return refuse(std::move(value));
        const status waited = senders_.wait(
            [&] { return (answer = offer(std::move(value))) != status::full; },
            [&] { return closed() || size_approx() < capacity(); }, until, stop);
        return waited ? answer : waited;
    }

    /// What overflow says of a value that found no room, except for waiting.
    status refuse(T&& value) {
        switch (overflow_) {
            case overflow::block: return status::full;
            case overflow::reject:
                rejected_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
                return status::full;
            case overflow::drop_newest: drop(T(std::move(value))); return status::dropped;
            case overflow::drop_oldest: break;
        }
        for (backoff wait;; wait()) {
            if (auto oldest = intake_.pop()) drop(std::move(*oldest));
            const status answer = offer(std::move(value));
            if (answer != status::full) return answer;
        }
    }

    std::optional<T> take() {
        auto value = intake_.pop();
        if (value) senders_.notify_one();
        return value;
    }

    result<T> get(const deadline& until, const sys::stop_token& stop) {
        auto value = take();
        if (value) return std::move(*value);
        const status waited = receivers_.wait(
            [&] {
                if (auto got = take()) value.emplace(std::move(*got));  // T need not be assignable
                return value.has_value() || intake_.drained();
            },
            [&] { return closed() || intake_.something(); }, until, stop);
        return {std::move(value), waited ? status::closed : waited};
    }

    void drop(T&& value) {
        dropped_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
        if (on_drop_) on_drop_(std::move(value));
    }
    void discard() {
        while (auto value = take()) drop(std::move(*value));
    }

    detail::intake<Storage> intake_;
    waiter receivers_;
    waiter senders_;
    const penstock::overflow overflow_;
    const clock_ref clock_;
    unique_function<void(T&&)> on_drop_;
    sys::atomic<std::uint64_t> dropped_{0};
    sys::atomic<std::uint64_t> rejected_{0};
};

}  // namespace penstock::inline PENSTOCK_ABI
