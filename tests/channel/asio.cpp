// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
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

// ---- Sending, and batches

namespace {
/// Three that wait for room, in the order in which they began.
struct three_sends {
    int values[3] = {1, 2, 3};
    std::optional<status> ends[3];
    void start(const penstock::sender<int>& tx, asio::io_context& ctx) {
        for (int i = 0; i < 3; ++i)
            penstock::async_send(tx, values[i], ctx, [this, i](status s) { ends[i] = s; });
    }
};
}  // namespace

TEST_CASE("a send waits for room, goes in within its completion, and is told when there is none") {
    asio::io_context ctx;
    auto [tx, rx] = make_channel<int>(1);
    three_sends s;
    s.start(tx, ctx);
    CHECK(rx.try_receive().status() == status::empty);  // not inside the call
    ctx.poll();
    CHECK(s.ends[0] == status::ok);
    CHECK_FALSE(s.ends[1]);
    CHECK(*rx.receive() == 1);
    CHECK(tx.try_send(7));  // a thread is faster than the completion
    ctx.poll();
    CHECK_FALSE(s.ends[1]);
    CHECK(*rx.receive() == 7);
    ctx.poll();
    CHECK(s.ends[2] == status::ok);  // the other, who was woken in vain, stands behind it now
    rx.close();
    ctx.run();
    CHECK(s.ends[1] == status::closed);
    CHECK(s.values[1] == 2);
    CHECK(*rx.receive() == 3);
}

TEST_CASE("a cancelled send keeps its value, a cancelled batch tells how many went in") {
    asio::io_context ctx;
    auto [tx, rx] = make_channel<std::unique_ptr<int>>(2);
    asio::cancellation_signal one, many;
    std::vector<std::unique_ptr<int>> all;
    for (int i = 0; i < 5; ++i) all.push_back(std::make_unique<int>(i));
    std::optional<penstock::batch_result> batch;
    penstock::async_send_n(
        tx, std::make_move_iterator(all.begin()), 5, ctx,
        asio::bind_cancellation_slot(many.slot(), [&](penstock::batch_result b) { batch = b; }));
    ctx.poll();
    auto value = std::make_unique<int>(9);
    std::optional<status> end;
    penstock::async_send(
        tx, value, ctx, asio::bind_cancellation_slot(one.slot(), [&](status s) { end = s; }));
    ctx.poll();
    CHECK_FALSE(batch);
    CHECK(**rx.receive() == 0);
    ctx.poll();
    one.emit(asio::cancellation_type::all);
    many.emit(asio::cancellation_type::all);
    ctx.run();
    CHECK(end == status::stopped);
    REQUIRE(value);
    CHECK(*value == 9);
    REQUIRE(batch);
    CHECK(batch->status == status::stopped);
    CHECK(batch->count == 3);
    for (std::size_t i = 0; i < 5; ++i) CHECK((all[i] != nullptr) == (i >= 3));
    CHECK(**rx.receive() == 1);
    CHECK(**rx.receive() == 2);
    CHECK(rx.try_receive().status() == status::empty);
}

TEST_CASE("a batch is received in one completion: what is there, up to n; none when cancelled") {
    asio::io_context ctx;
    auto [tx, rx] = make_channel<int>(8);
    int out[3] = {};
    std::optional<penstock::batch_result> got;
    asio::cancellation_signal cancel;
    const auto start = [&, &from = rx] {
        got.reset();
        penstock::async_receive_n(from, out, 3, ctx,
                                  asio::bind_cancellation_slot(
                                      cancel.slot(), [&](penstock::batch_result b) { got = b; }));
        ctx.restart();
        ctx.poll();
    };
    start();
    CHECK_FALSE(got);
    for (int i = 0; i < 4; ++i) CHECK(tx.send(i));
    ctx.poll();
    REQUIRE(got);
    CHECK(got->count == 3);
    CHECK(out[2] == 2);
    start();
    REQUIRE(got);
    CHECK(got->count == 1);
    start();
    cancel.emit(asio::cancellation_type::all);
    ctx.poll();
    REQUIRE(got);
    CHECK(got->count == 0);
    CHECK(got->status == status::stopped);
    tx.close();
    start();
    REQUIRE(got);
    CHECK(got->status == status::closed);
}

TEST_CASE("a context that is destroyed leaves values with their owners and the room to others") {
    auto [tx, rx] = make_channel<int>(1);
    CHECK(tx.send(0));
    three_sends s;
    {
        asio::io_context ctx;
        s.start(tx, ctx);
        ctx.poll();
        CHECK(*rx.receive() == 0);  // wakes the first
    }
    for (const auto& end : s.ends) CHECK_FALSE(end);
    CHECK(tx.try_send(5));
    CHECK(*rx.receive() == 5);
    CHECK(tx.counts().sent == 2);
}

TEST_CASE("what a copy throws leaves run, and the operation leaves no trace") {
    struct fragile {
        explicit fragile(bool t) : throws{t} {}
        fragile(const fragile& other) : throws{other.throws} {
            if (throws) throw std::runtime_error{"copy"};
        }
        fragile(fragile&&) noexcept = default;
        bool throws;
    };
    asio::io_context ctx;
    auto [tx, rx] = make_channel<fragile>(4);
    const fragile items[] = {fragile{false}, fragile{true}};
    bool called = false;
    penstock::async_send_n(tx, items, 2, ctx, [&](penstock::batch_result) { called = true; });
    CHECK_THROWS_AS(ctx.run(), std::runtime_error);
    ctx.restart();
    ctx.run();  // ends: nothing is left of it
    CHECK_FALSE(called);
    CHECK(rx.size_approx() == 1);
}

#if defined(ASIO_HAS_CO_AWAIT)
TEST_CASE("coroutines on a context send, one by one and in batches, to workers") {
    constexpr std::size_t producers = 2, each = 1400;
    flow_account account{producers, each};
    asio::io_context ctx;
    auto [tx, rx] = make_channel<flow_message>(4);
    const auto send = [](auto out, flow_account& a, std::size_t p) -> asio::awaitable<void> {
        for (std::size_t i = 0; i < each; i += 7) {
            flow_message some[7];
            for (std::size_t k = 0; k < 7; ++k) some[k] = a.message(p, i + k);
            const status first = co_await out.async_send(some[0]);
            CHECK(first);
            const auto rest = co_await out.async_send_n(some + 1, 6);
            CHECK(rest.count == 6);
        }
    };
    for (std::size_t p = 0; p < producers; ++p)
        asio::co_spawn(ctx, send(as_asio(tx, ctx), account, p), asio::detached);
    tx = {};
    std::vector<std::jthread> workers;
    for (int w = 0; w < 2; ++w)
        workers.emplace_back([&, own = rx] {
            flow_account::reader mine{account};
            while (auto m = own.receive()) mine.got(*m);
        });
    ctx.run();
    workers.clear();
    CHECK(account.complaint() == "");
}
#endif
