// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/thread_pool.hpp>

#include "bus/manual_executor.hpp"
#include "support/flow.hpp"

using penstock::bus;
using penstock::overflow;
using penstock::published;
using penstock::status;
using penstock::subscription;
using penstock::thread_pool;

namespace {

struct order {
    int id = 0;
    int customer = 0;
};

}  // namespace

TEST_CASE("a queue that is full refuses for all: nobody has it, and it is still the publisher's") {
    bus events;
    manual_executor loop;
    auto all = events.topic<std::string>("x", {.all_or_none = true});
    int seen = 0, handled = 0;
    auto direct = events.subscribe<std::string>("x", [&](const std::string&) { ++seen; });
    auto wide = events.subscribe<std::string>("x", {.capacity = 4});
    auto narrow = events.subscribe<std::string>(
        "x", {.executor = loop, .capacity = 1}, [&](const std::string&) { ++handled; });
    CHECK(all.publish("first").queued() == 2);
    CHECK(seen == 1);

    std::string second = "second, and too long to be stored in place";
    const published refused = all.try_publish(std::move(second));
    CHECK(!refused);
    CHECK(refused.status() == status::full);
    CHECK(refused.matched() == 2);
    CHECK(refused.rejected() == 1);
    CHECK(second == "second, and too long to be stored in place");
    CHECK(seen == 1);
    CHECK(narrow.counts().rejected == 1);

    loop.run_all();
    CHECK(all.try_publish(std::move(second)).queued() == 2);
    CHECK(seen == 2);
    CHECK(wide.try_receive()->value() == "first");
    CHECK(wide.try_receive()->value().starts_with("second"));
    CHECK(wide.try_receive().status() == status::empty);
    loop.run_all();
    CHECK(handled == 2);
}

TEST_CASE("a dozen queues or none of them, where some never wanted it and one is full") {
    bus events;
    auto all = events.topic<int>("x", {.all_or_none = true});
    std::vector<penstock::receiver<penstock::message<int>>> queues;
    for (std::size_t i = 0; i < 12; ++i)
        queues.push_back(events.subscribe<int>(
            "x", {.where = [i](int v) { return v % 3 > 0 || i % 3 == 1; },
                  .capacity = i == 10 ? 2u : 8u}));
    std::vector<std::uint32_t> in;
    for (int v = 1; v <= 6; ++v) in.push_back(all.try_publish(v).queued());
    CHECK(in == std::vector<std::uint32_t>{12, 12, 0, 0, 0, 0});  // the 11th wants 3 and 6, too
    CHECK(queues[10].try_receive()->value() == 1);
    CHECK(all.try_publish(9).queued() == 4);
    for (std::size_t i = 0; i < queues.size(); ++i) {
        std::vector<int> got;
        while (auto m = queues[i].try_receive()) got.push_back(**m);
        if (i != 10) CHECK(got.front() == 1);
        CHECK(got.back() == (i % 3 == 1 ? 9 : 2));
        CHECK(got.size() == (i % 3 == 1 ? (i == 10 ? 2u : 3u) : 2u));
    }
}

TEST_CASE("a place that was let go is no message, and blocks nobody behind it") {
    bus events;
    manual_executor loop;
    auto all = events.topic<int>("x", {.all_or_none = true});
    auto plain = events.topic<int>("x");
    std::vector<int> got;
    auto first = events.subscribe<int>(
        "x", {.executor = loop, .capacity = 3}, [&](int v) { got.push_back(v); });
    auto second = events.subscribe<int>("x", {.capacity = 1, .overflow = overflow::reject});
    CHECK(plain.publish(1).queued() == 2);
    CHECK(!all.publish(2));  // the first has kept a place for it
    CHECK(plain.publish(3).queued() == 1);
    loop.run_all();
    CHECK(got == std::vector{1, 3});
    CHECK(first.counts().queued == 0);
    CHECK(events.quiesce_for(std::chrono::seconds{60}));
}

TEST_CASE("who was woken for nothing steps over a place that was let go, and so makes room") {
    bus events;
    manual_executor loop;
    auto all = events.topic<int>("x", {.all_or_none = true});
    int handled = 0;
    auto first =
        events.subscribe<int>("x", {.executor = loop, .capacity = 1}, [&](int) { ++handled; });
    auto second = events.subscribe<int>("x", {.capacity = 1, .overflow = overflow::reject});
    CHECK(all.publish(1).queued() == 2);
    loop.run_all();
    CHECK(!all.publish(2));
    loop.run_all();
    CHECK(first.counts().queued == 0);
    CHECK(second.try_receive());
    CHECK(all.publish(3).queued() == 2);
    loop.run_all();
    CHECK(handled == 2);
}

TEST_CASE("where, keys, latest and groups take part as they do otherwise") {
    bus events;
    manual_executor loop;
    auto all = events.topic<order>("x", {.all_or_none = true});
    std::vector<int> by_key, newest, grouped;
    auto keyed = events.subscribe<order>(
        "x", {.key = &order::customer, .per_key = 1, .executor = loop, .capacity = 3},
        [&](const order& o) { by_key.push_back(o.id); });
    auto latest = events.subscribe<order>(
        "x", {.latest = true, .executor = loop}, [&](const order& o) { newest.push_back(o.id); });
    auto picky = events.subscribe<order>(
        "x", {.where = [](const order& o) { return o.id < 3; },
              .capacity = 1,
              .overflow = overflow::drop_newest});
    const auto member = [&](const order& o) { grouped.push_back(o.id); };
    auto a = events.subscribe<order>("x", {.group = "g", .executor = loop}, member);
    auto b = events.subscribe<order>("x", {.group = "g", .executor = loop}, member);

    CHECK(all.publish({1, 7}).queued() == 4);
    CHECK(all.publish({2, 8}).status() == status::full);  // picky is full, and drops nothing
    CHECK(all.publish({3, 8}).queued() == 3);             // which he doesn't want
    CHECK(!all.try_publish({4, 7}));                      // one of its key is waiting
    const published p = all.publish({5, 9});
    CHECK(p.queued() == 3);
    CHECK(p.dropped() == 1);           // the one that latest replaced
    CHECK(!all.try_publish({6, 10}));  // three of three
    loop.run_all();
    CHECK(by_key == std::vector{1, 3, 5});
    CHECK(newest == std::vector{5});
    CHECK(grouped == std::vector{1, 3, 5});
    CHECK(keyed.counts().rejected == 2);
    CHECK(latest.counts().dropped == 2);
    CHECK(all.publish({7, 7}).queued() ==
          3);  // a mailbox that held a place for nothing is used again
    loop.run_all();
    CHECK(by_key.back() == 7);
}

TEST_CASE("a where that throws refuses for all") {
    bus events;
    auto all = events.topic<int>("x", {.all_or_none = true});
    auto first = events.subscribe<int>("x", {.capacity = 1});
    auto second = events.subscribe<int>("x", {.where = [](int) -> bool { throw 1; }});
    CHECK(all.publish(1).status() == status::failed);
    CHECK(first.try_receive().status() == status::empty);
}

TEST_CASE("publish waits until all have room, holding nothing meanwhile; its own queue answers") {
    bus events;
    auto all = events.topic<int>("x", {.all_or_none = true});
    auto first = events.subscribe<int>("x", {.capacity = 1});
    auto second = events.subscribe<int>("x.#", {.capacity = 1});
    (void)events.publish("x.y", 7);  // fills the second
    std::jthread waits{[&] { CHECK(all.publish(1).queued() == 2); }};
    CHECK(second.receive()->value() == 7);
    CHECK(first.receive()->value() == 1);
    CHECK(second.receive()->value() == 1);
    waits.join();

    thread_pool pool{1};
    std::atomic<int> answers{0};
    subscription self;
    self = events.subscribe<int>("self", {.executor = pool, .capacity = 1}, [&](int) {
        if (answers == 2) return;
        auto mine = events.topic<int>("self", {.all_or_none = true});
        CHECK(mine.publish(2));
        CHECK(mine.publish(3).status() == status::would_block_self);
        ++answers;
    });
    CHECK(events.publish("self", 1));
    until([&] { return answers >= 2; });

    std::stop_source stop;
    stop.request_stop();
    CHECK(all.publish(1).queued() == 2);
    CHECK(all.publish(2, stop.get_token()).status() == status::stopped);
}

TEST_CASE("every kind of queue or none, among publishers that meet, members and queues that go") {
    // Three queues, of which one goes by key; publishers to all, to two, and to one of them.
    constexpr int rounds = 1500;
    std::array<std::vector<int>, 3> got;
    std::array<std::vector<int>, 3> sent;  // by publisher; all or none
    {
        thread_pool pool{2};
        bus events;
        std::atomic<bool> flowing{true};
        std::vector<subscription> kept;
        for (std::size_t i = 0; i < 3; ++i) {
            penstock::subscribe_options<order> o{.executor = pool, .capacity = 1 + i % 2};
            if (i == 1) o.key = &order::customer;
            if (i == 2) o.executor = penstock::own_thread;
            kept.push_back(
                events.subscribe<order>("all.#", std::move(o), [&got, i](const order& x) {
                    if (x.id >= 0) got[i].push_back(x.id);
                }));
        }
        std::jthread other{[&] {  // gets in the way of all of them
            while (flowing) {
                for (auto full : {overflow::block, overflow::reject}) {
                    auto s = events.subscribe<order>(
                        "all.#", {.executor = pool, .capacity = 1, .overflow = full},
                        [](const order&) {});
                    (void)events.try_publish("all.plain", order{-1, 0});
                }
                std::this_thread::yield();
            }
        }};
        in_threads(3, [&](std::size_t p) {
            auto t = events.topic<order>("all." + std::to_string(p), {.all_or_none = true});
            for (int i = 0; i < rounds; ++i) {
                const int id = static_cast<int>(p) * rounds + i;
                const order o{id, i % 3};
                bool in = bool{t.try_publish(o)};
                while (p == 0 && !in) in = bool{t.publish(o)};  // until no queue rejects it
                if (in) sent[p].push_back(id);
            }
        });
        flowing = false;
        other.join();
        CHECK(events.quiesce_for(std::chrono::seconds{300}));
    }
    std::vector<int> expected;
    for (const auto& s : sent) expected.insert(expected.end(), s.begin(), s.end());
    std::sort(expected.begin(), expected.end());
    CHECK(expected.size() >= static_cast<std::size_t>(rounds));
    for (auto& g : got) {
        std::sort(g.begin(), g.end());
        CHECK(g == expected);
    }
}
