// SPDX-License-Identifier: BSL-1.0
#include <atomic>

#include <doctest/doctest.h>

#include <penstock/core/backoff.hpp>

#include "support/flow.hpp"

TEST_CASE("two threads that hand a turn to each other by backoff both get on, on one CPU too") {
    std::atomic<int> turn{0};
    in_threads(2, [&](std::size_t me) {
        for (int round = 0; round < 1000; ++round) {
            penstock::backoff wait;
            while (turn.load() % 2 != static_cast<int>(me)) wait();
            ++turn;
        }
    });
    CHECK(turn == 2000);
}
