// SPDX-License-Identifier: BSL-1.0
// An example of driving threads step by step (model/steps.hpp), on the ring whose slots are claimed
// before they are written, and on the waiter over it.
#include <optional>

#include <doctest/doctest.h>

#include <penstock/channel/channel.hpp>
#include <penstock/core/waiter.hpp>
#include <penstock/queue/mpmc_ring.hpp>

#include "model/steps.hpp"

TEST_CASE("a claimed slot that is not written yet holds up the consumer") {
    const auto run = model::drive([](model::steps& go) {
        penstock::mpmc_ring<int> ring{2};
        const int slow = go.thread("slow", [&] { MODEL_CHECK(ring.try_push(1)); });
        const int fast = go.thread("fast", [&] { MODEL_CHECK(ring.try_push(2)); });
        go.until(slow, "sys::wrote(raw_)");  // has claimed its slot, is about to fill it
        go.finish(fast);
        MODEL_CHECK(!ring.try_pop());  // though one is in
        MODEL_CHECK(ring.size_approx() == 2);
        go.finish(slow);
        MODEL_CHECK(ring.try_pop() == 1);
        MODEL_CHECK(ring.try_pop() == 2);
    });
    CHECK_MESSAGE(run.ok, run.text);
}

TEST_CASE("the wake over a claimed slot travels on to the second receiver") {
    const auto run = model::drive([](model::steps& go) {
        penstock::channel<int> c{2};
        std::optional<int> a, b;
        const int p1 = go.thread("P1", [&] { MODEL_CHECK(c.send(1)); });
        const int p2 = go.thread("P2", [&] { MODEL_CHECK(c.send(2)); });
        const int c1 = go.thread("C1", [&] { a = *c.receive(); });
        const int c2 = go.thread("C2", [&] { b = *c.receive(); });
        MODEL_CHECK(go.run(c1) == model::rest::asleep);
        MODEL_CHECK(go.run(c2) == model::rest::asleep);
        go.until(p1, "sys::wrote(raw_)");                // claims the first slot and stalls
        go.finish(p2);                                   // fills the second, and wakes C1
        MODEL_CHECK(go.run(c1) == model::rest::asleep);  // who finds nothing to take
        go.finish(p1);
        go.finish(c2);  // the first to enlist now, woken by P1
        go.finish(c1);  // woken by C2, who left something
        MODEL_CHECK(b == 1);
        MODEL_CHECK(a == 2);
    });
    CHECK_MESSAGE(run.ok, run.text);
}

TEST_CASE("a test that drives a thread to where it never comes is told where it stands") {
    const auto run = model::drive([](model::steps& go) {
        penstock::channel<int> c{1};
        const int r = go.thread("R", [&] { (void)c.receive(); });
        go.until(r, "no such line");
    });
    CHECK_FALSE(run.ok);
    CHECK(run.text.find("R sleeps") != std::string::npos);
}

TEST_CASE("a receiver that nobody serves is found at the end") {
    const auto run = model::drive([](model::steps& go) {
        auto* c = new penstock::channel<int>{1};
        go.thread("R", [c] { (void)c->receive(); });
    });
    CHECK_FALSE(run.ok);
    CHECK(run.text.find("not all come to their end: R sleeps") != std::string::npos);
}

TEST_CASE("steps are counted one by one") {
    const auto run = model::drive([](model::steps& go) {
        penstock::sys::atomic<int> x{0};
        const int t = go.thread("T", [&] {
            x.store(1);
            x.fetch_add(1);
            x.store(7);
        });
        go.step(t);  // its beginning
        MODEL_CHECK(x.load() == 0);
        go.step(t);
        MODEL_CHECK(x.load() == 1);
        go.step(t);
        MODEL_CHECK(x.load() == 2);
        go.step(t);
        MODEL_CHECK(x.load() == 7);
    });
    CHECK_MESSAGE(run.ok, run.text);
}

TEST_CASE("random orders of a channel's threads all end well") {
    for (unsigned seed = 0; seed < 200; ++seed) {
        const auto run = model::shuffle(
            [] {
                penstock::channel<int> c{1};
                int sum = 0;
                model::threads(
                    [&] {
                        MODEL_CHECK(c.send(1));
                        MODEL_CHECK(c.send(2));
                    },
                    [&] { sum = *c.receive() + *c.receive(); });
                MODEL_CHECK(sum == 3);
            },
            seed);
        REQUIRE_MESSAGE(run.ok, run.text);
    }
}
