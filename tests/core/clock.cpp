// SPDX-License-Identifier: BSL-1.0
#include <limits>

#include <doctest/doctest.h>

#include <penstock/core/clock.hpp>
#include <penstock/core/manual_clock.hpp>

using namespace std::chrono_literals;
using penstock::clock_ref;
using penstock::deadline;
using penstock::manual_clock;

TEST_CASE("a deadline by default never passes") {
    deadline d;
    CHECK(d.never());
    CHECK(!d.passed());
}

TEST_CASE("a deadline passes exactly when its clock gets there") {
    manual_clock time;
    const deadline d = deadline::after(time, 10ms);
    CHECK(!d.never());
    CHECK(!d.passed());
    time.advance(10ms - 1ns);
    CHECK(!d.passed());
    time.advance(1ns);
    CHECK(d.passed());
}

TEST_CASE("a deadline of nothing, or less, has passed") {
    manual_clock time;
    CHECK(deadline::after(time, 0s).passed());
    CHECK(deadline::after(time, -1h).passed());
    CHECK(deadline::after(clock_ref{}, -1ns).passed());
}

TEST_CASE("a duration is rounded up, so that a wait is never shorter than asked") {
    manual_clock time;
    using picoseconds = std::chrono::duration<std::int64_t, std::pico>;
    const deadline d = deadline::after(time, picoseconds{1});
    CHECK(!d.passed());
    time.advance(1ns);
    CHECK(d.passed());
}

TEST_CASE("a duration too long for the clock means never") {
    manual_clock time{manual_clock::time_point{1h}};
    CHECK(deadline::after(time, std::chrono::hours::max()).never());
    CHECK(deadline::after(time, std::chrono::nanoseconds::max()).never());
    CHECK(deadline::after(time, std::chrono::duration<double>{1e300}).never());
    CHECK(deadline::after(
              time, std::chrono::duration<double>{std::numeric_limits<double>::infinity()})
              .never());
    CHECK(!deadline::after(time, std::chrono::hours{24 * 365}).never());
}

TEST_CASE("the default clock is the steady one") {
    clock_ref c;
    const auto before = std::chrono::steady_clock::now();
    const auto now = c->now();
    CHECK(now >= before);
    CHECK(now <= std::chrono::steady_clock::now());
}
