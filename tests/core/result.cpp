// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <penstock/core/result.hpp>

#include "support/tracked.hpp"

using penstock::result;
using penstock::status;

TEST_CASE("a result with a value is true and its status is ok") {
    result<std::string> r{std::string{"seven"}};
    REQUIRE(r);
    CHECK(r.status() == status::ok);
    CHECK(*r == "seven");
    CHECK(r->size() == 5);
    CHECK(*std::as_const(r) == "seven");
    CHECK(std::as_const(r)->size() == 5);
}

TEST_CASE("a result without a value is false and says why") {
    result<std::string> r{status::timed_out};
    CHECK(!r);
    CHECK(r.status() == status::timed_out);
}

TEST_CASE("a result made of an optional uses the status only where there is no value") {
    CHECK(result<int>{std::optional<int>{7}, status::closed}.status() == status::ok);
    CHECK(result<int>{std::optional<int>{}, status::closed}.status() == status::closed);
}

TEST_CASE("a result holds what can only be moved and has no default constructor") {
    tracked_count count;
    {
        result<tracked> r{tracked{7}};
        tracked mine = *std::move(r);
        CHECK(mine.value() == 7);
        result<std::unique_ptr<int>> p{std::make_unique<int>(3)};
        std::unique_ptr<int> q = std::move(*p);
        CHECK(*q == 3);
    }
    CHECK(tracked::alive() == 0);
    CHECK(count.misuses() == 0);
}

TEST_CASE("the loop over receive that every user writes compiles and ends") {
    int left = 3, sum = 0;
    auto receive = [&]() -> result<int> {
        if (left == 0) return status::closed;
        return left--;
    };
    while (auto r = receive()) sum += *r;
    CHECK(sum == 6);
}
