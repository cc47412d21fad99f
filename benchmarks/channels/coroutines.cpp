// SPDX-License-Identifier: BSL-1.0
// Two coroutines on one thread that hand a number there and back, over two channels of capacity 1.
#include "coroutines.hpp"

#include <coroutine>
#include <cstdint>
#include <exception>
#include <utility>

#include "../support/bench.hpp"

#if __has_include(<penstock/channel/async.hpp>)
#include <penstock/channel/async.hpp>
#include <penstock/channel/ends.hpp>
#include <penstock/queue/spsc_ring.hpp>
#define BENCH_ASYNC 1
#endif

#if BENCH_ASIO
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#endif

namespace bench {

namespace {

using u64 = std::uint64_t;

#if BENCH_ASYNC
/// Runs until its first wait when it is called, and frees itself at its end.
struct detached {
    struct promise_type {
        detached get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};

template <class Storage>
using sender = penstock::sender<u64, Storage>;
template <class Storage>
using receiver = penstock::receiver<u64, Storage>;

template <class Storage>
detached echo(receiver<Storage>& in, sender<Storage>& out) {
    while (auto x = co_await in.async_receive()) (void)co_await out.async_send(*x);
}
template <class Storage>
detached there_and_back(std::size_t n, sender<Storage>& out, receiver<Storage>& in, u64& sum) {
    for (u64 i = 0; i < n; ++i) {
        (void)co_await out.async_send(u64{i});
        sum += *co_await in.async_receive();
    }
    out.close();
}

template <class Storage>
double ours_on_one_thread(std::size_t n) {
    u64 sum = 0;
    const double ns = timed(
        1,
        [&](std::size_t) {
            auto [ping, pinged] = penstock::make_channel<u64, Storage>(1);
            auto [pong, ponged] = penstock::make_channel<u64, Storage>(1);
            echo<Storage>(pinged, pong);
            there_and_back<Storage>(n, ping, ponged, sum);
        },
        [](std::size_t i) { return i; });
    verify(sum == sum_below(n), "a round trip changed its element");
    return ns;
}
#endif

#if BENCH_ASIO
using asio_channel = asio::experimental::channel<void(asio::error_code, u64)>;

asio::awaitable<void> asio_echo(std::size_t n, asio_channel& in, asio_channel& out) {
    for (std::size_t i = 0; i < n; ++i) {
        const u64 x = co_await in.async_receive(asio::use_awaitable);
        co_await out.async_send(asio::error_code{}, x, asio::use_awaitable);
    }
}
asio::awaitable<void> asio_there_and_back(std::size_t n, asio_channel& out, asio_channel& in,
                                          u64& sum) {
    for (u64 i = 0; i < n; ++i) {
        co_await out.async_send(asio::error_code{}, i, asio::use_awaitable);
        sum += co_await in.async_receive(asio::use_awaitable);
    }
}

double asio_on_one_thread(std::size_t n) {
    u64 sum = 0;
    const double ns = timed(
        1,
        [&](std::size_t) {
            asio::io_context context{1};
            asio_channel there{context, 1}, back{context, 1};
            asio::co_spawn(context, asio_echo(n, there, back), asio::detached);
            asio::co_spawn(context, asio_there_and_back(n, there, back, sum), asio::detached);
            context.run();
        },
        [](std::size_t i) { return i; });
    verify(sum == sum_below(n), "a round trip changed its element");
    return ns;
}
#endif

}  // namespace

void add_coroutines([[maybe_unused]] suite& s) {
    [[maybe_unused]] auto& c = s.cell("two coroutines, there and back");
#if BENCH_ASYNC
    c.add("channel", ours, ours_on_one_thread<penstock::mpmc_ring<u64>>);
    c.add("channel over spsc_ring", ours, ours_on_one_thread<penstock::spsc_ring<u64>>);
#endif
#if BENCH_ASIO
    c.add("asio::experimental::channel", peers, asio_on_one_thread);
#endif
    s.expect({.cell = c.name, .ours = "channel( over spsc_ring)?", .bar = 0.2});
}

}  // namespace bench
