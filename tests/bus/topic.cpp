// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/topic.hpp>

#include "bus/manual_executor.hpp"
#include "support/sanitized.hpp"

using penstock::bus;
using penstock::message;
using penstock::overflow;
using penstock::published;
using penstock::status;
using penstock::topic;

namespace {

std::atomic<std::size_t> allocations{0};

struct quake {
    std::string network;
    double mag = 0;
};

/// Counts how often its values are made.
struct costly {
    explicit costly(int v) : value{v} { ++made; }
    costly(const costly& o) : value{o.value} { ++copied; }
    costly(costly&& o) noexcept : value{std::exchange(o.value, -1)} { ++moved; }
    costly& operator=(costly&& o) noexcept {
        value = std::exchange(o.value, -1);
        return *this;
    }
    int value;
    static inline int made = 0, copied = 0, moved = 0;
    static void reset() { made = copied = moved = 0; }
};

}  // namespace

#if !TESTS_SANITIZED
// Not inlined: g++ takes free() for a mistake where it sees the new expression beside it.
[[gnu::noinline]] void* operator new(std::size_t n) {
    ++allocations;
    if (void* p = std::malloc(n > 0 ? n : 1)) return p;
    throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

TEST_CASE("publishing to nobody is visible and harmless") {
    bus events;
    auto strong = events.topic<quake>("quake.us.strong");
    published p = strong.publish(quake{"us", 6.1});
    CHECK(!p);
    CHECK(p.status() == status::no_subscribers);
    CHECK(p.matched() == 0);
    strong.publish(quake{});  // no warning: nobody has to ask
    CHECK(strong.name() == "quake.us.strong");
}

TEST_CASE("one name is one topic, however it is reached") {
    bus events;
    auto a = events.topic<int>("n");
    auto b = events.topic<int>("n");
    topic<int> c = a;
    std::vector<int> got;
    auto s = events.subscribe<int>("n", [&](int v) { got.push_back(v); });
    CHECK(a.publish(1));
    CHECK(b.publish(2));
    CHECK(c.publish(3));
    CHECK(events.publish("n", 4));
    CHECK(events.try_publish("n", 5));
    CHECK(got == std::vector{1, 2, 3, 4, 5});
}

TEST_CASE("a name that is used with two types is refused, with both of their names") {
    bus events;
    (void)events.topic<quake>("quake.us");
    std::string why;
    try {
        (void)events.topic<std::vector<int>>("quake.us");
    } catch (const std::invalid_argument& e) {
        why = e.what();
    }
    CHECK(why.find("\"quake.us\"") != std::string::npos);
    CHECK(why.find("quake was") == std::string::npos);
    CHECK(why.find("::quake and was asked for as std::vector<int") != std::string::npos);
    CHECK_THROWS_AS(events.publish("quake.us", 7), std::invalid_argument);
    CHECK_THROWS_AS(events.publish("quake.*", quake{}), std::invalid_argument);
    CHECK_THROWS_AS((void)events.topic<quake>("a..b"), std::invalid_argument);
    // The refused ones have left nothing behind.
    CHECK(!events.publish("quake.us", quake{}));
}

TEST_CASE("a direct handler sees the publisher's own object, and nothing is allocated") {
    bus events;
    const costly* seen = nullptr;
    auto s = events.subscribe<costly>("c", [&](const costly& c) { seen = &c; });
    auto t = events.topic<costly>("c");
    costly mine{7};
    costly::reset();
    const auto before = allocations.load();
    CHECK(t.publish(mine).handled() == 1);
    const auto after = allocations.load();
    CHECK(after == before);
    CHECK(seen == &mine);
    CHECK(t.publish(std::move(mine)));
    CHECK(seen == &mine);
    CHECK(mine.value == 7);
    CHECK(costly::copied + costly::moved + costly::made == 0);
}

TEST_CASE("a message is made once for all who keep it") {
    bus events;
    manual_executor loop;
    std::vector<const costly*> seen;
    seen.reserve(8);
    const auto look = [&](const costly& c) { seen.push_back(&c); };
    auto early = events.subscribe<costly>("c", [&](const costly&) {});
    auto a = events.subscribe<costly>("c", {.executor = loop}, look);
    auto b = events.subscribe<costly>("c", {.executor = loop}, look);
    auto c = events.subscribe<costly>("c", look);  // direct, behind the queues
    auto feed = events.subscribe<costly>("c");
    std::optional<message<costly>> kept;
    auto d = events.subscribe<costly>("c", [&](const message<costly>& m) { kept = m; });
    auto t = events.topic<costly>("c");
    costly::reset();
    const auto before = allocations.load();
    const published p = t.publish(costly{7});
    const auto after = allocations.load();
    CHECK(p.matched() == 6);
    CHECK(p.handled() == 3);
    CHECK(p.queued() == 3);
    if (!TESTS_SANITIZED) CHECK(after - before == 1);
    loop.run_all();
    auto m = feed.receive();
    REQUIRE(m);
    seen.push_back(&**m);
    REQUIRE(kept);
    seen.push_back(&**kept);
    REQUIRE(seen.size() == 5);
    for (auto* at : seen) CHECK(at == seen[0]);
    CHECK(costly::made == 1);
    CHECK(costly::moved == 1);
    CHECK(costly::copied == 0);
    CHECK(kept->topic() == "c");
}

TEST_CASE("a value that is published as const is copied once if somebody keeps it") {
    bus events;
    auto feed = events.subscribe<costly>("c");
    auto again = events.subscribe<costly>("c");
    const costly mine{7};
    costly::reset();
    CHECK(events.publish("c", mine).queued() == 2);
    CHECK(costly::copied == 1);
    CHECK(costly::moved == 0);
    CHECK(mine.value == 7);
}

TEST_CASE("what nobody got is still the publisher's") {
    bus events;
    auto feed = events.subscribe<std::unique_ptr<int>>("p", {.capacity = 1});
    auto t = events.topic<std::unique_ptr<int>>("p");
    CHECK(t.try_publish(std::make_unique<int>(1)));
    auto mine = std::make_unique<int>(2);
    const published p = t.try_publish(std::move(mine));
    CHECK(!p);
    CHECK(p.status() == status::full);
    CHECK(p.rejected() == 1);
    CHECK(p.matched() == 1);
    REQUIRE(mine);
    CHECK(*mine == 2);
    CHECK(*feed.receive()->value() == 1);
    CHECK(t.try_publish(std::move(mine)));
    CHECK(!mine);
}

TEST_CASE("a copy that throws is the publisher's, and leaves everything as it was") {
    struct throws {
        throws() = default;
        throws(const throws&) { throw std::runtime_error{"no copy"}; }
        throws(throws&&) = default;
    };
    bus events;
    int seen = 0;
    auto before = events.subscribe<throws>("t", [&](const throws&) { ++seen; });
    auto feed = events.subscribe<throws>("t");
    auto t = events.topic<throws>("t");
    const throws mine;
    CHECK_THROWS_WITH_AS(t.publish(mine), "no copy", std::runtime_error);
    CHECK(seen == 1);  // it stood before
    CHECK(feed.try_receive().status() == status::empty);
    CHECK(t.publish(throws{}).queued() == 1);
}

TEST_CASE("a topic that outlives its bus answers closed") {
    std::optional<topic<int>> t;
    {
        bus events;
        auto s = events.subscribe<int>("n", [](int) {});
        t = events.topic<int>("n");
        CHECK(t->publish(1));
    }
    CHECK(t->publish(2).status() == status::closed);
    CHECK(t->try_publish(3).status() == status::closed);
    CHECK(t->name() == "n");
}

TEST_CASE("status says why nobody got it") {
    bus events;
    auto t = events.topic<int>("n");
    {
        auto s = events.subscribe<int>("n", [](int) { throw 1; });
        const published p = t.publish(1);
        CHECK(!p);
        CHECK(p.failed() == 1);
        CHECK(p.status() == status::failed);
    }
    {
        auto s = events.subscribe<int>("n", {.capacity = 1, .overflow = overflow::drop_newest});
        CHECK(t.publish(1));
        const published p = t.publish(2);
        CHECK(!p);
        CHECK(p.matched() == 1);
        CHECK(p.dropped() == 1);
        CHECK(p.status() == status::dropped);
    }
    {
        auto s = events.subscribe<int>("n", {.where = [](int v) { return v > 5; }});
        CHECK(t.publish(1).status() == status::no_subscribers);
        CHECK(t.publish(6).status() == status::ok);
    }
}

namespace {

/// Can be neither copied nor moved.
struct pinned {
    pinned(int v, std::string n) : value{v}, name{std::move(n)} {
        if (v < 0) throw v;
        ++made;
    }
    pinned(const pinned&) = delete;
    int value;
    std::string name;
    std::atomic<int> looked{0};
    static inline int made = 0;
};

}  // namespace

TEST_CASE("what is emplaced is made once, where it is kept, and never moved") {
    pinned::made = 0;
    manual_executor queue;
    bus events;
    auto t = events.topic<pinned>("p");
    CHECK(t.emplace(1, "nobody").status() == status::no_subscribers);
    CHECK(pinned::made == 0);
    int sum = 0;
    const pinned *seen = nullptr, *kept = nullptr;
    auto direct = events.subscribe<pinned>("p", [&](const pinned& p) {
        sum += p.value;
        seen = &p;
    });
    CHECK(t.emplace(1, "direct").handled() == 1);
    auto queued = events.subscribe<pinned>(
        "#", {.executor = queue, .capacity = 1}, [&](const message<pinned>& m) {
            CHECK(&*m == kept);
            sum += 10 * m->value;
        });
    CHECK(t.try_emplace(2, "both").matched() == 2);
    kept = seen;
    CHECK(t.try_emplace(3, "full").rejected() == 1);
    CHECK_THROWS_AS(t.emplace(-1, "throws"), int);
    queue.run_all();
    CHECK(sum == 1 + 2 + 3 + 20);
    CHECK(pinned::made == 3);
}

TEST_CASE("an aggregate is emplaced member by member") {
    bus events;
    auto t = events.topic<quake>("q");
    double sum = 0;
    auto direct = events.subscribe<quake>("q", [&](const quake& q) { sum += q.mag; });
    CHECK(t.emplace("us", 6.5));
    auto feed = events.subscribe<quake>("q");
    CHECK(t.emplace("us", 1.0).queued() == 1);
    CHECK(feed.try_receive()->value().network == "us");
    CHECK(sum == 7.5);
}

TEST_CASE("what is emplaced goes where the topic's options say, made once") {
    pinned::made = 0;
    bus events;
    auto t = events.topic<pinned>("p", {.mandatory = true, .unrouted = "lost"});
    CHECK_THROWS_AS(t.emplace(1, "nobody"), penstock::no_subscribers_error);
    int sum = 0;
    auto lost = events.subscribe<pinned>("lost", [&](const pinned& p) { sum += p.value; });
    CHECK(t.emplace(2, "unrouted"));
    CHECK(pinned::made == 2);
    auto full = events.subscribe<pinned>("w", {.capacity = 1});
    auto room = events.subscribe<pinned>("w", {.capacity = 2});
    auto whole = events.topic<pinned>("w", {.all_or_none = true});
    CHECK(whole.try_emplace(3, "in").queued() == 2);
    CHECK(whole.try_emplace(4, "full").status() == status::full);
    CHECK(room.try_receive()->value().value == 3);
    CHECK(!room.try_receive());
    CHECK(sum == 2);
}
