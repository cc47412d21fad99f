// SPDX-License-Identifier: BSL-1.0
// Receipts, requests, what nobody listens to, pipes and taps, and waiting until all is quiet.
#include <atomic>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/thread_pool.hpp>
#include <penstock/core/manual_clock.hpp>

#include "bus/manual_executor.hpp"
#include "support/flow.hpp"

using namespace std::chrono_literals;
using penstock::bus;
using penstock::manual_clock;
using penstock::message;
using penstock::overflow;
using penstock::own_thread;
using penstock::status;
using penstock::subscription;
using penstock::thread_pool;

TEST_CASE("a receipt tells each subscriber's outcome, and when all are known") {
    manual_executor loop;
    bus events;
    auto t = events.topic<int>("n");
    auto direct = events.subscribe<int>("n", [](int) {});
    auto broken = events.subscribe<int>("n", [](int) { throw 1; });
    auto queued = events.subscribe<int>("n", {.executor = loop}, [](int) {});
    auto fails = events.subscribe<int>("n", {.executor = loop}, [](int) { throw 1; });
    auto full = events.subscribe<int>(
        "n", {.executor = loop, .capacity = 1, .overflow = overflow::drop_oldest}, [](int) {});
    auto feed = events.subscribe<int>("n");
    auto r = t.publish_tracked(1);
    CHECK(r.published().matched() == 6);
    CHECK(r.handled() == 1);
    CHECK(r.failed() == 1);
    CHECK(!r.settled());
    CHECK(t.publish(2).dropped() == 1);
    CHECK(r.dropped() == 1);
    loop.run_all();
    CHECK(r.handled() == 2);
    CHECK(r.failed() == 2);
    CHECK(!r.settled());
    {
        auto got = feed.receive();
        CHECK(!r.settled());
    }
    CHECK(r.settled());
    CHECK(r.released() == 1);
    CHECK(r.wait());
    manual_clock time;
    auto again = t.publish_tracked(3);
    time.advance(1s);
    CHECK(again.wait_for(0s, {}, time) == status::timed_out);
}

TEST_CASE("a receipt can be waited for by another thread, and nobody's is settled at once") {
    thread_pool pool{2};
    bus events;
    auto t = events.topic<int>("n");
    CHECK(t.publish_tracked(1).settled());
    int handled = 0;
    auto s = events.subscribe<int>("n", {.executor = pool}, [&](int) { ++handled; });
    for (int i = 1; i <= 200; ++i) {
        CHECK(t.publish_tracked(i).wait());
        CHECK(handled == i);  // and what the handler did is visible
    }
}

TEST_CASE("a request gets the answer, of a direct handler or one on a pool") {
    thread_pool pool{1};
    bus events;
    const auto length = [](const std::string& s) { return s.size(); };
    CHECK(events.request<std::size_t>("len", std::string{"abc"}, 1h).status() ==
          status::no_subscribers);
    {
        auto desk = events.reply<std::string>("len", length);
        CHECK(*events.request<std::size_t>("len", std::string{"abc"}, 1h) == 3);
    }
    auto desk = events.reply<std::string>("len", {.executor = pool}, length);
    for (int i = 0; i < 100; ++i)
        CHECK(*events.request<std::size_t>("len", std::string(7, 'x'), 1h) == 7);
    until([&] { return desk.counts().handled == 100; });
}

TEST_CASE("a request without an answer says why: late, stopped, failed, ended") {
    manual_executor loop;
    bus events;
    manual_clock time;
    const auto ask = [&](std::chrono::seconds d) {
        return events.request<int>("n", 7, d, {}, time).status();
    };
    {
        auto broken = events.reply<int>("n", [](int) -> int { throw 1; });
        CHECK(ask(1h) == status::failed);
    }
    std::vector<int> late;
    auto desk = events.reply<int>("n", {.executor = loop}, [&](int v) {
        late.push_back(v);
        return v;
    });
    CHECK(ask(0s) == status::timed_out);
    std::stop_source stop;
    stop.request_stop();
    CHECK(events.request<int>("n", 7, 1h, stop.get_token()).status() == status::stopped);
    loop.run_all();  // answers that nobody waits for
    CHECK(late.size() == 2);
    std::jthread asks{[&] { CHECK(ask(1h) == status::failed); }};
    until([&] { return desk.counts().queued == 1; });
    CHECK(desk.cancel());
}

TEST_CASE("mandatory: nobody is an error; unrouted: another topic gets it") {
    bus events;
    auto strict = events.topic<int>("a", {.mandatory = true});
    CHECK_THROWS_AS(strict.publish(1), penstock::no_subscribers_error);
    auto kept = events.topic<int>("a", {.unrouted = "lost"});
    CHECK(kept.publish(1).status() == status::no_subscribers);
    auto both = events.topic<int>("a", {.mandatory = true, .unrouted = "lost"});
    CHECK_THROWS_AS(both.publish(1), penstock::no_subscribers_error);
    auto lost = events.subscribe<int>("lost");
    CHECK(both.publish(2).queued() == 1);
    CHECK(kept.publish(3).queued() == 1);
    auto got = lost.try_receive();
    CHECK(**got == 2);
    CHECK(got->topic() == "a");  // where it was published
    int handled = 0;
    auto s = events.subscribe<int>("a", [&](int v) { handled += v; });
    CHECK(strict.publish(4).handled() == 1);
    CHECK(handled == 4);
    CHECK(lost.size_approx() == 1);
    CHECK_THROWS_AS((void)events.topic<int>("a", {.unrouted = "b.#"}), std::invalid_argument);
}

TEST_CASE("a pipe passes the same message on; one that would feed itself is refused") {
    bus events;
    auto feed = events.subscribe<std::string>("archive");
    auto own = events.subscribe<std::string>("chat.#");
    auto p = events.pipe<std::string>("chat.#", "archive");
    CHECK(events.publish("chat.general", std::string{"hello"}));
    auto a = feed.receive(), b = own.receive();
    CHECK(&a->value() == &b->value());
    CHECK(a->topic() == "chat.general");
    CHECK_THROWS_AS((void)events.pipe<std::string>("#", "archive"), std::invalid_argument);
    CHECK_THROWS_AS((void)events.pipe<std::string>("chat.#", "chat"), std::invalid_argument);
    p.cancel();
    events.publish("chat.general", std::string{"bye"});
    CHECK(!feed.try_receive());
}

TEST_CASE("a tap sees what passes and is not seen") {
    bus events;
    std::vector<std::string> seen;
    auto t = events.tap<int>("#", [&](const message<int>& m) {
        seen.push_back(m.topic());
        if (*m == 3) throw 1;
    });
    CHECK(events.publish("a", 1).status() == status::no_subscribers);
    auto s = events.subscribe<int>("a", [](int) {});
    CHECK(events.publish("a", 2).matched() == 1);
    CHECK(events.publish("a", 3).failed() == 0);
    CHECK(seen == std::vector<std::string>{"a", "a", "a"});
    CHECK(t.counts().failed == 1);
}

TEST_CASE("quiesce waits until handlers are done with all, and what they published") {
    thread_pool pool{2};
    bus events;
    std::atomic<int> handled{0};
    std::latch go{1};
    auto first = events.subscribe<int>("first", {.executor = pool}, [&](int v) {
        go.wait();
        if (v > 0) events.publish("second", v - 1);
        ++handled;
    });
    auto second = events.subscribe<int>("second", {.executor = own_thread}, [&](int v) {
        if (v > 0) events.publish("first", v - 1);
        ++handled;
    });
    CHECK(events.quiesce_for(1h));
    events.publish("first", 9);
    manual_clock time;
    CHECK(events.quiesce_for(0s, time) == status::timed_out);
    go.count_down();
    CHECK(events.quiesce_for(1h));
    CHECK(handled == 10);
}

TEST_CASE("ended without waiting, a handler that runs keeps what it captured until it returns") {
    thread_pool pool{1};
    for (const penstock::executor_ref where :
         {penstock::executor_ref{}, penstock::executor_ref{pool},
          penstock::executor_ref{own_thread}}) {
        bus events;
        std::latch entered{1}, leave{1};
        auto held = std::make_shared<std::atomic<int>>(0);
        auto s = events.subscribe<int>("n", {.executor = where}, [&, held](int) {
            entered.count_down();
            leave.wait();
            ++*held;
        });
        std::jthread publisher{[&] { events.publish("n", 1); }};
        entered.wait();
        s.cancel_without_waiting();
        CHECK(!s.active());
        CHECK(held.use_count() == 2);
        leave.count_down();
        until([&] { return held.use_count() == 1; });
        CHECK(*held == 1);
        CHECK(s.cancel());
    }
}
