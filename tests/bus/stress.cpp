// SPDX-License-Identifier: BSL-1.0
// Everything at once: publishers, subscribers of every kind that come and go, handlers that publish,
// throw and end their own subscriptions. Afterwards the account must balance.
#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/thread_pool.hpp>

#include "support/flow.hpp"

using penstock::bus;
using penstock::executor_ref;
using penstock::overflow;
using penstock::own_thread;
using penstock::published;
using penstock::subscription;
using penstock::thread_pool;

namespace {

std::atomic<std::int64_t> alive{0};

struct event {
    explicit event(int d) : depth{d} { ++alive; }
    event(const event& o) noexcept : depth{o.depth} { ++alive; }
    event& operator=(const event&) = default;
    ~event() { --alive; }
    int depth;
};

struct account {
    std::atomic<std::uint64_t> handled{0}, failed{0}, dropped{0}, pulled{0};
    /// Or the balance would show nothing.
    [[nodiscard]] bool all_seen() const {
        return handled > 0 && failed > 0 && dropped > 0 && pulled > 0;
    }
};

}  // namespace

TEST_CASE("what was taken was handled, failed, pulled or dropped, whoever comes and goes") {
    constexpr int publishes = 6000;
    account of;
    std::uint64_t taken = 0;
    {
        thread_pool pool{2};
        bus events;
        std::atomic<std::uint64_t> taken_now{0};
        std::atomic<bool> flowing{true};
        // Queued, or handed to on_drop at once: all that is not the publisher's any more.
        const auto count = [&](const published& p) {
            taken_now += p.matched() - p.handled() - p.failed() - p.rejected();
        };
        const auto publish = [&](std::string_view name, int depth) {
            count(events.try_publish(name, event{depth}));
        };
        const auto handle = [&](const event& e) {
            if (e.depth == 7) {
                ++of.failed;
                throw e.depth;
            }
            ++of.handled;
            if (e.depth > 0 && e.depth < 3) publish("n.nested", e.depth - 1);
        };
        const auto lost = [&](const event&) { ++of.dropped; };
        const auto come_and_go = [&](std::size_t seed) {
            std::mt19937 random{static_cast<std::uint32_t>(seed)};
            while (flowing) {
                const auto kind = random() % 6;
                const auto full = static_cast<overflow>(random() % 4);
                const std::size_t room = 1 + random() % 32;
                if (kind == 0) {
                    auto s = events.subscribe<event>("n.*", [](const event&) {});
                    std::this_thread::yield();
                } else if (kind == 1) {
                    auto feed = events.subscribe<event>(
                        "#", {.capacity = room, .overflow = full, .on_drop = lost});
                    publish("n.pull", 0);
                    for (int i = 0; i < 20; ++i)
                        if (feed.try_receive()) ++of.pulled;
                } else if (kind == 2) {
                    auto me = std::make_shared<subscription>();
                    std::weak_ptr<subscription> gone = me;
                    auto* slot = me.get();
                    auto assigned = std::make_shared<std::atomic<bool>>(false);
                    *slot = events.subscribe<event>(
                        "n.#",
                        {.executor = pool, .capacity = room, .overflow = full, .on_drop = lost},
                        [&, assigned, me = std::move(me)](const event&) {
                            until([&] { return assigned->load(); });
                            ++of.handled;
                            me->cancel();  // and then goes, with its owner
                        });
                    *assigned = true;
                    while (!gone.expired() && flowing) {
                        publish("n.end", 0);
                        std::this_thread::yield();
                    }
                    if (auto still = gone.lock()) still->cancel();
                } else {
                    const executor_ref where = kind == 3 ? executor_ref{own_thread} : pool;
                    auto s = events.subscribe<event>(
                        "n.#",
                        {.where = [](const event& e) { return e.depth != 5; },
                         .group = kind == 5 ? "g" : "",
                         .executor = where,
                         .capacity = kind == 5 ? 8 : room,
                         .overflow = kind == 5 ? overflow::block : full,
                         .on_drop = lost},
                        handle);
                    for (int i = 0; i < 10; ++i) std::this_thread::yield();
                }
            }
        };
        {
            std::vector<std::jthread> churn;
            for (std::size_t i = 0; i < 3; ++i) churn.emplace_back(come_and_go, i + 1);
            auto t = events.topic<event>("n.all");
            in_threads(2, [&](std::size_t) {
                for (int i = 0; i < publishes || !of.all_seen(); ++i)
                    count(t.publish(event{i % 8}));
            });
            flowing = false;
        }
        events.close();
        taken = taken_now;
    }
    CHECK(of.handled + of.failed + of.pulled + of.dropped == taken);
    CHECK(alive == 0);
}

TEST_CASE("topics, subscriptions and buses begin and end in any order, in many threads") {
    for (int round = 0; round < 30; ++round) {
        auto events = std::make_shared<bus>();
        std::atomic<int> sum{0};
        std::vector<subscription> kept(4);
        in_threads(4, [&](std::size_t i) {
            auto t = events->topic<int>("n." + std::to_string(i % 2));
            kept[i] = events->subscribe<int>("n.#", [&](int v) { sum += v; });
            for (int n = 0; n < 50; ++n) t.publish(1);
            if (i == 0) events->close();
            t.publish(1);
        });
        events.reset();
        for (auto& s : kept) CHECK(!s.active());
        CHECK(sum > 0);
    }
}
