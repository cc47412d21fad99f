// SPDX-License-Identifier: BSL-1.0
// Publishing is wait-free against everybody who subscribes and unsubscribes: they are stopped before
// each of their steps, for good as far as the publisher can tell, and he ends in a number of steps of
// his own that is stated here. (A step is an access to an atomic, a mutex, a futex or a barrier.)
#include <cstddef>
#include <functional>
#include <string>

#include <doctest/doctest.h>

#include <penstock/bus/bus.hpp>

#include "model/steps.hpp"

namespace {

struct scene {
    penstock::bus events;
    penstock::topic<int> x = events.topic<int>("a.x");
    penstock::subscription stays, goes;
    int got = 0;
    scene() {
        stays = events.subscribe<int>("a.x", [this](const int&) { ++got; });
        goes = events.subscribe<int>("a.*", [](const int&) {});
        (void)events.publish("a.x", 1);
    }
};

/// Most steps that a publish takes, whichever step of `change` its thread stands before.
std::size_t most_steps(const std::function<void(scene&)>& change,
                       const std::function<void(scene&)>& publish, std::size_t& stops) {
    std::size_t most = 0;
    bool ended = false;
    for (stops = 0; !ended; ++stops) {
        const auto run = model::drive([&](model::steps& go) {
            scene s;
            bool published = false;
            ended = false;
            const int changer = go.thread("C", [&] {
                change(s);
                ended = true;
            });
            const int publisher = go.thread("P", [&] {
                publish(s);
                published = true;
            });
            for (std::size_t n = 0; n < stops && !ended; ++n) go.step(changer);
            const bool whole = ended;
            std::size_t steps = 0;
            while (!published) {
                go.step(publisher);
                ++steps;
            }
            if (steps > most) most = steps;
            go.finish(publisher);  // gives back what it had as a thread
            go.finish(changer);
            MODEL_CHECK(s.got >= 2);
            ended = whole;
        });
        REQUIRE_MESSAGE(run.ok, run.text);
    }
    return most;
}

struct named {
    std::string name;
    std::function<void(scene&)> does;
};

}  // namespace

TEST_CASE("a subscriber who is stopped before any of his steps delays no publisher") {
    const named changes[] = {
        {"subscribes to the topic",
         [](scene& s) {
             penstock::subscription more = s.events.subscribe<int>("a.x", [](const int&) {});
             more.cancel_without_waiting();
         }},
        {"subscribes by a pattern, and ends it",
         [](scene& s) { (void)s.events.subscribe<int>("#", [](const int&) {}).cancel(); }},
        {"ends a subscription", [](scene& s) { (void)s.goes.cancel(); }},
        {"makes a topic", [](scene& s) { (void)s.events.topic<int>("a.y"); }},
    };
    const named publishes[] = {
        {"by topic", [](scene& s) { MODEL_CHECK(s.x.publish(1).handled() >= 1); }},
        {"by name", [](scene& s) { MODEL_CHECK(s.events.publish("a.x", 1).handled() >= 1); }},
    };
    for (const named& change : changes)
        for (const named& publish : publishes) {
            std::size_t stops = 0;
            const std::size_t most = most_steps(change.does, publish.does, stops);
            MESSAGE("who ", change.name, ", stopped before each of ", stops, " steps; a publish ",
                    publish.name, " takes up to ", most);
            CHECK(stops > 10);
            CHECK(most <= 52);  // with the first visit of its thread, which looks for a record
        }
}
