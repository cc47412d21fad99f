// SPDX-License-Identifier: BSL-1.0
// Groups with keys, one active member, several messages at once, and only the newest.
#include <algorithm>
#include <atomic>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/thread_pool.hpp>

#include "bus/manual_executor.hpp"
#include "support/flow.hpp"

using penstock::bus;
using penstock::executor_ref;
using penstock::overflow;
using penstock::own_thread;
using penstock::status;
using penstock::subscription;
using penstock::thread_pool;

namespace {

struct tick {
    std::string symbol;
    int n;
};

/// All of them have one hash.
struct collider {
    int value;
    bool operator==(const collider&) const = default;
};

}  // namespace

template <>
struct std::hash<collider> {
    std::size_t operator()(const collider&) const noexcept { return 7; }
};

TEST_CASE("one key is handled one message at a time, in order, whoever of the group does it") {
    constexpr int each = 400;
    thread_pool pool{3};
    bus events;
    std::map<std::string, std::vector<int>> seen;
    std::map<std::string, std::atomic<int>> inside;
    for (const char* s : {"a", "b", "c"}) seen[s].reserve(each), inside[s] = 0;
    std::atomic<int> overlaps{0};
    const auto handle = [&](const tick& t) {
        if (inside[t.symbol]++ > 0) ++overlaps;
        seen[t.symbol].push_back(t.n);  // a race, if two of one key ran at once
        --inside[t.symbol];
    };
    const auto join = [&](executor_ref where, std::size_t at_once) {
        return events.subscribe<tick>(
            "t",
            {.group = "g",
             .key = &tick::symbol,
             .prefetch = at_once,
             .executor = where,
             .capacity = 32},
            handle);
    };
    auto first = join(pool, 2);
    {
        std::jthread churn{[&](std::stop_token stop) {
            while (!stop.stop_requested()) {
                auto a = join(pool, 1);
                auto b = join(own_thread, 1);
                std::this_thread::yield();
            }
        }};
        in_threads(3, [&](std::size_t i) {
            const std::string symbol{"abc"[i]};
            for (int n = 0; n < each; ++n) CHECK(events.publish("t", tick{symbol, n}));
        });
    }
    events.close();
    CHECK(overlaps == 0);
    for (auto& [symbol, all] : seen) {
        CHECK(all.size() == each);
        CHECK(std::is_sorted(all.begin(), all.end()));
    }
}

TEST_CASE("of two keys of equal hash one sleeps, the other finishes") {
    thread_pool pool{2};
    bus events;
    std::latch wake{1}, finished{20};
    auto s = events.subscribe<collider>(
        "n", {.key = [](const collider& c) { return c; }, .prefetch = 2, .executor = pool},
        [&](const collider& c) {
            if (c.value == 0) {
                wake.wait();
            } else {
                finished.count_down();
            }
        });
    for (int i = 0; i < 40; ++i) CHECK(events.publish("n", collider{i % 2}));
    finished.wait();
    CHECK(s.counts().queued == 19);
    wake.count_down();
    events.close();
    CHECK(s.counts().handled == 40);
}

TEST_CASE("each overflow of a keyed queue, exactly, with a limit for each key") {
    manual_executor loop;
    bus events;
    std::vector<int> handled, dropped;
    const auto take = [&](const tick& t) { handled.push_back(t.n); };
    const auto drop = [&](const tick& t) { dropped.push_back(t.n); };
    const auto publish_all = [&] {  // 0 a, 1 b, 2 a, 3 b ... 7 b
        std::size_t queued = 0;
        for (int i = 0; i < 8; ++i)
            queued += events.try_publish("t", tick{i % 2 ? "b" : "a", i}).queued();
        return queued;
    };
    const auto with = [&](overflow o, std::size_t capacity, std::size_t per_key) {
        return events.subscribe<tick>(
            "t",
            {.key = &tick::symbol,
             .per_key = per_key,
             .executor = loop,
             .capacity = capacity,
             .overflow = o,
             .on_drop = drop},
            take);
    };
    SUBCASE("block and reject refuse what has no room") {
        for (const overflow o : {overflow::block, overflow::reject}) {
            handled.clear();
            auto s = with(o, 4, 0);
            CHECK(publish_all() == 4);
            CHECK(s.counts().rejected == 4);
            loop.run_all();
            std::sort(handled.begin(), handled.end());
            CHECK(handled == std::vector{0, 1, 2, 3});
        }
    }
    SUBCASE("drop_newest") {
        auto s = with(overflow::drop_newest, 4, 1);
        CHECK(publish_all() == 2);
        CHECK(dropped == std::vector{2, 3, 4, 5, 6, 7});
    }
    SUBCASE("drop_oldest: of all") {
        auto s = with(overflow::drop_oldest, 3, 0);
        CHECK(publish_all() == 8);
        CHECK(dropped == std::vector{0, 1, 2, 3, 4});
        loop.run_all();
        std::sort(handled.begin(), handled.end());
        CHECK(handled == std::vector{5, 6, 7});
    }
    SUBCASE("drop_oldest: of its key") {
        auto s = with(overflow::drop_oldest, 100, 1);
        CHECK(publish_all() == 8);
        CHECK(dropped == std::vector{0, 1, 2, 3, 4, 5});
        loop.run_all();
        CHECK(handled == std::vector{6, 7});
        CHECK(s.counts().received == 8);
        CHECK(s.counts().queued == 0);
    }
    SUBCASE("what is left goes to on_drop, in the order in which it came") {
        with(overflow::block, 8, 0).cancel();
        CHECK(dropped.empty());
        auto s = with(overflow::block, 8, 0);
        CHECK(publish_all() == 8);
        s.cancel();
        CHECK(dropped == std::vector{0, 1, 2, 3, 4, 5, 6, 7});
    }
}

TEST_CASE("a publish waits for room for its key, while others pass") {
    thread_pool pool{1};
    bus events;
    std::vector<int> handled;
    std::latch entered{1}, go{1};
    auto s = events.subscribe<tick>(
        "t", {.key = &tick::symbol, .per_key = 1, .executor = pool}, [&](const tick& t) {
            if (t.n == 0) {
                entered.count_down();
                go.wait();
            }
            if (t.symbol == "a") handled.push_back(t.n);
        });
    CHECK(events.publish("t", tick{"a", 0}));
    entered.wait();
    CHECK(events.publish("t", tick{"a", 1}));
    std::atomic<bool> passed{false};
    std::jthread waits{[&] {
        CHECK(events.publish("t", tick{"a", 2}));
        passed = true;
    }};
    CHECK(events.publish("t", tick{"b", 3}));
    CHECK(events.try_publish("t", tick{"a", 4}).status() == status::full);
    CHECK(!passed);
    go.count_down();
    waits.join();
    events.close();
    CHECK(handled == std::vector{0, 1, 2});
}

TEST_CASE("single_active: one member gets all, and the next takes over when it has ended") {
    thread_pool pool{4};
    bus events;
    std::atomic<int> inside{0}, overlaps{0}, handled{0};
    std::atomic<int> by[3] = {0, 0, 0};
    std::latch entered{1}, leave{1};
    const auto member = [&](int i) {
        return events.subscribe<int>(
            "n", {.group = "g", .single_active = true, .executor = pool}, [&, i](int v) {
                overlaps += inside++ > 0;
                if (v == 0) {
                    entered.count_down();
                    leave.wait();
                }
                ++by[i];
                ++handled;
                --inside;
            });
    };
    auto a = member(0), b = member(1), c = member(2);
    for (int i = 0; i < 10; ++i) events.publish("n", i);
    entered.wait();
    std::jthread ends{[&] { CHECK(a.cancel()); }};
    until([&] { return !a.active(); });
    CHECK(b.cancel());  // was waiting to take over; the first still runs
    CHECK(by[2] == 0);
    leave.count_down();
    until([&] { return handled == 10; });
    CHECK(by[0] == 1);
    CHECK(by[1] == 0);
    CHECK(by[2] == 9);
    CHECK(overlaps == 0);
}

TEST_CASE("prefetch: so many at once of one member, and no more") {
    thread_pool pool{4};
    bus events;
    std::latch all_in{3}, go{1};
    std::atomic<int> inside{0}, most{0};
    auto s = events.subscribe<int>("n", {.prefetch = 3, .executor = pool}, [&](int v) {
        const int now = ++inside;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        if (v < 3) {
            all_in.count_down();
            go.wait();
        }
        --inside;
    });
    for (int i = 0; i < 100; ++i) CHECK(events.publish("n", i));
    all_in.wait();
    go.count_down();
    events.close();
    CHECK(most == 3);
    CHECK(s.counts().handled == 100);
}

TEST_CASE("latest: only the newest waits, what it replaced counts as dropped") {
    manual_executor loop;
    bus events;
    std::vector<int> handled, dropped;
    auto s = events.subscribe<int>(
        "n", {.latest = true, .executor = loop, .on_drop = [&](int v) { dropped.push_back(v); }},
        [&](int v) { handled.push_back(v); });
    auto feed = events.subscribe<int>("n", {.latest = true});
    for (int i = 0; i < 5; ++i) CHECK(events.publish("n", i).queued() == 2);
    loop.run_all();
    CHECK(handled == std::vector{4});
    CHECK(dropped == std::vector{0, 1, 2, 3});
    CHECK(**feed.try_receive() == 4);
    CHECK(!feed.try_receive());
}

TEST_CASE("options that contradict each other are refused") {
    manual_executor loop;
    bus events;
    const auto h = [](const tick&) {};
    const auto refused = [&](penstock::subscribe_options<tick> o) {
        CHECK_THROWS_AS((void)events.subscribe<tick>("t", std::move(o), h), std::invalid_argument);
    };
    refused({.key = &tick::symbol});  // direct
    refused({.per_key = 3, .executor = loop});
    refused({.single_active = true, .executor = loop});
    refused({.prefetch = 0, .executor = loop});
    refused({.prefetch = 2, .executor = own_thread});
    refused({.latest = true, .executor = loop, .capacity = 3});
    refused({.latest = true});
    CHECK_THROWS_AS(
        (void)events.subscribe<tick>("t", {.key = &tick::symbol}), std::invalid_argument);
    auto first = events.subscribe<tick>("t", {.group = "g", .executor = loop}, h);
    refused({.group = "g", .key = &tick::symbol, .executor = loop});
    refused({.group = "g", .single_active = true, .executor = loop});
}
