// SPDX-License-Identifier: BSL-1.0
// Queued subscriptions: what a full queue does, how handlers are woken, and who competes in a group.
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
#include <penstock/bus/detail/inbox.hpp>
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
using penstock::published;
using penstock::receiver;
using penstock::status;
using penstock::subscribe_options;
using penstock::subscription;
using penstock::thread_pool;

namespace {

std::vector<int> numbers(int from, int to) {
    std::vector<int> v(static_cast<std::size_t>(to - from));
    std::iota(v.begin(), v.end(), from);
    return v;
}

/// The three that a queue can be: shared with others or copied into, of its own, by key.
enum class kind { plain, own, keyed };
constexpr kind kinds[] = {kind::plain, kind::own, kind::keyed};
subscribe_options<int> of(kind k, penstock::executor_ref on, std::size_t capacity = 1024) {
    subscribe_options<int> o{.executor = on, .capacity = capacity};
    if (k == kind::own) o.where = [](int) { return true; };
    if (k == kind::keyed) o.key = [](int) { return 0; };
    return o;
}

void balanced(const subscription& s) {
    const auto c = s.counts();
    CHECK(c.received == c.handled + c.failed + c.rejected + c.dropped + c.queued);
}

}  // namespace

TEST_CASE("each overflow, exactly: ten messages for four places") {
    manual_executor loop;
    bus events;
    auto t = events.topic<int>("n");
    std::vector<int> handled, dropped;
    const auto take = [&](int v) { handled.push_back(v); };
    const auto drop = [&](int v) { dropped.push_back(v); };
    const auto publish_ten = [&] {
        std::vector<published> all;
        for (int i = 0; i < 10; ++i) all.push_back(t.try_publish(i));
        return all;
    };
    SUBCASE("block: try_publish is refused what has no room") {
        auto s = events.subscribe<int>("n", {.executor = loop, .capacity = 4}, take);
        const auto all = publish_ten();
        CHECK(all[3].queued() == 1);
        CHECK(all[4].rejected() == 1);
        CHECK(all[4].status() == status::full);
        loop.run_all();
        CHECK(handled == numbers(0, 4));
        CHECK(s.counts().rejected == 6);
        CHECK(s.counts().dropped == 0);
        balanced(s);
    }
    SUBCASE("reject: publish doesn't wait either") {
        auto s = events.subscribe<int>(
            "n", {.executor = loop, .capacity = 4, .overflow = overflow::reject, .on_drop = drop},
            take);
        for (int i = 0; i < 4; ++i) CHECK(t.publish(i).queued() == 1);
        const published p = t.publish(4);
        CHECK(!p);
        CHECK(p.rejected() == 1);
        CHECK(p.status() == status::full);
        CHECK(s.counts().queued == 4);
        balanced(s);
        loop.run_all();
        CHECK(handled == numbers(0, 4));
        CHECK(dropped.empty());
        CHECK(s.counts().rejected == 1);
        balanced(s);
    }
    SUBCASE("drop_newest") {
        auto s = events.subscribe<int>(
            "n",
            {.executor = loop, .capacity = 4, .overflow = overflow::drop_newest, .on_drop = drop},
            take);
        const auto all = publish_ten();
        CHECK(all[3].dropped() == 0);
        CHECK(all[4].dropped() == 1);
        CHECK(!all[4]);
        CHECK(all[4].status() == status::dropped);
        loop.run_all();
        CHECK(handled == numbers(0, 4));
        CHECK(dropped == numbers(4, 10));
        CHECK(s.counts().dropped == 6);
        balanced(s);
    }
    SUBCASE("drop_oldest") {
        auto s = events.subscribe<int>(
            "n",
            {.executor = loop, .capacity = 4, .overflow = overflow::drop_oldest, .on_drop = drop},
            take);
        const auto all = publish_ten();
        CHECK(all[3].dropped() == 0);
        CHECK(all[4].dropped() == 1);  // an older one
        CHECK(all[4].queued() == 1);
        CHECK(all[4].status() == status::ok);
        loop.run_all();
        CHECK(handled == numbers(6, 10));
        CHECK(dropped == numbers(0, 6));
        CHECK(s.counts().dropped == 6);
        balanced(s);
    }
    SUBCASE("and what is queued when the subscription goes") {
        std::optional<subscription> s{
            events.subscribe<int>("n", {.executor = loop, .capacity = 4, .on_drop = drop}, take)};
        publish_ten();
        s.reset();
        loop.run_all();
        CHECK(handled.empty());
        CHECK(dropped == numbers(0, 4));
    }
}

TEST_CASE("one queue's overflow is nobody else's") {
    manual_executor loop;
    bus events;
    auto small = events.subscribe<int>(
        "n", {.executor = loop, .capacity = 1, .overflow = overflow::reject}, [](int) {});
    auto large = events.subscribe<int>("n", {.executor = loop, .capacity = 5}, [](int) {});
    events.publish("n", 1);
    const published p = events.publish("n", 2);
    CHECK(p.matched() == 2);
    CHECK(p.queued() == 1);
    CHECK(p.rejected() == 1);
    CHECK(p.status() == status::ok);  // somebody got it
}

TEST_CASE("an idle subscription has no task posted, a busy one exactly one") {
    for (const kind k : kinds) {
        manual_executor loop;
        bus events;
        int handled = 0;
        auto s = events.subscribe<int>("n", of(k, loop), [&](int) { ++handled; });
        CHECK(loop.waiting() == 0);
        for (int i = 0; i < 10; ++i) events.publish("n", i);
        CHECK(loop.waiting() == 1);
        CHECK(loop.run_one());
        CHECK(handled == 10);
        CHECK(loop.waiting() == 0);
        events.publish("n", 10);
        CHECK(loop.waiting() == 1);
        s.cancel();
        CHECK(loop.run_one());  // finds that it has ended
        CHECK(handled == 10);
    }
}

TEST_CASE("no message waits for the next one: published when the handler is about to rest") {
    for (const kind k : kinds) {
        thread_pool pool{1};
        bus events;
        std::atomic<int> handled{0};
        auto s = events.subscribe<int>("n", of(k, pool), [&](int) { ++handled; });
        auto t = events.topic<int>("n");
        for (int i = 1; i <= 7'000; ++i) {
            CHECK(t.publish(i));
            until([&] { return handled == i; });
        }
    }
}

TEST_CASE("a busy subscription lets the others have their turn") {
    for (const kind k : kinds) {
        manual_executor loop;
        bus events;
        std::string order;
        auto busy = events.subscribe<int>("busy", of(k, loop), [&](int) { order += 'b'; });
        auto other = events.subscribe<int>("other", {.executor = loop}, [&](int) { order += 'o'; });
        for (int i = 0; i < 1000; ++i) events.publish("busy", i);
        events.publish("other", 1);
        loop.run_all();
        CHECK(order.size() == 1001);
        CHECK(order.find('o') <= 64);
    }
}

TEST_CASE("a task that the executor refuses loses no message and is reported") {
    for (const kind k : kinds) {
        int told = 0;
        manual_executor loop;
        bus events{{.on_error = [&](auto&) { ++told; }}};
        std::vector<int> handled;
        auto s = events.subscribe<int>("n", of(k, loop), [&](int v) { handled.push_back(v); });
        loop.refuses = true;
        CHECK(events.publish("n", 1).queued() == 1);
        CHECK(told == 1);
        loop.refuses = false;
        CHECK(events.publish("n", 2).queued() == 1);
        loop.run_all();
        CHECK(handled == std::vector{1, 2});
    }
}

TEST_CASE("a handler is never run twice at once, and sees each publisher's messages in order") {
    constexpr std::size_t publishers = 3, each = 3000;
    thread_pool pool{3};
    for (const bool pooled : {true, false}) {
        bus events;
        flow_account account{publishers, each};
        flow_account::reader reader{account};
        std::atomic<int> inside{0}, overlaps{0};
        auto s = events.subscribe<flow_message>(
            "m", {.executor = pooled ? penstock::executor_ref{pool} : own_thread, .capacity = 16},
            [&](const flow_message& m) {
                if (inside++ != 0) ++overlaps;
                reader.got(m);
                --inside;
            });
        auto t = events.topic<flow_message>("m");
        in_threads(publishers, [&](std::size_t p) {
            for (std::size_t i = 0; i < each; ++i) t.publish(flow_account::message(p, i));
        });
        events.close();
        CHECK(account.complaint() == "");
        CHECK(overlaps == 0);
        CHECK(s.counts().handled == publishers * each);
        balanced(s);
    }
}

TEST_CASE("a publish to a full queue by its own handler answers would_block_self") {
    for (const kind k : kinds) {
        thread_pool pool{2};
        bus events;
        std::atomic<int> refused{0}, handled{0};
        auto t = events.topic<int>("n");
        auto s = events.subscribe<int>("n", of(k, pool, 2), [&](int v) {
            if (v == 0)
                for (int i = 1; i <= 5; ++i)
                    if (t.publish(i).status() == status::would_block_self) ++refused;
            ++handled;
        });
        t.publish(0);
        until([&] { return handled == 3; });
        events.close();
        CHECK(refused == 3);
        CHECK(handled == 3);
        CHECK(s.counts().rejected == 3);
        balanced(s);
    }
}

TEST_CASE("so does one by the last of the pool's threads that is not waiting") {
    for (const kind k : kinds) {
        thread_pool pool{1};
        bus events;
        std::atomic<int> refused{0}, handled{0};
        auto to = events.topic<int>("to");
        auto a = events.subscribe<int>("to", of(k, pool, 1), [&](int) { ++handled; });
        auto b = events.subscribe<int>("from", {.executor = pool}, [&](int) {
            to.publish(1);
            if (to.publish(2).status() == status::would_block_self) ++refused;
        });
        events.publish("from", 1);
        until([&] { return handled == 1; });
        events.close();
        CHECK(refused == 1);
        CHECK(handled == 1);
    }
}

TEST_CASE("a handler may wait for room that another thread of its pool makes") {
    for (const kind k : kinds) {
        thread_pool pool{2};
        bus events;
        std::atomic<int> handled{0};
        auto to = events.topic<int>("to");
        auto a = events.subscribe<int>("to", of(k, pool, 1), [&](int) { ++handled; });
        auto b = events.subscribe<int>("from", {.executor = pool}, [&](int) {
            for (int i = 0; i < 200; ++i) CHECK(to.publish(i));
        });
        events.publish("from", 1);
        until([&] { return b.counts().handled == 1; });
        events.close();
        CHECK(handled == 200);
    }
}

// ---- groups

TEST_CASE("each message of a group goes to one member, and none is lost") {
    thread_pool pool{2};
    constexpr std::size_t each = 4000;
    bus events;
    flow_account account{2, each};
    flow_account::reader a{account}, b{account}, c{account};
    auto first = events.subscribe<flow_message>(
        "m.#", {.group = "g", .executor = pool}, [&](const flow_message& m) { a.got(m); });
    auto second = events.subscribe<flow_message>(
        "m.#", {.group = "g", .executor = pool}, [&](const flow_message& m) { b.got(m); });
    auto third = events.subscribe<flow_message>(
        "m.#", {.group = "g", .executor = own_thread}, [&](const flow_message& m) { c.got(m); });
    auto t = events.topic<flow_message>("m");
    CHECK(t.publish(flow_account::message(0, 0)).matched() == 1);
    in_threads(2, [&](std::size_t p) {
        for (std::size_t i = p == 0; i < each; ++i) t.publish(flow_account::message(p, i));
    });
    events.close();
    CHECK(account.complaint() == "");
    CHECK(first.counts().handled + second.counts().handled + third.counts().handled == 2 * each);
    CHECK(first.counts().received == 2 * each);
    CHECK(first.group() == "g");
}

TEST_CASE("members take turns") {
    manual_executor loop;
    bus events;
    std::string order;
    auto a =
        events.subscribe<int>("n", {.group = "g", .executor = loop}, [&](int) { order += 'a'; });
    auto b =
        events.subscribe<int>("n", {.group = "g", .executor = loop}, [&](int) { order += 'b'; });
    for (int i = 0; i < 4; ++i) {
        events.publish("n", i);
        CHECK(loop.waiting() == 1);
        loop.run_all();
    }
    CHECK(order == "abab");
    events.publish("n", 1);
    events.publish("n", 2);
    CHECK(loop.waiting() == 2);  // at most as many as members
    events.publish("n", 3);
    CHECK(loop.waiting() == 2);
    loop.run_all();
    CHECK(order.size() == 7);
}

TEST_CASE("who leaves hands the message that woke him to another member") {
    manual_executor loop;
    bus events;
    std::string order;
    std::optional<subscription> a{
        events.subscribe<int>("n", {.group = "g", .executor = loop}, [&](int) { order += 'a'; })};
    auto b =
        events.subscribe<int>("n", {.group = "g", .executor = loop}, [&](int) { order += 'b'; });
    events.publish("n", 1);  // wakes a
    CHECK(loop.waiting() == 1);
    a.reset();
    loop.run_all();
    CHECK(order == "b");
}

TEST_CASE("a member that leaves in its handler takes no more; the others get the rest") {
    manual_executor loop;
    bus events;
    std::string order;
    subscription a = events.subscribe<int>("n", {.group = "g", .executor = loop}, [&](int) {
        order += 'a';
        a.cancel();
    });
    for (int i = 0; i < 5; ++i) events.publish("n", i);
    auto b =
        events.subscribe<int>("n", {.group = "g", .executor = loop}, [&](int) { order += 'b'; });
    while (order.size() < 5) REQUIRE(loop.run_one());
    CHECK(order == "abbbb");
}

TEST_CASE("a new member takes from what is queued; the last one's queue goes to on_drop") {
    manual_executor first, second;
    bus events;
    std::vector<int> handled, dropped;
    const auto drop = [&](int v) { dropped.push_back(v); };
    auto a =
        events.subscribe<int>("n", {.group = "g", .executor = first, .on_drop = drop}, [&](int) {});
    for (int i = 0; i < 5; ++i) events.publish("n", i);
    auto b = events.subscribe<int>(
        "n", {.group = "g", .executor = second}, [&](int v) { handled.push_back(v); });
    second.run_all();
    CHECK(handled == numbers(0, 5));
    a.cancel();
    events.publish("n", 5);
    CHECK(dropped.empty());
    b.cancel();
    CHECK(dropped == std::vector{5});
    CHECK(!events.publish("n", 6));
    first.run_all();
    second.run_all();
}

TEST_CASE("members come and go while messages flow, and every message is handled once") {
    constexpr std::size_t publishers = 2, each = 5000;
    thread_pool pool{2};
    bus events;
    std::vector<std::atomic<unsigned char>> seen(publishers * each);
    std::atomic<std::size_t> handled{0};
    const auto member = [&](bool own) {
        return events.subscribe<flow_message>(
            "m",
            {.group = "g",
             .executor = own ? penstock::executor_ref{own_thread} : pool,
             .capacity = 8},
            [&](const flow_message& m) {
                ++seen[m.producer * each + m.number];
                ++handled;
            });
    };
    auto stays = member(false);
    auto t = events.topic<flow_message>("m");
    std::atomic<bool> flowing{true};
    std::jthread comes_and_goes{[&] {
        for (int round = 0; flowing; ++round) {
            auto a = member(round % 3 == 0);
            auto b = member(false);
            std::this_thread::yield();
        }
    }};
    in_threads(publishers, [&](std::size_t p) {
        for (std::size_t i = 0; i < each; ++i)
            CHECK(t.publish(flow_account::message(p, i)).queued() == 1);
    });
    flowing = false;
    comes_and_goes.join();
    events.close();
    CHECK(handled == publishers * each);
    std::size_t once = 0;
    for (auto& s : seen) once += s == 1;
    CHECK(once == publishers * each);
}

TEST_CASE("a group is its name and its pattern; a member with other options is told the group") {
    manual_executor loop;
    bus events;
    auto a =
        events.subscribe<int>("n.#", {.group = "g", .executor = loop, .capacity = 8}, [](int) {});
    auto other = events.subscribe<int>("n.*", {.group = "g", .executor = loop}, [](int) {});
    CHECK(events.publish("n.x", 1).matched() == 2);
    const auto why = [&](penstock::subscribe_options<int> o) -> std::string {
        o.group.assign(1, 'g');  // g++ 12 takes = "g" for an overlapping copy
        o.executor = loop;
        try {
            (void)events.subscribe<int>("n.#", std::move(o), [](int) {});
        } catch (const std::invalid_argument& e) {
            return e.what();
        }
        return "";
    };
    CHECK(why({.capacity = 9}) ==
          "penstock: a member of the group \"g\" on \"n.#\" asks for another capacity");
    CHECK(why({.capacity = 8, .overflow = overflow::reject}).find("another overflow") !=
          std::string::npos);
    CHECK(why({.where = [](int) { return true; }, .capacity = 8}).find("a where") !=
          std::string::npos);
    CHECK(why({.capacity = 8, .on_drop = [](int) {}}).find("an on_drop") != std::string::npos);
    CHECK(why({.capacity = 8}) == "");
    a.cancel();
    CHECK(why({.capacity = 9}) == "");  // the group had ended; this began it anew
}

// ---- pulled

TEST_CASE("a pulled subscription is a receiver: its messages wait for it") {
    bus events;
    auto feed = events.subscribe<std::string>("chat.#");
    events.publish("chat.a", std::string{"one"});
    events.publish("chat.b", std::string{"two"});
    auto m = feed.receive();
    REQUIRE(m);
    const std::string& text = *m;  // a message<T> is a const T&
    CHECK(text == "one");
    CHECK(m->topic() == "chat.a");
    CHECK((*m)->size() == 3);
    CHECK(*feed.try_receive()->operator->() == "two");
    CHECK(feed.try_receive().status() == status::empty);
    events.publish("chat.a", std::string{"three"});
    events.close();
    int n = 0;
    for (const message<std::string>& each : feed) n += *each == "three";
    CHECK(n == 1);
}

TEST_CASE("a pulled subscription ends with the last copy of its receiver") {
    bus events;
    std::vector<int> dropped;
    auto t = events.topic<int>("n");
    {
        auto feed = events.subscribe<int>("n", {.on_drop = [&](int v) { dropped.push_back(v); }});
        auto copy = feed;
        CHECK(t.publish(1).queued() == 1);
        feed = {};
        CHECK(t.publish(2).queued() == 1);
        CHECK(*copy.receive() == 1);
        CHECK(dropped.empty());
    }
    CHECK(dropped == std::vector{2});
    CHECK(t.publish(3).status() == status::no_subscribers);
}

TEST_CASE("a receiver that closes gets what is in, and then no more") {
    bus events;
    auto feed = events.subscribe<int>("n");
    events.publish("n", 1);
    feed.close();
    CHECK(events.publish("n", 2).status() == status::no_subscribers);
    CHECK(*feed.receive() == 1);
    CHECK(feed.receive().status() == status::closed);
}

TEST_CASE("receivers of one group compete with each other and with handlers") {
    thread_pool pool{1};
    constexpr int total = 3000;
    bus events;
    std::atomic<int> got{0};
    std::atomic<long> sum{0};
    const auto take = [&](int v) {
        ++got;
        sum += v;
    };
    auto a = events.subscribe<int>("n", {.group = "g", .capacity = 16});
    auto b = events.subscribe<int>("n", {.group = "g", .capacity = 16});
    auto c = events.subscribe<int>("n", {.group = "g", .executor = pool, .capacity = 16}, take);
    {
        std::jthread first{[&] {
            while (auto m = a.receive()) take(*m);
        }};
        std::jthread second{[&] {
            while (auto m = b.receive()) take(*m);
        }};
        for (int i = 0; i < total; ++i) CHECK(events.publish("n", i).queued() == 1);
        until([&] { return got == total; });
        events.close();
    }
    CHECK(got == total);
    CHECK(sum == static_cast<long>(total) * (total - 1) / 2);
}

TEST_CASE("a pulled subscription waits by its own clock") {
    manual_clock time;
    bus events;
    auto feed = events.subscribe<int>("n", {.clock = time});
    std::atomic<bool> timed_out{false};
    std::jthread waits{[&] { timed_out = feed.receive_for(1h).status() == status::timed_out; }};
    until([&] { return time.sleepers() == 1; });
    time.advance(1h);
    waits.join();
    CHECK(timed_out);
}
