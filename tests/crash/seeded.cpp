// SPDX-License-Identifier: BSL-1.0
// The crash matrix against headers with mistakes in them (seeds.txt): it has to find each of them.
#include <atomic>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>

#include <doctest/doctest.h>
#include <unistd.h>

#include "crash/damage.hpp"
#include "support/flow.hpp"

using namespace crash;

namespace {

struct mistake {
    int seed;
    const char* name;
};
constexpr mistake mistakes[]{
    {1, "a sync skipped"},
    {2, "a cursor written before its data"},
    {3, "a checksum that is not over the length"},
    {4, "no sync of the directory after a rename"},
    {5, "a torn batch accepted"},
    {6, "the commit word without its barrier"},
    {7, "a failed sync retried"},
    {8, "a stale record of a recycled segment accepted"},
    {9, "old records behind a cut torn tail that line up with new ones"},
    {10, "segments given up before the cursors are synced"},
    {11, "the page cache taken for the disk after a kill"},
    {12, "segments behind a torn tail removed in any order"},
    {13, "a torn tail called damage"},
    {14, "no sync of the directory when a file is used again"},
    {15, "a name before its file is on disk"},
    {16, "a limit that takes from an unread group without counting"},
    {17, "a count that is not on record before what it counts goes"},
    {18, "a sender let through at a limit that blocks"},
};

struct planted {
    explicit planted(int n) { seed = n; }
    ~planted() { seed = 0; }
};

bool asleep(const std::atomic<pid_t>& thread) {
    std::ifstream in{"/proc/self/task/" + std::to_string(thread) + "/stat"};
    std::string all;
    std::getline(in, all);
    const auto name_ends = all.rfind(')');
    return name_ends != std::string::npos && all.compare(name_ends, 3, ") S") == 0;
}

/// Nobody reads, and the limit blocks: the sender has to wait with what two segments take.
void blocks(tally& counts) {
    disk files;
    journal books{"j",
                  {.sync = crash::sync::process_crash,
                   .segment_bytes = room,
                   .retention = {.bytes = 3 * room},
                   .files = files}};
    durable_queue<std::string> orders{books, stream_names[0]};
    (void)orders.group(group_names[0], {.prefetch = 64});
    constexpr std::uint64_t most = 2 * (room / 3000);
    std::atomic<pid_t> sends{0};
    std::atomic<std::uint64_t> sent{0};
    std::thread sender{[&] {
        sends = ::gettid();
        while (sent <= most && orders.send(message(sent + 1, 3000))) ++sent;
    }};
    until([&] { return sent > most || (sends > 0 && asleep(sends)); });
    ++counts.states;
    if (sent > most) counts.violation("sent more than the limit takes");
    books.close();
    sender.join();
}

/// Until the first violation.
tally hunt(const image& whole, const history& of_whole) {
    tally counts;
    for (std::uint64_t round = 1; round <= 40 && counts.violations == 0; ++round) {
        run_scripts({.budget = 12, .seed = round, .once = true}, 6, counts);
        if (round == 1 && counts.violations == 0) flips(whole, of_whole, 1, counts);
        if (round == 1 && counts.violations == 0) blocks(counts);
    }
    return counts;
}

}  // namespace

TEST_CASE("each seeded mistake is found") {
    for (const mistake& m : mistakes) {
        history h;
        const image whole = written_journal(h, "sibaotxRSSSsbtRSsaxrt");
        const planted it{m.seed};
        const std::string name = m.name;
        const tally counts = hunt(whole, h);
        CHECK_MESSAGE(counts.violations > 0, name);
        MESSAGE(name << ": found after " << counts.states
                     << " states: " << counts.first.substr(0, 160));
    }
}

TEST_CASE("the commit word without its barrier is right on disks that write in order") {
    const planted it{6};
    tally in_order, any;
    // Nothing old is on these disks: it would be trusted too.
    for (const char* const actions : {"ssSbai", "ssSbaiysbts", "sSSSSSSSSSsyss", "BBtBBtyBt"}) {
        for (const auto policy : {sync::every_append, sync::process_crash}) {
            walk{policy, {.in_order = true}, in_order}.run(actions);
            walk{policy, {.kills = false}, any}.run(actions);
        }
    }
    INFO(in_order.first);
    CHECK(in_order.states > 500);
    CHECK(in_order.violations == 0);
    CHECK(any.violations > 0);  // only subsets of what was stored show it
}

TEST_CASE("without a mistake nothing is found in the headers with the seeds") {
    tally counts;
    run_scripts({.budget = 10}, 5, counts);
    blocks(counts);
    INFO(counts.first);
    CHECK(counts.violations == 0);
}
