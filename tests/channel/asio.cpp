// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include <asio.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <doctest/doctest.h>

#include <penstock/channel/asio.hpp>

#include "support/flow.hpp"

using penstock::as_asio;
using penstock::asio_receiver;
using penstock::async_receive;
using penstock::make_channel;
using penstock::result;
using penstock::status;

TEST_CASE("a handler gets what is in, by the context and not inside the call") {
    asio::io_context ctx;
    auto [tx, rx] = make_channel<int>(2);
    CHECK(tx.send(1));
    std::optional<int> got;
    async_receive(rx, ctx, [&](result<int> r) { got = *r; });
    CHECK_FALSE(got);
    ctx.run();
    CHECK(got == 1);
}

TEST_CASE("an operation that waits keeps the context at work until something comes") {
    asio::io_context ctx;
    auto [tx, rx] = make_channel<int>(2);
    std::optional<int> got;
    async_receive(rx, ctx, [&](result<int> r) { got = *r; });
    std::jthread running{[&] { ctx.run(); }};
    auto& core = penstock::detail::channel_access::core(rx);
    until([&] { return core.receivers().waiting_approx() == 1; });
    CHECK(tx.send(2));
    running.join();
    CHECK(got == 2);
}

TEST_CASE("a close ends an operation") {
    asio::io_context ctx;
    auto [tx, rx] = make_channel<int>(2);
    std::optional<status> end;
    async_receive(rx, ctx, [&](result<int> r) { end = r.status(); });
    ctx.poll();
    CHECK_FALSE(end);
    tx.close();
    ctx.poll();
    CHECK(end == status::closed);
}

TEST_CASE("the element stays in until the handler is about to run") {
    asio::io_context ctx;
    auto [tx, rx] = make_channel<int>(2);
    int got = 0;
    async_receive(rx, ctx, [&](result<int> r) { got = *r; });
    ctx.poll();
    CHECK(tx.send(1));
    CHECK(*rx.receive() == 1);  // a thread is faster
    ctx.poll();
    CHECK(got == 0);
    CHECK(tx.send(2));
    ctx.poll();
    CHECK(got == 2);
}

TEST_CASE("a cancelled operation takes nothing, whenever it is cancelled") {
    asio::io_context ctx;
    auto [tx, rx] = make_channel<int>(2);
    for (int when = 0; when < 3; ++when) {
        asio::cancellation_signal cancel;
        std::optional<status> end;
        async_receive(rx, ctx, asio::bind_cancellation_slot(cancel.slot(), [&](result<int> r) {
                          end = r.status();
                      }));
        if (when > 0) ctx.poll();                       // it waits
        if (when == 0 || when == 2) CHECK(tx.send(1));  // it is ready, or was woken
        cancel.emit(asio::cancellation_type::total);
        ctx.restart();
        ctx.poll();
        CHECK(end == status::stopped);
        if (when == 0 || when == 2) CHECK(*rx.receive() == 1);
        ctx.restart();
    }
}

TEST_CASE("a context that is destroyed destroys its handlers, and holds no element") {
    auto [tx, rx] = make_channel<int>(2);
    auto owned = std::make_shared<int>(0);
    {
        asio::io_context ctx;
        async_receive(rx, ctx, [owned](result<int>) { FAIL("must not run"); });
        ctx.poll();
        async_receive(rx, ctx, [owned](result<int>) { FAIL("must not run"); });  // not yet begun
        CHECK(tx.send(1));                                                       // wakes the first
        CHECK(owned.use_count() == 3);
    }
    CHECK(owned.use_count() == 1);
    CHECK(*rx.receive() == 1);
    CHECK(tx.send(2));
    CHECK(*rx.receive() == 2);
}

TEST_CASE("a wake that a destroyed context had goes on to a thread") {
    auto [tx, rx] = make_channel<int>(2);
    std::optional<int> got;
    std::jthread thread;
    auto& core = penstock::detail::channel_access::core(rx);
    {
        asio::io_context ctx;
        async_receive(rx, ctx, [](result<int>) { FAIL("must not run"); });
        ctx.poll();
        thread = std::jthread{[&got, r = rx] { got = *r.receive(); }};
        until([&] { return core.receivers().waiting_approx() == 2; });
        CHECK(tx.send(5));
    }
    thread.join();
    CHECK(got == 5);
}

TEST_CASE("senders race with the end of a context") {
    for (int round = 0; round < 300; ++round) {
        auto [tx, rx] = make_channel<int>(2);
        std::atomic<int> handled{0};
        std::jthread sending{[&own = tx] {
            CHECK(own.send(1));
            CHECK(own.send(2));
        }};
        {
            asio::io_context ctx;
            for (int i = 0; i < 2; ++i)
                async_receive(rx, ctx, [&](result<int> r) { handled += r ? 1 : 0; });
            if (round % 2) ctx.poll();
        }
        sending.join();
        int left = 0;
        while (rx.try_receive()) ++left;
        CHECK(handled + left == 2);
    }
}

TEST_CASE("a coroutine serves on a context what worker threads send") {
    constexpr std::size_t producers = 3, each = 1500;
    flow_account account{producers, each};
    auto [tx, rx] = make_channel<flow_message>(8);
    asio::io_context ctx;
    const auto serve =
        [](asio_receiver<flow_message> in, flow_account& a) -> asio::awaitable<void> {
        flow_account::reader mine{a};
        while (auto m = co_await in.async_receive()) mine.got(*m);
    };
    for (int i = 0; i < 2; ++i)
        asio::co_spawn(ctx, serve(as_asio(rx, ctx), account), asio::detached);
    std::jthread sending{[&, own = std::move(tx)]() mutable {
        in_threads(producers, [&](std::size_t p) {
            for (std::size_t i = 0; i < each; ++i) CHECK(own.send(account.message(p, i)));
        });
        own.close();
    }};
    std::jthread second{[&] { ctx.run(); }};
    ctx.run();
    second.join();
    CHECK(account.complaint() == "");
}

TEST_CASE("receive or time, whichever is first: what comes later stays in") {
    using namespace asio::experimental::awaitable_operators;
    asio::io_context ctx;
    auto [tx, rx] = make_channel<int>(2);
    bool timed_out = false;
    asio::co_spawn(
        ctx,
        [](asio_receiver<int> in, bool& late) -> asio::awaitable<void> {
            asio::steady_timer timer{co_await asio::this_coro::executor};
            timer.expires_after(std::chrono::milliseconds{2});
            const auto first =
                co_await (in.async_receive() || timer.async_wait(asio::use_awaitable));
            late = first.index() == 1;
        }(as_asio(rx, ctx), timed_out),
        asio::detached);
    ctx.run();
    CHECK(timed_out);
    CHECK(tx.send(4));
    CHECK(*rx.receive() == 4);
}
