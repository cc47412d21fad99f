// SPDX-License-Identifier: BSL-1.0
// The gated ring and its readers: who sees what, who holds whom, and who comes and goes.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <iterator>
#include <limits>
#include <memory>
#include <new>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/queue/broadcast_ring.hpp>

#include "support/flow.hpp"
#include "support/tracked.hpp"

using penstock::behind;
using penstock::broadcast_ring;
using penstock::gated;
using penstock::heap;

namespace {
std::string complaint_of(auto f) {
    try {
        f();
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "no std::invalid_argument";
}

template <class Reader>
std::vector<int> all_of(Reader& r) {
    std::vector<int> seen;
    r.for_each([&](int x) { seen.push_back(x); });
    return seen;
}
using ints = std::vector<int>;
}  // namespace

TEST_CASE("the ring models its concept, whatever its element, and is no queue") {
    static_assert(penstock::broadcast<broadcast_ring<int>>);
    static_assert(penstock::broadcast<broadcast_ring<tracked>>);
    static_assert(penstock::broadcast<broadcast_ring<std::string, gated, 8>>);
    static_assert(!penstock::queue<broadcast_ring<int>>);
    static_assert(!std::is_move_constructible_v<broadcast_ring<int>>);
    static_assert(std::is_nothrow_move_constructible_v<broadcast_ring<int>::reader>);
    static_assert(!std::is_copy_constructible_v<broadcast_ring<int>::reader>);
    CHECK(true);
}

TEST_CASE("every reader sees every element, in order and in the same place") {
    broadcast_ring<std::string> ring{4};
    auto a = ring.join(), b = ring.join();
    CHECK(!a.front());
    for (int i = 0; i < 3; ++i) CHECK(ring.try_push("number " + std::to_string(i)));
    for (int i = 0; i < 3; ++i) {
        const std::string* at = a.front();
        REQUIRE(at);
        CHECK(*at == "number " + std::to_string(i));
        CHECK(a.front() == at);  // until it is popped
        CHECK(b.front() == at);
        a.pop();
        CHECK(*b.front() == "number " + std::to_string(i));
        b.pop();
    }
    CHECK(!a.front());
    CHECK(!b.front());
}

TEST_CASE("a reader sees what is pushed after its join, and nothing before") {
    broadcast_ring<int> ring{3};
    auto first = ring.join();
    CHECK(ring.try_push(1));
    auto second = ring.join();
    CHECK(!second.front());
    CHECK(ring.try_push(2));
    CHECK(all_of(first) == ints{1, 2});
    CHECK(all_of(second) == ints{2});
}

TEST_CASE("the slowest reader holds the producers, is named, and lets go when it leaves") {
    broadcast_ring<int> ring{2};
    auto quick = ring.join();
    std::optional slow{ring.join()};
    CHECK(quick.id() == 1);
    CHECK(slow->id() == 2);
    CHECK(!ring.slowest());
    CHECK(ring.try_push(1));
    CHECK(ring.try_push(2));
    CHECK(ring.slowest().unread == 2);
    CHECK(all_of(quick) == ints{1, 2});
    CHECK(!ring.try_push(3));
    CHECK(ring.slowest().id == slow->id());
    CHECK(ring.slowest().unread == 2);
    CHECK(ring.size_approx() == 2);
    CHECK(*slow->front() == 1);
    CHECK(!ring.try_push(3));  // looked at is not popped
    slow->pop();
    CHECK(ring.try_push(3));
    CHECK(!ring.try_push(4));
    CHECK(ring.readers() == 2);
    slow.reset();
    CHECK(ring.readers() == 1);
    CHECK(ring.try_push(4));
    CHECK(ring.slowest().id == quick.id());
    CHECK(all_of(quick) == ints{3, 4});
    CHECK(!ring.slowest());
}

TEST_CASE("where nobody reads, pushes go on for ever and destroy what they overwrite") {
    const int alive = tracked::alive();
    tracked_count count;
    {
        broadcast_ring<tracked> ring{3};
        for (int i = 0; i < 1000; ++i) REQUIRE(ring.try_emplace(i));
        CHECK(tracked::alive() == alive + 3);
        CHECK(ring.size_approx() == 0);
        auto late = ring.join();
        CHECK(!late.front());
    }
    CHECK(tracked::alive() == alive);
    CHECK(count.misuses() == 0);
}

TEST_CASE("capacity is exact at any number, and stays so when the ring wraps") {
    for (std::size_t capacity :
         {1u, 2u, 3u, 5u, 7u, 8u, 9u, 31u, 32u, 33u, 100u, 1000u, 1023u, 1024u, 1025u}) {
        CAPTURE(capacity);
        broadcast_ring<int> ring{capacity};
        CHECK(ring.capacity() == capacity);
        auto r = ring.join();
        for (int lap = 0; lap < 3; ++lap) {
            for (std::size_t i = 0; i < capacity; ++i) {
                REQUIRE(ring.try_push(static_cast<int>(i)));
                REQUIRE(ring.size_approx() == i + 1);
            }
            REQUIRE(!ring.try_push(-1));
            for (std::size_t i = 0; i < capacity; ++i) {
                REQUIRE(*r.front() == static_cast<int>(i));
                r.pop();
            }
            REQUIRE(!r.front());
            REQUIRE(ring.try_push(0));  // the next lap starts one slot further on
            r.pop();
        }
    }
}

TEST_CASE("a reader behind others sees an element when they are done with it") {
    broadcast_ring<int> ring{4};
    auto a = ring.join(), b = ring.join();
    auto last = ring.join(behind(a, b));
    CHECK(ring.try_push(1));
    CHECK(ring.try_push(2));
    CHECK(!last.front());
    CHECK(all_of(a) == ints{1, 2});
    CHECK(!last.front());
    CHECK(*b.front() == 1);
    CHECK(!last.front());  // b looks at it still
    b.pop();
    CHECK(all_of(last) == ints{1});
    b.pop();
    CHECK(all_of(last) == ints{2});
}

TEST_CASE("who leaves holds nobody behind it, but those it was behind still do") {
    broadcast_ring<int> ring{8};
    auto first = ring.join();
    std::optional middle{ring.join(behind(first))};
    auto last = ring.join(behind(*middle));
    CHECK(ring.try_push(1));
    CHECK(ring.try_push(2));
    CHECK(all_of(first) == ints{1, 2});
    CHECK(!last.front());
    middle.reset();
    CHECK(all_of(last) == ints{1, 2});
    CHECK(ring.try_push(3));
    CHECK(!last.front());  // first has not read it
    CHECK(all_of(first) == ints{3});
    CHECK(all_of(last) == ints{3});
}

TEST_CASE("a gate that others are behind is not given to a new reader before they go") {
    broadcast_ring<int> ring{2};
    std::optional front{ring.join()};
    std::optional last{ring.join(behind(*front))};
    front.reset();
    std::vector<broadcast_ring<int>::reader> others;
    while (auto r = ring.join()) others.push_back(std::move(r));
    CHECK(others.size() == 62);  // neither front's gate nor last's
    CHECK(ring.try_push(1));
    CHECK(all_of(*last) == ints{1});  // none of the others holds it
    last.reset();
    CHECK(ring.join().id() > 64);  // ids are never given again
    others.push_back(ring.join());
    others.push_back(ring.join());
    CHECK(others.back());
    CHECK(!ring.join());
    CHECK(ring.readers() == 64);
}

TEST_CASE("64 readers at once each see everything; the 65th is told") {
    broadcast_ring<int> ring{5};
    std::vector<broadcast_ring<int>::reader> readers;
    for (int i = 0; i < 64; ++i) readers.push_back(ring.join());
    auto more = ring.join();
    CHECK(!more);
    CHECK(more.id() == 0);
    for (int i = 0; i < 23; ++i) {
        REQUIRE(ring.try_push(i));
        for (auto& r : readers) REQUIRE(all_of(r) == ints{i});
    }
    readers.erase(readers.begin() + 17);
    more = ring.join();
    CHECK(more);
    CHECK(!ring.join());
}

TEST_CASE("a reader that moves goes on where it was; who is assigned to leaves first") {
    broadcast_ring<int> ring{2};
    auto a = ring.join();
    CHECK(ring.try_push(1));
    CHECK(ring.try_push(2));
    a.pop();
    auto moved = std::move(a);
    CHECK(!a);
    CHECK(*moved.front() == 2);
    auto other = ring.join();
    CHECK(ring.readers() == 2);
    other = std::move(moved);
    CHECK(ring.readers() == 1);
    CHECK(other.id() == 1);
    CHECK(all_of(other) == ints{2});
    auto& self = other;
    other = std::move(self);
    CHECK(ring.try_push(3));
    CHECK(all_of(other) == ints{3});
}

TEST_CASE("elements may be move-only; a refused push leaves its argument unmoved") {
    broadcast_ring<std::unique_ptr<int>> ring{1};
    auto r = ring.join();
    CHECK(ring.try_push(std::make_unique<int>(1)));
    auto mine = std::make_unique<int>(2);
    CHECK(!ring.try_push(std::move(mine)));
    CHECK(ring.try_push_n(std::make_move_iterator(&mine), 1) == 0);
    REQUIRE(mine);
    CHECK(**r.front() == 1);
    r.pop();
    CHECK(ring.try_push(std::move(mine)));
    CHECK(!mine);
    CHECK(**r.front() == 2);
}

TEST_CASE("a copy that throws claims no slot") {
    broadcast_ring<throws_on_copy> ring{2};
    auto r = ring.join();
    const throws_on_copy mine{7};
    throws_on_copy::armed = true;
    CHECK_THROWS_AS((void)ring.try_push(mine), std::runtime_error);
    throws_on_copy::armed = false;
    CHECK(!r.front());
    CHECK(ring.try_push(mine));
    CHECK(ring.try_push(mine));
    CHECK(!ring.try_push(mine));
    CHECK(r.front()->value == 7);
}

TEST_CASE("a batch takes what there is room for, next to each other") {
    broadcast_ring<int> ring{5};
    const std::array<int, 7> some{1, 2, 3, 4, 5, 6, 7};
    CHECK(ring.try_push_n(some.begin(), 7) == 5);  // more than a ring never fits
    auto r = ring.join();
    CHECK(ring.try_push_n(some.begin(), 3) == 3);
    CHECK(ring.try_push_n(some.begin() + 3, 4) == 2);
    CHECK(ring.try_push_n(some.begin(), 4) == 0);
    CHECK(ring.try_push_n(some.begin(), 0) == 0);
    ints seen;
    CHECK(r.for_each([&](int x) { seen.push_back(x); }, 2) == 2);
    CHECK(ring.try_push_n(some.begin() + 5, 2) == 2);
    CHECK(r.for_each([&](int x) { seen.push_back(x); }) == 5);
    CHECK(r.for_each([&](int x) { seen.push_back(x); }) == 0);
    CHECK(seen == ints{1, 2, 3, 4, 5, 6, 7});
}

TEST_CASE("for_each gives the slots back at its end, also where its function throws") {
    broadcast_ring<int> ring{4};
    auto r = ring.join();
    for (int i = 0; i < 4; ++i) CHECK(ring.try_push(i));
    auto picky = [&](int x) {
        CHECK(!ring.try_push(9));
        if (x == 2) throw std::runtime_error{"not this one"};
    };
    CHECK_THROWS_AS(r.for_each(picky), std::runtime_error);
    CHECK(*r.front() == 2);
    CHECK(ring.try_push(4));
    CHECK(ring.try_push(5));
    CHECK(!ring.try_push(6));
    CHECK(all_of(r) == ints{2, 3, 4, 5});
}

TEST_CASE("a reserved slot is filled in place, or let go and stepped over") {
    const int alive = tracked::alive();
    tracked_count count;
    {
        broadcast_ring<tracked> ring{3};
        auto r = ring.join();
        {
            auto place = ring.reserve();
            REQUIRE(place);
            CHECK(place.emplace(1).value() == 1);
            CHECK(!r.front());  // not before commit
            CHECK(ring.try_emplace(2));
            CHECK(!r.front());  // who stalls holds up those after it
            place.commit();
        }
        { auto abandoned = ring.reserve(); }
        CHECK(!ring.reserve());  // three are claimed
        CHECK(r.front()->value() == 1);
        r.pop();
        CHECK(r.front()->value() == 2);
        r.pop();
        CHECK(!r.front());
        CHECK(ring.size_approx() == 0);  // front stepped over it
        {
            auto built = ring.reserve();
            built.emplace(3);
        }  // abandoned after emplace
        CHECK(ring.try_emplace(4));
        CHECK(r.front()->value() == 4);
        { auto abandoned = ring.reserve(); }
        CHECK(ring.try_emplace(5));  // behind the abandoned one, when the ring goes
    }
    CHECK(tracked::alive() == alive);
    CHECK(count.misuses() == 0);
}

TEST_CASE(
    "a ring that goes with a reservation never finished destroys what is in, and nothing twice") {
    const int alive = tracked::alive();
    tracked_count count;
    {
        alignas(64) std::byte forgotten[sizeof(penstock::reservation<broadcast_ring<tracked>>)];
        broadcast_ring<tracked> ring{2};
        for (int i = 0; i < 2; ++i) CHECK(ring.try_emplace(i));
        auto* place = new (forgotten)
            penstock::reservation<broadcast_ring<tracked>>{ring.reserve()};
        REQUIRE(*place);
        CHECK(tracked::alive() == alive + 1);
    }
    CHECK(tracked::alive() == alive);
    CHECK(count.misuses() == 0);
}

TEST_CASE("a push that is not finished holds up readers there, and producers a lap later") {
    broadcast_ring<int> ring{2};
    auto r = ring.join();
    auto stalled = ring.reserve();
    CHECK(ring.try_push(2));
    CHECK(!r.front());
    { const auto gone = std::move(r); }
    CHECK(!ring.try_push(3));  // nobody reads, but that slot is being written
    CHECK(!ring.slowest());
    stalled.emplace(1);
    stalled.commit();
    CHECK(ring.try_push(3));
}

TEST_CASE("elements live until their slot is needed, and none is left at the end") {
    const int alive = tracked::alive();
    tracked_count count;
    {
        broadcast_ring<tracked> ring{4};
        auto r = ring.join();
        for (int i = 0; i < 4; ++i) CHECK(ring.try_emplace(i));
        CHECK(tracked::alive() == alive + 4);
        CHECK(r.for_each([](const tracked&) {}) == 4);
        CHECK(tracked::alive() == alive + 4);
        for (int i = 0; i < 3; ++i) CHECK(ring.try_emplace(i));
        CHECK(tracked::alive() == alive + 4);
        CHECK(r.for_each([](const tracked&) {}, 1) == 1);
    }
    CHECK(tracked::alive() == alive);
    CHECK(count.misuses() == 0);
}

TEST_CASE("after close every push is refused, and readers see what is in") {
    broadcast_ring<int> ring{3};
    auto a = ring.join(), b = ring.join();
    CHECK(ring.try_push(1));
    CHECK(ring.try_push(2));
    CHECK(!ring.closed());
    ring.close();
    ring.close();
    CHECK(ring.closed());
    CHECK(!ring.try_push(3));
    CHECK(!ring.reserve());
    CHECK(ring.slowest().unread == 2);
    CHECK(!a.drained());
    CHECK(all_of(a) == ints{1, 2});
    CHECK(a.drained());
    CHECK(!b.drained());
    b.pop();
    CHECK(!b.drained());
    b.pop();
    CHECK(b.drained());
    auto late = ring.join();
    CHECK(!late.front());
    CHECK(late.drained());
}

TEST_CASE("an abandoned slot at the end does not keep a closed ring from draining") {
    broadcast_ring<int> ring{2};
    auto r = ring.join();
    auto place = ring.reserve();
    ring.close();
    CHECK(!r.drained());
    { const auto abandoned = std::move(place); }
    CHECK(r.drained());
}

TEST_CASE("capacities that can't be are refused with the reason") {
    CHECK(complaint_of([] { broadcast_ring<int> ring{0}; }).find("1 or more") != std::string::npos);
    for (std::size_t n :
         {std::numeric_limits<std::size_t>::max(), std::numeric_limits<std::size_t>::max() / 2,
          std::numeric_limits<std::size_t>::max() / 16}) {
        CAPTURE(n);
        CHECK(complaint_of([n] { broadcast_ring<int> ring{n}; }).find("addressed") !=
              std::string::npos);
    }
    using narrow = broadcast_ring<int, gated, penstock::at_run_time, heap, std::uint8_t>;
    CHECK(complaint_of([] { narrow ring{17}; }).find("cursor") != std::string::npos);
    CHECK(complaint_of([] { narrow ring{16}; }) == "no std::invalid_argument");
    CHECK(complaint_of([] { broadcast_ring<int, gated, 4> ring{5}; }).find("template argument") !=
          std::string::npos);
}

TEST_CASE("a capacity known to the compiler needs no allocation and behaves the same") {
    broadcast_ring<int, gated, 3> ring;
    CHECK(ring.capacity() == 3);
    auto r = ring.join();
    for (int i = 0; i < 20; ++i) {
        REQUIRE(ring.try_push(i));
        REQUIRE(ring.try_push(i));
        REQUIRE(ring.try_push(i));
        REQUIRE(!ring.try_push(i));
        REQUIRE(all_of(r) == ints{i, i, i});
    }
}

TEST_CASE("elements stand where their alignment wants them") {
    over_aligned::misplaced = 0;
    broadcast_ring<over_aligned> ring{3};
    auto r = ring.join();
    for (int i = 0; i < 7; ++i) {
        CHECK(ring.try_emplace(i));
        CHECK(r.front()->value == i);
        CHECK(reinterpret_cast<std::uintptr_t>(r.front()) % 256 == 0);
        r.pop();
    }
    CHECK(over_aligned::misplaced == 0);
}

TEST_CASE_TEMPLATE("a cursor of 8 or 16 bits wraps without anybody noticing", Cursor, std::uint8_t,
                   std::uint16_t) {
    for (std::size_t capacity : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 15u, 16u}) {
        CAPTURE(capacity);
        const int alive = tracked::alive();
        tracked_count count;
        int wrong = 0;
        {
            broadcast_ring<tracked, gated, penstock::at_run_time, heap, Cursor> ring{capacity};
            auto quick = ring.join();
            auto slow = ring.join(behind(quick));
            int pushed = 0, by_quick = 0, by_slow = 0;
            auto read = [&](auto& reader, int& next, int end) {
                const tracked* t = reader.front();
                wrong += (t != nullptr) != (next < end);
                if (!t) return;
                wrong += t->value() != next++;
                reader.pop();
            };
            std::uint32_t dice = 1;
            while (by_slow < (sizeof(Cursor) == 1 ? 2000 : 40'000)) {
                dice = dice * 1664525u + 1013904223u;
                if (dice >> 31) {
                    const bool room = pushed - by_slow < static_cast<int>(capacity);
                    wrong += ring.try_emplace(pushed) != room;
                    pushed += room;
                } else if (dice >> 30) {
                    read(quick, by_quick, pushed);
                } else {
                    read(slow, by_slow, by_quick);
                }
                if (dice % 64 == 0) {  // comes and goes
                    auto guest = ring.join();
                    wrong += guest.front() != nullptr;
                    wrong += ring.slowest().unread != static_cast<std::size_t>(pushed - by_slow);
                }
            }
        }
        CHECK(wrong == 0);
        CHECK(tracked::alive() == alive);
        CHECK(count.misuses() == 0);
    }
}

namespace {
template <class T>
struct counting {
    using value_type = T;
    std::size_t* live = nullptr;
    T* allocate(std::size_t n) {
        *live += n * sizeof(T);
        return static_cast<T*>(::operator new(n * sizeof(T)));
    }
    void deallocate(T* p, std::size_t n) noexcept {
        *live -= n * sizeof(T);
        ::operator delete(p);
    }
};
}  // namespace

TEST_CASE("the ring's memory comes from its allocator, and goes back to it") {
    std::size_t live = 0;
    {
        broadcast_ring<std::uint64_t, gated, penstock::at_run_time, counting<std::uint32_t>> ring{
            1024, counting<std::uint32_t>{&live}};
        CHECK(live >= 1024 * 16);
        CHECK(live <= 1024 * 16 + 64);
        CHECK(ring.try_push(7));
    }
    CHECK(live == 0);
}

// ---- Threads ------------------------------------------------------------------------------------

namespace {

/// Waits its turn without holding the only core.
template <class F>
void retry(F f) {
    while (!f()) std::this_thread::yield();
}

constexpr std::size_t each = 20'000;

void produce(auto& ring, std::size_t who) {
    for (std::size_t i = 0; i < each; ++i)
        retry([&] { return ring.try_push(flow_account::message(who, i)); });
}
void read_all(auto& reader, flow_account& account) {
    flow_account::reader mine{account};
    while (!account.done())
        if (reader.for_each([&](const flow_message& m) { mine.got(m); }, 16) == 0)
            std::this_thread::yield();
}
}  // namespace

TEST_CASE("one producer, one reader") {
    for (std::size_t capacity : {1u, 2u, 3u, 64u}) {
        broadcast_ring<flow_message> ring{capacity};
        flow_account account{1, each};
        auto r = ring.join();
        in_threads(2, [&](std::size_t who) { who == 0 ? produce(ring, 0) : read_all(r, account); });
        CHECK(account.complaint() == "");
    }
}

TEST_CASE("a pipeline of three: each stage sees what the one before it wrote") {
    struct work {
        std::uint64_t in = 0;
        mutable std::uint64_t doubled = 0, plus_one = 0;
    };
    for (std::size_t capacity : {1u, 3u, 64u}) {
        broadcast_ring<work> ring{capacity};
        auto one = ring.join();
        auto two = ring.join(behind(one));
        auto three = ring.join(behind(two));
        std::uint64_t sum = 0;
        in_threads(4, [&](std::size_t who) {
            std::size_t n = 0;
            if (who == 0)
                for (; n < each; ++n) retry([&] { return ring.try_push(work{n}); });
            auto stage = [&](auto& reader, auto f) {
                while (n < each) {
                    const std::size_t got = reader.for_each(f);
                    if (got == 0) std::this_thread::yield();
                    n += got;
                }
            };
            if (who == 1) stage(one, [](const work& w) { w.doubled = 2 * w.in; });
            if (who == 2) stage(two, [](const work& w) { w.plus_one = w.doubled + 1; });
            if (who == 3) stage(three, [&](const work& w) { sum += w.plus_one; });
        });
        CHECK(sum == std::uint64_t{each} * (each - 1) + each);
    }
}

TEST_CASE("one producer, three readers side by side") {
    for (std::size_t capacity : {1u, 3u, 64u}) {
        broadcast_ring<flow_message> ring{capacity};
        std::deque<flow_account> accounts;
        for (int i = 0; i < 3; ++i) accounts.emplace_back(1, each);
        std::vector<broadcast_ring<flow_message>::reader> readers;
        for (int i = 0; i < 3; ++i) readers.push_back(ring.join());
        in_threads(4, [&](std::size_t who) {
            who == 3 ? produce(ring, 0) : read_all(readers[who], accounts[who]);
        });
        for (auto& a : accounts) CHECK(a.complaint() == "");
    }
}

TEST_CASE("a diamond: the last sees an element after both who are before it") {
    struct work {
        std::uint64_t in = 0;
        mutable std::uint64_t left = 0, right = 0;
    };
    for (std::size_t capacity : {1u, 3u, 64u}) {
        broadcast_ring<work> ring{capacity};
        auto left = ring.join(), right = ring.join();
        auto last = ring.join(behind(left, right));
        std::uint64_t sum = 0;
        in_threads(4, [&](std::size_t who) {
            std::size_t n = 0;
            if (who == 0)
                for (; n < each; ++n) retry([&] { return ring.try_push(work{n}); });
            auto stage = [&](auto& reader, auto f) {
                for (; n < each; ++n) {
                    retry([&] { return reader.front() != nullptr; });
                    f(*reader.front());
                    reader.pop();
                }
            };
            if (who == 1) stage(left, [](const work& w) { w.left = w.in; });
            if (who == 2) stage(right, [](const work& w) { w.right = 2 * w.in; });
            if (who == 3) stage(last, [&](const work& w) { sum += w.left + w.right; });
        });
        CHECK(sum == std::uint64_t{3} * each * (each - 1) / 2);
    }
}

TEST_CASE("three producers, one reader: each producer's elements in its order, none twice") {
    for (std::size_t capacity : {1u, 2u, 3u, 64u}) {
        broadcast_ring<flow_message> ring{capacity};
        flow_account account{3, each};
        auto r = ring.join();
        in_threads(
            4, [&](std::size_t who) { who < 3 ? produce(ring, who) : read_all(r, account); });
        CHECK(account.complaint() == "");
    }
}

TEST_CASE("all readers see one sequence, also where producers, batches and reservations mix") {
    broadcast_ring<flow_message> ring{8};
    auto a = ring.join(), b = ring.join();
    std::vector<flow_message> by_a, by_b;
    constexpr std::size_t n = each / 4 * 4;
    in_threads(4, [&](std::size_t who) {
        if (who < 2) {
            for (std::size_t i = 0; i < n;) {
                if (who == 0) {
                    const std::array<flow_message, 4> four{
                        flow_account::message(who, i), flow_account::message(who, i + 1),
                        flow_account::message(who, i + 2), flow_account::message(who, i + 3)};
                    const std::size_t went =
                        ring.try_push_n(four.begin(), std::min<std::size_t>(4, n - i));
                    if (went == 0) std::this_thread::yield();
                    i += went;
                } else if (auto place = ring.reserve()) {
                    place.emplace(flow_account::message(who, i++));
                    place.commit();
                    auto abandoned = ring.reserve();
                } else {
                    std::this_thread::yield();
                }
            }
        } else {
            auto& mine = who == 2 ? a : b;
            auto& seen = who == 2 ? by_a : by_b;
            while (seen.size() < 2 * n)
                if (mine.for_each([&](const flow_message& m) { seen.push_back(m); }) == 0)
                    std::this_thread::yield();
        }
    });
    CHECK(by_a == by_b);
    flow_account account{2, n};
    flow_account::reader reader{account};
    for (const auto& m : by_a) reader.got(m);
    CHECK(account.complaint() == "");
}

TEST_CASE("readers that come and go see every element from their join to their leave") {
    // Of each producer a contiguous run; what is tracked shows that no element is gone too early.
    struct numbered {
        std::uint32_t producer, number;
        std::unique_ptr<std::uint64_t> proof;  // freed memory is noticed by the sanitizers
    };
    for (std::size_t capacity : {1u, 2u, 5u, 64u}) {
        broadcast_ring<numbered> ring{capacity};
        constexpr std::uint32_t total = 15'000;
        std::atomic<int> producing{2};
        std::atomic<bool> joined{false};
        std::atomic<std::size_t> gaps{0}, forged{0}, visits{0}, read{0};
        in_threads(6, [&](std::size_t who) {
            if (who < 2) {
                while (!joined) std::this_thread::yield();
                for (std::uint32_t i = 0; i < total; ++i) {
                    const auto id = static_cast<std::uint32_t>(who);
                    numbered mine{id, i, std::make_unique<std::uint64_t>(i * 2654435761u + id)};
                    retry([&] { return ring.try_push(std::move(mine)); });
                }
                --producing;
                return;
            }
            std::uint32_t dice = static_cast<std::uint32_t>(who);
            while (producing > 0) {
                auto reader = ring.join();
                auto after = ring.join(behind(reader));
                joined = true;
                std::array<std::int64_t, 2> next{-1, -1}, next_after{-1, -1};
                auto check = [&](std::array<std::int64_t, 2>& expected, const numbered& e) {
                    std::int64_t& want = expected[e.producer];
                    gaps += want >= 0 && want != e.number;
                    want = std::int64_t{e.number} + 1;
                    forged += *e.proof != e.number * 2654435761u + e.producer;
                    ++read;
                };
                dice = dice * 1664525u + 1013904223u;
                std::size_t left = dice >> 24;
                while (left > 0 && producing > 0) {
                    const std::size_t n =
                        reader.for_each([&](const numbered& e) { check(next, e); }, left);
                    after.for_each([&](const numbered& e) { check(next_after, e); });
                    if (n == 0) std::this_thread::yield();
                    left -= n;
                }
                ++visits;
            }
        });
        CHECK(gaps == 0);
        CHECK(forged == 0);
        CHECK(visits > 0);
        CHECK(ring.readers() == 0);
    }
}

TEST_CASE("what was pushed before a close is seen by all; afterwards all are drained") {
    for (int round = 0; round < 100; ++round) {
        broadcast_ring<int> ring{3};
        auto a = ring.join(), b = ring.join();
        std::atomic<int> pushed{0};
        std::array<int, 2> seen{};
        in_threads(5, [&](std::size_t who) {
            if (who < 2) {
                while (!ring.closed()) {
                    if (ring.try_push(1))
                        ++pushed;
                    else
                        std::this_thread::yield();
                }
                CHECK(!ring.try_push(1));
            } else if (who < 4) {
                auto& mine = who == 2 ? a : b;
                while (!mine.drained()) {
                    mine.for_each([&](int x) { seen[who - 2] += x; });
                    std::this_thread::yield();
                }
            } else {
                retry([&] { return pushed >= round % 7; });
                ring.close();
            }
        });
        REQUIRE(seen[0] == pushed);
        REQUIRE(seen[1] == pushed);
    }
}

TEST_CASE("a narrow cursor wraps beside readers in other threads") {
    broadcast_ring<int, gated, 5, heap, std::uint8_t> ring;
    auto a = ring.join();
    auto b = ring.join(behind(a));
    constexpr int total = 100'000;
    std::array<int, 2> wrong{};
    in_threads(3, [&](std::size_t who) {
        if (who == 0) {
            for (int i = 0; i < total; ++i) retry([&] { return ring.try_push(i); });
            return;
        }
        auto& mine = who == 1 ? a : b;
        for (int i = 0; i < total; ++i) {
            retry([&] { return mine.front() != nullptr; });
            wrong[who - 1] += *mine.front() != i;
            mine.pop();
        }
    });
    CHECK(wrong == std::array<int, 2>{});
}

TEST_CASE("a reader of a broadcast_ring says how many elements lie before it") {
    penstock::broadcast_ring<int> ring{3};
    auto a = ring.join();
    CHECK(a.unread_approx() == 0);
    CHECK(ring.try_push(1));
    CHECK(ring.try_push(2));
    auto b = ring.join();
    CHECK(ring.try_push(3));
    CHECK(a.unread_approx() == 3);
    CHECK(b.unread_approx() == 1);
    REQUIRE(a.front());
    a.pop();
    CHECK(a.unread_approx() == 2);
    CHECK(ring.try_push(4));  // into the next lap
    CHECK(a.unread_approx() == 3);
    CHECK(b.unread_approx() == 2);
}
