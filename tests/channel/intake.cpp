// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <memory>
#include <optional>

#include <doctest/doctest.h>

#include <penstock/channel/detail/intake.hpp>
#include <penstock/queue/mpmc_ring.hpp>
#include <penstock/queue/spsc_ring.hpp>
#include <penstock/queue/unbounded.hpp>

#include "support/flow.hpp"
#include "support/moodycamel_races.hpp"

using penstock::status;

namespace {
template <class Storage>
using intake = penstock::detail::intake<Storage>;
using over_mpmc = intake<penstock::mpmc_ring<flow_message>>;
using over_spsc = intake<penstock::spsc_ring<flow_message>>;
using over_unbounded = intake<penstock::unbounded<flow_message>>;

template <class Intake>
std::optional<flow_message> pop(Intake& from) {
    std::optional<flow_message> message;
    from.pop_into(message);
    return message;
}
}  // namespace

TYPE_TO_STRING(over_mpmc);
TYPE_TO_STRING(over_spsc);
TYPE_TO_STRING(over_unbounded);

TEST_CASE_TEMPLATE("a gate that is closed refuses, and what is in comes out", Intake, over_mpmc,
                   over_spsc, over_unbounded) {
    Intake in{2};
    CHECK(!in.closed());
    CHECK(!in.something());
    CHECK(in.push(flow_account::message(0, 0)) == status::ok);
    CHECK(in.push(flow_account::message(0, 1)) == status::ok);
    CHECK(in.something());
    in.close();
    in.close();
    CHECK(in.closed());
    CHECK(!in.drained());
    CHECK(in.push(flow_account::message(0, 2)) == status::closed);
    CHECK(pop(in) == flow_account::message(0, 0));
    CHECK(pop(in) == flow_account::message(0, 1));
    CHECK(in.drained());
    CHECK(!in.something());
    CHECK(!pop(in));
}

TEST_CASE_TEMPLATE("full is told from closed", Intake, over_mpmc, over_spsc) {
    Intake in{1};
    CHECK(in.push({}) == status::ok);
    CHECK(in.push({}) == status::full);
    in.close();
    CHECK(in.push({}) == status::closed);
}

TEST_CASE_TEMPLATE("every push that passed the gate is popped, and none comes after drained",
                   Intake, over_mpmc, over_spsc, over_unbounded) {
    for (int round = 0; round < 100; ++round) {
        Intake in{3};
        std::atomic<int> pushed{0};
        int popped = 0, late = 0;
        std::atomic<bool> done{false};
        in_threads(3, [&](std::size_t who) {
            if (who == 0) {  // one producer: spsc_ring allows no more
                for (std::size_t i = 0;; ++i) {
                    const status s = in.push(flow_account::message(0, i));
                    if (s == status::closed) break;
                    if (s == status::ok) {
                        ++pushed;
                    } else {
                        std::this_thread::yield();
                    }
                }
                done = true;
            } else if (who == 1) {
                while (!in.drained()) {
                    if (pop(in)) {
                        ++popped;
                    } else {
                        std::this_thread::yield();
                    }
                }
                until([&] { return done.load(); });
                late += pop(in) ? 1 : 0;
            } else {
                until([&] { return pushed >= round % 20; });
                in.close();
            }
        });
        REQUIRE(popped == pushed);
        REQUIRE(late == 0);
    }
}

TEST_CASE_TEMPLATE("something is never false while an element is in", Intake, over_mpmc, over_spsc,
                   over_unbounded) {
    // Who gets ok and nobody pops must see it.
    for (int round = 0; round < 2000; ++round) {
        Intake in{1};
        REQUIRE(in.push({}) == status::ok);
        REQUIRE(in.something());
        REQUIRE(pop(in));
        REQUIRE(!in.something());
    }
}
