// SPDX-License-Identifier: BSL-1.0
// Plain queued subscriptions: who shares a queue, who gets what, and what is counted when members come
// and go.
#include <atomic>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/thread_pool.hpp>

#include "bus/manual_executor.hpp"

using namespace std::chrono_literals;
using penstock::bus;
using penstock::overflow;
using penstock::status;
using penstock::subscription;
using penstock::thread_pool;

namespace {

/// Runs what is posted when told so, one task at a time, and says so.
struct serial_executor : manual_executor {
    [[nodiscard]] bool serial() const noexcept { return true; }
};

void balanced(const subscription& s) {
    const auto c = s.counts();
    CHECK(c.received == c.handled + c.failed + c.rejected + c.dropped + c.queued);
}

struct large {
    std::uint64_t words[16];
};

}  // namespace

TEST_CASE("three subscriptions on a serial executor take one task and one place") {
    serial_executor loop;
    bus events;
    auto t = events.topic<int>("a.b");
    std::string order;
    auto s1 =
        events.subscribe<int>("a.*", {.executor = loop, .capacity = 2}, [&](int) { order += '1'; });
    auto s2 =
        events.subscribe<int>("a.*", {.executor = loop, .capacity = 2}, [&](int) { order += '2'; });
    auto s3 =
        events.subscribe<int>("a.*", {.executor = loop, .capacity = 2}, [&](int) { order += '3'; });
    CHECK(t.publish(1).queued() == 3);
    CHECK(t.publish(2).matched() == 3);
    CHECK(loop.waiting() == 1);
    const auto full = t.try_publish(3);
    CHECK(full.status() == status::full);
    CHECK(full.rejected() == 3);
    CHECK(s2.counts().queued == 2);
    loop.run_all();
    CHECK(order == "123123");
    for (auto* s : {&s1, &s2, &s3}) {
        CHECK(s->counts().handled == 2);
        CHECK(s->counts().rejected == 1);
        balanced(*s);
    }
}

TEST_CASE("who asks for another capacity, overflow, pattern or executor has a queue of his own") {
    serial_executor loop, other;
    manual_executor parallel;
    bus events;
    auto t = events.topic<int>("n");
    const auto nothing = [](int) {};
    auto s1 = events.subscribe<int>("n", {.executor = loop, .capacity = 4}, nothing);
    auto s2 = events.subscribe<int>("n", {.executor = loop, .capacity = 5}, nothing);
    auto s3 = events.subscribe<int>(
        "n", {.executor = loop, .capacity = 4, .overflow = overflow::reject}, nothing);
    auto s4 = events.subscribe<int>("#", {.executor = loop, .capacity = 4}, nothing);
    auto s5 = events.subscribe<int>("n", {.executor = other, .capacity = 4}, nothing);
    auto s6 = events.subscribe<int>("n", {.executor = parallel, .capacity = 4}, nothing);
    auto s7 = events.subscribe<int>("n", {.executor = parallel, .capacity = 4}, nothing);
    CHECK(t.publish(1).queued() == 7);
    CHECK(loop.waiting() == 4);
    CHECK(other.waiting() == 1);
    CHECK(parallel.waiting() == 2);
}

TEST_CASE("a member gets what was published while it was one, nothing before and nothing after") {
    serial_executor loop;
    bus events;
    auto t = events.topic<int>("n");
    std::vector<int> first, second;
    auto s1 = events.subscribe<int>("n", {.executor = loop}, [&](int v) { first.push_back(v); });
    CHECK(t.publish(1).queued() == 1);
    auto s2 = events.subscribe<int>("n", {.executor = loop}, [&](int v) { second.push_back(v); });
    CHECK(t.publish(2).queued() == 2);
    CHECK(s1.cancel());
    CHECK(t.publish(3).queued() == 1);
    loop.run_all();
    CHECK(first.empty());
    CHECK(second == std::vector{2, 3});
    CHECK(s1.counts().dropped == 2);
    CHECK(s1.counts().queued == 0);
    balanced(s1);
    balanced(s2);
    SUBCASE("when the last one goes, what is queued is dropped and the topic has nobody") {
        CHECK(t.publish(4).queued() == 1);
        CHECK(s2.cancel());
        CHECK(s2.counts().dropped == 1);
        CHECK(t.publish(5).status() == status::no_subscribers);
        loop.run_all();
        CHECK(second == std::vector{2, 3});
        balanced(s2);
    }
    SUBCASE("more than 32, one after the other, find a queue") {
        std::vector<subscription> more;
        for (int i = 0; i < 100; ++i) {
            more.push_back(events.subscribe<int>("n", {.executor = loop}, [](int) {}));
            CHECK(t.publish(i).queued() == static_cast<unsigned>(i) + 2);
        }
        loop.run_all();
        CHECK(second.size() == 102);
        CHECK(more[50].counts().handled == 50);
    }
}

TEST_CASE("a member that throws has failed, and the others never notice; one may end itself") {
    serial_executor loop;
    int reported = 0;
    bus events{{.on_error = [&](const penstock::failure& f) { reported += f.topic == "x.y"; }}};
    auto t = events.topic<int>("x.y");
    int handled = 0;
    subscription own;
    auto thrower = events.subscribe<int>("x.#", {.executor = loop}, [](int) { throw 1; });
    own = events.subscribe<int>("x.#", {.executor = loop}, [&](int) { CHECK(!own.cancel()); });
    auto s = events.subscribe<int>("x.#", {.executor = loop}, [&](int) { ++handled; });
    auto r = t.publish_tracked(1);
    CHECK(t.publish(2).queued() == 3);
    loop.run_all();
    CHECK(reported == 2);
    CHECK(handled == 2);
    CHECK(thrower.counts().failed == 2);
    CHECK(own.counts().handled == 1);
    CHECK(own.counts().dropped == 1);
    CHECK(r.wait_for(1s) == status::ok);
    CHECK(r.handled() == 2);
    CHECK(r.failed() == 1);
}

TEST_CASE("large messages are shared, small ones copied; both arrive whole, also tracked") {
    serial_executor loop;
    bus events;
    auto t = events.topic<large>("l");
    auto text = events.topic<std::string>("s");
    std::uint64_t sum = 0;
    std::string all;
    const auto add = [&](const large& l) { sum += std::accumulate(l.words, l.words + 16, 0ull); };
    auto s1 = events.subscribe<large>("l", {.executor = loop}, add);
    auto s2 = events.subscribe<large>("l", {.executor = loop}, add);
    auto s3 = events.subscribe<std::string>(
        "s", {.executor = loop, .capacity = 1}, [&](const std::string& x) { all += x; });
    large l{};
    l.words[0] = 1, l.words[15] = 2;
    (void)t.publish(l);
    auto r = t.publish_tracked(l);
    (void)text.publish("a string that is too long to be kept inside of itself");
    std::string mine{"still mine, and also longer than what is kept inside"};
    CHECK(text.try_publish(std::move(mine)).rejected() == 1);
    CHECK(mine == "still mine, and also longer than what is kept inside");
    loop.run_all();
    CHECK(sum == 12);
    CHECK(r.handled() == 2);
    CHECK(all == "a string that is too long to be kept inside of itself");
}

TEST_CASE("what one queue has copied it has once, also where the next is full or others publish") {
    serial_executor one, two;
    bus events;
    auto t = events.topic<int>("n");
    std::vector<int> first, second;
    auto s1 = events.subscribe<int>(
        "n", {.executor = one, .capacity = 8}, [&](int v) { first.push_back(v); });
    auto s2 = events.subscribe<int>(
        "n", {.executor = two, .capacity = 1, .overflow = overflow::reject},
        [&](int v) { second.push_back(v); });
    CHECK(t.publish(1).queued() == 2);
    const auto p = t.publish(2);
    CHECK(p.queued() == 1);
    CHECK(p.rejected() == 1);
    two.run_all();
    std::jthread{[&] { CHECK(t.publish(3).queued() == 2); }}.join();
    CHECK(t.publish(4).rejected() == 1);
    one.run_all();
    two.run_all();
    CHECK(t.publish(5).queued() == 2);
    CHECK(s1.cancel());
    CHECK(t.try_publish(6).status() == status::full);
    two.run_all();
    CHECK(first == std::vector{1, 2, 3, 4});
    CHECK(second == std::vector{1, 3, 5});
    CHECK(s1.counts().dropped == 1);
    CHECK(s2.counts().rejected == 3);
    balanced(s1);
    balanced(s2);
}

TEST_CASE("an executor that refuses the task: the next message tries again") {
    serial_executor loop;
    int reported = 0, handled = 0;
    bus events{{.on_error = [&](const penstock::failure&) { ++reported; }}};
    auto t = events.topic<int>("n");
    auto s = events.subscribe<int>("n", {.executor = loop}, [&](int) { ++handled; });
    loop.refuses = true;
    CHECK(t.publish(1).queued() == 1);
    CHECK(reported == 1);
    loop.refuses = false;
    CHECK(t.publish(2).queued() == 1);
    loop.run_all();
    CHECK(handled == 2);
}

TEST_CASE("members come and go while two publish: what was queued was handled or dropped") {
    thread_pool pool{1};
    bus events;
    auto t = events.topic<int>("n");
    std::atomic<std::uint64_t> queued{0}, handled{0};
    std::uint64_t dropped = 0;
    std::atomic<bool> done{false};
    const auto count = [&](int) { handled.fetch_add(1); };
    {
        const auto publish = [&] {
            std::uint64_t mine = 0;
            while (!done) mine += t.publish(1).queued();
            queued += mine;
        };
        std::jthread a{publish}, b{publish};
        const auto end = [&](subscription& s) {
            s.cancel();
            return s.counts().handled;
        };
        std::uint64_t seen = 0;
        std::vector<subscription> ended;
        for (int i = 0; i < 200; ++i) {
            auto x = events.subscribe<int>("n", {.executor = pool, .capacity = 8}, count);
            auto y = events.subscribe<int>("n", {.executor = pool, .capacity = 8}, count);
            while (y.counts().handled == 0) std::this_thread::yield();
            end(x), end(y);
            ended.push_back(std::move(x));
            ended.push_back(std::move(y));
        }
        done = true;
        a.join(), b.join();
        CHECK(events.quiesce_for(60s) == status::ok);
        while (pool.unfinished_approx() > 0) std::this_thread::yield();
        for (auto& s : ended) {
            dropped += s.counts().dropped;
            seen += s.counts().handled;
            balanced(s);
        }
        CHECK(seen == handled);
    }
    CHECK(queued == handled + dropped);
}
