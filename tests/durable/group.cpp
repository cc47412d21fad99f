// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/core/manual_clock.hpp>
#include <penstock/durable/durable_queue.hpp>
#include <penstock/durable/group.hpp>

#include "durable/faulty_files.hpp"
#include "durable/scratch.hpp"

using namespace penstock;
using namespace std::chrono_literals;

namespace {

using numbers = durable_queue<std::uint64_t>;
const journal_options small{.sync = sync::process_crash, .segment_bytes = 32 * 1024};

void fill(numbers& q, std::uint64_t from, std::uint64_t to) {
    for (; from < to; ++from) REQUIRE(q.send(from));
}
std::vector<std::uint64_t> accept_all(durable_group<std::uint64_t> g) {
    std::vector<std::uint64_t> seen;
    while (auto d = g.try_receive()) {
        seen.push_back(*d);
        REQUIRE(d.accept());
    }
    return seen;
}
std::vector<std::uint64_t> from_to(std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> ids;
    for (; from < to; ++from) ids.push_back(from);
    return ids;
}

}  // namespace

TEST_CASE("a delivery destroyed unsettled is delivered again, first, with its attempts counted") {
    scratch dir;
    numbers q{dir.path("q"), small};
    fill(q, 0, 4);
    auto g = q.group("g");
    {
        auto zero = g.try_receive();
        auto one = g.try_receive();
        CHECK(*zero == 0);
        CHECK(zero.info().attempt == 1);
        REQUIRE(one.accept());
    }
    auto again = g.try_receive();
    CHECK(*again == 0);
    CHECK(again.info().attempt == 2);
    REQUIRE(again.release());
    CHECK_FALSE(again.unsettled());
    CHECK(accept_all(g) == std::vector<std::uint64_t>{0, 2, 3});
}

TEST_CASE("a moved delivery is settled once, and assigning over one releases it") {
    scratch dir;
    numbers q{dir.path("q"), small};
    fill(q, 0, 2);
    auto g = q.group("g");
    auto a = g.try_receive();
    auto b = std::move(a);
    CHECK_FALSE(a.unsettled());
    b = g.try_receive();  // 0 comes again
    CHECK(*b == 1);
    REQUIRE(b.accept());
    CHECK(accept_all(g) == std::vector<std::uint64_t>{0});
}

TEST_CASE("messages accepted out of order stay accepted when the queue is opened again") {
    scratch dir;
    for (int round = 0; round < 2; ++round) {
        const std::string path = dir.path("q" + std::to_string(round));
        {
            numbers q{path, small};
            fill(q, 0, 10);
            auto g = q.group("g");
            std::vector<delivery<std::uint64_t>> out;
            for (int i = 0; i < 10; ++i) out.push_back(g.try_receive());
            for (const std::size_t i : {8u, 3u, 1u, 9u}) REQUIRE(out[i].accept());
            if (round == 1) {  // through snapshots of later segments too
                fill(q, 10, 2000);
                CHECK(q.report().segments == 0);
            }
        }
        numbers q{path, small};
        std::vector<std::uint64_t> expected{0, 2, 4, 5, 6, 7};
        if (round == 1) {
            CHECK(q.report().segments > 2);
            for (const auto i : from_to(10, 2000)) expected.push_back(i);
        }
        CHECK(accept_all(q.group("g")) == expected);
    }
}

TEST_CASE(
    "what was accepted above the low water by three processes is not delivered by the fourth") {
    scratch dir;
    std::set<std::uint64_t> left;
    for (std::uint64_t i = 0; i < 60; ++i) left.insert(i);
    {
        numbers q{dir.path("q"), small};
        fill(q, 0, 60);
    }
    for (std::uint64_t process = 0; process < 4; ++process) {
        numbers q{dir.path("q"), small};
        auto g = q.group("g");
        std::vector<delivery<std::uint64_t>> out;
        std::set<std::uint64_t> seen;
        while (auto d = g.try_receive()) {
            seen.insert(*d);
            out.push_back(std::move(d));
        }
        CHECK(seen == left);
        for (auto& d : out) {
            if (*d % 7 == process + 1) {
                REQUIRE(d.accept());
                left.erase(*d);
            }
        }
    }
}

TEST_CASE("at most prefetch messages are unsettled; settling the oldest lets the next ones out") {
    scratch dir;
    numbers q{dir.path("q"), small};
    fill(q, 0, 10);
    auto g = q.group("g", {.prefetch = 3});
    auto a = g.try_receive();
    auto b = g.try_receive();
    auto c = g.try_receive();
    CHECK(g.try_receive().status() == status::empty);
    REQUIRE(b.accept());
    CHECK(g.try_receive().status() == status::empty);  // the oldest still holds the window
    REQUIRE(a.accept());
    auto d = g.try_receive();
    CHECK(*d == 3);
    auto e = g.try_receive();
    CHECK(*e == 4);
    CHECK(g.try_receive().status() == status::empty);
    CHECK_THROWS_AS((void)q.group("g", {.prefetch = 4}), std::invalid_argument);
    CHECK_THROWS_AS((void)q.group("h", {.prefetch = 0}), std::invalid_argument);
}

TEST_CASE("a full window wakes its waiting member when a delivery is settled") {
    scratch dir;
    numbers q{dir.path("q"), small};
    fill(q, 0, 2);
    auto g = q.group("g", {.prefetch = 1});
    auto first = g.try_receive();
    std::atomic<std::uint64_t> got{99};
    std::thread waits{[&] {
        auto d = g.receive();
        got = *d;
        (void)d.accept();
    }};
    REQUIRE(first.accept());
    waits.join();
    CHECK(got == 1);
}

TEST_CASE("a timed wait ends by its clock, a stopped one by its token, a closed one when drained") {
    scratch dir;
    manual_clock time;
    numbers q{
        dir.path("q"), {.sync = sync::process_crash, .segment_bytes = 32 * 1024, .clock = time}};
    auto g = q.group("g");
    {
        std::thread waits{[&] { CHECK(g.receive_for(1h).status() == status::timed_out); }};
        while (time.sleepers() == 0) std::this_thread::yield();
        time.advance(59min);
        time.advance(1min);
        waits.join();
    }
    CHECK(g.receive_for(0s).status() == status::timed_out);
    {
        std::stop_source stop;
        std::thread waits{[&] { CHECK(g.receive(stop.get_token()).status() == status::stopped); }};
        stop.request_stop();
        waits.join();
    }
    {
        fill(q, 0, 1);
        std::stop_source stop;
        stop.request_stop();
        auto d = g.receive(stop.get_token());  // what is there is taken first
        REQUIRE(d);
        REQUIRE(d.accept());
    }
    {
        std::thread waits{[&] { CHECK(g.receive().status() == status::closed); }};
        q.close();
        waits.join();
    }
    CHECK(q.send(1) == status::closed);
    CHECK(g.try_receive().status() == status::closed);
}

TEST_CASE("what was sent before the close is received, then closed; opened again it is open") {
    scratch dir;
    {
        numbers q{dir.path("q"), small};
        fill(q, 0, 3);
        q.close();
        auto g = q.group("g");
        CHECK(*g.receive() == 0);  // released
        CHECK(accept_all(g) == from_to(0, 3));
        CHECK(g.receive().status() == status::closed);
    }
    numbers q{dir.path("q"), small};
    CHECK(q.send(3));
    CHECK(accept_all(q.group("g")) == from_to(3, 4));
}

TEST_CASE("competing members share the stream: each message to one of them, none lost") {
    scratch dir;
    numbers q{dir.path("q"), small};
    constexpr std::uint64_t count = 3000;
    std::array<std::vector<std::uint64_t>, 3> seen;
    std::vector<std::thread> members;
    for (auto& mine : seen) {
        members.emplace_back([&] {
            auto g = q.group("g", {.prefetch = 16});
            std::uint64_t turn = 0;
            while (auto d = g.receive()) {
                if (++turn % 5 == 0) continue;  // released, for somebody
                const std::uint64_t n = *d;
                if (d.accept()) mine.push_back(n);
            }
        });
    }
    std::vector<std::thread> senders;
    for (std::uint64_t s = 0; s < 2; ++s)
        senders.emplace_back([&, s] {
            for (std::uint64_t i = s; i < count; i += 2) (void)q.send(i);
        });
    for (auto& t : senders) t.join();
    q.close();
    for (auto& t : members) t.join();
    // A message released at the very end finds its members gone.
    std::vector<std::uint64_t> all = accept_all(q.group("g", {.prefetch = 16}));
    for (const auto& mine : seen) all.insert(all.end(), mine.begin(), mine.end());
    std::sort(all.begin(), all.end());
    CHECK(all == from_to(0, count));
}

TEST_CASE("every_append hands out only what is synced, one sync for several senders") {
    scratch dir;
    numbers q{dir.path("q"), {.sync = sync::every_append, .segment_bytes = 32 * 1024}};
    constexpr std::uint64_t count = 200;
    std::vector<std::thread> senders;
    for (std::uint64_t s = 0; s < 4; ++s)
        senders.emplace_back([&, s] {
            for (std::uint64_t i = s; i < count; i += 4) (void)q.send(i);
        });
    auto g = q.group("g");
    std::set<std::uint64_t> seen;
    std::vector<std::uint64_t> last(4, 0);
    while (seen.size() < count) {
        auto d = g.receive();
        REQUIRE(d);
        seen.insert(*d);
        CHECK(last[*d % 4] <= *d);  // per sender in order
        last[*d % 4] = *d;
        REQUIRE(d.accept());
    }
    for (auto& t : senders) t.join();
}

TEST_CASE(
    "handles may outlive the queue; they answer closed, and the journal can be opened again") {
    scratch dir;
    std::optional<durable_group<std::uint64_t>> g;
    std::optional<delivery<std::uint64_t>> d;
    {
        numbers q{dir.path("q"), small};
        fill(q, 0, 2);
        g.emplace(q.group("g"));
        d.emplace(g->try_receive());
    }
    CHECK(g->receive().status() == status::closed);
    CHECK(d->accept() == status::closed);
    numbers q{dir.path("q"), small};
    d.reset();
    CHECK(accept_all(q.group("g")) == from_to(0, 2));
}

TEST_CASE("random accepts, releases and reopenings never lose or repeat an accepted message") {
    scratch dir;
    std::uint64_t random = 0x9E3779B97F4A7C15;
    const auto next = [&](std::uint64_t below) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        return random % below;
    };
    std::set<std::uint64_t> open;
    std::uint64_t sent = 0;
    for (int process = 0; process < 25; ++process) {
        numbers q{dir.path("q"), {.sync = sync::process_crash, .segment_bytes = 16 * 1024}};
        REQUIRE(q.report().damage.empty());
        auto g = q.group("g", {.prefetch = 24});
        std::deque<delivery<std::uint64_t>> out;
        for (int step = 0; step < 200; ++step) {
            switch (next(4)) {
                case 0:
                    REQUIRE(q.send(sent));
                    open.insert(sent++);
                    break;
                case 1:
                    if (auto d = g.try_receive()) {
                        REQUIRE(open.count(*d) == 1);
                        out.push_back(std::move(d));
                    }
                    break;
                default:
                    if (out.empty()) break;
                    std::swap(out.front(), out[next(out.size())]);
                    if (next(3) > 0) {
                        REQUIRE(out.front().accept());
                        open.erase(*out.front());
                    }
                    out.pop_front();
            }
            if (next(60) == 0) REQUIRE(q.trim());
        }
    }
    numbers q{dir.path("q"), small};
    const auto rest = accept_all(q.group("g"));
    CHECK(rest == std::vector<std::uint64_t>(open.begin(), open.end()));
}

TEST_CASE("seek moves a group to an offset, the beginning or the end, also when reopened") {
    scratch dir;
    std::uint64_t fifth = 0;
    {
        numbers q{dir.path("q"), small};
        fill(q, 0, 10);
        auto g = q.group("g");
        for (std::uint64_t i = 0; i < 10; ++i) {
            auto d = g.try_receive();
            if (i == 5) fifth = d.info().id;
            REQUIRE(d.accept());
        }
        REQUIRE(g.seek(fifth));
        CHECK(*g.try_receive() == 5);
        REQUIRE(g.seek(seek_to::begin));
        CHECK(accept_all(g) == from_to(0, 10));
        REQUIRE(g.seek(seek_to::begin));
        REQUIRE(g.seek(seek_to::end));
        CHECK(g.try_receive().status() == status::empty);
        fill(q, 10, 11);
        CHECK(*g.try_receive() == 10);
        REQUIRE(g.seek(fifth));
    }
    numbers q{dir.path("q"), small};
    CHECK(accept_all(q.group("g")) == from_to(5, 11));
}

TEST_CASE("a delivery from before a seek answers closed; what is handed out after it counts") {
    scratch dir;
    numbers q{dir.path("q"), small};
    fill(q, 0, 5);
    auto g = q.group("g", {.prefetch = 3});
    auto old = g.try_receive();
    auto older = g.try_receive();
    REQUIRE(g.seek(seek_to::begin));
    CHECK(old.accept() == status::closed);
    older = g.try_receive();  // assigning releases what it held: nothing happens
    CHECK(*older == 0);
    REQUIRE(older.accept());
    CHECK(accept_all(g) == from_to(1, 5));
}

TEST_CASE("seek to a time begins with the first message sent then or later, over many segments") {
    scratch dir;
    faulty_files files;
    files.time = 1;
    numbers q{
        dir.path("q"), {.sync = sync::process_crash, .segment_bytes = 16 * 1024, .files = files}};
    auto g = q.group("g", {.prefetch = 8});
    const auto at = [](std::uint64_t n) {
        return std::chrono::sys_time<std::chrono::nanoseconds>{std::chrono::seconds{1000 + n}};
    };
    for (std::uint64_t i = 0; i < 2000; ++i) {
        files.time = at(i).time_since_epoch().count();
        REQUIRE(q.send(i));
    }
    for (const std::uint64_t n : {0u, 1u, 399u, 400u, 1000u, 1999u}) {
        REQUIRE(g.seek(at(n)));
        CHECK(*g.try_receive() == n);
        REQUIRE(g.seek(at(n) - std::chrono::nanoseconds{1}));
        CHECK(*g.try_receive() == n);
    }
    REQUIRE(g.seek(at(2000)));
    CHECK(g.try_receive().status() == status::empty);
    REQUIRE(g.seek(std::chrono::sys_time<std::chrono::seconds>{}));
    CHECK(*g.try_receive() == 0);
}

TEST_CASE("what a seek has gone back to is not trimmed, what was trimmed does not come back") {
    scratch dir;
    numbers q{dir.path("q"), {.sync = sync::process_crash, .segment_bytes = 16 * 1024}};
    auto g = q.group("g");
    fill(q, 0, 3000);
    CHECK(accept_all(g) == from_to(0, 3000));
    REQUIRE(g.seek(seek_to::begin));
    CHECK(*q.trim() == 0);
    CHECK(accept_all(g) == from_to(0, 3000));
    CHECK(*q.trim() > 3);
    fill(q, 3000, 3010);
    REQUIRE(g.seek(seek_to::begin));
    const auto rest = accept_all(g);
    REQUIRE_FALSE(rest.empty());
    CHECK(rest == from_to(rest.front(), 3010));
    CHECK(rest.front() > 2000);
}

TEST_CASE("a member that waits goes on after another's seek") {
    scratch dir;
    numbers q{dir.path("q"), small};
    auto g = q.group("g");
    fill(q, 0, 1);
    REQUIRE(g.try_receive().accept());
    std::thread waits{[&] {
        auto d = g.receive();
        CHECK(*d == 0);
        CHECK(d.accept());
    }};
    REQUIRE(g.seek(seek_to::begin));
    waits.join();
}
