// SPDX-License-Identifier: BSL-1.0
// Our queues beside those of ten libraries and two locks, and beside the hardware itself
//
//   benchmarks/run queues [--only REGEX] [--reps N] [--csv FILE] [--table] [--list]
//
// README.md here says how it measures and how to read it; peers/ has the queues.
#include "support/bench.hpp"
#include "support/hardware.hpp"
#include "support/queue_cells.hpp"

namespace {

void add_hardware(bench::suite& s) {
    auto& c = s.cell("hardware");
    auto add = [&](const char* name, auto run) { c.add(name, bench::hardware, run); };
    if (bench::cpus().size() > 1) {
        add("line there and back", [](std::size_t n) { return bench::ping_pong(n, false); });
        add("the same over two lines", [](std::size_t n) { return bench::ping_pong(n, true); });
        add("line to the other core", [](std::size_t n) { return bench::line_transfer(n, 1); });
        add("in blocks of 4", [](std::size_t n) { return bench::line_transfer(n, 4); });
        add("in blocks of 32", [](std::size_t n) { return bench::line_transfer(n, 32); });
        add("fetch_add, two cores", [](std::size_t n) { return bench::additions(n, 2); });
        add("compare-exchange loop, two cores",
            [](std::size_t n) { return bench::exchanges(n, 2); });
    }
    add("fetch_add, alone", [](std::size_t n) { return bench::additions(n, 1); });
    add("compare-exchange loop, alone", [](std::size_t n) { return bench::exchanges(n, 1); });
    add("seq_cst fence", [](std::size_t n) { return bench::fences(n); });
    add("pause", [](std::size_t n) { return bench::pauses(n); });
}

/// What the rings are to reach: the bars of --table.
void add_goals(bench::suite& s) {
    using kind = bench::goal::kind;
    const std::string tries = "(?!.*optimist).*", optimists = ".*optimist.*";
    auto expect = [&s](std::string cell, std::string ours, double bar, bench::goal g = {}) {
        g.cell = std::move(cell);
        g.ours = std::move(ours);
        g.bar = bar;
        s.expect(std::move(g));
    };
    expect("spsc u64", "spsc_ring", 0.65, {.others = tries, .title = "spsc u64, try forms"});
    expect("spsc u64", "spsc_ring", 0.85, {.others = optimists, .title = "spsc u64, optimist"});
    expect("spsc u64", "spsc_ring, fixed capacity", 0.85,
           {.others = optimists, .title = "spsc u64, optimist, both of fixed capacity"});
    expect("spsc 64 bytes", "spsc_ring", 0.8);
    expect("spsc batches of 256", "spsc_ring", 1.0);
    expect("round trip", "spsc_ring", 1.0, {.title = "round trip, spsc_ring"});
    expect("round trip", "mpmc_ring", 1.0, {.title = "round trip, mpmc_ring"});
    expect("push then pop, spsc", "spsc_ring", 1.05);
    expect("push then pop, many", "mpmc_ring", 1.05);
    for (const char* cell : {"2 to 1", "1 to 2", "2 to 2", "4 to 4"})
        expect(cell, "mpmc_ring", 0.9);
    expect("2 to 2, batches of 32", "mpmc_ring", 0.4);
    expect("1024 u64", "mpmc_ring", 17000, {.what = kind::value, .title = "1024 u64, bytes"});
}

}  // namespace

int main(int argc, char** argv) {
    bench::suite s{argc, argv};
    add_hardware(s);
    bench::queue_cells q{s};
    namespace families = bench::families;
    for (auto add : {families::penstock, families::locks, families::boost, families::moodycamel,
                     families::readerwriterqueue, families::atomic_queue, families::xenium,
                     families::libcds, families::ck, families::tbb, families::rigtorp})
        add(q);
    add_goals(s);
    return s.run();
}
