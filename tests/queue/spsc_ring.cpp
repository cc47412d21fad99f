// SPDX-License-Identifier: BSL-1.0
// What only this ring does; the rest is in concepts.cpp.
#include <algorithm>
#include <memory>
#include <semaphore>

#include <doctest/doctest.h>

#include <penstock/queue/spsc_ring.hpp>

#include "support/flow.hpp"
#include "support/tracked.hpp"

using penstock::spsc_ring;

TEST_CASE("front shows the oldest element in place until pop removes it") {
    tracked_count count;
    {
        spsc_ring<tracked> ring{2};
        CHECK(ring.front() == nullptr);
        for (int i = 0; i < 7; ++i) {
            CHECK(ring.try_emplace(i));
            CHECK(ring.try_emplace(i + 100));
            REQUIRE(ring.front());
            CHECK(ring.front()->value() == i);
            CHECK(ring.front() == ring.front());
            CHECK(ring.size_approx() == 2);
            ring.pop();
            CHECK(ring.size_approx() == 1);
            CHECK(ring.front()->value() == i + 100);
            ring.pop();
            CHECK(ring.front() == nullptr);
        }
    }
    CHECK(tracked::alive() == 0);
    CHECK(count.misuses() == 0);
}

TEST_CASE("front and pop read a stream from another thread") {
    flow_account account{1, 50'000};
    spsc_ring<flow_message> ring{33};
    in_threads(2, [&](std::size_t who) {
        if (who == 0) {
            for (std::size_t i = 0; i < account.total(); ++i)
                until([&] { return ring.try_push(account.message(0, i)); });
        } else {
            flow_account::reader mine{account};
            while (!account.done()) {
                if (auto* m = ring.front()) {
                    mine.got(*m);
                    ring.pop();
                } else {
                    std::this_thread::yield();
                }
            }
        }
    });
    CHECK(account.complaint() == "");
}

TEST_CASE("a refusal is true: alone with the ring, full and empty are exact at once") {
    // The sides keep stale views of each other; a stale view may cost a look, never an answer.
    for (std::size_t capacity : {1u, 2u, 3u, 8u, 9u}) {
        spsc_ring<int> ring{capacity};
        for (int round = 0; round < 100; ++round) {
            for (std::size_t i = 0; i < capacity; ++i) REQUIRE(ring.try_push(1));
            REQUIRE(!ring.try_push(1));
            for (std::size_t out = 0; out < capacity; ++out) {
                REQUIRE(ring.try_pop());
                REQUIRE(ring.try_push(2));  // the room of one pop is there for the next push
                REQUIRE(!ring.try_push(2));
            }
            for (std::size_t i = 0; i < capacity; ++i) REQUIRE(ring.try_pop());
            REQUIRE(!ring.try_pop());
        }
    }
}

TEST_CASE("a role may move to another thread when the hand-over synchronizes") {
    spsc_ring<int> ring{4};
    std::binary_semaphore turn[2]{std::binary_semaphore{1}, std::binary_semaphore{0}};
    int expected = 0, sent = 0;  // owned by whose turn it is
    in_threads(2, [&](std::size_t who) {
        for (int i = 0; i < 1000; ++i) {
            turn[who].acquire();
            for (int k = 0; k < 3; ++k) CHECK(ring.try_push(sent++));
            for (int k = 0; k < 3; ++k) CHECK(ring.try_pop() == expected++);
            turn[1 - who].release();
        }
    });
    CHECK(sent == 6000);
}

TEST_CASE("writes before a push are visible to whoever pops that element") {
    spsc_ring<std::size_t> ring{2};
    std::vector<int> plain(20'000, 0);  // no atomics: ThreadSanitizer looks on
    in_threads(2, [&](std::size_t who) {
        for (std::size_t i = 0; i < plain.size(); ++i) {
            if (who == 0) {
                plain[i] = static_cast<int>(i) + 1;
                until([&] { return ring.try_push(i); });
            } else {
                std::size_t got = 0;
                until([&] { return ring.try_pop(got); });
                REQUIRE(plain[got] == static_cast<int>(got) + 1);
            }
        }
    });
}

TEST_CASE("producer and consumer don't share a cache line") {
    // The object is at least the four lines that the header draws, and aligned to one.
    static_assert(alignof(spsc_ring<int>) == 64);
    static_assert(sizeof(spsc_ring<int>) >= 5 * 64);
    auto ring = std::make_unique<spsc_ring<int>>(1);
    CHECK(reinterpret_cast<std::uintptr_t>(ring.get()) % 64 == 0);
}
