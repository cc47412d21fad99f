// SPDX-License-Identifier: BSL-1.0
// A journal whose files somebody else has changed. tests/durable/recover.cpp has a test for each kind of
// damage; here is every place.
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "crash/fuzz.hpp"

using namespace crash;

TEST_CASE("every byte flipped: what is read was sent, and what is missing is reported there") {
    history h;
    // Two segments, with a transaction, a batch, cursors, and an opening in each.
    const image whole = written_journal(h, "sibaotxRSSSsbtRSsaxrt");
    tally counts;
    flips(whole, h, effort(0, 1) > 0 ? 1 : TESTS_SANITIZED ? 131 : 23, counts);
    INFO(counts.first);
    CHECK(counts.violations == 0);
    MESSAGE("bytes flipped: " << counts.points << " points, " << counts.states
                              << " states, violations " << counts.violations);
}

TEST_CASE(
    "segments missing, doubled, swapped, of another journal: reported there, and never wrong data") {
    history h, ignored;
    const char* const actions = "sibaotxRSSSsbtRSsaxrtSSSSSSSSsbtaSSSSS";
    const image whole = written_journal(h, actions), other = written_journal(ignored, actions);
    tally counts;
    misplaced(whole, other, h, counts);
    INFO(counts.first);
    CHECK(counts.points > 20);
    CHECK(counts.violations == 0);
    MESSAGE("segments misplaced: " << counts.points << " points, " << counts.states
                                   << " states, violations " << counts.violations);
}

TEST_CASE("what a fuzzer once made of a journal is opened and read, or refused") {
    std::ifstream corpus{CRASH_CORPUS};
    int inputs = 0;
    for (std::string line; std::getline(corpus, line);) {
        if (line.empty() || line[0] == '#') continue;
        std::vector<std::uint8_t> input;
        for (std::size_t i = 0; i + 1 < line.size(); i += 2)
            input.push_back(static_cast<std::uint8_t>(std::stoi(line.substr(i, 2), nullptr, 16)));
        open_edited(input);
        ++inputs;
    }
    CHECK(inputs > 20);
}
