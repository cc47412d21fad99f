// SPDX-License-Identifier: BSL-1.0
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <doctest/doctest.h>

#include <penstock/durable/durable_queue.hpp>
#include <penstock/durable/reservation.hpp>

#include "durable/scratch.hpp"

using namespace penstock;

namespace {
const journal_options small{.sync = sync::process_crash, .segment_bytes = 16 * 1024};

void put(std::span<std::byte> to, std::string_view text) {
    std::memcpy(to.data(), text.data(), text.size());
}
}  // namespace

TEST_CASE("a reservation is a message when committed, as long as was said then") {
    scratch dir;
    {
        journal j{dir.path("j"), small};
        durable_queue<std::string> q{j, "q"};
        auto r = q.reserve(100);
        REQUIRE(r);
        CHECK(r->bytes().size() == 100);
        put(r->bytes(), "hello, and what is behind it is not sent");
        CHECK(r->commit(5));
        auto whole = q.reserve(3);
        put(whole->bytes(), "abc");
        CHECK(whole->commit());
    }
    journal j{dir.path("j"), small};
    CHECK(j.report().torn_bytes == 0);
    durable_queue<std::string> q{j, "q"};
    auto g = q.group("g");
    for (const char* const expected : {"hello", "abc"}) {
        auto d = g.try_receive();
        CHECK(*d == expected);
        CHECK(d.accept());
    }
    CHECK(g.try_receive().status() == status::empty);
}

TEST_CASE("one that is dropped leaves nothing: no message, no gap, nothing torn") {
    scratch dir;
    {
        journal j{dir.path("j"), small};
        durable_queue<std::string> q{j, "q"};
        REQUIRE(q.send("before"));
        const auto end = j.appended();
        {
            auto r = q.reserve(1000);
            std::memset(r->bytes().data(), 7, 1000);
            auto moved = std::move(*r);
            CHECK(moved.bytes().size() == 1000);
        }
        CHECK(j.appended() == end);
        REQUIRE(q.send("after"));
    }
    journal j{dir.path("j"), small};
    CHECK(j.report().torn_bytes == 0);
    durable_queue<std::string> q{j, "q"};
    auto g = q.group("g");
    CHECK(g.try_receive().accept());
    CHECK(*g.try_receive() == "after");
}

TEST_CASE("while it is held the same thread is answered would_block_self, others wait") {
    scratch dir;
    journal j{dir.path("j"), small};
    durable_queue<std::string> q{j, "q"};
    durable_queue<std::string> other{j, "other"};
    REQUIRE(q.send("zero"));
    auto g = q.group("g");
    auto d = g.try_receive();
    std::optional<durable_reservation> r{*q.reserve(10)};
    put(r->bytes(), "one");
    CHECK(q.send("x") == status::would_block_self);
    CHECK(other.send("x") == status::would_block_self);
    CHECK(q.reserve(1).status() == status::would_block_self);
    CHECK(d.accept() == status::would_block_self);
    CHECK(g.seek(seek_to::begin) == status::would_block_self);
    CHECK(j.transact([&](auto& t) { t.send(other, "x"); }) == status::would_block_self);
    CHECK(j.sync() == status::would_block_self);
    CHECK(j.trim().status() == status::would_block_self);
    CHECK(j.maintain() == status::would_block_self);
    CHECK_THROWS_AS((durable_queue<std::string>{j, "third"}), std::system_error);
    std::thread sender{[&] { CHECK(q.send("two")); }};
    CHECK(r->commit(3));
    sender.join();
    CHECK(d.accept());
    for (const char* const expected : {"one", "two"}) {
        auto next = g.try_receive();
        CHECK(*next == expected);
        CHECK(next.accept());
    }
}

TEST_CASE("too large, closed") {
    scratch dir;
    journal j{dir.path("j"), small};
    durable_queue<std::string> q{j, "q"};
    CHECK(q.reserve(j.largest_message() + 1).status() == status::too_large);
    CHECK(q.reserve(j.largest_message()));
    q.close();
    CHECK(q.reserve(1).status() == status::closed);
    j.close();
    CHECK(q.reserve(1).status() == status::closed);
}
