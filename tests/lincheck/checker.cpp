// SPDX-License-Identifier: BSL-1.0
// The checker's own test: histories written by hand, whose verdict is known.
#include "lincheck/checker.hpp"

#include <doctest/doctest.h>

using namespace lincheck;

namespace {
operation pushed(value v, std::uint32_t from, std::uint32_t to, std::uint8_t thread) {
    return {operation::push, v, true, none, thread, from, to};
}
operation full(value v, std::uint32_t from, std::uint32_t to, std::uint8_t thread) {
    return {operation::push, v, false, none, thread, from, to};
}
operation popped(value v, std::uint32_t from, std::uint32_t to, std::uint8_t thread) {
    return {operation::pop, none, true, v, thread, from, to};
}
operation empty(std::uint32_t from, std::uint32_t to, std::uint8_t thread) {
    return {operation::pop, none, false, none, thread, from, to};
}
bool holds(const history& h, std::size_t capacity, bool sequenced = false) {
    return check(h, fifo{capacity, sequenced}).linearizable;
}
bool holds_per_producer(const history& h) { return check(h, fifo_per_producer{}).linearizable; }
}  // namespace

TEST_CASE("a history of one thread is the sequential queue, and nothing else") {
    CHECK(holds({}, 1));
    CHECK(holds({empty(0, 1, 0), pushed(1, 2, 3, 0), full(2, 4, 5, 0), popped(1, 6, 7, 0)}, 1));
    CHECK(!holds({empty(0, 1, 0), pushed(1, 2, 3, 0), full(2, 4, 5, 0), popped(1, 6, 7, 0)}, 2));
    CHECK(!holds({pushed(1, 0, 1, 0), pushed(2, 2, 3, 0)}, 1));
    CHECK(!holds({pushed(1, 0, 1, 0), pushed(2, 2, 3, 0), popped(2, 4, 5, 0)}, 2));
    CHECK(!holds({pushed(1, 0, 1, 0), empty(2, 3, 0)}, 2));
    CHECK(!holds({popped(1, 0, 1, 0)}, 2));
    CHECK(!holds({pushed(1, 0, 1, 0), popped(1, 2, 3, 0), popped(1, 4, 5, 0)}, 2));
}

TEST_CASE("operations that overlap may take effect in either order") {
    CHECK(
        holds({pushed(1, 0, 2, 0), pushed(2, 1, 3, 1), popped(2, 4, 5, 0), popped(1, 6, 7, 0)}, 2));
    CHECK(
        holds({pushed(1, 0, 2, 0), pushed(2, 1, 3, 1), popped(1, 4, 5, 0), popped(2, 6, 7, 0)}, 2));
    CHECK(holds({pushed(1, 0, 3, 0), popped(1, 1, 2, 1)}, 1));
    CHECK(holds({pushed(1, 0, 3, 0), empty(1, 2, 1)}, 1));
}

TEST_CASE("operations that don't overlap keep their order") {
    CHECK(!holds(
        {pushed(1, 0, 1, 0), pushed(2, 2, 3, 1), popped(2, 4, 5, 0), popped(1, 6, 7, 1)}, 2));
    CHECK(!holds({popped(1, 0, 1, 1), pushed(1, 2, 3, 0)}, 2));
    CHECK(!holds({pushed(1, 0, 1, 0), empty(2, 4, 1), pushed(2, 3, 5, 0)}, 2));
}

TEST_CASE("a long operation may take effect between two of another thread's") {
    // The push of 2 lasts throughout; 1 goes in and out around it.
    CHECK(
        holds({pushed(2, 0, 9, 0), pushed(1, 1, 2, 1), popped(1, 3, 4, 1), popped(2, 5, 6, 1)}, 1));
    CHECK(holds({pushed(2, 0, 9, 0), pushed(1, 1, 2, 1), full(3, 3, 4, 1), popped(1, 5, 6, 1)}, 1));
    CHECK(holds({pushed(2, 0, 9, 0), pushed(1, 1, 2, 1), full(3, 3, 4, 1), popped(2, 5, 6, 1)}, 2));
    CHECK(
        !holds({pushed(2, 0, 9, 0), pushed(1, 1, 2, 1), full(3, 3, 4, 1), popped(2, 5, 6, 1)}, 3));
}

TEST_CASE("empty is conceded while the oldest is being written, and only then") {
    // 1 is claimed and slow, 2 is behind it and there: a pop says empty.
    const history h{pushed(1, 0, 9, 0), pushed(2, 1, 2, 1), empty(3, 4, 1), popped(1, 10, 11, 1),
                    popped(2, 12, 13, 1)};
    CHECK(!holds(h, 2));
    CHECK(holds(h, 2, true));
    // The oldest is 2, which is there: no excuse.
    CHECK(!holds({pushed(1, 0, 9, 0), pushed(2, 1, 2, 1), empty(3, 4, 1), popped(2, 10, 11, 1),
                  popped(1, 12, 13, 1)},
                 2, true));
    // The slow one returns before the empty answer does, but was in mid-air with it.
    CHECK(holds({pushed(1, 0, 5, 0), pushed(2, 1, 2, 1), empty(3, 6, 1), popped(1, 10, 11, 1),
                 popped(2, 12, 13, 1)},
                2, true));
    CHECK(!holds({pushed(1, 0, 3, 0), pushed(2, 1, 2, 1), empty(4, 6, 1), popped(1, 10, 11, 1),
                  popped(2, 12, 13, 1)},
                 2, true));
}

TEST_CASE("full is conceded while the slot in question is being emptied, and only then") {
    // Of two slots, 1 is being taken out, slowly; 2 is out; 3 finds its slot not yet free.
    const history h{pushed(1, 0, 1, 0), pushed(2, 2, 3, 0), popped(1, 4, 20, 1), popped(2, 5, 6, 0),
                    full(3, 7, 8, 0)};
    CHECK(!holds(h, 2));
    CHECK(holds(h, 2, true));
    // The pop that lasts is that of the other slot.
    CHECK(!holds({pushed(1, 0, 1, 0), pushed(2, 2, 3, 0), popped(1, 4, 5, 0), popped(2, 6, 20, 1),
                  full(3, 7, 8, 0)},
                 2, true));
}

TEST_CASE("for each producer alone: order is kept within, not between") {
    CHECK(holds_per_producer(
        {pushed(1, 0, 1, 0), pushed(2, 2, 3, 1), popped(2, 4, 5, 0), popped(1, 6, 7, 0)}));
    CHECK(!holds_per_producer({pushed(1, 0, 1, 0), pushed(2, 2, 3, 0), popped(2, 4, 5, 1)}));
    CHECK(!holds_per_producer({pushed(1, 0, 1, 0), empty(2, 3, 1)}));
    CHECK(holds_per_producer({pushed(1, 0, 1, 0), empty(2, 5, 1), popped(1, 3, 4, 0)}));
    CHECK(!holds_per_producer({popped(1, 0, 1, 0)}));
    CHECK(!holds_per_producer({full(1, 0, 1, 0)}));
}

TEST_CASE("the share of overlapped operations counts those that met another thread's") {
    CHECK(overlapped({pushed(1, 0, 2, 0), popped(1, 1, 3, 1), empty(4, 5, 1)}) == 2);
    CHECK(overlapped({pushed(1, 0, 1, 0), popped(1, 2, 3, 1)}) == 0);
}
