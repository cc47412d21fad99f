// SPDX-License-Identifier: BSL-1.0
// The lossy ring: producers go on whatever readers do, and readers know exactly what they missed.
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/queue/lossy_ring.hpp>

#include "support/flow.hpp"
#include "support/tracked.hpp"

using penstock::broadcast_ring;
using penstock::lossy;

namespace {
template <class F>
std::string complaint_of(F f) {
    try {
        f();
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "no std::invalid_argument";
}

/// A number that is shared: not trivially copyable.
struct shared_int {
    shared_int(int v) noexcept : value{v} {}
    shared_int(shared_int&& other) noexcept : value{other.value} {}
    shared_int(const shared_int& other) noexcept : value{other.value} {}
    operator int() const { return value; }
    int value;
};
static_assert(!std::is_trivially_copyable_v<shared_int>);
}  // namespace

TEST_CASE("both kinds model the concept") {
    static_assert(penstock::broadcast<broadcast_ring<int, lossy>>);
    static_assert(penstock::broadcast<broadcast_ring<std::string, lossy>>);
    static_assert(penstock::broadcast<broadcast_ring<tracked, lossy, 4>>);
    static_assert(std::is_same_v<broadcast_ring<int, lossy>::element, std::optional<int>>);
    static_assert(std::is_same_v<broadcast_ring<std::string, lossy>::element,
                                 std::shared_ptr<const std::string>>);
    static_assert(noexcept(std::declval<broadcast_ring<int, lossy>&>().try_push(1)));
    CHECK(true);
}

TEST_CASE_TEMPLATE("every reader sees every element that it keeps up with, from its join on", T,
                   int, shared_int) {
    broadcast_ring<T, lossy> ring{4};
    auto a = ring.join();
    CHECK(!a.try_pop());
    CHECK(ring.try_push(1));
    CHECK(ring.try_push(2));
    auto b = ring.join();
    CHECK(ring.try_push(3));
    for (int i : {1, 2, 3}) {
        auto e = a.try_pop();
        REQUIRE(e);
        CHECK(*e == i);
        CHECK(a.lagged() == 0);
    }
    CHECK(!a.try_pop());
    CHECK(*b.try_pop() == 3);
    CHECK(!b.try_pop());
    CHECK(a.missed() == 0);
}

TEST_CASE_TEMPLATE(
    "a reader that was overtaken is told by how many, and goes on with the oldest kept", T, int,
    shared_int) {
    for (std::size_t capacity : {1u, 2u, 3u, 4u, 5u, 8u, 9u, 100u}) {
        for (int ahead = 0; ahead < 350; ahead += 7) {
            CAPTURE(capacity);
            CAPTURE(ahead);
            broadcast_ring<T, lossy> ring{capacity};
            CHECK(ring.capacity() == capacity);
            CHECK(ring.try_push(-1));
            auto r = ring.join();
            CHECK(ring.try_push(-2));
            CHECK(*r.try_pop() == -2);
            for (int i = 0; i < ahead; ++i) REQUIRE(ring.try_push(i));
            const int kept = static_cast<int>(capacity);
            const int lost = ahead > kept ? ahead - kept : 0;
            for (int i = lost; i < ahead; ++i) {
                auto e = r.try_pop();
                REQUIRE(e);
                REQUIRE(*e == i);
                REQUIRE(r.lagged() == static_cast<std::uint64_t>(i == lost ? lost : 0));
            }
            CHECK(!r.try_pop());
            CHECK(r.missed() == static_cast<std::uint64_t>(lost));
        }
    }
}

TEST_CASE("missed() adds up over several lags; lagged() is about the last element") {
    broadcast_ring<int, lossy> ring{2};
    auto r = ring.join();
    for (int i = 0; i < 5; ++i) CHECK(ring.try_push(i));
    CHECK(*r.try_pop() == 3);
    CHECK(r.lagged() == 3);
    CHECK(!(ring.try_push(5) && ring.try_push(6) && r.try_pop() != 5));
    CHECK(r.lagged() == 1);
    CHECK(r.missed() == 4);
    CHECK(*r.try_pop() == 6);
    CHECK(r.lagged() == 0);
    CHECK(!r.try_pop());
    CHECK(r.missed() == 4);
}

TEST_CASE("a copy of a reader reads on from the same element") {
    broadcast_ring<int, lossy> ring{4};
    auto a = ring.join();
    CHECK(ring.try_push(1));
    CHECK(ring.try_push(2));
    CHECK(*a.try_pop() == 1);
    auto b = a;
    CHECK(*a.try_pop() == 2);
    CHECK(*b.try_pop() == 2);
}

TEST_CASE_TEMPLATE("for_each takes what is there, most of it or up to a number", T, int,
                   shared_int) {
    broadcast_ring<T, lossy> ring{4};
    auto r = ring.join();
    for (int i = 0; i < 6; ++i) CHECK(ring.try_push(i));
    std::vector<int> seen;
    auto note = [&](const T& x) { seen.push_back(x); };
    CHECK(r.for_each(note, 1) == 1);
    CHECK(r.for_each(note) == 3);
    CHECK(r.for_each(note) == 0);
    CHECK(seen == std::vector<int>{2, 3, 4, 5});
}

TEST_CASE("values of any size come whole, without a default constructor too") {
    struct odd {
        explicit odd(int n) { bytes.fill(static_cast<unsigned char>(n)); }
        std::array<unsigned char, 21> bytes;
    };
    static_assert(!std::is_default_constructible_v<odd>);
    broadcast_ring<odd, lossy> ring{3};
    auto r = ring.join();
    for (int i = 0; i < 10; ++i) {
        CHECK(ring.try_emplace(i));
        CHECK(r.try_pop()->bytes == odd{i}.bytes);
    }
    broadcast_ring<bool, lossy> flags{1};
    auto f = flags.join();
    CHECK(flags.try_push(false));
    auto e = f.try_pop();
    REQUIRE(e);
    CHECK(!*e);
}

TEST_CASE("a batch of numbers lies next to each other; more than a capacity never fits") {
    broadcast_ring<int, lossy> ring{3};
    auto r = ring.join();
    const std::array<int, 5> some{1, 2, 3, 4, 5};
    CHECK(ring.try_push_n(some.begin(), 2) == 2);
    CHECK(ring.try_push_n(some.begin(), 5) == 3);
    CHECK(ring.try_push_n(some.begin(), 0) == 0);
    CHECK(*r.try_pop() == 1);
    CHECK(r.lagged() == 2);
}

TEST_CASE("shared elements may be move-only, and live as long as somebody holds them") {
    const int alive = tracked::alive();
    tracked_count count;
    {
        std::shared_ptr<const tracked> kept;
        {
            broadcast_ring<tracked, lossy> ring{2};
            auto r = ring.join();
            CHECK(ring.try_emplace(1));
            CHECK(ring.try_emplace(2));
            kept = r.try_pop();
            CHECK(kept->value() == 1);
            CHECK(r.try_pop()->value() == 2);
            CHECK(tracked::alive() == alive + 2);
            for (int i = 3; i < 100; ++i) CHECK(ring.try_emplace(i));
            CHECK(tracked::alive() == alive + 3);  // two in the ring, one kept
        }
        CHECK(tracked::alive() == alive + 1);
        CHECK(kept->value() == 1);
    }
    CHECK(tracked::alive() == alive);
    CHECK(count.misuses() == 0);
}

TEST_CASE("a copy that throws claims no slot; over-aligned elements stand right") {
    broadcast_ring<throws_on_copy, lossy> ring{2};
    auto r = ring.join();
    const throws_on_copy mine{7};
    throws_on_copy::armed = true;
    CHECK_THROWS_AS((void)ring.try_push(mine), std::runtime_error);
    throws_on_copy::armed = false;
    CHECK(!r.try_pop());
    CHECK(ring.try_push(mine));
    CHECK(r.try_pop()->value == 7);

    over_aligned::misplaced = 0;
    broadcast_ring<over_aligned, lossy> aligned{2};
    auto a = aligned.join();
    CHECK(aligned.try_emplace(3));
    CHECK(a.try_pop()->value == 3);
    CHECK(over_aligned::misplaced == 0);
}

TEST_CASE_TEMPLATE("after close every push is refused, unmoved, and readers drain", T, int,
                   tracked) {
    broadcast_ring<T, lossy> ring{2};
    auto r = ring.join();
    CHECK(ring.try_emplace(1));
    CHECK(!r.drained());
    ring.close();
    ring.close();
    CHECK(ring.closed());
    T mine{2};
    CHECK(!ring.try_push(std::move(mine)));
    if constexpr (std::is_same_v<T, tracked>)
        CHECK(mine.value() == 2);
    else
        CHECK(mine == 2);
    CHECK(!r.drained());
    CHECK(r.try_pop());
    CHECK(r.drained());
    CHECK(ring.join().drained());
}

TEST_CASE("capacities that can't be are refused with the reason") {
    CHECK(complaint_of([] { broadcast_ring<int, lossy> ring{0}; }).find("1 or more") !=
          std::string::npos);
    CHECK(complaint_of([] {
              broadcast_ring<std::string, lossy> ring{std::numeric_limits<std::size_t>::max()};
          }).find("addressed") != std::string::npos);
}

TEST_CASE_TEMPLATE("a cursor of 8 or 16 bits wraps without anybody noticing", Cursor, std::uint8_t,
                   std::uint16_t) {
    for (std::size_t capacity : {1u, 2u, 3u, 5u, 8u, 9u, 16u}) {
        CAPTURE(capacity);
        broadcast_ring<int, lossy, penstock::at_run_time, penstock::heap, Cursor> ring{capacity};
        auto r = ring.join();
        int next = 0, wrong = 0;
        std::uint32_t dice = 7;
        for (int pushed = 0; pushed < (sizeof(Cursor) == 1 ? 2000 : 40'000);) {
            dice = dice * 1664525u + 1013904223u;
            const int most = static_cast<int>(capacity) * 2 + 1;  // never half the cursor's range
            for (int n = static_cast<int>(dice >> 24) % most; n > 0; --n)
                wrong += !ring.try_push(pushed++);
            const int oldest = pushed - static_cast<int>(capacity);
            for (int n = static_cast<int>((dice >> 16) & 255) % most + 1; n > 0; --n) {
                const int lost = next < oldest ? oldest - next : 0;
                next += lost;
                auto e = r.try_pop();
                wrong += e.has_value() != (next < pushed);
                if (!e) break;
                wrong += *e != next || r.lagged() != static_cast<std::uint64_t>(lost);
                ++next;
            }
        }
        CHECK(wrong == 0);
    }
}

// ---- Threads ------------------------------------------------------------------------------------

namespace {

struct words {  // eight words that belong together: torn ones don't
    flow_message message{};
    std::array<std::uint64_t, 6> more{};
};
struct shared_words : words {
    shared_words(const words& w) noexcept : words{w} {}
    shared_words(shared_words&& other) noexcept : words{other} {}
    shared_words(const shared_words& other) noexcept : words{other} {}
    ~shared_words() { message = {}; }
};
static_assert(std::is_trivially_copyable_v<words> && !std::is_trivially_copyable_v<shared_words>);

words sealed(std::size_t who, std::size_t i) {
    words w{flow_message{flow_account::message(who, i)}, {}};
    for (std::size_t k = 0; k < 6; ++k) w.more[k] = w.message.seal + k;
    return w;
}
bool whole(const words& w) {
    bool ok = w.message == flow_account::message(w.message.producer, w.message.number);
    for (std::size_t k = 0; k < 6; ++k) ok = ok && w.more[k] == w.message.seal + k;
    return ok;
}
}  // namespace

TEST_CASE_TEMPLATE(
    "beside producers readers get whole elements, in order, and missed + read = pushed", T, words,
    shared_words) {
    for (std::size_t capacity : {1u, 2u, 7u, 64u}) {
        CAPTURE(capacity);
        constexpr std::size_t each = 20'000;
        broadcast_ring<T, lossy> ring{capacity};
        std::vector<typename broadcast_ring<T, lossy>::reader> readers{ring.join(), ring.join()};
        std::atomic<int> producing{2};
        std::atomic<std::size_t> torn{0}, disordered{0}, uneven{0}, refused{0};
        in_threads(4, [&](std::size_t who) {
            if (who < 2) {
                for (std::size_t i = 0; i < each; ++i)
                    while (!ring.try_push(T(sealed(who, i)))) {
                        ++refused;  // the other one stalls in that slot
                        std::this_thread::yield();
                    }
                if (--producing == 0) ring.close();
                return;
            }
            auto& mine = readers[who - 2];
            std::array<std::size_t, 2> next{};
            std::size_t read = 0;
            std::uint64_t lagged = 0;
            while (!mine.drained()) {
                auto e = mine.try_pop();
                if (!e) {
                    std::this_thread::yield();
                    continue;
                }
                ++read;
                lagged += mine.lagged();
                torn += !whole(*e);
                disordered += e->message.number < next[e->message.producer];
                next[e->message.producer] = e->message.number + 1;
            }
            uneven += read + lagged != 2 * each || lagged != mine.missed();
        });
        CHECK(torn == 0);
        CHECK(disordered == 0);
        CHECK(uneven == 0);
    }
}

TEST_CASE("beside one producer the lag is the gap, exactly") {
    for (std::size_t capacity : {1u, 3u, 16u}) {
        broadcast_ring<std::uint64_t, lossy> ring{capacity};
        constexpr std::uint64_t total = 100'000;
        std::array<std::size_t, 2> wrong{};
        std::vector<broadcast_ring<std::uint64_t, lossy>::reader> readers{ring.join(), ring.join()};
        std::atomic<std::size_t> refused{0};
        in_threads(3, [&](std::size_t who) {
            if (who == 2) {
                for (std::uint64_t i = 0; i < total; ++i) refused += !ring.try_push(i);
                ring.close();
                return;
            }
            std::uint64_t next = 0;
            auto& mine = readers[who];
            while (!mine.drained()) {
                auto e = mine.try_pop();
                if (!e) continue;
                wrong[who] += *e != next + mine.lagged();
                next = *e + 1;
            }
            wrong[who] += next != total;
        });
        CHECK(refused == 0);  // one producer is never refused, whatever readers do
        CHECK(wrong == std::array<std::size_t, 2>{});
    }
}

TEST_CASE("shared elements that readers hold while they are replaced are destroyed once") {
    const int alive = tracked::alive();
    tracked_count count;
    {
        broadcast_ring<tracked, lossy> ring{2};
        std::atomic<int> producing{2};
        in_threads(5, [&](std::size_t who) {
            if (who < 2) {
                for (int i = 0; i < 20'000; ++i)
                    while (!ring.try_emplace(i)) std::this_thread::yield();
                --producing;
                return;
            }
            std::array<std::shared_ptr<const tracked>, 3> held;
            auto r = ring.join();
            for (std::size_t i = 0; producing > 0; ++i)
                if (auto e = r.try_pop())
                    held[i % 3] = std::move(e);
                else
                    std::this_thread::yield();
        });
        CHECK(tracked::alive() == alive + 2);
    }
    CHECK(tracked::alive() == alive);
    CHECK(count.misuses() == 0);
}

TEST_CASE("a lossy reader says how many elements lie before it, those it will miss included") {
    penstock::broadcast_ring<int, penstock::lossy> ring{2};
    auto r = ring.join();
    const auto began = r;
    for (int n = 0; n < 5; ++n) CHECK(ring.try_push(int{n}));
    CHECK(r.unread_approx() == 5);
    CHECK(*r.try_pop() == 3);
    CHECK(r.unread_approx() == 1);
    CHECK(began.unread_approx() == 5);
}
