// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <latch>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/thread_pool.hpp>

#include "bus/manual_executor.hpp"
#include "support/flow.hpp"

using penstock::bus;
using penstock::failure;
using penstock::message;
using penstock::overflow;
using penstock::own_thread;
using penstock::receiver;
using penstock::status;
using penstock::subscribe_options;
using penstock::subscription;
using penstock::thread_pool;

TEST_CASE("a pattern covers the topics that exist and those to come") {
    bus events;
    auto before = events.topic<int>("quake.us.strong");
    std::vector<int> got;
    auto s = events.subscribe<int>("quake.#", [&](int v) { got.push_back(v); });
    CHECK(before.publish(1));
    CHECK(events.publish("quake.eu", 2));
    CHECK(events.publish("quake", 3));
    CHECK(!events.publish("earth.quake", 4));
    CHECK(got == std::vector{1, 2, 3});
}

TEST_CASE("subscribers of another type are not disturbed") {
    bus events;
    int ints = 0, texts = 0;
    auto a = events.subscribe<int>("#", [&](int) { ++ints; });
    auto b = events.subscribe<std::string>("#", [&](const std::string&) { ++texts; });
    CHECK(events.publish("n", 1).matched() == 1);
    CHECK(events.publish("t", std::string{"x"}).matched() == 1);
    CHECK(ints == 1);
    CHECK(texts == 1);
}

TEST_CASE("direct handlers run in the order in which they subscribed") {
    bus events;
    std::string order;
    auto a = events.subscribe<int>("n", [&](int) { order += 'a'; });
    auto b = events.subscribe<int>("#", [&](int) { order += 'b'; });
    auto c = events.subscribe<int>("*", [&](int) { order += 'c'; });
    events.publish("n", 1);
    b.cancel();
    events.publish("n", 1);
    CHECK(order == "abcac");
}

TEST_CASE("handlers take a const T& or a message, generic ones the T; results are ignored") {
    bus events;
    int sum = 0;
    std::string where;
    auto a = events.subscribe<int>("n.#", [&](const int& v) { return sum += v; });
    auto b = events.subscribe<int>("n.#", [&](const message<int>& m) { where = m.topic(); });
    auto c = events.subscribe<int>("n.#", [&](const auto& v) { sum += 10 * v; });
    auto d = events.subscribe<int>(
        "n.#", [&, owned = std::make_unique<int>(100)](auto v) mutable { sum += *owned * v; });
    CHECK(events.publish("n.x", 1).handled() == 4);
    CHECK(sum == 111);
    CHECK(where == "n.x");
}

TEST_CASE("a handler may publish, also to its own topic") {
    bus events;
    auto t = events.topic<int>("n");
    std::vector<int> got;
    auto s = events.subscribe<int>("n", [&](int v) {
        if (v > 0) t.publish(v - 1);
        got.push_back(v);
    });
    CHECK(t.publish(3));
    CHECK(got == std::vector{0, 1, 2, 3});
}

TEST_CASE("a handler may subscribe and unsubscribe; a publish under way doesn't notice the first") {
    bus events;
    std::vector<subscription> more;
    std::optional<subscription> last;
    int calls = 0, last_calls = 0;
    auto s = events.subscribe<int>("n", [&](int) {
        more.push_back(events.subscribe<int>("n", [&](int) { ++calls; }));
        last.reset();
    });
    last = events.subscribe<int>("n", [&](int) { ++last_calls; });
    CHECK(events.publish("n", 1).handled() == 1);  // `last` went before its turn
    CHECK(last_calls == 0);
    CHECK(calls == 0);
    CHECK(events.publish("n", 2).handled() == 2);
    CHECK(calls == 1);
}

TEST_CASE("a handler that throws harms nobody else, and is counted and reported") {
    std::vector<std::string> told;
    const auto tell = [&](const failure& f) {
        std::string text;
        try {
            std::rethrow_exception(f.error);
        } catch (const std::exception& e) {
            text = e.what();
        }
        told.push_back(std::string{f.topic} + " " + std::string{f.pattern} + " " + text);
        throw 1;  // ignored
    };
    manual_executor loop;
    bus events{{.on_error = tell}};
    int after = 0;
    auto bad = events.subscribe<int>("n.#", [](int) { throw std::runtime_error{"bad"}; });
    auto worse = events.subscribe<int>(
        "*.*", {.where = [](int) -> bool { throw std::runtime_error{"worse"}; }}, [](int) {});
    auto queued = events.subscribe<int>("n.x", {.executor = loop}, [](int v) {
        if (v == 1) throw std::runtime_error{"later"};
    });
    auto good = events.subscribe<int>("n.#", [&](int) { ++after; });
    const auto p = events.publish("n.x", 1);
    events.publish("n.x", 2);
    loop.run_all();
    CHECK(p.failed() == 2);
    CHECK(p.handled() == 1);
    CHECK(p.queued() == 1);
    CHECK(p.matched() == 4);
    CHECK(after == 2);
    CHECK(bad.counts().failed == 2);
    CHECK(queued.counts().failed == 1);
    CHECK(queued.counts().handled == 1);
    CHECK(told == std::vector<std::string>{"n.x n.# bad", "n.x *.* worse", "n.x n.# bad",
                                           "n.x *.* worse", "n.x n.x later"});
}

TEST_CASE("where selects by the message's content, for every kind of subscription") {
    thread_pool pool{1};
    bus events;
    std::atomic<int> direct_sum{0}, queued_sum{0};
    const auto big = [](const int& v) { return v > 5; };
    auto a = events.subscribe<int>("n", {.where = big}, [&](int v) { direct_sum += v; });
    auto b = events.subscribe<int>(
        "n", {.where = big, .executor = pool}, [&](int v) { queued_sum += v; });
    auto feed = events.subscribe<int>("n", {.where = big});
    for (int i = 0; i < 10; ++i) CHECK(events.publish("n", i).matched() == (i > 5 ? 3 : 0));
    events.close();
    CHECK(direct_sum == 30);
    CHECK(queued_sum == 30);
    int sum = 0;
    while (auto m = feed.receive()) sum += *m;
    CHECK(sum == 30);
}

TEST_CASE("options that contradict each other are refused, with the cure") {
    bus events;
    thread_pool pool{1};
    const auto h = [](int) {};
    CHECK_THROWS_AS((void)events.subscribe<int>("n", {.group = "g"}, h), std::invalid_argument);
    CHECK_THROWS_AS((void)events.subscribe<int>("n", {.capacity = 7}, h), std::invalid_argument);
    CHECK_THROWS_AS(
        (void)events.subscribe<int>("n", {.overflow = overflow::reject}, h), std::invalid_argument);
    CHECK_THROWS_AS((void)events.subscribe<int>("n", {.on_drop = h}, h), std::invalid_argument);
    CHECK_THROWS_AS((void)events.subscribe<int>("n", {.executor = pool}), std::invalid_argument);
    CHECK_THROWS_AS((void)events.subscribe<int>("n", {.executor = pool, .capacity = 0}, h),
                    std::invalid_argument);
    CHECK_THROWS_AS((void)events.subscribe<int>("n*", h), std::invalid_argument);
    CHECK(!events.publish("n", 1));  // nothing stayed behind
}

TEST_CASE("close finishes what is queued, on every kind of executor, and then answers closed") {
    thread_pool pool{2};
    bus events;
    std::atomic<int> a{0}, b{0}, c{0};
    const auto slow = [](std::atomic<int>& n) {
        return [&n](int v) {
            std::this_thread::yield();
            n += v;
        };
    };
    auto on_pool = events.subscribe<int>("n", {.executor = pool}, slow(a));
    auto in_thread = events.subscribe<int>("n", {.executor = own_thread}, slow(b));
    auto shared1 = events.subscribe<int>("n", {.group = "g", .executor = pool}, slow(c));
    auto shared2 = events.subscribe<int>("n", {.group = "g", .executor = own_thread}, slow(c));
    auto feed = events.subscribe<int>("n");
    auto t = events.topic<int>("n");
    for (int i = 0; i < 500; ++i) CHECK(t.publish(1).queued() == 4);
    CHECK(events.close());
    CHECK(a == 500);
    CHECK(b == 500);
    CHECK(c == 500);
    CHECK(events.closed());
    CHECK(t.publish(1).status() == status::closed);
    CHECK(events.publish("new", 1).status() == status::closed);
    CHECK(!on_pool.active());
    CHECK(!events.subscribe<int>("n", [](int) {}).active());
    CHECK(!events.subscribe<int>("n", {.executor = pool}, [](int) {}).active());
    CHECK(events.subscribe<int>("n").receive().status() == status::closed);
    int pulled = 0;
    while (auto m = feed.receive()) pulled += *m;  // its own time, but an end
    CHECK(pulled == 500);
    CHECK(events.close());
}

TEST_CASE("close may be called by a handler: it waits for nobody then, and says so") {
    thread_pool pool{1};
    for (const bool direct : {true, false}) {
        bus events;
        std::atomic<bool> answer{true};
        std::atomic<int> handled{0};
        const auto ends = [&](int) {
            ++handled;
            answer = events.close();
        };
        auto s = direct ? events.subscribe<int>("n", ends)
                        : events.subscribe<int>("n", {.executor = pool}, ends);
        CHECK(events.publish("n", 1).matched() == 1);
        until([&] { return !answer; });
        CHECK(events.publish("n", 1).status() == status::closed);
        CHECK(events.close());  // from outside: waits
        CHECK(handled == 1);
    }
}

TEST_CASE("a publish that waits for room is ended by stop, by the subscription's end, by close") {
    std::stop_source stop;
    bus events;
    auto t = events.topic<int>("n");
    {
        auto feed = events.subscribe<int>("n", {.capacity = 1});
        CHECK(t.publish(1));
        std::jthread ends{[&] { stop.request_stop(); }};
        const auto p = t.publish(2, stop.get_token());
        CHECK(!p);
        CHECK(p.status() == status::stopped);
        CHECK(p.rejected() == 1);
    }
    {
        std::optional feed{events.subscribe<int>("n", {.capacity = 1})};
        CHECK(t.publish(1));
        std::jthread ends{[&] { feed.reset(); }};
        CHECK(t.publish(2).status() == status::no_subscribers);  // gone while it was waited for
    }
    {
        auto feed = events.subscribe<int>("n", {.capacity = 1});
        CHECK(t.publish(1));
        std::jthread ends{[&] { events.close(); }};
        CHECK(t.publish(2).status() == status::closed);
        CHECK(*feed.receive() == 1);
        CHECK(feed.receive().status() == status::closed);
    }
}

TEST_CASE("an options struct can be kept, filled and moved in") {
    bus events;
    subscribe_options<int> o;
    o.where = [](int v) { return v > 0; };
    int sum = 0;
    auto s = events.subscribe<int>("n", std::move(o), [&](int v) { sum += v; });
    events.publish("n", -1);
    events.publish("n", 1);
    CHECK(sum == 1);
}

TEST_CASE("a string is published as a std::string") {
    bus events;
    std::string got;
    auto s = events.subscribe<std::string>("chat", [&](const std::string& t) { got += t; });
    const std::string mine = "hello";
    CHECK(events.publish("chat", mine));
    CHECK(events.publish("chat", std::string{" world"}));
    CHECK(got == "hello world");
    CHECK(mine == "hello");
}
