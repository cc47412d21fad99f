// SPDX-License-Identifier: BSL-1.0
// What only this ring does; the rest is in concepts.cpp.
#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/queue/mpmc_ring.hpp>

#include "support/flow.hpp"
#include "support/tracked.hpp"

using penstock::mpmc_ring;

TEST_CASE("after close every push is refused, unmoved, and what is in stays") {
    mpmc_ring<std::unique_ptr<int>> ring{3};
    CHECK(!ring.closed());
    CHECK(!ring.drained());
    CHECK(ring.try_push(std::make_unique<int>(1)));
    CHECK(ring.try_push(std::make_unique<int>(2)));
    ring.close();
    ring.close();
    CHECK(ring.closed());
    CHECK(!ring.drained());
    CHECK(ring.size_approx() == 2);
    auto mine = std::make_unique<int>(3);
    CHECK(!ring.try_push(std::move(mine)));
    REQUIRE(mine);
    std::unique_ptr<int> some[2];
    CHECK(ring.try_push_n(std::make_move_iterator(&mine), 1) == 0);
    CHECK(mine);
    CHECK(ring.try_pop_n(some, 2) == 2);
    CHECK(*some[1] == 2);
    CHECK(ring.drained());
    CHECK(!ring.try_pop());
}

TEST_CASE("a ring can be closed while empty, full and wrapped") {
    for (std::size_t capacity : {1u, 2u, 3u, 4u}) {
        for (std::size_t shift = 0; shift <= capacity; ++shift) {
            mpmc_ring<int> ring{capacity};
            for (std::size_t i = 0; i < shift; ++i) {
                REQUIRE(ring.try_push(0));
                REQUIRE(ring.try_pop());
            }
            mpmc_ring<int> full{capacity};
            for (std::size_t i = 0; i < capacity; ++i) REQUIRE(full.try_push(1));
            ring.close();
            full.close();
            CHECK(ring.drained());
            CHECK(!full.drained());
            CHECK(!full.try_push(1));
            for (std::size_t i = 0; i < capacity; ++i) REQUIRE(full.try_pop() == 1);
            CHECK(full.drained());
        }
    }
}

TEST_CASE("a push that succeeded before or beside a close is popped; none slips in afterwards") {
    for (int round = 0; round < 200; ++round) {
        mpmc_ring<int> ring{4};
        std::atomic<int> pushed{0}, popped{0}, start{0};
        in_threads(5, [&](std::size_t who) {
            ++start;
            until([&] { return start == 5; });
            if (who < 2) {
                while (!ring.closed()) {
                    if (ring.try_push(1)) ++pushed;
                    std::this_thread::yield();
                }
                CHECK(!ring.try_push(1));
            } else if (who < 4) {
                while (!ring.drained()) {
                    if (ring.try_pop()) ++popped;
                    std::this_thread::yield();
                }
            } else {
                until([&] { return pushed >= round % 5; });
                ring.close();
            }
        });
        REQUIRE(popped == pushed);
        REQUIRE(!ring.try_pop());
    }
}

TEST_CASE("drained is final: nothing is popped after somebody saw it") {
    for (int round = 0; round < 300; ++round) {
        mpmc_ring<int> ring{2};
        std::atomic<bool> seen{false};
        std::atomic<int> late{0};
        in_threads(4, [&](std::size_t who) {
            if (who == 0) {
                for (int i = 0; i < 50; ++i) (void)ring.try_push(i);
                ring.close();
            } else if (who == 1) {
                until([&] { return ring.drained(); });
                seen = true;
            } else {
                while (!seen) {
                    (void)ring.try_pop();
                    std::this_thread::yield();
                }
                late += ring.try_pop() ? 1 : 0;
            }
        });
        REQUIRE(late == 0);
    }
}

TEST_CASE("a batch is contiguous: nobody's elements stand between those of one push") {
    constexpr int each = 5000;
    mpmc_ring<std::pair<int, int>> ring{32};
    std::atomic<int> producing{3};
    std::vector<std::pair<int, int>> all;
    in_threads(4, [&](std::size_t who) {
        if (who < 3) {
            for (int i = 0; i < each; ++i) {
                const std::pair<int, int> two[]{
                    {static_cast<int>(who), 2 * i}, {static_cast<int>(who), 2 * i + 1}};
                std::size_t went = 0;
                until([&] { return (went = ring.try_push_n(two, 2)) > 0; });
                if (went == 1) {  // a batch cut short is counted, its rest comes as its own
                    until([&] { return ring.try_push({-1, 0}); });
                }
            }
            --producing;
        } else {
            while (true) {
                const bool last = producing == 0;
                if (auto p = ring.try_pop()) {
                    all.push_back(*p);
                } else if (last) {
                    break;
                } else {
                    std::this_thread::yield();
                }
            }
        }
    });
    int cut = 0, torn = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].first < 0) {
            ++cut;
        } else if (all[i].second % 2 == 0) {
            const bool whole = i + 1 < all.size() && all[i + 1].first == all[i].first &&
                               all[i + 1].second == all[i].second + 1;
            torn += !whole;
        }
    }
    CHECK(torn == cut);
    CHECK(all.size() == 2 * 3 * each);
}

TEST_CASE("the order is total: two consumers agree with one sequence") {
    // One producer at a time writes 0, 1, 2, ... under a lock; each consumer sees growing numbers.
    mpmc_ring<int> ring{8};
    constexpr int total = 30'000;
    std::atomic<bool> locked{false};
    int next = 0;
    std::atomic<int> popped{0}, disordered{0};
    in_threads(4, [&](std::size_t who) {
        if (who < 2) {
            for (;;) {
                until([&] { return !locked.exchange(true); });
                const int mine = next;
                if (mine < total && ring.try_push(mine)) ++next;
                locked = false;
                if (mine >= total) return;
            }
        } else {
            int last = -1;
            while (popped < total) {
                if (auto n = ring.try_pop()) {
                    disordered += *n <= last;
                    last = *n;
                    ++popped;
                } else {
                    std::this_thread::yield();
                }
            }
        }
    });
    CHECK(disordered == 0);
    CHECK(next == total);
}

TEST_CASE("size_approx counts an element that is claimed and not yet written") {
    // A constructor that looks back at the ring: it runs after the claim, inside the push.
    struct curious {
        explicit curious(const mpmc_ring<curious>& r) noexcept : ring{&r} {}
        curious(curious&& other) noexcept : ring{other.ring} {
            if (ring->size_approx() == 1) ++claimed_while_moving();
        }
        static int& claimed_while_moving() {
            static int n = 0;
            return n;
        }
        const mpmc_ring<curious>* ring;
    };
    mpmc_ring<curious> ring{2};
    curious mine{ring};
    CHECK(ring.try_push(std::move(mine)));
    CHECK(curious::claimed_while_moving() == 1);
}

namespace {
struct counting {
    using value_type = std::byte;
    std::size_t *calls, *bytes;
    std::byte* allocate(std::size_t n) {
        ++*calls, *bytes += n;
        return new std::byte[n];
    }
    static void deallocate(std::byte* p, std::size_t) { delete[] p; }
};
}  // namespace

TEST_CASE("1,024 numbers take one allocation of 16 bytes each and a line to align it") {
    std::size_t calls = 0, bytes = 0;
    const mpmc_ring<std::uint64_t, penstock::at_run_time, counting> ring{1024, {&calls, &bytes}};
    CHECK(calls == 1);
    CHECK(bytes == 1024 * 16 + penstock::cache_line);
}
