// SPDX-License-Identifier: BSL-1.0
// How a subscription ends: with its handler running, from its handler, from another's, in a circle.
#include <atomic>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/broadcast.hpp>
#include <penstock/bus/bus.hpp>
#include <penstock/bus/subscription.hpp>
#include <penstock/bus/thread_pool.hpp>

#include "bus/manual_executor.hpp"
#include "support/flow.hpp"

using penstock::broadcast_options;
using penstock::bus;
using penstock::executor_ref;
using penstock::overflow;
using penstock::own_thread;
using penstock::subscribe_options;
using penstock::subscription;
using penstock::thread_pool;

namespace {

/// Long enough for a destructor that doesn't wait to be noticed; a correct one costs only this.
void give_others_a_chance() {
    for (int i = 0; i < 2000; ++i) std::this_thread::yield();
}

/// `end` is called by another thread while `busy` says that a callback is inside; `busy` must have
/// ended when `end` returns.
struct busy_callback {
    std::latch entered{1};
    std::atomic<bool> ending{false};
    std::atomic<bool> ended{false};

    void operator()() {
        entered.count_down();
        until([&] { return ending.load(); });
        give_others_a_chance();
        ended = true;
    }
    bool waited_for(std::optional<subscription>& s) {
        entered.wait();
        ending = true;
        s.reset();
        return ended;
    }
};

}  // namespace

TEST_CASE("when a subscription is gone its direct handler has ended") {
    bus events;
    busy_callback busy;
    std::optional<subscription> s{events.subscribe<int>("n", [&](int) { busy(); })};
    std::jthread publisher{[&] { events.publish("n", 1); }};
    CHECK(busy.waited_for(s));
}

TEST_CASE("when a subscription is gone its handler on a pool or in its thread has ended") {
    thread_pool pool{2};
    for (const executor_ref where : {executor_ref{pool}, executor_ref{own_thread}}) {
        bus events;
        busy_callback busy;
        std::optional<subscription> s{
            events.subscribe<int>("n", {.executor = where}, [&](int) { busy(); })};
        CHECK(events.publish("n", 1).queued() == 1);
        CHECK(busy.waited_for(s));
    }
}

TEST_CASE("when a subscription is gone its where has ended") {
    thread_pool pool{1};
    bus events;
    busy_callback busy;
    std::optional<subscription> s{events.subscribe<int>(
        "n",
        {.where =
             [&](int) {
                 busy();
                 return true;
             },
         .executor = pool},
        [](int) {})};
    std::jthread publisher{[&] { events.publish("n", 1); }};
    CHECK(busy.waited_for(s));
}

TEST_CASE("when a subscription is gone its on_drop has ended") {
    manual_executor loop;
    bus events;
    busy_callback busy;
    std::atomic<int> drops{0};
    std::optional<subscription> s{events.subscribe<int>(
        "n",
        {.executor = loop,
         .capacity = 1,
         .overflow = overflow::drop_newest,
         .on_drop =
             [&](int v) {
                 ++drops;
                 if (v == 2) busy();
             }},
        [](int) {})};
    CHECK(events.publish("n", 1));
    std::jthread publisher{[&] { events.publish("n", 2); }};
    CHECK(busy.waited_for(s));
    CHECK(drops == 2);  // the other one was still queued
}

TEST_CASE("when a subscription is gone no publisher is still posting to its executor") {
    struct slow_executor {
        busy_callback& busy;
        void post(const penstock::task&) { busy(); }
    };
    const auto check = [](auto subscribe) {
        busy_callback busy;
        slow_executor pool{busy};
        bus events;
        std::optional<subscription> s{subscribe(events, executor_ref{pool})};
        std::jthread publisher{[&] { events.publish("n", 1); }};
        CHECK(busy.waited_for(s));
    };
    const auto handler = [](int) {};
    check([&](bus& b, executor_ref on) {
        return b.subscribe<int>("n", {.executor = on}, handler);
    });
    check([&](bus& b, executor_ref on) {
        return b.subscribe<int>("n", {.group = "g", .executor = on}, handler);
    });
    check([&](bus& b, executor_ref on) {
        return b.subscribe<int>("n", broadcast_options<int>{.executor = on}, handler);
    });
}

TEST_CASE("captures are destroyed before the subscription's end returns") {
    thread_pool pool{1};
    for (const executor_ref where :
         {executor_ref{}, executor_ref{pool}, executor_ref{own_thread}}) {
        bus events;
        auto held = std::make_shared<int>(0);
        auto filter = std::make_shared<int>(0);
        auto s = events.subscribe<int>(
            "n", {.where = [filter](int) { return *filter == 0; }, .executor = where},
            [held](int v) { *held += v; });
        events.publish("n", 1);
        CHECK(held.use_count() == 2);
        CHECK(s.cancel());
        CHECK(held.use_count() == 1);
        CHECK(filter.use_count() == 1);
        CHECK(!s.active());
        CHECK(s.cancel());  // again: nothing
    }
}

TEST_CASE("a direct handler may end its own subscription") {
    bus events;
    auto held = std::make_shared<int>(0);
    subscription s;
    bool answer = true;
    s = events.subscribe<int>("n", [&, held](int) {
        answer = s.cancel();
        ++*held;  // its captures stay until it returns
    });
    CHECK(events.publish("n", 1).handled() == 1);
    CHECK(!answer);
    CHECK(*held == 1);
    CHECK(held.use_count() == 1);
    CHECK(!events.publish("n", 2));
    CHECK(s.cancel());
}

TEST_CASE("a queued handler may end its own subscription, and what is queued goes to on_drop") {
    thread_pool pool{1};
    for (const executor_ref where : {executor_ref{pool}, executor_ref{own_thread}}) {
        bus events;
        std::atomic<int> handled{0}, dropped{0};
        std::latch queued{1};
        auto held = std::make_shared<int>(0);
        subscription s;
        s = events.subscribe<int>(
            "n", {.executor = where, .on_drop = [&](int) { ++dropped; }}, [&, held](int) {
                queued.wait();
                CHECK(!s.cancel());
                ++handled;
            });
        for (int i = 0; i < 10; ++i) CHECK(events.publish("n", i));
        queued.count_down();
        until([&] { return held.use_count() == 1; });
        CHECK(handled == 1);
        CHECK(dropped == 9);
        CHECK(s.counts().received == 10);
        CHECK(s.counts().dropped == 9);
    }
}

TEST_CASE("a handler that owns its subscription can let go of both") {
    thread_pool pool{1};
    for (const executor_ref where :
         {executor_ref{}, executor_ref{pool}, executor_ref{own_thread}}) {
        bus events;
        struct owner {
            std::shared_ptr<subscription> me = std::make_shared<subscription>();
        };
        owner first;
        std::weak_ptr<subscription> seen = first.me;
        subscription* slot = first.me.get();
        auto s = events.subscribe<int>(
            "n", {.executor = where}, [o = std::move(first)](int) { o.me->cancel(); });
        *slot = std::move(s);
        CHECK(events.publish("n", 1).matched() == 1);
        until([&] { return seen.expired(); });
    }
}

TEST_CASE("a nested handler may end the subscription of the outer one") {
    bus events;
    subscription outer;
    bool answer = true, outer_ended = false;
    outer = events.subscribe<int>("outer", [&](int) {
        events.publish("inner", 1);
        outer_ended = true;
    });
    auto inner = events.subscribe<int>("inner", [&](int) { answer = outer.cancel(); });
    CHECK(events.publish("outer", 1));
    CHECK(!answer);
    CHECK(outer_ended);
    CHECK(!outer.active());
    CHECK(inner.active());
}

TEST_CASE("a handler may end another's subscription, and waits for its handler") {
    thread_pool pool{1};
    bus events;
    busy_callback busy;
    std::optional<subscription> slow{
        events.subscribe<int>("slow", {.executor = pool}, [&](int) { busy(); })};
    bool waited = false;
    auto ends = events.subscribe<int>("end", [&](int) { waited = busy.waited_for(slow); });
    events.publish("slow", 1);
    events.publish("end", 1);
    CHECK(waited);
}

TEST_CASE("two handlers that end each other's subscription don't wait for ever") {
    for (int round = 0; round < 200; ++round) {
        bus events;
        subscription a, b;
        std::latch both{2};
        std::atomic<int> answered{0};
        a = events.subscribe<int>("a", [&](int) {
            both.arrive_and_wait();
            answered += !b.cancel();
        });
        b = events.subscribe<int>("b", [&](int) {
            both.arrive_and_wait();
            answered += !a.cancel();
        });
        in_threads(2, [&](std::size_t i) { events.publish(i == 0 ? "a" : "b", 1); });
        CHECK(answered == 1);  // the one that came last; the other could wait
        CHECK(a.cancel());
        CHECK(b.cancel());
    }
}

TEST_CASE("a circle through two buses is found as one in a single bus is") {
    for (int round = 0; round < 200; ++round) {
        bus here, there;
        subscription a, b;
        std::latch both{2};
        std::atomic<int> answered{0};
        a = here.subscribe<int>("a", [&](int) {
            both.arrive_and_wait();
            answered += !b.cancel();
        });
        b = there.subscribe<int>("b", [&](int) {
            both.arrive_and_wait();
            answered += !a.cancel();
        });
        in_threads(2, [&](std::size_t i) {
            if (i == 0) {
                here.publish("a", 1);
            } else {
                there.publish("b", 1);
            }
        });
        CHECK(answered == 1);
        CHECK(a.cancel());
        CHECK(b.cancel());
    }
}

TEST_CASE("a circle is found through a handler that another bus's handler called") {
    for (int round = 0; round < 200; ++round) {
        bus here, there;
        subscription outer, inner, other;
        std::latch both{2};
        std::atomic<int> answered{0};
        // One thread is in outer's handler and, through it, in inner's of the other bus.
        outer = here.subscribe<int>("outer", [&](int) { there.publish("inner", 1); });
        inner = there.subscribe<int>("inner", [&](int) {
            both.arrive_and_wait();
            answered += !other.cancel();
        });
        other = there.subscribe<int>("other", [&](int) {
            both.arrive_and_wait();
            answered += !outer.cancel();
        });
        in_threads(2, [&](std::size_t i) {
            if (i == 0) {
                here.publish("outer", 1);
            } else {
                there.publish("other", 1);
            }
        });
        CHECK(answered == 1);
    }
}

TEST_CASE("a circle of three handlers is found too") {
    for (int round = 0; round < 100; ++round) {
        bus events;
        subscription s[3];
        std::latch all{3};
        std::atomic<int> answered{0};
        for (std::size_t i = 0; i < 3; ++i)
            s[i] = events.subscribe<int>("n" + std::to_string(i), [&, i](int) {
                all.arrive_and_wait();
                answered += !s[(i + 1) % 3].cancel();
            });
        in_threads(3, [&](std::size_t i) { events.publish("n" + std::to_string(i), 1); });
        CHECK(answered == 1);
    }
}

TEST_CASE("a handler that runs in two threads may end its subscription in both") {
    for (int round = 0; round < 200; ++round) {
        bus events;
        std::latch both{2};
        auto held = std::make_shared<int>(0);
        auto s = std::make_shared<subscription>();
        *s = events.subscribe<int>("n", [&, held](int) {
            both.arrive_and_wait();
            CHECK(!s->cancel());
        });
        in_threads(2, [&](std::size_t) { events.publish("n", 1); });
        CHECK(held.use_count() == 1);
    }
}

TEST_CASE("a subscription may outlive its bus") {
    subscription s;
    auto held = std::make_shared<int>(0);
    {
        bus events;
        s = events.subscribe<int>("n", [held](int v) { *held += v; });
        events.publish("n", 7);
    }
    CHECK(!s.active());
    CHECK(held.use_count() == 1);
    CHECK(*held == 7);
    CHECK(s.counts().handled == 1);
    CHECK(s.pattern() == "n");
}

TEST_CASE("assigning to a subscription ends what it was; moving keeps it") {
    bus events;
    int a = 0, b = 0;
    auto s = events.subscribe<int>("n", [&](int) { ++a; });
    subscription moved = std::move(s);
    events.publish("n", 1);
    moved = events.subscribe<int>("n", [&](int) { ++b; });
    events.publish("n", 1);
    CHECK(a == 1);
    CHECK(b == 1);
    subscription none;
    CHECK(!none.active());
    CHECK(none.cancel());
    CHECK(none.counts().received == 0);
    CHECK(none.pattern().empty());
}

TEST_CASE("reach tells a pattern that meets only topics of another type") {
    bus events;
    (void)events.topic<int>("quake.us");
    (void)events.topic<int>("quake.eu");
    auto s = events.subscribe<std::string>("quake.#", [](const std::string&) {});
    CHECK(s.reach().topics == 0);
    CHECK(s.reach().of_other_types == 2);
    (void)events.topic<std::string>("quake.names");
    CHECK(s.reach().topics == 1);
    CHECK(!events.publish("quake.us", 7));
    CHECK(events.publish("quake.names", std::string{"Ridgecrest"}));
}
