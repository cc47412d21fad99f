// SPDX-License-Identifier: BSL-1.0
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/core/manual_clock.hpp>
#include <penstock/durable/async.hpp>
#include <penstock/durable/durable_queue.hpp>

#include "durable/scratch.hpp"
#include "support/coroutine.hpp"

using namespace penstock;
using namespace std::chrono_literals;

namespace {

using numbers = durable_queue<std::uint64_t>;
const journal_options small{.sync = sync::process_crash, .segment_bytes = 16 * 1024};

struct seen {
    std::vector<std::uint64_t> values;
    status end = status::ok;
};

coroutine read_all(durable_group<std::uint64_t> from, seen& to, std::stop_token stop = {},
                   resume_on where = {}) {
    for (;;) {
        auto d = co_await from.async_receive(stop, where);
        if (!d) {
            to.end = d.status();
            co_return;
        }
        to.values.push_back(*d);
        CHECK(d.accept());
    }
}

coroutine await_synced(journal& in, std::uint64_t offset, std::optional<status>& answer,
                       std::stop_token stop = {}) {
    const status s = co_await in.async_synced(offset, stop);
    answer = s;
}
coroutine await_appended(journal& in, std::uint64_t offset, std::optional<status>& answer) {
    const status s = co_await in.async_appended(offset);
    answer = s;
}

}  // namespace

TEST_CASE("a coroutine receives what is sent while it waits, and ends with the queue") {
    scratch dir;
    numbers q{dir.path("q"), small};
    REQUIRE(q.send(0));
    seen got;
    coroutine c = read_all(q.group("g"), got);
    CHECK(got.values == std::vector<std::uint64_t>{0});  // it was there
    for (std::uint64_t i = 1; i < 1000; ++i) {
        REQUIRE(q.send(i));
        REQUIRE(got.values.size() == i + 1);  // resumed inside the send
    }
    CHECK_FALSE(c.done());
    q.close();
    CHECK(c.done());
    CHECK(got.end == status::closed);
}

TEST_CASE("a coroutine that is stopped or destroyed leaves its message to the next who waits") {
    scratch dir;
    numbers q{dir.path("q"), small};
    seen first, second, third;
    std::stop_source stop;
    coroutine a = read_all(q.group("g"), first, stop.get_token());
    coroutine b = read_all(q.group("g"), second);
    coroutine c = read_all(q.group("g"), third);
    stop.request_stop();
    CHECK(a.done());
    CHECK(first.end == status::stopped);
    b.destroy();
    REQUIRE(q.send(1));
    CHECK(first.values.empty());
    CHECK(second.values.empty());
    CHECK(third.values == std::vector<std::uint64_t>{1});
}

TEST_CASE("a coroutine destroyed between its wake and its executor has claimed nothing") {
    scratch dir;
    numbers q{dir.path("q"), small};
    seen lost, found;
    manual_executor later;
    coroutine a = read_all(q.group("g"), lost, {}, later);
    coroutine b = read_all(q.group("g"), found, {}, later);
    REQUIRE(q.send(1));  // wakes a, which is posted
    a.destroy();         // and passes the wake on to b
    while (later.run() > 0) {
    }
    CHECK(lost.values.empty());
    CHECK(found.values == std::vector<std::uint64_t>{1});
}

TEST_CASE("threads and coroutines of one group share its messages: each to one of them") {
    scratch dir;
    numbers q{dir.path("q"), small};
    constexpr std::uint64_t count = 3000;
    seen mine[2];
    coroutine readers[]{read_all(q.group("g"), mine[0]), read_all(q.group("g"), mine[1])};
    std::vector<std::uint64_t> of_thread;
    std::jthread thread{[&] {
        auto g = q.group("g");
        while (auto d = g.receive()) {
            of_thread.push_back(*d);
            CHECK(d.accept());
        }
    }};
    for (std::uint64_t i = 0; i < count; ++i) REQUIRE(q.send(i));
    q.close();
    thread.join();
    CHECK(readers[0].done());
    CHECK(readers[1].done());
    std::vector<bool> there(count);
    for (auto* values : {&mine[0].values, &mine[1].values, &of_thread})
        for (const std::uint64_t v : *values) {
            CHECK_FALSE(there[v]);
            there[v] = true;
        }
    CHECK(mine[0].values.size() + mine[1].values.size() + of_thread.size() == count);
}

TEST_CASE("an offset is awaited until somebody has synced it") {
    scratch dir;
    journal j{dir.path("j"), {.sync = sync::manual, .segment_bytes = 16 * 1024}};
    numbers q{j, "q"};
    REQUIRE(q.send(1));
    std::optional<status> early, late, stopped;
    std::stop_source stop;
    coroutine a = await_synced(j, j.appended(), early);
    coroutine b = await_synced(j, j.appended() + 1, late);
    coroutine c = await_synced(j, j.appended() + 1, stopped, stop.get_token());
    CHECK_FALSE(early);
    REQUIRE(j.sync());
    CHECK(early == status::ok);
    CHECK_FALSE(late);
    stop.request_stop();
    CHECK(stopped == status::stopped);
    REQUIRE(q.send(2));
    CHECK_FALSE(late);
    j.close();  // syncs what is in
    CHECK(late == status::ok);
    CHECK(j.wait_synced(j.appended()) == status::ok);
    CHECK(j.wait_synced(j.appended() + 1) == status::closed);
    CHECK(j.wait_appended(j.appended() + 1) == status::closed);
}

TEST_CASE("an offset is awaited until somebody has appended it, whatever the record is") {
    scratch dir;
    journal j{dir.path("j"), small};
    numbers q{j, "q"}, other{j, "other"};
    auto g = q.group("g");
    manual_clock time;
    CHECK(j.wait_appended(j.appended() + 1, deadline::after(time, 0s)) == status::timed_out);
    const auto append_and_see = [&](auto&& append) {
        std::optional<status> answer;
        coroutine c = await_appended(j, j.appended() + 1, answer);
        CHECK_FALSE(answer);
        append();
        CHECK(answer == status::ok);
    };
    append_and_see([&] { CHECK(q.send(1)); });
    append_and_see([&] { CHECK(other.send(1)); });
    append_and_see([&] { CHECK(g.try_receive().accept()); });
    append_and_see([&] { CHECK(g.seek(seek_to::begin)); });
    append_and_see([&] { (void)q.group("another"); });
    append_and_see([&] { CHECK(j.transact([&](auto& t) { t.send(q, 2); })); });
    append_and_see([&] {
        auto d = g.try_receive();
        CHECK(j.transact([&](auto& t) { t.accept(d); }));
    });
    std::optional<status> never;
    coroutine c = await_appended(j, j.appended() + 1, never);
    j.close();
    CHECK(never == status::closed);
}
