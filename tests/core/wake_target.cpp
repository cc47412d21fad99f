// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <thread>

#include <doctest/doctest.h>

#include <penstock/core/wake_target.hpp>

using penstock::wake_target;

namespace {
struct counted : wake_target {
    counted()
        : wake_target{[](void* count) noexcept { ++*static_cast<std::atomic<int>*>(count); }, &n} {}
    std::atomic<int> n{0};
};
}  // namespace

TEST_CASE("an armed target is resumed by the first who wakes it, however many do") {
    counted t;
    for (int round = 1; round <= 2000; ++round) {
        t.look();
        CHECK(t.arm());
        std::jthread other{[&] { t.interrupt(); }};
        t.interrupt();
        other.join();
        CHECK(t.n == round);
    }
}

TEST_CASE("of arming and waking at once, one sees the other") {
    counted t;
    int handed = 0;
    for (int round = 0; round < 2000; ++round) {
        t.look();
        std::jthread other{[&] { t.interrupt(); }};
        handed += t.arm();
        other.join();
        CHECK(t.n == handed);
    }
}

TEST_CASE("a claim says whether it was the first") {
    counted t;
    t.look();
    CHECK(t.claim().first());
    CHECK_FALSE(t.claim().first());
    CHECK(t.n == 0);  // it was not armed
    CHECK_FALSE(wake_target::wake{}.first());
    wake_target::wake{}();
}
