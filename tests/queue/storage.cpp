// SPDX-License-Identifier: BSL-1.0
// Rings whose capacity is a template argument, whose memory comes from an allocator, whose cursors
// wrap soon, and in which elements are built in place: what both rings can be made of.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <stdexcept>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <penstock/channel/channel.hpp>
#include <penstock/queue/mpmc_ring.hpp>
#include <penstock/queue/spsc_ring.hpp>

#include "support/tracked.hpp"

using namespace penstock;

namespace {

/// Thousands of laps at every fill level, with reservations committed and abandoned on the way.
template <class Ring>
void run_through(Ring& ring, std::size_t capacity) {
    REQUIRE(ring.capacity() == capacity);
    std::uint64_t in = 0, out = 0;
    bool all = true;
    for (std::size_t round = 0; round < 3000 && all; ++round) {
        std::size_t n = 0;
        for (; n < round % (capacity + 1); ++n) all = all && ring.try_push(std::to_string(in++));
        all = all && ring.size_approx() == n && ring.try_push("x") == (n < capacity);
        if (n < capacity) {
            // The "x" above went in: take the n before it and it itself out again.
            for (; n > 0; --n) all = all && ring.try_pop() == std::to_string(out++);
            all = all && ring.try_pop() == "x";
            if (auto place = ring.reserve(); place && round % 2) place.emplace("abandoned");
            auto place = ring.reserve();
            if (place) {  // capacity 1: an mpmc_ring's abandoned slot is still in
                place.emplace(std::to_string(in++));
                place.commit();
                ++n;
            }
        }
        for (; n > 0; --n) all = all && ring.try_pop() == std::to_string(out++);
        all = all && !ring.try_pop() && ring.size_approx() == 0;
    }
    CHECK(all);
    CHECK(in == out);
}

struct counting_allocator {
    using value_type = std::uint64_t;
    std::size_t* units;
    std::uint64_t* allocate(std::size_t n) {
        *units += n;
        return new std::uint64_t[n];
    }
    void deallocate(std::uint64_t* p, std::size_t n) {
        *units -= n;
        delete[] p;
    }
};

template <template <class, std::size_t, class, class> class Ring>
struct of {
    template <class T, std::size_t Capacity = at_run_time, class Allocator = heap,
              class Cursor = std::uint64_t>
    using ring = Ring<T, Capacity, Allocator, Cursor>;
};

}  // namespace

#define BOTH_RINGS of<spsc_ring>, of<mpmc_ring>

TEST_CASE_TEMPLATE("any capacity is exact through the wrap of its cursors", R, BOTH_RINGS) {
    for (std::size_t capacity : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 15u, 16u}) {
        CAPTURE(capacity);
        typename R::template ring<std::string> wide{capacity};
        run_through(wide, capacity);
        typename R::template ring<std::string, at_run_time, heap, std::uint16_t> narrow{capacity};
        run_through(narrow, capacity);
        typename R::template ring<std::string, at_run_time, heap, std::uint8_t> tiny{capacity};
        run_through(tiny, capacity);
    }
}

TEST_CASE_TEMPLATE("a capacity can be a template argument", R, BOTH_RINGS) {
    typename R::template ring<std::string, 1> one;
    run_through(one, 1);
    typename R::template ring<std::string, 5> five;
    run_through(five, 5);
    static_assert(sizeof(typename R::template ring<char, 1000>) >= 1000);
    channel<int, typename R::template ring<int, 8>> eight{8};
    CHECK(eight.send(1));
    using sized = channel<int, typename R::template ring<int, 8>>;
    CHECK_THROWS_AS(sized{9}, std::invalid_argument);
}

TEST_CASE_TEMPLATE("memory comes from the allocator and goes back to it", R, BOTH_RINGS) {
    std::size_t units = 0;
    {
        typename R::template ring<std::string, at_run_time, counting_allocator> ring{
            9, counting_allocator{&units}};
        CHECK(units * sizeof(std::uint64_t) >= 9 * sizeof(std::string));
        run_through(ring, 9);
    }
    CHECK(units == 0);
    std::pmr::monotonic_buffer_resource arena;
    typename R::template ring<std::string, at_run_time, std::pmr::polymorphic_allocator<>> ring{
        5, &arena};
    run_through(ring, 5);
}

TEST_CASE_TEMPLATE("a capacity beyond what the cursor counts is refused", R, BOTH_RINGS) {
    using tiny = typename R::template ring<int, at_run_time, heap, std::uint8_t>;
    CHECK_THROWS_AS(tiny{1000}, std::invalid_argument);
    using wide = typename R::template ring<int>;
    CHECK_THROWS_AS(wide{0}, std::invalid_argument);
    CHECK_THROWS_AS(wide{static_cast<std::size_t>(-1)}, std::invalid_argument);
    CHECK_THROWS_AS(wide{static_cast<std::size_t>(-1) / sizeof(int)}, std::invalid_argument);
}

TEST_CASE_TEMPLATE("a reservation builds in place and is published by commit alone", R,
                   BOTH_RINGS) {
    tracked_count count;
    {
        typename R::template ring<tracked> ring{2};
        {
            auto place = ring.reserve();
            REQUIRE(place);
            place.emplace(7);
            CHECK(place->value() == 7);
            CHECK(!ring.try_pop());  // not yet
            place.commit();
        }
        CHECK(count.moved() == 0);
        { auto abandoned = ring.reserve(); }
        CHECK(tracked::alive() == 1);
        {
            auto first = ring.try_pop();
            REQUIRE(first);
            CHECK(first->value() == 7);
        }
        {
            auto moved = ring.reserve();
            auto place = std::move(moved);
            CHECK(!moved);
            REQUIRE(place);
            place.emplace(8);
        }
        CHECK(tracked::alive() == 0);  // what an abandoned one had built is gone
        CHECK(!ring.try_pop());
        CHECK(ring.try_emplace(9));
    }
    CHECK(tracked::alive() == 0);
    CHECK(count.misuses() == 0);
}

TEST_CASE("a full ring has nothing to reserve, and a throwing constructor leaves it reserved") {
    struct picky {
        explicit picky(bool fail) {
            if (fail) throw std::runtime_error{"no"};
        }
    };
    mpmc_ring<picky> ring{1};
    {
        auto place = ring.reserve();
        REQUIRE(place);
        CHECK(!ring.reserve());
        CHECK_THROWS_AS(place.emplace(true), std::runtime_error);
        place.emplace(false);
        place.commit();
    }
    CHECK(!ring.reserve());
    CHECK(ring.try_pop());
}

TEST_CASE("consumers step over an abandoned slot to what is behind it") {
    mpmc_ring<int> ring{3};
    auto open = ring.reserve();
    REQUIRE(open);
    REQUIRE(ring.try_push(1));
    REQUIRE(ring.try_push(2));
    CHECK(!ring.try_push(3));
    CHECK(!ring.try_pop());  // held up by who has claimed the first slot
    { auto abandoned = std::move(open); }
    int out[3];
    CHECK(ring.try_pop_n(out, 3) == 2);
    CHECK(out[0] == 1);
    CHECK(out[1] == 2);
    CHECK(ring.try_push(3));
}

TEST_CASE("a ring destroys what stands behind a claim that was never finished") {
    tracked_count count;
    alignas(reservation<mpmc_ring<tracked>>)
        std::byte never_ended[sizeof(reservation<mpmc_ring<tracked>>)];
    {
        mpmc_ring<tracked> ring{3};
        REQUIRE(ring.try_emplace(1));
        ::new (static_cast<void*>(never_ended)) reservation<mpmc_ring<tracked>>(ring.reserve());
        REQUIRE(ring.try_emplace(2));
        CHECK(tracked::alive() == 2);
    }
    CHECK(tracked::alive() == 0);
    CHECK(count.misuses() == 0);
}
