// SPDX-License-Identifier: BSL-1.0
// The last value: whole, never an older one than was complete, and nobody held up.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/core/manual_clock.hpp>
#include <penstock/queue/latest.hpp>

#include "support/coroutine.hpp"
#include "support/flow.hpp"
#include "support/tracked.hpp"

using penstock::latest;

TEST_CASE("both kinds model the concept") {
    static_assert(penstock::latest_value<latest<int>> && penstock::latest_value<latest<int, 8>>);
    static_assert(penstock::latest_value<latest<std::string>>);
    static_assert(penstock::latest_value<latest<tracked>>);
    static_assert(std::is_same_v<latest<int>::element, std::optional<int>>);
    static_assert(std::is_same_v<latest<tracked>::element, std::shared_ptr<const tracked>>);
    static_assert(noexcept(std::declval<latest<int>&>().write(1)));
    static_assert(!std::is_copy_constructible_v<latest<int>>);
    CHECK(true);
}

TEST_CASE_TEMPLATE("nothing is there before the first write; then the last value is", T, int,
                   std::string) {
    auto value = [](int i) {
        if constexpr (std::is_same_v<T, int>)
            return i;
        else
            return std::to_string(i);
    };
    latest<T> last;
    CHECK(!last.read());
    CHECK(last.version() == 0);
    for (int i = 0; i < 100; ++i) {
        last.write(value(i));
        REQUIRE(*last.read() == value(i));
        REQUIRE(*last.read() == value(i));  // reading takes nothing away
    }
    latest<T> begun{value(7)};
    CHECK(*begun.read() == value(7));
    const T named = value(8);
    begun.write(named);
    CHECK(*begun.read() == value(8));
    CHECK(named == value(8));
}

TEST_CASE_TEMPLATE("read_newer answers only what was not seen; versions tell values apart", T, int,
                   std::string) {
    latest<T> last;
    std::uint64_t seen = 0;
    CHECK(!last.read_newer(seen));
    CHECK(seen == 0);
    last.write(T{});
    CHECK(*last.read_newer(seen) == T{});
    CHECK(seen == last.version());
    CHECK(!last.read_newer(seen));
    last.write(T{});  // the same value, written again
    const std::uint64_t before = seen;
    CHECK(last.version() != before);
    CHECK(last.read_newer(seen));
    CHECK(seen > before);
    std::uint64_t other = 0;
    CHECK(last.read_newer(other));  // each reader has its own
    CHECK(other == seen);
}

TEST_CASE("values of any size come whole, without a default constructor too") {
    struct odd {
        explicit odd(int n) { bytes.fill(static_cast<unsigned char>(n)); }
        std::array<unsigned char, 21> bytes;
    };
    latest<odd> last;
    for (int i = 0; i < 50; ++i) {
        last.write(odd{i});
        CHECK(last.read()->bytes == odd{i}.bytes);
    }
    latest<bool, 2> flag;
    flag.write(false);
    REQUIRE(flag.read());
    CHECK(!*flag.read());
}

TEST_CASE("a shared value may be move-only, and lives as long as somebody holds it") {
    const int alive = tracked::alive();
    tracked_count count;
    {
        std::shared_ptr<const tracked> kept;
        {
            latest<tracked> last;
            last.write(tracked{1});
            kept = last.read();
            for (int i = 2; i < 10; ++i) last.write(tracked{i});
            CHECK(tracked::alive() == alive + 2);
            CHECK(last.read()->value() == 9);
        }
        CHECK(tracked::alive() == alive + 1);
        CHECK(kept->value() == 1);
    }
    CHECK(tracked::alive() == alive);
    CHECK(count.misuses() == 0);
}

TEST_CASE("a copy that throws leaves the value as it was") {
    latest<throws_on_copy> last{throws_on_copy{1}};
    const throws_on_copy mine{2};
    throws_on_copy::armed = true;
    CHECK_THROWS_AS(last.write(mine), std::runtime_error);
    throws_on_copy::armed = false;
    CHECK(last.read()->value == 1);
    last.write(mine);
    CHECK(last.read()->value == 2);
}

// ---- Threads ------------------------------------------------------------------------------------

namespace {

struct words {
    std::uint64_t writer = 0, number = 0;
    std::array<std::uint64_t, 6> more{};
};
struct shared_words : words {
    shared_words(const words& w) noexcept : words{w} {}
    shared_words(shared_words&& other) noexcept : words{other} {}
    shared_words(const shared_words& other) noexcept : words{other} {}
    ~shared_words() { number = ~number; }
};

words sealed(std::uint64_t writer, std::uint64_t number) {
    words w{writer, number, {}};
    for (std::size_t k = 0; k < 6; ++k) w.more[k] = number * 2654435761u + writer + k;
    return w;
}
bool whole(const words& w) { return w.more == sealed(w.writer, w.number).more; }

/// Writers write 1, 2, 3 ...; readers check that what they see is whole and never goes back.
template <class T, std::size_t Buffers>
void storm(std::size_t writers, std::uint64_t each) {
    latest<T, Buffers> last;
    std::atomic<std::size_t> writing{writers}, torn{0}, back{0}, stale{0};
    std::vector<std::atomic<std::uint64_t>> complete(writers);
    in_threads(writers + 2, [&](std::size_t who) {
        if (who < writers) {
            for (std::uint64_t i = 1; i <= each; ++i) {
                last.write(T(sealed(who, i)));
                complete[who] = i;
            }
            --writing;
            return;
        }
        std::vector<std::uint64_t> newest(writers, 0);
        std::uint64_t seen = 0, version = 0;
        for (bool more = true; more;) {
            more = writing > 0;
            std::vector<std::uint64_t> before(writers);
            for (std::size_t w = 0; w < writers; ++w) before[w] = complete[w];
            auto e = who == writers ? last.read() : last.read_newer(seen);
            if (!e) {
                stale += who == writers && *std::max_element(before.begin(), before.end()) > 0;
                std::this_thread::yield();
                continue;
            }
            torn += !whole(*e);
            back += e->number < newest[e->writer];
            newest[e->writer] = e->number;
            stale += e->number < before[e->writer];  // an older one than was complete
            if (who != writers && Buffers > 0 && std::is_trivially_copyable_v<T>) {
                back += seen <= version;
                version = seen;
            }
        }
    });
    CHECK(torn == 0);
    CHECK(back == 0);
    CHECK(stale == 0);
    const auto end = last.read();
    REQUIRE(end);
    CHECK(end->number == each);  // some writer's last one
}
}  // namespace

TEST_CASE("beside one writer readers get whole values, never an older one than was complete") {
    storm<words, 2>(1, 100'000);
    storm<words, 4>(1, 100'000);
    storm<shared_words, 4>(1, 50'000);
}

TEST_CASE("beside three writers too: the value at the end is one that was written last") {
    storm<words, 4>(3, 40'000);
    storm<words, 8>(3, 40'000);
    storm<shared_words, 4>(3, 20'000);
}

TEST_CASE("more writers than buffers are slow, and right") { storm<words, 2>(4, 10'000); }

TEST_CASE("shared values that readers hold while they are replaced are destroyed once") {
    const int alive = tracked::alive();
    tracked_count count;
    {
        latest<tracked> last;
        std::atomic<int> writing{2};
        in_threads(5, [&](std::size_t who) {
            if (who < 2) {
                for (int i = 0; i < 20'000; ++i) last.write(tracked{i});
                --writing;
                return;
            }
            std::array<std::shared_ptr<const tracked>, 3> held;
            for (std::size_t i = 0; writing > 0; ++i) held[i % 3] = last.read();
        });
        CHECK(tracked::alive() == alive + 1);
    }
    CHECK(tracked::alive() == alive);
    CHECK(count.misuses() == 0);
}

TEST_CASE("changed answers at once where there is a newer value, and waits where there is none") {
    latest<int> last{1};
    std::uint64_t seen = 0;
    CHECK(last.changed(seen) == 1);
    std::optional<int> got;
    std::jthread waits{[&] { got = last.changed(seen); }};
    last.write(2);
    waits.join();
    CHECK(got == 2);
    CHECK_FALSE(last.read_newer(seen));
}

TEST_CASE("a wait for a change ends by a stop and by time, without a value") {
    using namespace std::chrono_literals;
    latest<std::string> last;
    std::uint64_t seen = 0;
    std::stop_source stop;
    std::jthread stopped{[&] {
        std::uint64_t own = 0;
        CHECK_FALSE(last.changed(own, stop.get_token()));
    }};
    penstock::manual_clock time;
    std::jthread timed{[&] { CHECK_FALSE(last.changed_for(seen, 1h, {}, time)); }};
    until([&] { return time.sleepers() == 1; });
    time.advance(1h);
    timed.join();
    stop.request_stop();
    stopped.join();
    last.write("here");
    CHECK(*last.changed_for(seen, 0s) == "here");
}

TEST_CASE(
    "coroutines wait for a change, all of them, and see each value that they are in time for") {
    latest<int> last;
    std::vector<int> a, b;
    std::stop_source stop;
    const auto watch = [](latest<int>& of, std::vector<int>& into, std::stop_token s) -> coroutine {
        std::uint64_t seen = 0;
        while (auto v = co_await of.async_changed(seen, s)) into.push_back(*v);
    };
    coroutine one = watch(last, a, stop.get_token()), two = watch(last, b, stop.get_token());
    for (int i = 1; i <= 3; ++i) last.write(i);
    CHECK(a == std::vector<int>{1, 2, 3});
    CHECK(b == a);
    two.destroy();
    last.write(4);
    CHECK(a.back() == 4);
    stop.request_stop();
    CHECK(one.done());
}

TEST_CASE_TEMPLATE("who waits for changes always comes to see the last one", T, int, std::string) {
    constexpr int writes = 2000;
    auto value = [](int i) {
        if constexpr (std::is_same_v<T, int>)
            return i;
        else
            return std::to_string(i);
    };
    latest<T> last;
    std::atomic<bool> other_is_done{false};
    in_threads(4, [&](std::size_t who) {
        if (who < 2) {
            for (int i = 0; i < writes; ++i) last.write(value(1));
            if (who == 1) {
                other_is_done = true;
            } else {
                until([&] { return other_is_done.load(); });
                last.write(value(7));
            }
        } else {
            std::uint64_t seen = 0;
            int changes = 1;
            while (*last.changed(seen) != value(7)) ++changes;
            CHECK(changes <= 2 * writes + 1);
            CHECK_FALSE(last.read_newer(seen));
        }
    });
}
