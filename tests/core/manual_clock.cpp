// SPDX-License-Identifier: BSL-1.0
#include <atomic>

#include <doctest/doctest.h>

#include <penstock/core/manual_clock.hpp>

#include "support/flow.hpp"

using namespace std::chrono_literals;
using penstock::manual_clock;

namespace {
struct listener final : penstock::clock::sleeper {
    void clock_moved() noexcept override { ++told; }
    std::atomic<int> told{0};
};
}  // namespace

TEST_CASE("a manual clock stands still until it is moved") {
    manual_clock time;
    const auto start = time.now();
    CHECK(start == manual_clock::time_point{});
    CHECK(time.now() == start);
    time.advance(3s);
    CHECK(time.now() == start + 3s);
    CHECK(manual_clock{manual_clock::time_point{5s}}.now() == manual_clock::time_point{5s});
}

TEST_CASE("who watches is told of each move, who stopped watching is not") {
    manual_clock time;
    listener one, two;
    CHECK(time.watch(one));
    CHECK(time.watch(two));
    CHECK(time.sleepers() == 2);
    time.advance(1s);
    time.unwatch(one);
    CHECK(time.sleepers() == 1);
    time.advance(1s);
    CHECK(one.told == 1);
    CHECK(two.told == 2);
    time.unwatch(two);
    CHECK(time.sleepers() == 0);
}

TEST_CASE("moves from several threads add up") {
    manual_clock time;
    in_threads(4, [&](std::size_t) {
        for (int i = 0; i < 1000; ++i) time.advance(1ns);
    });
    CHECK(time.now().time_since_epoch() == 4000ns);
}

TEST_CASE("after unwatch returns nobody is told any more, however the clock races") {
    manual_clock time;
    std::atomic<bool> over{false};
    std::jthread mover{[&] {
        while (!over) time.advance(1ns);
    }};
    for (int i = 0; i < 500; ++i) {
        listener
            brief;  // its memory is reused in the next round: ASan and TSan would see a late call
        time.watch(brief);
        if (i % 2) until([&] { return brief.told > 0; });
        time.unwatch(brief);
    }
    over = true;
}
