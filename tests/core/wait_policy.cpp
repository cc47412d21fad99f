// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <penstock/core/wait_policy.hpp>

using penstock::wait_policy;
using penstock::detail::spinner;

namespace {
/// Looks until it gave up, or until `n` looks.
int looks(spinner& s, int n = 1'000'000) {
    int seen = 0;
    (void)s([&] { return ++seen >= n; });
    return seen;
}
}  // namespace

TEST_CASE("park never spins") {
    spinner s{wait_policy::park};
    CHECK(looks(s) == 0);
}

TEST_CASE("yield and spin look until it is over") {
    for (auto p : {wait_policy::yield, wait_policy::spin}) {
        spinner s{p};
        CHECK(s([n = 0]() mutable { return ++n == 5000; }));
    }
}

TEST_CASE("hybrid spins less and less where it doesn't pay, and finds out when it does") {
    if (penstock::sys::usable_cpus() <= 1) return;
    spinner s{wait_policy::hybrid};
    CHECK(looks(s) >= 2);
    int probes = 0;
    for (int i = 0; i < 260; ++i) probes += looks(s) > 20;
    CHECK(looks(s) == 0);
    CHECK(probes == 7);  // after 8, 16, 32, 64, 128, 192 and 256 that slept
    bool paid = false;
    for (int i = 0; i < 64 && !paid; ++i) paid = s([n = 0]() mutable { return ++n > 10; });
    CHECK(paid);
    CHECK(looks(s) > 10);  // from now on it waits for as long as that took
}

TEST_CASE("hybrid doesn't try again to catch what comes long after it fell asleep") {
    if (penstock::sys::usable_cpus() <= 1) return;
    spinner s{wait_policy::hybrid};
    for (int i = 0; i < 8; ++i) looks(s);
    for (int i = 0; i < 260; ++i) {
        s.slept(std::chrono::milliseconds{1});
        CHECK(looks(s) == 0);
    }
    int probes = 0;
    for (int i = 0; i < 64; ++i) {
        s.slept(std::chrono::microseconds{60});
        probes += looks(s) > 20;
    }
    CHECK(probes == 1);
}

TEST_CASE("hybrid on one CPU doesn't spin at all") {
    if (penstock::sys::usable_cpus() > 1) return;  // tests/run --one-cpu
    spinner s{wait_policy::hybrid};
    CHECK(looks(s) == 0);
}
