// SPDX-License-Identifier: BSL-1.0
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/message.hpp>

#include "support/flow.hpp"
#include "support/tracked.hpp"

using penstock::bus;
using penstock::message;

static_assert(std::is_nothrow_move_constructible_v<message<std::string>>);
static_assert(std::is_convertible_v<message<std::string>, const std::string&>);
static_assert(!std::is_convertible_v<std::string, message<std::string>>);

TEST_CASE("copies share the value, which goes with the last of them") {
    tracked_count count;
    {
        bus events;
        auto feed = events.subscribe<tracked>("t");
        events.publish("t", tracked{7});
        CHECK(tracked::alive() == 1);
        std::optional<message<tracked>> a{std::move(*feed.receive())};
        message<tracked> b = *a, c;
        CHECK(!c);
        c = b;
        CHECK(&*b == &**a);
        CHECK(&*c == &**a);
        a.reset();
        b = {};
        CHECK(!b);
        CHECK(tracked::alive() == 1);
        CHECK(c->value() == 7);
        const message<tracked> d = std::move(c);
        CHECK(d->value() == 7);
    }
    CHECK(tracked::alive() == 0);
    CHECK(count.misuses() == 0);
}

TEST_CASE("a message is its value wherever one is read, and knows its topic") {
    bus events;
    auto feed = events.subscribe<std::string>("chat.#");
    events.publish("chat.general", std::string{"hello"});
    auto m = feed.receive();
    REQUIRE(m);
    const auto length = [](const std::string& s) { return s.size(); };
    CHECK(length(*m) == 5);
    CHECK((*m)->size() == 5);
    CHECK(**m == "hello");
    CHECK(m->value() == "hello");
    CHECK(m->topic() == "chat.general");
}

TEST_CASE("threads let go of one message at the same time, and it is destroyed once") {
    tracked_count count;
    for (int round = 0; round < 200; ++round) {
        bus events;
        auto feed = events.subscribe<tracked>("t");
        events.publish("t", tracked{1});
        std::vector<message<tracked>> copies(4);
        {
            auto m = feed.receive();
            for (auto& c : copies) c = *m;
        }
        in_threads(4, [&](std::size_t i) {
            CHECK(copies[i]->value() == 1);
            copies[i] = {};
        });
        CHECK(tracked::alive() == 0);
    }
    CHECK(count.misuses() == 0);
}
