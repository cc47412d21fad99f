// SPDX-License-Identifier: BSL-1.0
// Many readers of one ring, as subscriptions.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/broadcast.hpp>
#include <penstock/bus/bus.hpp>
#include <penstock/bus/thread_pool.hpp>

#include "bus/manual_executor.hpp"
#include "support/flow.hpp"

using penstock::broadcast_options;
using penstock::bus;
using penstock::message;
using penstock::overflow;
using penstock::own_thread;
using penstock::status;
using penstock::subscription;
using penstock::thread_pool;
using namespace std::chrono_literals;

namespace {

using options = broadcast_options<int>;

auto into(std::vector<int>& all) {
    return [&all](const int& n) { all.push_back(n); };
}

void balanced(const subscription& s) {
    const auto c = s.counts();
    CHECK(c.received == c.handled + c.failed + c.rejected + c.dropped + c.queued);
}

}  // namespace

TEST_CASE("each reader of a ring gets each message, in one order, from when it came") {
    manual_executor queue;
    bus events;
    std::vector<int> a, b, late;
    auto t = events.topic<int>("t.x");
    auto first = events.subscribe<int>("t.#", options{.executor = queue}, into(a));
    auto second = events.subscribe<int>("t.#", options{.executor = queue}, into(b));
    CHECK(t.publish(1).queued() == 2);
    auto third = events.subscribe<int>("t.#", options{.executor = queue}, into(late));
    CHECK(t.publish(2).matched() == 3);
    CHECK(first.counts().queued == 2);
    CHECK(third.counts().queued == 1);
    CHECK(queue.waiting() == 3);  // one task each, however many messages
    queue.run_all();
    CHECK(a == std::vector{1, 2});
    CHECK(b == a);
    CHECK(late == std::vector{2});
    CHECK(first.counts().handled == 2);
    CHECK(first.counts().queued == 0);
    balanced(first);
    balanced(third);
}

TEST_CASE("readers see one and the same message, with its topic") {
    manual_executor queue;
    bus events;
    const std::string* seen[2] = {};
    message<std::string> kept;
    auto opt = [&] { return broadcast_options<std::string>{.executor = queue}; };
    auto one = events.subscribe<std::string>("a.*", opt(), [&](const message<std::string>& m) {
        CHECK(m.topic() == "a.b");
        kept = m;
        seen[0] = &*m;
    });
    auto two =
        events.subscribe<std::string>("a.*", opt(), [&](const std::string& s) { seen[1] = &s; });
    CHECK(events.publish("a.b", std::string{"text"}));
    queue.run_all();
    CHECK(seen[0] != nullptr);
    CHECK(seen[0] == seen[1]);
    CHECK(&*kept == seen[0]);
}

TEST_CASE("a reader that is a capacity behind holds the publishers of a gated ring") {
    overflow full = overflow::block;
    SUBCASE("block, without waiting") {}
    SUBCASE("reject") { full = overflow::reject; }
    manual_executor fast, slow;
    bus events;
    std::vector<int> a, b;
    auto t = events.topic<int>("t");
    auto quick = events.subscribe<int>(
        "t", options{.executor = fast, .capacity = 2, .overflow = full}, into(a));
    auto late = events.subscribe<int>(
        "t", options{.executor = slow, .capacity = 2, .overflow = full}, into(b));
    CHECK(t.publish(1));
    CHECK(t.publish(2));
    fast.run_all();
    const auto refused = t.try_publish(3);
    CHECK(refused.status() == status::full);
    CHECK(refused.rejected() == 1);
    CHECK(late.counts().rejected == 1);
    balanced(quick);
    balanced(late);
    slow.run_all();
    CHECK(t.try_publish(4));
    fast.run_all();
    slow.run_all();
    CHECK(a == std::vector{1, 2, 4});
    CHECK(a == b);
}

TEST_CASE("a publish that may wait goes on when the slowest reader has read, or has gone") {
    thread_pool pool{1};
    bus events;
    std::atomic<int> sum{0};
    std::latch go{1};
    auto t = events.topic<int>("t");
    auto quick = events.subscribe<int>(
        "t", options{.executor = pool, .capacity = 1}, [&](const int& n) { sum += n; });
    std::optional<subscription> slow{events.subscribe<int>(
        "t", options{.executor = own_thread, .capacity = 1}, [&](const int& n) {
            sum += 100 * n;
            if (n == 1) go.wait();
        })};
    std::atomic<int> published{0};
    std::jthread publisher{[&] {
        for (int n = 1; n <= 3; ++n) published += static_cast<int>(t.publish(n).queued());
    }};
    go.count_down();
    publisher.join();
    CHECK(events.quiesce_for(1h));
    CHECK(sum == 606);
    CHECK(published == 6);

    // Now the slow one never runs: its end lets the publisher go on.
    manual_executor never;
    bus others;
    auto u = others.topic<int>("u");
    auto a =
        others.subscribe<int>("u", options{.executor = pool, .capacity = 1}, [&](const int&) {});
    std::optional<subscription> b{
        others.subscribe<int>("u", options{.executor = never, .capacity = 1}, [&](const int&) {})};
    CHECK(u.publish(1));
    std::jthread second{[&] { CHECK(u.publish(2)); }};
    b.reset();
    second.join();
    CHECK(others.quiesce_for(1h));
    CHECK(a.counts().handled == 2);
}

TEST_CASE("a reader that is overtaken goes on with the oldest there is, and knows what it missed") {
    manual_executor queue;
    bus events;
    std::vector<int> seen;
    auto t = events.topic<int>("t");
    auto s = events.subscribe<int>(
        "t", options{.executor = queue, .capacity = 4, .overflow = overflow::drop_oldest},
        into(seen));
    for (int n = 0; n < 10; ++n) CHECK(t.publish(n).queued() == 1);
    CHECK(s.counts().queued == 10);
    queue.run_all();
    CHECK(seen == std::vector{6, 7, 8, 9});
    const auto c = s.counts();
    CHECK(c.handled == 4);
    CHECK(c.dropped == 6);
    CHECK(c.queued == 0);
    balanced(s);
    t.publish(10);
    s.cancel();
    CHECK(s.counts().dropped == 7);
    balanced(s);
}

TEST_CASE(
    "a reader that ends hands what it has not read to its on_drop, the others still have it") {
    manual_executor queue;
    bus events;
    std::vector<int> seen, lost;
    auto t = events.topic<int>("t");
    auto stays = events.subscribe<int>("t", options{.executor = queue}, into(seen));
    auto goes = events.subscribe<int>(
        "t", options{.executor = queue, .on_drop = into(lost)}, [](const int&) {});
    t.publish(1);
    t.publish(2);
    CHECK(goes.cancel());
    CHECK(goes.counts().dropped == 2);
    balanced(goes);
    CHECK(t.publish(3).queued() == 1);
    queue.run_all();
    CHECK(lost == std::vector{1, 2});
    CHECK(seen == std::vector{1, 2, 3});
}

TEST_CASE(
    "when the last reader has gone nobody listens, and the next one begins a ring of its own") {
    manual_executor queue;
    bus events;
    std::vector<int> seen;
    auto t = events.topic<int>("t");
    {
        auto s = events.subscribe<int>("t", options{.executor = queue, .capacity = 1}, into(seen));
        CHECK(t.publish(1));
    }
    CHECK(t.publish(2).status() == status::no_subscribers);
    auto s = events.subscribe<int>("t", options{.executor = queue, .capacity = 2}, into(seen));
    CHECK(t.publish(3));
    CHECK(t.try_publish(4));
    queue.run_all();
    CHECK(seen == std::vector{3, 4});
}

TEST_CASE("what a ring can't do is refused with the reason") {
    manual_executor queue;
    bus events;
    const auto h = [](const int&) {};
    CHECK_THROWS_AS((void)events.subscribe<int>("t", options{}, h), std::invalid_argument);
    CHECK_THROWS_AS((void)events.subscribe<int>("t", options{.executor = queue, .capacity = 0}, h),
                    std::invalid_argument);
    CHECK_THROWS_AS((void)events.subscribe<int>(
                        "t", options{.executor = queue, .overflow = overflow::drop_newest}, h),
                    std::invalid_argument);
    CHECK_THROWS_AS(
        (void)events.subscribe<int>(
            "t", options{.executor = queue, .overflow = overflow::drop_oldest, .on_drop = h}, h),
        std::invalid_argument);
    std::vector<subscription> all;
    for (int i = 0; i < 64; ++i)
        all.push_back(events.subscribe<int>("t", options{.executor = queue}, h));
    CHECK_THROWS_AS(
        (void)events.subscribe<int>("t", options{.executor = queue}, h), std::runtime_error);
    CHECK_THROWS_AS((void)events.subscribe<int>("t", options{.executor = queue, .capacity = 7}, h),
                    std::invalid_argument);
    CHECK(events.publish("t", 1).queued() == 64);
    all.pop_back();
    all.push_back(events.subscribe<int>("t", options{.executor = queue}, h));
    queue.run_all();
    CHECK(all.back().counts().handled == 0);
    CHECK(all.front().counts().handled == 1);
}

TEST_CASE("a handler that throws has failed, for its reader alone") {
    manual_executor queue;
    int told = 0;
    bus events{{.on_error = [&](const penstock::failure& f) {
        CHECK(f.topic == "t");
        ++told;
    }}};
    std::vector<int> seen;
    auto bad = events.subscribe<int>("t", options{.executor = queue}, [](const int& n) {
        if (n == 1) throw n;
    });
    auto good = events.subscribe<int>("t", options{.executor = queue}, into(seen));
    events.publish("t", 1);
    events.publish("t", 2);
    queue.run_all();
    CHECK(told == 1);
    CHECK(bad.counts().failed == 1);
    CHECK(bad.counts().handled == 1);
    CHECK(seen == std::vector{1, 2});
}

TEST_CASE("a reader's handler that would wait for its own full ring is told so") {
    manual_executor queue;
    bus events;
    auto t = events.topic<int>("t");
    std::vector<status> told;
    auto s = events.subscribe<int>("t", options{.executor = queue, .capacity = 1}, [&](const int&) {
        told.push_back(t.publish(2).status());
    });
    t.publish(1);
    queue.run_all();
    CHECK(told == std::vector{status{status::would_block_self}});

    // And a pool's last worker, from a handler of another subscription.
    thread_pool pool{1};
    auto u = events.topic<int>("u");
    std::atomic<int> refused{0};
    auto reads =
        events.subscribe<int>("u", options{.executor = pool, .capacity = 1}, [](const int&) {});
    auto feeds = events.subscribe<int>("feed", {.executor = pool}, [&](const int& n) {
        for (int i = 0; i < n; ++i)
            if (u.publish(i).status() == status::would_block_self) ++refused;
    });
    events.publish("feed", 3);
    CHECK(events.quiesce_for(1h));
    CHECK(refused == 2);
    CHECK(reads.counts().handled == 1);
}

TEST_CASE("a reader may end itself, or another, in its handler") {
    manual_executor queue;
    bus events;
    std::optional<subscription> self, other;
    int calls = 0, others = 0;
    self.emplace(events.subscribe<int>("t", options{.executor = queue}, [&](const int&) {
        ++calls;
        CHECK(other->cancel());
        CHECK(!self->cancel());
    }));
    other.emplace(
        events.subscribe<int>("t", options{.executor = queue}, [&](const int&) { ++others; }));
    events.publish("t", 1);
    events.publish("t", 2);
    queue.run_all();
    CHECK(calls == 1);
    CHECK(others == 0);
    CHECK(events.publish("t", 3).status() == status::no_subscribers);
}

TEST_CASE("a ring takes part in an all-or-none publish") {
    manual_executor queue;
    bus events;
    std::vector<int> seen;
    auto ring = events.subscribe<int>("t", options{.executor = queue, .capacity = 2}, into(seen));
    auto box = events.subscribe<int>("t", {.capacity = 1});
    auto whole = events.topic<int>("t", {.all_or_none = true});
    CHECK(whole.try_publish(1).queued() == 2);
    CHECK(whole.try_publish(2).status() == status::full);  // the box is, so the ring lets go
    queue.run_all();
    CHECK(seen == std::vector{1});
    CHECK(box.try_receive()->value() == 1);
    CHECK(whole.try_publish(3));
    CHECK(box.try_receive()->value() == 3);
    CHECK(events.topic<int>("t").publish(4).queued() == 2);
    CHECK(box.try_receive()->value() == 4);
    CHECK(whole.try_publish(5).status() == status::full);  // now the ring is
    CHECK(!box.try_receive());
    queue.run_all();
    CHECK(seen == std::vector{1, 3, 4});

    bus lossy;
    std::vector<int> newest;
    auto over = lossy.subscribe<int>(
        "t", options{.executor = queue, .capacity = 1, .overflow = overflow::drop_oldest},
        into(newest));
    auto all = lossy.topic<int>("t", {.all_or_none = true});
    for (int n = 0; n < 3; ++n) CHECK(all.try_publish(n).queued() == 1);
    queue.run_all();
    CHECK(newest == std::vector{2});
}

TEST_CASE("a receipt has the outcome of each reader") {
    manual_executor queue;
    bus events;
    auto t = events.topic<int>("t");
    auto good = events.subscribe<int>("t", options{.executor = queue}, [](const int&) {});
    auto bad =
        events.subscribe<int>("t", options{.executor = queue}, [](const int& n) { throw n; });
    auto goes = events.subscribe<int>("t", options{.executor = queue}, [](const int&) {});
    auto r = t.publish_tracked(1);
    CHECK(r.wait_for(0s) == status::timed_out);
    goes.cancel();
    queue.run_all();
    CHECK(r.wait_for(0s));
    CHECK(r.handled() == 1);
    CHECK(r.failed() == 1);
    CHECK(r.dropped() == 1);
}

TEST_CASE("an executor that refused is asked again with the next message") {
    manual_executor queue;
    bus events;
    std::vector<int> seen;
    auto s = events.subscribe<int>("t", options{.executor = queue}, into(seen));
    queue.refuses = true;
    CHECK(events.publish("t", 1));
    queue.refuses = false;
    CHECK(events.publish("t", 2));
    queue.run_all();
    CHECK(seen == std::vector{1, 2});
}

TEST_CASE("a bus that closes lets readers finish what is in") {
    std::atomic<int> sum{0};
    thread_pool pool{2};
    {
        bus events;
        auto a =
            events.subscribe<int>("t", options{.executor = pool}, [&](const int& n) { sum += n; });
        auto b = events.subscribe<int>("t", options{.executor = own_thread, .capacity = 1024},
                                       [&](const int& n) { sum += n; });
        for (int n = 0; n < 1000; ++n) events.publish("t", n);
        CHECK(events.close());
        CHECK(sum == 2 * 499'500);
        CHECK(events.publish("t", 1).status() == status::closed);
        CHECK(a.counts().handled == 1000);
    }
}

TEST_CASE(
    "readers come and go while several publish: what was queued for those who stay is handled") {
    constexpr int each = 3000;
    thread_pool pool{2};
    bus events;
    auto t = events.topic<int>("t");
    struct per_publisher {
        int last[2] = {-1, -1};
        int seen = 0, disordered = 0;
        void operator()(const int& n) {
            const int who = n & 1;
            if (n <= last[who]) ++disordered;
            last[who] = n;
            ++seen;
        }
    } a, b;
    auto stays = events.subscribe<int>(
        "t", options{.executor = pool, .capacity = 16}, [&](const int& n) { a(n); });
    auto also = events.subscribe<int>(
        "t", options{.executor = own_thread, .capacity = 16}, [&](const int& n) { b(n); });
    std::atomic<int> running{2};
    in_threads(3, [&](std::size_t who) {
        if (who < 2) {
            for (int n = 0; n < each; ++n)
                CHECK(t.publish(2 * n + static_cast<int>(who)).queued() >= 2);
            --running;
            return;
        }
        while (running > 0) {
            auto s = events.subscribe<int>(
                "t", options{.executor = pool, .capacity = 16}, [](const int&) {});
            std::this_thread::yield();
            s.cancel();
            balanced(s);
        }
    });
    CHECK(events.quiesce_for(1h));
    for (const auto* r : {&a, &b}) {
        CHECK(r->seen == 2 * each);
        CHECK(r->disordered == 0);
    }
    balanced(stays);
}
