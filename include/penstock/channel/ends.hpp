// SPDX-License-Identifier: BSL-1.0
// The two ends of a channel, as values: who holds a sender can only send, who holds a receiver only
// receive, and the channel ends with them.
//
//   auto [tx, rx] = make_channel<job>(1024);  // or <job, spsc_ring<job>>
//   std::jthread worker{[rx = std::move(rx)](std::stop_token stop) {
//       while (auto j = rx.receive(stop)) run(*j);
//   }};
//   if (!tx.send(job{7})) return;
//
// When the last sender goes, or any closes, the channel closes: receivers drain what is in. When
// the last receiver goes, senders are told `closed`, and what is in goes to on_drop (what that
// throws is swallowed then).
//
// Threads   Ends are handles: copies name the same channel, and one end may be used by many threads
//           as far as the storage's role allows. Where it allows one, the end can only be moved. An
//           end may go while others wait, also through that very end: if it was the last of its
//           side they are told closed, and if it was the last of all, its destructor waits until
//           they have left.
// Cost      As channel/channel.hpp, which also says what each call answers.
#pragma once

#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include <penstock/channel/channel.hpp>
#include <penstock/channel/detail/access.hpp>
#include <penstock/channel/detail/channel_end.hpp>
#include <penstock/core/resume_on.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T, class Storage = mpmc_ring<T>>
class sender {
public:
    using value_type = T;

    sender() = default;
    explicit sender(std::shared_ptr<detail::shared_channel<T, Storage>> c) noexcept
        : end_{std::move(c)} {}
    sender(const sender&)
        requires(!Storage::single_producer)
    = default;
    sender(sender&&) noexcept = default;
    sender& operator=(const sender&)
        requires(!Storage::single_producer)
    = default;
    sender& operator=(sender&&) noexcept = default;

    status send(T&& value, const sys::stop_token& stop = {}) const {
        return (*end_).send(std::move(value), stop);
    }
    status send(const T& value, const sys::stop_token& stop = {}) const {
        return (*end_).send(value, stop);
    }
    template <class Rep, class Period>
    status send_for(T&& value, std::chrono::duration<Rep, Period> d,
                    const sys::stop_token& stop = {}) const {
        return (*end_).send_for(std::move(value), d, stop);
    }
    template <class Rep, class Period>
    status send_for(const T& value, std::chrono::duration<Rep, Period> d,
                    const sys::stop_token& stop = {}) const {
        return (*end_).send_for(value, d, stop);
    }
    status send_until(T&& value, clock::time_point at, const sys::stop_token& stop = {}) const {
        return (*end_).send_until(std::move(value), at, stop);
    }
    status send_until(const T& value, clock::time_point at,
                      const sys::stop_token& stop = {}) const {
        return (*end_).send_until(value, at, stop);
    }
    status try_send(T&& value) const { return (*end_).try_send(std::move(value)); }
    status try_send(const T& value) const { return (*end_).try_send(value); }

    /// For coroutines: include channel/async.hpp.
    send_awaitable<T, Storage> async_send(T&& value, const sys::stop_token& stop = {},
                                          const resume_on& where = {}) const {
        return {stop, where, detail::channel_access::core(*this), std::move(value)};
    }
    send_awaitable<T, Storage> async_send(const T& value, const sys::stop_token& stop = {},
                                          const resume_on& where = {}) const {
        return {stop, where, detail::channel_access::core(*this), value};
    }
    template <class Iterator>
    send_n_awaitable<T, Storage, Iterator> async_send_n(Iterator first, std::size_t n,
                                                        const sys::stop_token& stop = {},
                                                        const resume_on& where = {}) const {
        return {stop, where, detail::channel_access::core(*this), first, n};
    }

    template <class Iterator>
    batch_result send_n(Iterator first, std::size_t n, const sys::stop_token& stop = {}) const {
        return (*end_).send_n(first, n, stop);
    }
    template <class Iterator, class Rep, class Period>
    batch_result send_n_for(Iterator first, std::size_t n, std::chrono::duration<Rep, Period> d,
                            const sys::stop_token& stop = {}) const {
        return (*end_).send_n_for(first, n, d, stop);
    }
    template <class Iterator>
    batch_result send_n_until(Iterator first, std::size_t n, clock::time_point at,
                              const sys::stop_token& stop = {}) const {
        return (*end_).send_n_until(first, n, at, stop);
    }
    template <class Iterator>
    batch_result try_send_n(Iterator first, std::size_t n) const {
        return (*end_).try_send_n(first, n);
    }

    /// For all senders.
    void close() const { (*end_).close(); }
    status quiesce(const deadline& until = {}, const sys::stop_token& stop = {}) const {
        return (*end_).quiesce(until, stop);
    }
    template <class Rep, class Period>
    status quiesce_for(std::chrono::duration<Rep, Period> d,
                       const sys::stop_token& stop = {}) const {
        return (*end_).quiesce_for(d, stop);
    }
    [[nodiscard]] bool closed() const { return (*end_).closed(); }
    [[nodiscard]] std::size_t capacity() const { return (*end_).capacity(); }
    [[nodiscard]] std::size_t size_approx() const { return (*end_).size_approx(); }
    [[nodiscard]] channel_counts counts() const { return (*end_).counts(); }
    [[nodiscard]] std::uint64_t dropped() const { return (*end_).dropped(); }
    [[nodiscard]] std::uint64_t rejected() const { return (*end_).rejected(); }
    /// False after it was moved from.
    explicit operator bool() const noexcept { return static_cast<bool>(end_); }

private:
    friend struct detail::channel_access;
    using shared = detail::shared_channel<T, Storage>;
    detail::channel_end<T, Storage, &shared::senders, detail::last_sender> end_;
};

template <class T, class Storage = mpmc_ring<T>>
class receiver {
public:
    using value_type = T;

    receiver() = default;
    explicit receiver(std::shared_ptr<detail::shared_channel<T, Storage>> c) noexcept
        : end_{std::move(c)} {}
    receiver(const receiver&)
        requires(!Storage::single_consumer)
    = default;
    receiver(receiver&&) noexcept = default;
    receiver& operator=(const receiver&)
        requires(!Storage::single_consumer)
    = default;
    receiver& operator=(receiver&&) noexcept = default;

    result<T> receive(const sys::stop_token& stop = {}) const { return (*end_).receive(stop); }
    template <class Rep, class Period>
    result<T> receive_for(std::chrono::duration<Rep, Period> d,
                          const sys::stop_token& stop = {}) const {
        return (*end_).receive_for(d, stop);
    }
    result<T> receive_until(clock::time_point at, const sys::stop_token& stop = {}) const {
        return (*end_).receive_until(at, stop);
    }
    result<T> try_receive() const { return (*end_).try_receive(); }

    /// For coroutines: include channel/async.hpp.
    receive_awaitable<T, Storage> async_receive(const sys::stop_token& stop = {},
                                                const resume_on& where = {}) const {
        return {stop, where, detail::channel_access::core(*this)};
    }
    template <class Out>
    receive_n_awaitable<T, Storage, Out> async_receive_n(Out out, std::size_t n,
                                                         const sys::stop_token& stop = {},
                                                         const resume_on& where = {}) const {
        return {stop, where, detail::channel_access::core(*this), out, n};
    }

    template <class Out>
    batch_result receive_n(Out out, std::size_t n, const sys::stop_token& stop = {}) const {
        return (*end_).receive_n(out, n, stop);
    }
    template <class Out, class Rep, class Period>
    batch_result receive_n_for(Out out, std::size_t n, std::chrono::duration<Rep, Period> d,
                               const sys::stop_token& stop = {}) const {
        return (*end_).receive_n_for(out, n, d, stop);
    }
    template <class Out>
    batch_result receive_n_until(Out out, std::size_t n, clock::time_point at,
                                 const sys::stop_token& stop = {}) const {
        return (*end_).receive_n_until(out, n, at, stop);
    }
    template <class Out>
    batch_result try_receive_n(Out out, std::size_t n) const {
        return (*end_).try_receive_n(out, n);
    }
    template <class Use>
    std::size_t drain(Use&& use) const {
        return (*end_).drain(std::forward<Use>(use));
    }

    /// No more sends; what is in stays receivable, or goes to on_drop.
    void close() const { (*end_).close(); }
    void close_and_discard() const { (*end_).close_and_discard(); }
    [[nodiscard]] bool closed() const { return (*end_).closed(); }
    [[nodiscard]] std::size_t capacity() const { return (*end_).capacity(); }
    [[nodiscard]] std::size_t size_approx() const { return (*end_).size_approx(); }
    [[nodiscard]] channel_counts counts() const { return (*end_).counts(); }
    [[nodiscard]] std::uint64_t dropped() const { return (*end_).dropped(); }
    [[nodiscard]] std::uint64_t rejected() const { return (*end_).rejected(); }
    /// False after it was moved from.
    explicit operator bool() const noexcept { return static_cast<bool>(end_); }

    /// `for (job& j : rx)`: each element once, until closed and drained. A loop whose sender
    /// outlives it never ends: where that can be, use receive(stop).
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;

        explicit iterator(const receiver& from) : from_{&from} { ++*this; }
        T& operator*() const noexcept { return **current_; }
        iterator& operator++() {
            current_.reset();  // T need not be assignable
            if (auto next = from_->receive()) current_.emplace(std::move(next));
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept {
            return !i.current_;
        }

    private:
        const receiver* from_;
        mutable std::optional<result<T>> current_;
    };
    [[nodiscard]] iterator begin() const { return iterator{*this}; }
    [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

private:
    friend struct detail::channel_access;
    using shared = detail::shared_channel<T, Storage>;
    detail::channel_end<T, Storage, &shared::receivers, detail::last_receiver> end_;
};

template <class T, class Storage>
struct channel_ends {
    sender<T, Storage> tx;
    receiver<T, Storage> rx;
};

template <class T, class Storage = mpmc_ring<T>>
[[nodiscard]] channel_ends<T, Storage> make_channel(channel_options<T> options) {
    auto shared = std::make_shared<detail::shared_channel<T, Storage>>(std::move(options));
    return {sender<T, Storage>{shared}, receiver<T, Storage>{shared}};
}
template <class T, class Storage = mpmc_ring<T>>
[[nodiscard]] channel_ends<T, Storage> make_channel(std::size_t capacity) {
    return make_channel<T, Storage>(channel_options<T>{.capacity = capacity});
}

}  // namespace penstock::inline PENSTOCK_ABI
