// SPDX-License-Identifier: BSL-1.0
// The ends of a channel as Asio operations (standalone Asio, 1.20 or later): completion token,
// associated executor, cancellation slot.
//
//   async_receive(rx, ctx, [](result<job> j) { if (j) run(*j); });
//   async_send(tx, line, ctx, [](status s) { ... });           // line is moved from when it goes in
//   asio::co_spawn(ctx, serve(as_asio(rx, ctx)), asio::detached);
//   ... while (auto j = co_await in.async_receive()) run(*j);  // in serve(asio_receiver<job> in)
//   ... batch_result some = co_await in.async_receive_n(out, 32);
//
// The element is taken inside the completion, on the handler's executor, right before the handler is
// called; what is sent goes in likewise. An io_context that is stopped or destroyed meanwhile holds
// nothing, and a cancelled operation has done nothing: it completes with `stopped`. A batch that is
// cancelled says how many went in.
//
// Cost      Two allocations and a post for each operation, and one more post if it has to wait.
// Threads   As any Asio operation: start it from anywhere, cancel it on its executor.
// Errors    The answers of receive(), send(), receive_n(), send_n(); stopped: cancelled. Posting to the
//           executor must not fail while the operation waits: that terminates. What a copy, `weigh`
//           or on_drop throws leaves the run() of the context, and the handler is not called.
// Lifetime  The value that is sent, what a batch's iterators refer to, and the end outlive the
//           operation (asio_receiver and asio_sender keep an end). It counts as work of its executor.
//           A context that is destroyed destroys the handlers that still wait, and passes their
//           wakes on.
#pragma once

#include <cstddef>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/use_awaitable.hpp>

#include <penstock/channel/detail/asio_operation.hpp>
#include <penstock/channel/detail/errand.hpp>
#include <penstock/channel/ends.hpp>
#include <penstock/core/result.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// `where`: a context or an executor, for handlers that have none of their own.
template <class T, class Storage, class Where, class Token>
auto async_receive(const receiver<T, Storage>& rx, Where&& where, Token&& token) {
    return asio::async_initiate<Token, void(result<T>)>(
        detail::asio_start<detail::receive_errand<T, Storage>>{}, token,
        detail::asio_executor_of(where), &detail::channel_access::core(rx));
}
/// Waits for one, then takes those that are there, up to n.
template <class T, class Storage, class Out, class Where, class Token>
auto async_receive_n(const receiver<T, Storage>& rx, Out out, std::size_t n, Where&& where,
                     Token&& token) {
    return asio::async_initiate<Token, void(batch_result)>(
        detail::asio_start<detail::receive_n_errand<T, Storage, Out>>{}, token,
        detail::asio_executor_of(where), &detail::channel_access::core(rx), std::move(out), n);
}
/// `value` stays where it is until it goes in; if it doesn't, it is untouched.
template <class T, class Storage, class Where, class Token>
auto async_send(const sender<T, Storage>& tx, T& value, Where&& where, Token&& token) {
    return asio::async_initiate<Token, void(status)>(
        detail::asio_start<detail::send_errand<T, Storage>>{}, token,
        detail::asio_executor_of(where), &detail::channel_access::core(tx), &value);
}
/// Elements are copied: pass std::make_move_iterator(first) to move them.
template <class T, class Storage, class Iterator, class Where, class Token>
auto async_send_n(const sender<T, Storage>& tx, Iterator first, std::size_t n, Where&& where,
                  Token&& token) {
    return asio::async_initiate<Token, void(batch_result)>(
        detail::asio_start<detail::send_n_errand<T, Storage, Iterator>>{}, token,
        detail::asio_executor_of(where), &detail::channel_access::core(tx), std::move(first), n);
}

/// A receiver with the executor that it is used on.
template <class T, class Storage = mpmc_ring<T>, class Executor = asio::any_io_executor>
class asio_receiver {
public:
    using executor_type = Executor;

    asio_receiver(receiver<T, Storage> rx, Executor where)
        : rx_{std::move(rx)}, where_{std::move(where)} {}

    template <class Token>
    auto async_receive(Token&& token) const {
        return penstock::async_receive(rx_, where_, std::forward<Token>(token));
    }
    template <class Out, class Token>
    auto async_receive_n(Out out, std::size_t n, Token&& token) const {
        return penstock::async_receive_n(
            rx_, std::move(out), n, where_, std::forward<Token>(token));
    }
#if defined(ASIO_HAS_CO_AWAIT)
    auto async_receive() const { return async_receive(asio::use_awaitable_t<Executor>{}); }
    template <class Out>
    auto async_receive_n(Out out, std::size_t n) const {
        return async_receive_n(std::move(out), n, asio::use_awaitable_t<Executor>{});
    }
#endif
    [[nodiscard]] executor_type get_executor() const { return where_; }
    /// The end itself, for what never waits.
    [[nodiscard]] const receiver<T, Storage>& end() const noexcept { return rx_; }

private:
    receiver<T, Storage> rx_;
    Executor where_;
};

/// A sender with the executor that it is used on.
template <class T, class Storage = mpmc_ring<T>, class Executor = asio::any_io_executor>
class asio_sender {
public:
    using executor_type = Executor;

    asio_sender(sender<T, Storage> tx, Executor where)
        : tx_{std::move(tx)}, where_{std::move(where)} {}

    template <class Token>
    auto async_send(T& value, Token&& token) const {
        return penstock::async_send(tx_, value, where_, std::forward<Token>(token));
    }
    template <class Iterator, class Token>
    auto async_send_n(Iterator first, std::size_t n, Token&& token) const {
        return penstock::async_send_n(tx_, std::move(first), n, where_, std::forward<Token>(token));
    }
#if defined(ASIO_HAS_CO_AWAIT)
    auto async_send(T& value) const { return async_send(value, asio::use_awaitable_t<Executor>{}); }
    template <class Iterator>
    auto async_send_n(Iterator first, std::size_t n) const {
        return async_send_n(std::move(first), n, asio::use_awaitable_t<Executor>{});
    }
#endif
    [[nodiscard]] executor_type get_executor() const { return where_; }
    /// The end itself, for what never waits.
    [[nodiscard]] const sender<T, Storage>& end() const noexcept { return tx_; }

private:
    sender<T, Storage> tx_;
    Executor where_;
};

template <class T, class Storage, class Where>
[[nodiscard]] asio_receiver<T, Storage> as_asio(receiver<T, Storage> rx, Where&& where) {
    return {std::move(rx), asio::any_io_executor{detail::asio_executor_of(where)}};
}
template <class T, class Storage, class Where>
[[nodiscard]] asio_sender<T, Storage> as_asio(sender<T, Storage> tx, Where&& where) {
    return {std::move(tx), asio::any_io_executor{detail::asio_executor_of(where)}};
}

}  // namespace penstock::inline PENSTOCK_ABI
