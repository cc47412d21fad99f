// SPDX-License-Identifier: BSL-1.0
// Rosters and what becomes of them; that publishers wait for nobody who changes them.
#include <atomic>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/detail/retired.hpp>
#include <penstock/bus/detail/route.hpp>

#include "support/flow.hpp"

using penstock::bus;
using penstock::pattern;
using penstock::subscription;
namespace detail = penstock::detail;

namespace {

int alive = 0;
class one final : public detail::listener_base {
public:
    explicit one(const std::string& by = "n")
        : listener_base{detail::type_of<int>, pattern{by}, ""} {
        ++alive;
    }
    ~one() override { --alive; }
    void end_intake() override {}
    void finish() override {}
};

void replace(detail::route& r, detail::roster* next, detail::retired& old) {
    old.add({r.exchange(next).who, true});
}

}  // namespace

TEST_CASE("a reader keeps its roster and those in it, and nothing else") {
    auto all = std::make_shared<detail::visitors>();
    {
        detail::retired old;
        detail::route busy, other;
        auto a = std::make_shared<one>(), b = std::make_shared<one>(), c = std::make_shared<one>();
        (void)busy.exchange(detail::roster::with(nullptr, *a));
        {
            const detail::reading reads{*all, busy};
            replace(busy, detail::roster::with(busy.now(), *b), old);
            replace(busy, detail::roster::without(*busy.now(), *a), old);
            replace(busy, detail::roster::without(*busy.now(), *b), old);
            CHECK(busy.empty());
            (void)other.exchange(detail::roster::with(nullptr, *c));
            replace(other, nullptr, old);
            old.add(std::move(a));
            old.add(std::move(b));
            old.add(std::move(c));
            CHECK(old.size() == 7);
            detail::retired::let_go(old.sweep(*all));
            CHECK(old.size() == 2);  // what `reads` names, and a
            CHECK(alive == 1);
            int seen = 0;
            for (const detail::listener_base* l : reads) seen += l->by().text() == "n";
            CHECK(seen == 1);
        }
        detail::retired::let_go(old.sweep(*all));
        CHECK(old.size() == 0);
        CHECK(alive == 0);
    }
}

TEST_CASE(
    "what nobody has read goes at once, and what was in a roster that somebody read does not") {
    auto all = std::make_shared<detail::visitors>();
    {
        detail::retired old;
        detail::route r;
        auto a = std::make_shared<one>(), b = std::make_shared<one>();
        (void)r.exchange(detail::roster::with(nullptr, *a));
        old.add(r.exchange(detail::roster::with(r.now(), *b)));
        CHECK(old.size() == 0);
        { const detail::reading reads{*all, r}; }
        for (int i = 0; i < 3; ++i)  // found only the first time
            old.add(r.exchange(detail::roster::with(nullptr, *b)));
        CHECK(old.size() == 1);
        CHECK(a->was_found);
        CHECK(b->was_found);
        auto c = std::make_shared<one>();
        old.add(r.exchange(detail::roster::with(nullptr, *c)));
        old.add(r.exchange(nullptr));
        old.add(r.exchange(nullptr));
        CHECK(old.size() == 1);
        old.add(std::move(a));
        old.add(std::move(b));
        old.add(std::move(c));
        CHECK(old.size() == 3);
        CHECK(alive == 2);  // c has gone
        detail::retired::let_go(old.sweep(*all));
        CHECK(old.size() == 0);
    }
    CHECK(alive == 0);
}

TEST_CASE("a roster that had gone before a late reader named it is not looked into") {
    auto all = std::make_shared<detail::visitors>();
    {
        detail::retired old;
        auto a = std::make_shared<one>();
        a->was_found = true;
        old.add(std::move(a));
        detail::visitor& late = all->take();
        detail::roster* const gone = detail::roster::made(1);
        late.reading.store(gone);  // it would look again now
        detail::roster::free(gone);
        detail::retired::let_go(old.sweep(*all));
        CHECK(alive == 0);
        late.reading.store(nullptr);
        all->put(late);
    }
}

TEST_CASE("who is entering puts off all freeing") {
    auto all = std::make_shared<detail::visitors>();
    detail::retired old;
    detail::route r;
    old.add({detail::roster::made(0), true});
    {
        detail::reading enters{*all};
        detail::retired::let_go(old.sweep(*all));
        CHECK(old.size() == 1);
        (void)r.read_entered(all->by(), enters.visit());
        detail::retired::let_go(old.sweep(*all));
        CHECK(old.size() == 0);
    }
}

TEST_CASE("a publish goes on while a subscriber is stopped in the middle of a change") {
    auto home = std::make_shared<detail::registry>(penstock::bus_options{});
    const auto& known = home->resolve<int>("known");
    const auto frozen = home->lock();  // and for as long as this takes
    std::jthread publisher{[&] {
        detail::envelope<int> e{7, known};
        CHECK(detail::publish_to(*home, known, e, {true, {}}).matched() == 0);
        CHECK(detail::publish_by_name(*home, "known", 7, detail::no_waiting).matched() == 0);
    }};
    publisher.join();
}

TEST_CASE("one handler that sleeps pins its own roster only") {
    bus events;
    std::latch asleep{1}, wake{1};
    auto sleeps = events.subscribe<int>("slow", [&](int) {
        asleep.count_down();
        wake.wait();
    });
    std::jthread publisher{[&] { events.publish("slow", 1); }};
    asleep.wait();
    std::weak_ptr<int> last;
    for (int i = 0; i < 200; ++i) {
        auto held = std::make_shared<int>(i);
        last = held;
        int got = 0;
        auto s = events.subscribe<int>("#", [&, held](int) { ++got; });
        CHECK(events.publish("fast", 1).handled() == 1);
        CHECK(s.cancel());
        CHECK(got == 1);
    }
    CHECK(last.expired());
    wake.count_down();
}

TEST_CASE("publishers in many threads, subscriptions that come and go, topics that come") {
    bus events;
    std::atomic<bool> flowing{true};
    std::atomic<long> handled{0}, told{0};
    {
        std::jthread churn{[&] {
            for (int i = 0; i < 2000; ++i) {
                auto s = events.subscribe<int>(i % 3 == 0 ? "#" : "n.0", [&](int) { ++handled; });
                (void)events.topic<int>("m." + std::to_string(i));
            }
            flowing = false;
        }};
        in_threads(3, [&](std::size_t i) {
            auto t = events.topic<int>("n." + std::to_string(i % 2));
            for (int n = 0; flowing; ++n) {
                told += t.publish(1).handled();
                told += events.publish("m." + std::to_string(n % 2000), 1).handled();
            }
        });
    }
    CHECK(handled == told);
}

TEST_CASE("a thread's records are used again, in any number of buses and threads") {
    for (int round = 0; round < 20; ++round) {
        auto a = std::make_shared<bus>(), b = std::make_shared<bus>();
        std::atomic<int> got{0};
        auto inner = b->subscribe<int>("n", [&](int) { ++got; });
        auto outer = a->subscribe<int>("n", [&](int depth) {
            CHECK(b->publish("n", 1).handled() == 1);
            if (depth > 0) a->publish("n", depth - 1);
        });
        in_threads(3, [&](std::size_t) { a->publish("n", 3); });
        CHECK(got == 12);
    }
}

TEST_CASE("a publish by a name of another type says so, found or not") {
    bus events;
    events.publish("n", 1);
    CHECK_THROWS_AS(events.publish("n", std::string{"x"}), std::invalid_argument);
    CHECK_THROWS_AS(events.publish("n.*", 1), std::invalid_argument);
}
