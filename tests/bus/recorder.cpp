// SPDX-License-Identifier: BSL-1.0
// Topics that retain messages, and subscriptions that come late.
#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/thread_pool.hpp>

#include "bus/manual_executor.hpp"
#include "support/flow.hpp"

using penstock::bus;
using penstock::message;
using penstock::overflow;
using penstock::receiver;
using penstock::status;
using penstock::subscribe_options;
using penstock::subscription;
using penstock::thread_pool;

namespace {

template <class T>
std::vector<T> all_in(const receiver<message<T>>& r) {
    std::vector<T> got;
    while (auto m = r.try_receive()) got.push_back(**m);
    return got;
}

struct numbered {
    std::size_t publisher;
    int number;
};

}  // namespace

TEST_CASE(
    "who comes late and asks for it gets the newest that the topic retains, then what comes") {
    bus events;
    auto x = events.topic<int>("x", {.retain = 3});
    for (int i = 1; i <= 5; ++i) x.publish(i);
    auto all = events.subscribe<int>("#", {.replay = 10});
    auto two = events.subscribe<int>("x", {.replay = 2});
    auto none = events.subscribe<int>("x", {.capacity = 8});
    (void)events.publish("x", 6);  // by whatever handle
    auto again = events.subscribe<int>("x", {.replay = 3});
    CHECK(all_in(all) == std::vector{3, 4, 5, 6});
    CHECK(all_in(two) == std::vector{4, 5, 6});
    CHECK(all_in(none) == std::vector{6});
    CHECK(all_in(again) == std::vector{4, 5, 6});
}

TEST_CASE("a topic may begin to retain, and to retain more, while others listen") {
    bus events;
    auto plain = events.topic<int>("x");
    auto first = events.subscribe<int>("x", {.capacity = 8});
    plain.publish(1);
    auto keeps = events.topic<int>("x", {.retain = 1});
    plain.publish(2);
    auto keeps_more = events.topic<int>("x", {.retain = 2});
    plain.publish(3);
    auto less = events.topic<int>("x", {.retain = 1});
    auto late = events.subscribe<int>("x", {.replay = 8});
    CHECK(all_in(first) == std::vector{1, 2, 3});
    CHECK(all_in(late) == std::vector{2, 3});
    first = {};
    plain.publish(4);
    CHECK(all_in(late) == std::vector{4});
    late = {};
    CHECK(plain.publish(5).status() == status::no_subscribers);  // and retains it
    late = events.subscribe<int>("x", {.replay = 8});
    CHECK(all_in(late) == std::vector{4, 5});
}

TEST_CASE("where selects among what is replayed, a handler gets it in order, latest the newest") {
    bus events;
    manual_executor loop;
    auto x = events.topic<int>("x", {.retain = 8});
    auto y = events.topic<int>("y", {.retain = 8});
    for (int i = 1; i <= 6; ++i) x.publish(i);
    y.publish(100);
    std::vector<int> even, newest, odd_one;
    auto s = events.subscribe<int>(
        "x", {.where = [](int v) { return v % 2 == 0; }, .replay = 5, .executor = loop},
        [&](int v) { even.push_back(v); });
    auto l = events.subscribe<int>(
        "x", {.latest = true, .replay = 5, .executor = loop}, [&](int v) { newest.push_back(v); });
    auto few =
        events.subscribe<int>("*", {.replay = 8, .capacity = 4, .overflow = overflow::reject});
    x.publish(7);
    x.publish(8);
    loop.run_all();
    CHECK(even == std::vector{2, 4, 6, 8});
    CHECK(newest == std::vector{8});
    CHECK(l.counts().dropped == 2);  // 6 and 7
    CHECK(s.counts().received == 4);
    auto got = all_in(few);  // of the topic that it met first as many as there was room for
    CHECK(got.size() == 4);
}

TEST_CASE("a group is given them once, by its first member") {
    bus events;
    manual_executor loop;
    auto x = events.topic<int>("x", {.retain = 4});
    for (int i = 1; i <= 4; ++i) x.publish(i);
    std::vector<int> got;
    const auto work = [&](int v) { got.push_back(v); };
    auto a = events.subscribe<int>("x", {.group = "g", .replay = 4, .executor = loop}, work);
    auto b = events.subscribe<int>("x", {.group = "g", .replay = 4, .executor = loop}, work);
    loop.run_all();
    CHECK(got == std::vector{1, 2, 3, 4});
}

TEST_CASE("a receipt waits for those who subscribed, not for what is retained or replayed") {
    bus events;
    manual_executor loop;
    auto x = events.topic<std::string>("x", {.retain = 1});
    auto early = events.subscribe<std::string>("x", {.executor = loop}, [](const std::string&) {});
    auto pulled = events.subscribe<std::string>("x");
    auto r = x.publish_tracked("news");
    auto late = events.subscribe<std::string>(
        "x", {.replay = 1, .executor = loop}, [](const std::string&) {});
    CHECK(late.counts().queued == 1);
    CHECK(!r.settled());
    loop.run_all();
    CHECK(!r.settled());
    (void)pulled.try_receive();
    CHECK(r.settled());
    CHECK(r.handled() == 1);
    CHECK(r.released() == 1);
}

TEST_CASE("all or none and retain: what was refused is not retained") {
    bus events;
    auto x = events.topic<int>("x", {.all_or_none = true, .retain = 4});
    auto narrow = events.subscribe<int>("x", {.capacity = 1});
    auto wide = events.subscribe<int>("x", {.capacity = 4});
    CHECK(x.publish(1).queued() == 2);
    CHECK(!x.try_publish(2));
    CHECK(all_in(narrow) == std::vector{1});
    CHECK(x.publish(3).queued() == 2);
    CHECK(all_in(events.subscribe<int>("x", {.replay = 4})) == std::vector{1, 3});
    CHECK(all_in(wide) == std::vector{1, 3});
}

TEST_CASE("a replay by key: each key's in order and before what comes, as far as there is room") {
    bus events;
    CHECK_THROWS_AS(
        (void)events.subscribe<int>("x", {.replay = 1}, [](int) {}), std::invalid_argument);
    manual_executor loop;
    auto x = events.topic<int>("x", {.retain = 16});
    auto y = events.topic<int>("y", {.retain = 16});
    for (int i = 1; i <= 8; ++i) (i < 7 ? x : y).publish(i);
    std::map<int, std::vector<int>> got;
    const auto into = [&](int key) { return [&, key](int v) { got[key].push_back(v); }; };
    const auto by_parity = [](int v) { return v % 2; };
    const auto with =
        [&](std::size_t capacity, std::size_t per_key = 0, overflow full = overflow::block) {
            return subscribe_options<int>{
                .key = by_parity,
                .per_key = per_key,
                .replay = 16,
                .executor = loop,
                .capacity = capacity,
                .overflow = full};
        };
    auto all = events.subscribe<int>("#", with(16), into(0));
    auto some = with(16);
    some.where = [](int v) { return v != 3; };
    auto wanted = events.subscribe<int>("#", std::move(some), into(1));
    auto few = events.subscribe<int>("x", with(4, 0, overflow::reject), into(2));
    auto of_each = events.subscribe<int>("x", with(16, 1, overflow::reject), into(3));
    auto throwing = with(16);
    throwing.key = [](int v) { return v < 5 ? throw v : v % 2; };
    auto failing = events.subscribe<int>("x", std::move(throwing), into(4));
    CHECK(failing.counts().received == 2);
    // While it is asked for keys somebody publishes: what has kept a place goes first.
    auto meets_live = with(4, 0, overflow::drop_oldest);
    meets_live.where = [&, told = false](int) mutable {
        if (!std::exchange(told, true)) x.publish(9);
        return true;
    };
    auto late = events.subscribe<int>("x", std::move(meets_live), into(5));
    x.publish(10);
    loop.run_all();
    for (auto& [of, values] : got)  // one key beside the other
        std::stable_sort(values.begin(), values.end(), [&](int a, int b) { return a % 2 > b % 2; });
    for (const int met_first_or_last : {0, 1})
        CHECK(std::erase_if(got[met_first_or_last], [](int v) { return v == 7 || v == 8; }) == 2);
    CHECK(got[0] == std::vector{1, 3, 5, 9, 2, 4, 6, 10});
    CHECK(got[1] == std::vector{1, 5, 9, 2, 4, 6, 10});
    CHECK(got[2] == std::vector{3, 5, 4, 6});  // full when the others came
    CHECK(got[3] == std::vector{5, 6});
    CHECK(got[4] == std::vector{5, 9, 6, 10});
    CHECK(got[5] == std::vector{5, 9, 6, 10});
    CHECK(late.counts().dropped == 1);  // 4 or 3; of what lost its place nothing is said
}

TEST_CASE("what is retained goes with the bus, also when topics and messages outlive it") {
    auto value = std::make_shared<int>(7);
    auto events = std::make_unique<bus>();
    auto x = events->topic<std::shared_ptr<int>>("x", {.retain = 4});
    x.publish(value);
    CHECK(value.use_count() == 2);
    events.reset();
    CHECK(value.use_count() == 1);
    CHECK(x.publish(value).status() == status::closed);
    CHECK(value.use_count() == 1);
}

TEST_CASE("no gap, no double, in order: subscriptions that come while others publish") {
    constexpr std::size_t publishers = 2;
    constexpr int each = 4000, retained = 64;
    bus events;
    std::atomic<bool> flowing{true};
    std::atomic<int> wrong{0}, looked{0};
    std::vector<std::jthread> late;
    for (int i = 0; i < 2; ++i)
        late.emplace_back([&, i] {
            do {
                auto feed = events.subscribe<numbered>(
                    i == 0 ? "x" : "#", {.where = [](const numbered&) { return true; },
                                         .replay = retained,
                                         .capacity = 4096,
                                         .overflow = overflow::block});
                std::vector<int> last(publishers, -1);
                for (int n = 0; n < 200;) {
                    auto m = feed.try_receive();
                    if (!m && !flowing) break;
                    if (!m) {
                        std::this_thread::yield();
                        continue;
                    }
                    ++n;
                    const numbered& v = **m;
                    if (last[v.publisher] >= 0 && v.number != last[v.publisher] + 1) ++wrong;
                    last[v.publisher] = v.number;
                }
                ++looked;
            } while (flowing);
        });
    late.emplace_back([&] {
        thread_pool pool{2};
        do {
            std::vector<int> last(publishers, -1);  // a race, if two of one key ran at once
            std::atomic<int> seen{0};
            auto s = events.subscribe<numbered>(
                "x", {.key = &numbered::publisher, .replay = retained, .executor = pool},
                [&](const numbered& v) {
                    if (last[v.publisher] >= 0 && v.number != last[v.publisher] + 1) ++wrong;
                    last[v.publisher] = v.number;
                    ++seen;
                });
            while (flowing && seen < 200) std::this_thread::yield();
            ++looked;
        } while (flowing);
    });
    in_threads(publishers, [&](std::size_t p) {
        auto x = events.topic<numbered>("x", {.retain = retained});
        for (int i = 0; i < each || looked < 10; ++i) (void)x.publish({p, i});
    });
    flowing = false;
    late.clear();
    CHECK(wrong == 0);
    CHECK(looked >= 10);
}
