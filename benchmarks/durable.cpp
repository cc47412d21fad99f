// SPDX-License-Identifier: BSL-1.0
// The journal beside stores that people use as queues, and beside bare loops over the same bytes
//
//   PENSTOCK_BENCH_DIR=/mnt/disk benchmarks/run durable [--only REGEX] [--reps N] [--csv FILE] [--list]
//
// The loops do only what the work takes: copy into a mapped, resident file, the same CRC32C over the
// same bytes by the same function, fdatasync. Files and rows of a run are made before its clock starts;
// what was appended is read back and summed when it has stopped. README.md here says how it measures.
// The cells "over 3 GB" and "open" take that and 24 GB of disk; PENSTOCK_BENCH_GB=1 makes them small.
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include <penstock/durable/durable_queue.hpp>

#include "durable/bare_file.hpp"
#include "durable/hand_off.hpp"
#include "durable/long_runs.hpp"
#include "durable/resident_journal.hpp"
#include "support/bench.hpp"
#include "support/stores.hpp"

namespace {

using namespace penstock;
using bench::verify;
template <std::size_t Bytes>
using message = bench::durable_message<Bytes>;
using bench::messages;

// ---- Peers: a new store for each run ----

template <class Store, std::size_t Bytes>
double append(std::size_t n, std::size_t batch, bool sync) {
    bench::disk_folder dir;
    Store store{dir.path(), sync};
    auto m = messages<Bytes>(0, batch);
    const std::size_t rounds = (n + batch - 1) / batch;
    const double start = bench::now_ns();
    for (std::size_t r = 0; r < rounds; ++r) {
        for (std::size_t i = 0; i < batch; ++i) m[i].number = r * batch + i;
        store.append(m.data(), batch);
    }
    const double ns =
        (bench::now_ns() - start) * static_cast<double>(n) / static_cast<double>(rounds * batch);
    verify(store.template read_all<message<Bytes>>() == bench::sum_below(rounds * batch),
           "a store's sum is wrong");
    return ns;
}

/// Threads that each wait until theirs is on disk.
template <class Store>
double together(std::size_t n, std::size_t threads, bool own_lock) {
    bench::disk_folder dir;
    Store store{dir.path(), true};
    std::mutex mutex;
    std::vector<std::thread> all;
    const double start = bench::now_ns();
    for (std::size_t t = 0; t < threads; ++t)
        all.emplace_back([&, t] {
            message<100> m;
            for (m.number = t; m.number < n; m.number += threads) {
                std::unique_lock lock{mutex, std::defer_lock};
                if (!own_lock) lock.lock();
                store.append(&m, 1);
            }
        });
    for (auto& t : all) t.join();
    const double ns = bench::now_ns() - start;
    verify(
        store.template read_all<message<100>>() == bench::sum_below(n), "a store's sum is wrong");
    return ns;
}

template <class Store>
double read(std::size_t n) {
    bench::disk_folder dir;
    Store store{dir.path(), false};
    for (std::size_t i = 0; i < n; i += 1000) {
        const auto m = messages<100>(i, std::min<std::size_t>(1000, n - i));
        store.append(m.data(), m.size());
    }
    const double start = bench::now_ns();
    const auto sum = store.template read_all<message<100>>();
    const double ns = bench::now_ns() - start;
    verify(sum == bench::sum_below(n), "a store's sum is wrong");
    return ns;
}

bench::bare_file& bare() {
    static bench::bare_file f;
    return f;
}

template <class Add>
void each_peer([[maybe_unused]] Add add) {
#if BENCH_SQLITE
    add("SQLite, WAL", std::type_identity<bench::sqlite_store>{});
#endif
#if BENCH_ROCKSDB
    add("RocksDB", std::type_identity<bench::rocksdb_store>{});
#endif
#if BENCH_LMDB
    add("LMDB", std::type_identity<bench::lmdb_store>{});
#endif
}

/// Ours is to be so many times as fast as the best peer (0: no bar), and so near to the loop.
void expect(bench::suite& s, const std::string& cell, double times, double of_the_loop,
            const std::string& loop = "bare loop.*", const std::string& own = "journal") {
    if (times > 0)
        s.expect({.cell = cell, .ours = own, .bar = 1 / times, .title = cell + ", best peer"});
    if (of_the_loop > 0)
        s.expect({.cell = cell,
                  .ours = own,
                  .others = loop,
                  .bar = 1 / of_the_loop,
                  .any_owner = true,
                  .title = cell + ", loop"});
}

template <std::size_t Bytes>
void appends(bench::suite& s, const char* name, std::size_t batch, penstock::sync policy) {
    const bool sync = policy == sync::every_append;
    auto& c = s.cell(name);
    c.add("journal", bench::ours,
          [=](std::size_t n) { return bench::ours_by<Bytes>(policy).append(n, batch); });
    c.add("bare loop", bench::hardware, [=](std::size_t n) {
        return sync ? bare().synced<Bytes>(n, 1) : bare().loop<Bytes>(n, batch);
    });
    each_peer([&](const char* peer, auto store) {
        using type = typename decltype(store)::type;
        c.add(
            peer, bench::peers, [=](std::size_t n) { return append<type, Bytes>(n, batch, sync); });
    });
}

void sixteen_threads(bench::suite& s) {
    auto& c = s.cell("16 threads, sync each");
    c.add("journal", bench::ours, [](std::size_t n) {
        return bench::ours_by<100>(penstock::sync::every_append).append(n, 1, 16);
    });
    c.add("bare loop of 16 threads", bench::hardware,
          [](std::size_t n) { return bare().synced_together<100>(n, 16); });
    c.add("one thread, 16 a sync", bench::hardware,
          [](std::size_t n) { return bare().synced<100>(n, 16); });
#if BENCH_SQLITE
    c.add("SQLite, WAL, a mutex", bench::peers,
          [](std::size_t n) { return together<bench::sqlite_store>(n, 16, false); });
#endif
#if BENCH_ROCKSDB
    c.add("RocksDB", bench::peers,
          [](std::size_t n) { return together<bench::rocksdb_store>(n, 16, true); });
#endif
}

void reads(bench::suite& s) {
    auto& c = s.cell("read 100 B, cursor every 100");
    c.add("journal", bench::ours,
          [](std::size_t n) { return bench::ours_by<100>(penstock::sync::process_crash).read(n); });
    each_peer([&](const char* peer, auto store) {
        using type = typename decltype(store)::type;
        c.add(peer, bench::peers, [](std::size_t n) { return read<type>(n); });
    });
}

void hand_offs(bench::suite& s) {
    constexpr std::size_t n = 2000;
    auto& spinning = s.cell("send to received, spinning, p50");
    spinning.add_value(
        "journal", bench::ours, [] { return bench::journal_hand_off(n, 2e3, false); });
    spinning.add_value(
        "bare loop", bench::hardware, [] { return bench::bare_hand_off(n, 2e3, false); });
    each_peer([&](const char* peer, auto store) {
        using type = typename decltype(store)::type;
        spinning.add_value(peer, bench::peers, [] { return bench::store_hand_off<type>(n, 2e3); });
    });
    auto& sleeping = s.cell("send to received, sleeping, p50");
    sleeping.add_value(
        "journal", bench::ours, [] { return bench::journal_hand_off(n, 1e5, true); });
    sleeping.add_value(
        "bare loop, futex", bench::hardware, [] { return bench::bare_hand_off(n, 1e5, true); });
}

template <std::size_t Bytes>
void rolling(bench::suite& s, const char* name) {
    using bench::help;
    auto& c = s.cell(name);
    const auto add = [&](const char* how, help h) {
        c.add_value(std::string{"journal, "} + how, bench::ours,
                    [h] { return bench::rolling_journal<Bytes>(h); });
        c.add_value(std::string{"bare loop, "} + how, bench::hardware,
                    [h] { return bench::rolling_loop<Bytes>(h); });
    };
    add("nobody helps", help::none);
    add("a helper", help::thread);
    add("used again", help::recycling);
    for (const char* how : {"nobody helps", "a helper", "used again"})
        s.expect({.cell = name,
                  .ours = std::string{"journal, "} + how,
                  .others = std::string{"bare loop, "} + how,
                  .bar = 1 / 0.8,
                  .any_owner = true,
                  .title = std::string{name} + ", " + how});
}

template <std::size_t Bytes>
void slowest(bench::suite& s, const char* name) {
    using bench::help;
    auto& c = s.cell(name);
    c.add_value("journal, a helper", bench::ours,
                [] { return bench::slowest_of_journal<Bytes>(help::thread); });
    c.add_value("journal, used again", bench::ours,
                [] { return bench::slowest_of_journal<Bytes>(help::recycling); });
    c.add_value("bare loop, a helper", bench::hardware,
                [] { return bench::slowest_of_loop<Bytes>(help::thread); });
    c.add_value("journal, nobody helps", bench::ours,
                [] { return bench::slowest_of_journal<Bytes>(help::none); });
    s.expect({.cell = name,
              .ours = "journal, (a helper|used again)",
              .bar = 2000,
              .what = bench::goal::kind::value});
}

/// Made when it is first asked for.
template <class Large>
Large& large(std::size_t bytes) {
    static std::map<std::size_t, std::unique_ptr<Large>> all;
    auto& it = all[bytes];
    if (!it) it = std::make_unique<Large>(bytes);
    return *it;
}
void opening(bench::suite& s) {
    for (const std::size_t gb : {bench::gigabytes(10), bench::gigabytes(10) / 10}) {
        const std::string name =
            std::string{gb == bench::gigabytes(10) ? "10 GB" : "1 GB"} + " opened after SIGKILL";
        auto& c = s.cell(name);
        c.add_value(
            "journal", bench::ours, [gb] { return large<bench::large_journal>(gb).open(); });
        c.add_value("scan of a segment", bench::hardware,
                    [gb] { return large<bench::large_journal>(gb).scan(); });
#if BENCH_ROCKSDB
        if (gb != bench::gigabytes(10))
            c.add_value(
                "RocksDB", bench::peers, [gb] { return large<bench::large_rocksdb>(gb).open(); });
#endif
        s.expect({.cell = name,
                  .ours = "journal",
                  .others = "scan of a segment",
                  .bar = 3,
                  .any_owner = true});
    }
}

void name_the_disk() {
    std::string longest, line, device;
    const auto here = std::filesystem::absolute(
        std::getenv("PENSTOCK_BENCH_DIR") ? std::getenv("PENSTOCK_BENCH_DIR") : ".");
    for (std::ifstream in{"/proc/mounts"}; std::getline(in, line);) {
        std::istringstream fields{line};
        std::string from, on, type;
        fields >> from >> on >> type;
        if (here.string().starts_with(on) && on.size() >= longest.size())
            longest = on, device = type + " on " + from;
    }
    std::printf("files in %s: %s\n", here.c_str(), device.c_str());
}

}  // namespace

int main(int argc, char** argv) {
#if BENCH_ROCKSDB
    if (argc == 5 && std::string_view{argv[1]} == "--rocksdb-then-sigkill")
        return bench::rocksdb_then_sigkill(argv + 2);
#endif
    bench::suite s{argc, argv};
    name_the_disk();
    appends<100>(s, "append 100 B", 1, penstock::sync::process_crash);
    appends<1024>(s, "append 1 KiB", 1, penstock::sync::process_crash);
    appends<100>(s, "append 100 B by 100", 100, penstock::sync::process_crash);
    appends<100>(s, "append 100 B, sync each", 1, penstock::sync::every_append);
    sixteen_threads(s);
    reads(s);
    hand_offs(s);
    expect(s, "append 100 B", 12, 0.8);
    expect(s, "append 1 KiB", 8, 0.8);
    expect(s, "append 100 B by 100", 0, 0.8);
    expect(s, "append 100 B, sync each", 0, 0.9);
    expect(s, "16 threads, sync each", 0, 0.9);
    expect(s, "read 100 B, cursor every 100", 1.5, 0);
    expect(s, "send to received, spinning, p50", 1, 0.5);
    expect(s, "send to received, sleeping, p50", 0, 1);
    rolling<100>(s, "append 100 B over 3 GB");
    rolling<1024>(s, "append 1 KiB over 3 GB");
    slowest<1024>(s, "append 1 KiB, 200 k/s over 3 GB, p99.99");
    slowest<100>(s, "append 100 B, 200 k/s over 3 GB, p99.99");
    opening(s);
    return s.run();
}
