// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <latch>
#include <memory>
#include <mutex>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/thread_pool.hpp>

#include "support/flow.hpp"

using penstock::before_wait;
using penstock::thread_pool;

TEST_CASE("everything posted has run when the pool is gone") {
    std::atomic<int> ran{0};
    {
        thread_pool pool{3};
        CHECK(pool.size() == 3);
        in_threads(4, [&](std::size_t) {
            for (int i = 0; i < 1000; ++i) pool.post([&] { ++ran; });
        });
    }
    CHECK(ran == 4000);
}

TEST_CASE("what tasks post while the pool ends runs too") {
    std::atomic<int> ran{0};
    struct chain {
        thread_pool& pool;
        std::atomic<int>& ran;
        int left;
        void operator()() {
            ++ran;
            if (left > 0) pool.post(chain{pool, ran, left - 1});
        }
    };
    {
        thread_pool pool{2};
        for (int i = 0; i < 10; ++i) pool.post(chain{pool, ran, 99});
    }
    CHECK(ran == 1000);
}

TEST_CASE("one thread runs tasks in the order in which they were posted") {
    std::vector<int> order;
    {
        thread_pool pool{1};
        for (int i = 0; i < 100; ++i) pool.post([&order, i] { order.push_back(i); });
    }
    REQUIRE(order.size() == 100);
    for (int i = 0; i < 100; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a task that posts thousands never waits, not even for its own only thread") {
    std::atomic<int> ran{0};
    {
        thread_pool pool{1};
        pool.post([&] {
            for (int i = 0; i < 20'000; ++i) pool.post([&] { ++ran; });
            CHECK(ran == 0);
        });
    }
    CHECK(ran == 20'000);
}

TEST_CASE("threads work at the same time: as many tasks can wait for each other") {
    thread_pool pool{4};
    std::latch all{4};
    std::latch done{4};
    for (int i = 0; i < 4; ++i)
        pool.post([&] {
            all.arrive_and_wait();
            done.count_down();
        });
    done.wait();
    CHECK(true);
}

TEST_CASE("a task is destroyed when it has run, with what it owns") {
    auto owned = std::make_shared<int>(7);
    std::weak_ptr<int> seen = owned;
    thread_pool pool{1};
    pool.post([owned = std::move(owned)] { CHECK(*owned == 7); });
    until([&] { return pool.unfinished_approx() == 0; });
    CHECK(seen.expired());
}

TEST_CASE("the last thread that doesn't wait for the others is told so") {
    thread_pool pool{2};
    CHECK(pool.begin_wait() == before_wait::elsewhere);  // not one of its threads
    std::latch first_waits{1}, second_asked{1};
    before_wait first{}, second{}, again{};
    pool.post([&] {
        first = pool.begin_wait();
        first_waits.count_down();
        second_asked.wait();
        pool.end_wait();
    });
    pool.post([&] {
        first_waits.wait();
        second = pool.begin_wait();
        second_asked.count_down();
    });
    until([&] { return pool.unfinished_approx() == 0; });
    pool.post([&] {
        again = pool.begin_wait();
        pool.end_wait();
    });
    until([&] { return pool.unfinished_approx() == 0; });
    CHECK(first == before_wait::counted);
    CHECK(second == before_wait::refused);
    CHECK(again == before_wait::counted);
}

TEST_CASE("a pool of no threads is refused") {
    CHECK_THROWS_AS(thread_pool{0}, std::invalid_argument);
}
