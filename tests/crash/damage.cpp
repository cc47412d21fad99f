// SPDX-License-Identifier: BSL-1.0
// A journal whose files somebody else has changed. tests/durable/recover.cpp has a test for each kind of
// damage; here is every place.
#include "crash/damage.hpp"

#include <cstdint>

#include <doctest/doctest.h>

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
