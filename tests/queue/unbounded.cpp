// SPDX-License-Identifier: BSL-1.0
// What only this queue does; the rest is in concepts.cpp.
#include <memory>

#include <doctest/doctest.h>

#include <penstock/queue/unbounded.hpp>

#include "support/flow.hpp"
#include "support/moodycamel_races.hpp"
#include "support/tracked.hpp"

using penstock::unbounded;

TEST_CASE("it is never full, and says so") {
    unbounded<int> q;
    CHECK(q.capacity() == penstock::no_limit);
    for (int i = 0; i < 200'000; ++i) REQUIRE(q.try_push(i));
    CHECK(q.size_approx() == 200'000);
    for (int i = 0; i < 200'000; ++i) REQUIRE(q.try_pop() == i);
    CHECK(!q.try_pop());
}

TEST_CASE("the number given to the constructor is room prepared, not a limit") {
    unbounded<int> q{10};
    for (int i = 0; i < 10'000; ++i) REQUIRE(q.try_push(i));
    CHECK(q.size_approx() == 10'000);
    unbounded<int> none{0};
    CHECK(none.try_push(1));
}

TEST_CASE("push needs no answer") {
    unbounded<std::unique_ptr<int>> q;
    q.push(std::make_unique<int>(7));
    CHECK(**q.try_pop() == 7);
}

TEST_CASE("threads that come and go leave nothing behind") {
    tracked_count count;
    {
        unbounded<tracked> q;
        for (int round = 0; round < 50; ++round) {
            in_threads(3, [&](std::size_t) {
                for (int i = 0; i < 100; ++i) q.push(tracked{i});
            });
            in_threads(2, [&](std::size_t) {
                for (int i = 0; i < 100; ++i) until([&] { return q.try_pop().has_value(); });
            });
        }
        CHECK(q.size_approx() == 50 * 100);
        CHECK(tracked::alive() == 50 * 100);
    }
    CHECK(tracked::alive() == 0);
    CHECK(count.misuses() == 0);
}
