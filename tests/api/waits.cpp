// SPDX-License-Identifier: BSL-1.0
// The lines of api.md on waiting in other ways than a thread: coroutines, Asio, event loops, select.
#include <chrono>
#include <string>
#include <vector>

#include <asio.hpp>
#include <doctest/doctest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <penstock/channel/asio.hpp>
#include <penstock/channel/async.hpp>
#include <penstock/channel/event_handle.hpp>
#include <penstock/channel/select.hpp>

#include "support/coroutine.hpp"

using namespace std::chrono_literals;
using namespace penstock;

namespace {
struct job {
    int id;
};
struct order {
    int id;
};
struct cancel {
    int id;
};
std::vector<int> ran;
void run(const job& j) { ran.push_back(j.id); }

coroutine work(receiver<job> rx) {
    while (auto j = co_await rx.async_receive()) run(*j);  // same channel, coroutine side
}
asio::awaitable<void> serve(asio_receiver<job> rx) {
    while (auto j = co_await rx.async_receive()) run(*j);
}
}  // namespace

TEST_CASE("channel: coroutines, Asio, event loops") {
    auto [tx, rx] = make_channel<job>(16);
    coroutine c = work(rx);
    CHECK(tx.send(job{1}));
    c.destroy();

    asio::io_context ctx;
    asio::co_spawn(ctx, serve(as_asio(rx, ctx)), asio::detached);  // channel/asio.hpp
    CHECK(tx.send(job{2}));
    ctx.poll();

    event_handle handle(rx);  // channel/event_handle.hpp
    const int loop = epoll_create1(EPOLL_CLOEXEC);
    epoll_event e{};
    e.events = EPOLLIN;
    CHECK(epoll_ctl(loop, EPOLL_CTL_ADD, handle.fd(), &e) == 0);
    CHECK(epoll_wait(loop, &e, 1, 0) == 1);
    while (auto j = handle.try_receive()) run(*j);
    close(loop);
    tx.close();
    ctx.restart();
    ctx.run();
    CHECK(ran == std::vector<int>{1, 2});
}

TEST_CASE("channel: batches and sends of coroutines and of Asio") {
    auto [tx, rx] = make_channel<job>(16);
    job out[32] = {}, two[] = {{1}, {2}};
    std::size_t n = 0;
    coroutine c = [](auto to, auto from, job* jobs, job* into, std::size_t& count) -> coroutine {
        batch_result sent = co_await to.async_send_n(jobs, 2);
        CHECK(sent);
        batch_result some = co_await from.async_receive_n(into, 32);
        count = some.count;
    }(tx, rx, two, out, n);
    CHECK(n == 2);
    CHECK(out[1].id == 2);

    asio::io_context ctx;
    job j{3};
    async_send(tx, j, ctx, [](status s) { CHECK(s); });
    async_receive_n(rx, out, 32, ctx, [&](batch_result some) { n = some.count; });
    ctx.run();
    CHECK(n == 1);
    CHECK(out[0].id == 3);
}

TEST_CASE("channel: select") {
    auto [order_tx, orders] = make_channel<order>(4);
    auto [cancel_tx, cancels] = make_channel<cancel>(4);
    int placed = 0, dropped = 0, idled = 0;
    auto place = [&](const order&) { ++placed; };
    auto drop = [&](const cancel&) { ++dropped; };
    auto idle = [&] { ++idled; };
    CHECK(order_tx.send(order{1}));
    CHECK(cancel_tx.send(cancel{1}));
    order_tx.close();
    cancel_tx.close();
    while (select(on(orders, [&](order o) { place(o); }),   // first ready wins, fairly
                  on(cancels, [&](cancel x) { drop(x); }),  // false when all are closed
                  timeout(1s, [&] { idle(); }))) {
    }
    CHECK(placed == 1);
    CHECK(dropped == 1);
    CHECK(idled == 0);
}
