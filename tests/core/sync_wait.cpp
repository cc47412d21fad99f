// SPDX-License-Identifier: BSL-1.0
#include <cstdint>
#include <thread>

#include <doctest/doctest.h>
#include <sched.h>

#include <penstock/core/sync_wait.hpp>

#include "support/flow.hpp"

using namespace std::chrono_literals;
namespace sys = penstock::sys;

TEST_CASE("a futex wait returns at once where the word has changed already") {
    sys::atomic<std::uint32_t> word{1};
    sys::futex_wait(word, 0);
    CHECK(word == 1);
}

TEST_CASE("a futex wait ends at its deadline, also one in the past") {
    sys::atomic<std::uint32_t> word{0};
    const auto start = sys::now();
    while (sys::now() < start + 2ms) sys::futex_wait(word, 0, start + 2ms);
    sys::futex_wait(word, 0, start);
    CHECK(sys::now() >= start + 2ms);
}

TEST_CASE("a futex wake ends the wait of a thread that sleeps on the word") {
    sys::atomic<std::uint32_t> word{0};
    std::jthread sleeper{[&] {
        while (word.load() == 0) sys::futex_wait(word, 0);
    }};
    word = 1;
    sys::futex_wake(&word);
    sleeper.join();
    CHECK(word == 1);
}

TEST_CASE("the process barrier orders two stores against two loads") {
    if (!sys::asymmetric()) return;  // no membarrier here, or a tool that can't see it
    // Dekker with all the cost on one side: not both may miss the other's store.
    constexpr int rounds = 500;
    int both_missed = 0;
    for (int i = 0; i < rounds; ++i) {
        sys::atomic<int> x{0}, y{0}, start{0};
        int saw_x = 0, saw_y = 0;
        in_threads(2, [&](std::size_t who) {
            ++start;
            until([&] { return start == 2; });
            if (who == 0) {
                x.store(1, std::memory_order_relaxed);  // pairs with the barrier
                sys::compiler_barrier();
                saw_y = y.load(std::memory_order_relaxed);
            } else {
                y.store(1, std::memory_order_relaxed);
                sys::process_barrier();
                saw_x = x.load(std::memory_order_relaxed);
            }
        });
        both_missed += saw_x == 0 && saw_y == 0;
    }
    CHECK(both_missed == 0);
}

TEST_CASE("a thread that is pinned can use no fewer CPUs") {
    const int all = sys::usable_cpus();
    CHECK(all >= 1);
    std::thread{[all] {
        cpu_set_t set;
        CPU_ZERO(&set);
        REQUIRE(sched_getaffinity(0, sizeof set, &set) == 0);
        int one = 0;
        while (!CPU_ISSET(one, &set)) ++one;
        CPU_ZERO(&set);
        CPU_SET(one, &set);
        REQUIRE(sched_setaffinity(0, sizeof set, &set) == 0);
        CHECK(sys::usable_cpus() == all);
    }}.join();
}
