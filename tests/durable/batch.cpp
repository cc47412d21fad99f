// SPDX-License-Identifier: BSL-1.0
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/durable/durable_queue.hpp>

#include "durable/scratch.hpp"

using namespace penstock;

namespace {

const journal_options small{.sync = sync::process_crash, .segment_bytes = 16 * 1024};
using numbers = durable_queue<std::uint64_t>;

template <class Batch>
std::vector<std::uint64_t> all(const Batch& b) {
    return {b.begin(), b.end()};
}
std::vector<std::uint64_t> range(std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> r(to - from);
    std::iota(r.begin(), r.end(), from);
    return r;
}

}  // namespace

TEST_CASE(
    "a batch has what is there, up to what was asked for, and one accept settles it for good") {
    scratch dir;
    {
        journal j{dir.path("j"), small};
        numbers q{j, "q"};
        for (std::uint64_t i = 0; i < 25; ++i) REQUIRE(q.send(i));
        auto g = q.group("g");
        auto first = g.try_receive_n(10);
        CHECK(all(first) == range(0, 10));
        CHECK(first[3] == 3);
        CHECK(first.info(3).attempt == 1);
        CHECK(first.info(4).id > first.info(3).id);
        const auto before = j.appended();
        CHECK(first.accept());
        CHECK(j.appended() - before == 56);  // one accept's record
        CHECK(g.receive_n(10).accept());
        CHECK(all(g.try_receive_n(10)) == range(20, 25));  // released at once
    }
    journal j{dir.path("j"), small};
    numbers q{j, "q"};
    auto g = q.group("g");
    auto rest = g.try_receive_n(100);
    CHECK(all(rest) == range(20, 25));
    CHECK(g.try_receive_n(100).status() == status::empty);
    CHECK(rest.accept());
    q.close();
    CHECK(g.receive_n(1).status() == status::closed);
}

TEST_CASE("batches run over segments, transactions and other streams, each message once") {
    scratch dir;
    journal j{dir.path("j"), small};
    numbers q{j, "q"}, other{j, "other"};
    auto g = q.group("g");
    std::uint64_t sent = 0, seen = 0;
    while (sent < 5000) {
        std::vector<std::uint64_t> some = range(sent, sent + 7);
        REQUIRE(q.send_all(some));
        sent += 7;
        REQUIRE(q.send(sent++));
        REQUIRE(other.send(1));
    }
    while (auto batch = g.try_receive_n(100)) {
        for (const std::uint64_t n : batch) REQUIRE(n == seen++);
        REQUIRE(batch.accept());
    }
    CHECK(seen == sent);
    CHECK(j.report().damage.empty());
}

TEST_CASE("dropped or released, all of a batch come again, one by one") {
    scratch dir;
    journal j{dir.path("j"), small};
    numbers q{j, "q"};
    for (std::uint64_t i = 0; i < 4; ++i) REQUIRE(q.send(i));
    auto g = q.group("g");
    { auto dropped = g.try_receive_n(2); }
    auto rest = g.try_receive_n(4);
    CHECK(all(rest) == range(0, 1));
    CHECK(rest.info(0).attempt == 2);
    auto next = std::move(rest);
    next.release();
    for (std::uint64_t i = 0; i < 4; ++i) {
        auto d = g.try_receive();
        CHECK(*d == i);
        CHECK(d.accept());
    }
}

TEST_CASE("behind a message that is still out a batch is accepted all the same, and stays so") {
    scratch dir;
    {
        journal j{dir.path("j"), small};
        numbers q{j, "q"};
        for (std::uint64_t i = 0; i < 6; ++i) REQUIRE(q.send(i));
        auto g = q.group("g");
        auto out = g.try_receive();
        auto batch = g.try_receive_n(4);
        CHECK(all(batch) == range(1, 5));
        CHECK(batch.accept());
    }
    journal j{dir.path("j"), small};
    numbers q{j, "q"};
    auto g = q.group("g");
    CHECK(*g.try_receive() == 0);  // and with the temporary it comes again
    auto first = g.try_receive();
    CHECK(*first == 0);
    CHECK(first.accept());
    auto last = g.try_receive_n(10);
    CHECK(all(last) == range(5, 6));
}

TEST_CASE("what is out behind an accepted batch comes again after a restart") {
    scratch dir;
    {
        journal j{dir.path("j"), small};
        numbers q{j, "q"};
        for (std::uint64_t i = 0; i < 9; ++i) REQUIRE(q.send(i));
        auto g = q.group("g");
        auto a = g.try_receive_n(3);
        auto b = g.try_receive_n(3);
        CHECK(a.accept());
    }
    journal j{dir.path("j"), small};
    numbers q{j, "q"};
    auto g = q.group("g");
    CHECK(all(g.try_receive_n(9)) == range(3, 9));
}

TEST_CASE("prefetch bounds a batch; a moved group's batch can't be accepted") {
    scratch dir;
    journal j{dir.path("j"), small};
    numbers q{j, "q"};
    for (std::uint64_t i = 0; i < 20; ++i) REQUIRE(q.send(i));
    auto g = q.group("g", {.prefetch = 8});
    auto a = g.try_receive_n(5);
    auto b = g.try_receive_n(5);
    CHECK(a.size() == 5);
    CHECK(b.size() == 3);
    CHECK(g.try_receive_n(5).status() == status::empty);
    CHECK(a.accept());
    auto c = g.try_receive_n(50);
    CHECK(c.size() == 5);
    CHECK(g.seek(seek_to::begin));
    CHECK(b.accept() == status::closed);
    auto again = g.try_receive_n(50);
    CHECK(all(again) == range(0, 8));
}

TEST_CASE("a view in a batch refers to the journal as long as the batch lives") {
    scratch dir;
    journal j{dir.path("j"), small};
    durable_queue<std::string_view> q{j, "q"};
    REQUIRE(q.send("one"));
    REQUIRE(q.send(std::string(3000, 'x')));
    auto g = q.group("g");
    auto batch = g.receive_n(2);
    j.close();
    CHECK(batch[0] == "one");
    CHECK(batch[1] == std::string(3000, 'x'));
}

TEST_CASE("members that take batches share the messages, each is handed to one") {
    scratch dir;
    journal j{dir.path("j"), small};
    numbers q{j, "q"};
    constexpr std::uint64_t n = 3000;
    std::vector<int> seen(n);
    auto g = q.group("g", {.prefetch = 64});
    const auto work = [&](durable_group<std::uint64_t> mine, std::size_t most) {
        while (auto batch = mine.receive_n(most)) {
            for (const std::uint64_t i : batch) ++seen[i];
            REQUIRE(batch.accept());
        }
    };
    std::thread a{work, g, 10}, b{work, g, 7};
    for (std::uint64_t i = 0; i < n; ++i) REQUIRE(q.send(i));
    q.close();
    a.join();
    b.join();
    CHECK(seen == std::vector<int>(n, 1));
}
