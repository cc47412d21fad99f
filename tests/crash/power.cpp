// SPDX-License-Identifier: BSL-1.0
// Power lost, and the process killed, at every step of what journals do: disk.hpp says which states the
// disk may be in, power.hpp what must be there, scripts.hpp what is done meanwhile.
//
//   tests/run crash          prints points and states; --all for the long form
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "crash/scripts.hpp"

using namespace crash;

namespace {

void report(const std::string& what, const tally& counts) {
    INFO(counts.first);
    CHECK(counts.violations == 0);
    MESSAGE(what << ": " << counts.points << " points, " << counts.states << " states, violations "
                 << counts.violations);
}

}  // namespace

TEST_CASE("power loss and kills at every step of each thing a journal does") {
    tally counts;
    run_scripts({.budget = effort(10, 120), .every = slow_build ? 4u : 1u}, 0, counts);
    CHECK(counts.states > (slow_build ? 500 : 5'000));
    report("scripts", counts);
}

TEST_CASE("all states that power loss can leave of one action and an opening") {
    std::vector<std::string> all{"s"};
    const bool more = effort(0, 1) > 0;
    if (more) all = {"s", "b", "sa", "st", "R", "sizo"};
    tally counts;
    for (const std::string& actions : all) {
        const std::uint64_t before = counts.points - counts.exhaustive;
        walk{sync::every_append, {.budget = effort(1 << 10, 1 << 16), .kills = false}, counts}.run(
            actions);
        INFO(actions);
        if (more) CHECK(counts.points - counts.exhaustive == before);
    }
    report("all states", counts);
}

TEST_CASE("power loss and kills at every step of scripts that chance wrote") {
    tally counts;
    const std::uint64_t seed = effort(1, 1);
    std::mt19937_64 random{seed};
    for (std::uint64_t n = effort(6, 300); n > 0; --n) {
        const auto policy = drawn_policy(random);
        const auto actions = drawn_script(random, 24);
        walk{policy,
             {.budget = effort(8, 30), .every = slow_build ? 4u : 1u, .seed = random()},
             counts}
            .run(actions);
    }
    report("drawn scripts, seed " + std::to_string(seed), counts);
}
