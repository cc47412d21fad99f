// SPDX-License-Identifier: BSL-1.0
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/durable/durable_queue.hpp>

#include "durable/scratch.hpp"

using namespace penstock;
using namespace std::chrono_literals;

namespace {

struct order {
    std::uint64_t id = 0;
    double amount = 0;
};

const journal_options small{.sync = sync::process_crash, .segment_bytes = 32 * 1024};

template <class Group>
std::vector<std::uint64_t> accept_all(Group&& group,
                                      std::size_t most = static_cast<std::size_t>(-1)) {
    std::vector<std::uint64_t> ids;
    while (ids.size() < most) {
        auto d = group.try_receive();
        if (!d) break;
        ids.push_back(d->id);
        REQUIRE(d.accept());
    }
    return ids;
}

std::vector<std::uint64_t> from_to(std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> ids;
    for (; from < to; ++from) ids.push_back(from);
    return ids;
}

void fill(durable_queue<order>& orders, std::uint64_t from, std::uint64_t to) {
    for (; from < to; ++from) REQUIRE(orders.send({from, 0.5}));
}

}  // namespace

TEST_CASE("what was sent is received in order, accepted once, and gone for that group") {
    scratch dir;
    durable_queue<order> orders{dir.path("orders"), small};
    fill(orders, 0, 10);
    auto billing = orders.group("billing");
    CHECK(accept_all(billing) == from_to(0, 10));
    CHECK(billing.try_receive().status() == status::empty);
    fill(orders, 10, 11);
    CHECK(accept_all(billing) == from_to(10, 11));
}

TEST_CASE("a group goes on after its last accept when the queue is opened again") {
    scratch dir;
    for (const auto policy : {sync::every_append, sync::process_crash, sync::manual}) {
        const std::string path = dir.path("orders" + std::to_string(static_cast<int>(policy)));
        const journal_options options{.sync = policy, .segment_bytes = 32 * 1024};
        {
            durable_queue<order> orders{path, options};
            fill(orders, 0, 20);
            auto billing = orders.group("billing");
            CHECK(accept_all(billing, 7) == from_to(0, 7));
            auto unsettled = billing.try_receive();
            REQUIRE(unsettled);
        }
        durable_queue<order> orders{path, options};
        CHECK(orders.report().damage.empty());
        CHECK(orders.report().torn_bytes == 0);
        CHECK(accept_all(orders.group("billing")) == from_to(7, 20));
    }
}

TEST_CASE("every group has its own cursor, and a new one starts at the oldest message") {
    scratch dir;
    durable_queue<order> orders{dir.path("orders"), small};
    fill(orders, 0, 5);
    CHECK(accept_all(orders.group("billing")) == from_to(0, 5));
    CHECK(accept_all(orders.group("shipping"), 2) == from_to(0, 2));
    CHECK(accept_all(orders.group("audit")) == from_to(0, 5));
    CHECK(accept_all(orders.group("shipping")) == from_to(2, 5));
}

TEST_CASE("several streams of one journal stay apart") {
    scratch dir;
    journal books{dir.path("books"), small};
    durable_queue<order> orders{books, "orders"};
    durable_queue<std::string> notes{books, "notes"};
    auto billing = orders.group("g");
    auto reading = notes.group("g");
    for (std::uint64_t i = 0; i < 300; ++i) {
        REQUIRE(orders.send({i, 1}));
        REQUIRE(notes.send("note " + std::to_string(i)));
    }
    CHECK(accept_all(billing) == from_to(0, 300));
    for (std::uint64_t i = 0; i < 300; ++i) {
        auto d = reading.try_receive();
        REQUIRE(d);
        CHECK(*d == "note " + std::to_string(i));
        REQUIRE(d.accept());
    }
}

TEST_CASE("a message's topic is known to its receivers, after many segments and reopenings too") {
    scratch dir;
    const std::string path = dir.path("q");
    std::uint64_t sent = 0;
    for (int opening = 0; opening < 3; ++opening) {
        durable_queue<std::uint64_t> q{path, {.sync = sync::manual, .segment_bytes = 16 * 1024}};
        REQUIRE(q.send(sent++));
        for (int i = 0; i < 300; ++i) {
            REQUIRE(q.send(sent++, "even"));
            REQUIRE(q.send(sent++, "odd." + std::to_string(opening)));
        }
        std::uint64_t next = 0;
        auto g = q.group("g" + std::to_string(opening));
        while (auto d = g.try_receive()) {
            CHECK(*d == next);
            const auto opened = next / 601, at = next % 601;
            CHECK(d.info().topic == (at == 0       ? ""
                                     : at % 2 == 1 ? "even"
                                                   : "odd." + std::to_string(opened)));
            ++next;
            REQUIRE(d.accept());
        }
        CHECK(next == sent);
    }
    durable_queue<std::uint64_t> q{path, {.segment_bytes = 16 * 1024}};
    CHECK(q.send(0, "") == status::too_large);
    CHECK(q.send(0, std::string(2000, 'x')) == status::too_large);
    std::uint64_t names = 0;
    while (q.send(0, "a rather long name " + std::string(900, 'x') + std::to_string(names)))
        ++names;
    CHECK(names > 3);  // a snapshot of them has to fit at the beginning of a segment
    CHECK(q.send(0, "even"));
}
