// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <penstock/core/function.hpp>

#include "support/tracked.hpp"

using penstock::unique_function;

namespace {
int twice(int x) { return 2 * x; }
struct counter {
    int calls = 0;
    int operator()(int x) { return x + ++calls; }
};
}  // namespace

TEST_CASE("an empty function is false, also one made of nullptr or moved from") {
    unique_function<void()> none, null{nullptr};
    CHECK(!none);
    CHECK(!null);
    unique_function<int(int)> f = twice;
    CHECK(f);
    unique_function<int(int)> g = std::move(f);
    CHECK(!f);
    CHECK(g(4) == 8);
    g = nullptr;
    CHECK(!g);
}

TEST_CASE("functions, lambdas, objects with state and move-only captures can be kept") {
    unique_function<int(int)> f = twice;
    CHECK(f(21) == 42);
    f = counter{};
    CHECK(f(10) == 11);
    CHECK(f(10) == 12);  // its state stays
    f = [p = std::make_unique<int>(5)](int x) { return x * *p; };
    CHECK(f(2) == 10);
    unique_function<std::unique_ptr<int>(std::unique_ptr<int>&&)> pass =
        [](std::unique_ptr<int>&& p) { return std::move(p); };
    CHECK(*pass(std::make_unique<int>(9)) == 9);
}

TEST_CASE("what a callable returns is thrown away where nothing is wanted") {
    unique_function<void(int)> f = twice;
    f(1);
    CHECK(f);
}

TEST_CASE("a small callable and a big one are each destroyed exactly once") {
    tracked_count count;
    auto run = [](auto callable) {
        unique_function<int()> f = std::move(callable);
        unique_function<int()> g = std::move(f);
        unique_function<int()> h;
        h = std::move(g);
        CHECK(h() == 7);
        h = [t = tracked{8}] { return t.value(); };  // lets go of the first
        CHECK(h() == 8);
        auto& same = h;
        h = std::move(same);
        CHECK(h() == 8);
    };
    run([t = tracked{7}] { return t.value(); });
    run([t = tracked{7}, big = std::array<char, 500>{}] { return t.value() + big[499]; });
    CHECK(tracked::alive() == 0);
    CHECK(count.misuses() == 0);
}

TEST_CASE("an over-aligned callable stands where it must") {
    over_aligned::misplaced = 0;
    {
        unique_function<int()> f = [a = over_aligned{3}] { return a.value; };
        unique_function<int()> g = std::move(f);
        CHECK(g() == 3);
    }
    CHECK(over_aligned::misplaced == 0);
}

TEST_CASE("an exception passes through") {
    unique_function<void()> f = [] { throw std::runtime_error{"mine"}; };
    CHECK_THROWS_WITH(f(), "mine");
    CHECK(f);
}

TEST_CASE("a callable that can't be constructed leaves nothing behind") {
    tracked_count count;
    struct thrower {
        explicit thrower(int) {}
        thrower(const thrower&) { throw std::runtime_error{"no"}; }
        tracked member{1};
        std::array<char, 100> big{};
        void operator()() const {}
    };
    thrower t{1};
    CHECK_THROWS_AS((unique_function<void()>{t}), std::runtime_error);
    CHECK(tracked::alive() == 1);  // t's own
    CHECK(count.misuses() == 0);
}

TEST_CASE("a function can hold another one and be called through a const reference") {
    unique_function<int()> inner = [] { return 5; };
    const unique_function<int()> outer = [inner = std::move(inner)] { return inner() + 1; };
    CHECK(outer() == 6);
    static_assert(!std::is_copy_constructible_v<unique_function<int()>>);
    static_assert(!std::is_constructible_v<unique_function<int()>, std::string>);
}
