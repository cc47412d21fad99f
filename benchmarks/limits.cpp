// SPDX-License-Identifier: BSL-1.0
// What is bounded while much more goes through: a journal's disk (retention), a spilling channel's memory
//
//   PENSTOCK_BENCH_DIR=/mnt/disk benchmarks/run limits [--whole] [--csv FILE] [--table]
//
// A twenty-fifth of what --whole does, which is 100 GB through a journal of 1 GB, by block, read and
// accepted meanwhile, and 10 GB into a channel with 64 MB of memory, then out of it, beside the same
// through a journal. What the disk and memory took is sampled and must never be more; all is checked
// to come in order. --csv: MB/s over time, for benchmarks/run chart.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>

#include <penstock/channel/ends.hpp>
#include <penstock/durable/durable_queue.hpp>
#include <penstock/durable/spill_ring.hpp>

#include "support/machine.hpp"
#include "support/stores.hpp"
#include "support/verify.hpp"

namespace {

using namespace penstock;
using bench::verify;

constexpr std::uint64_t megabyte = 1 << 20, segment = 64 * megabyte;
struct sample {
    double gigabytes, megabytes_each_second;
};

std::uint64_t disk_use(const std::string& path) {
    std::uint64_t n = 0;
    std::error_code gone;
    for (const auto& f : std::filesystem::directory_iterator{path, gone}) {
        struct stat s {};
        if (::stat(f.path().c_str(), &s) == 0) n += static_cast<std::uint64_t>(s.st_blocks) * 512;
    }
    return n;
}

/// kB of that line of /proc/self/smaps_rollup.
std::uint64_t kilobytes(const char* line) {
    std::ifstream in{"/proc/self/smaps_rollup"};
    for (std::string word; in >> word;) {
        std::uint64_t n = 0;
        if (word == line && in >> n) return n;
    }
    return 0;
}
std::size_t segments_mapped(const char* directory) {
    std::ifstream in{"/proc/self/maps"};
    std::size_t n = 0;
    for (std::string line; std::getline(in, line);) n += line.find(directory) != line.npos;
    return n;
}

/// 100 GB through 1 GB.
std::vector<sample> through_a_limit(std::uint64_t total) {
    using message = bench::durable_message<4096 - 32>;
    const std::uint64_t limit = 1024 * megabyte;
    bench::disk_folder dir;
    journal j{dir.path() + "/j",
              {.sync = sync::process_crash,
               .segment_bytes = segment,
               .retention = {.bytes = limit, .unread = unread::block},
               .helper = true}};
    durable_queue<message> q{j, "q"};
    auto g = q.group("g", {.prefetch = 512});
    const std::uint64_t count = total / 4096;
    std::atomic<bool> ended{false};
    std::uint64_t most = 0, looks = 0;
    std::vector<sample> course;
    std::thread looking{[&] {
        auto since = std::chrono::steady_clock::now();
        std::uint64_t before = 0;
        while (!ended) {
            std::this_thread::sleep_for(std::chrono::milliseconds{20});
            most = std::max(most, disk_use(dir.path() + "/j"));
            ++looks;
            const std::uint64_t there = j.appended();
            if (there - before < total / 50) continue;
            const auto now = std::chrono::steady_clock::now();
            const double seconds = std::chrono::duration<double>(now - since).count();
            course.push_back({static_cast<double>(there) / 1e9,
                              static_cast<double>(there - before) / 1e6 / seconds});
            before = there;
            since = now;
        }
    }};
    std::thread reader{[&] {
        for (std::uint64_t next = 0; next < count;) {
            auto batch = g.receive_n(256);
            verify(bool{batch}, "a message is missing");
            for (const auto& m : batch) verify(m.number == next++, "a message is out of order");
            verify(bool{batch.accept()}, "accept failed");
        }
    }};
    const double start = bench::now_ns();
    message m;
    for (m.number = 0; m.number < count; ++m.number) verify(bool{q.send(m)}, "a send failed");
    reader.join();
    const double seconds = (bench::now_ns() - start) / 1e9;
    ended = true;
    looking.join();
    std::printf(
        "%.0f GB through a journal of 1 GB: %.0f s, %.0f MB/s; disk looked at %llu times, at "
        "most %.0f MB, limit %.0f MB and a segment of %.0f MB: %s\n",
        static_cast<double>(total) / 1e9, seconds, static_cast<double>(total) / 1e6 / seconds,
        static_cast<unsigned long long>(looks), static_cast<double>(most) / 1048576.0,
        static_cast<double>(limit) / 1048576.0, static_cast<double>(segment) / 1048576.0,
        most <= limit + segment ? "kept" : "NOT KEPT");
    std::fflush(stdout);
    verify(most <= limit + segment, "the disk took more than the limit and a segment");
    return course;
}

using small = bench::durable_message<1024 - 32>;
std::string spill_here;
struct on_disk {
    static spill_options options() { return {.directory = spill_here}; }
};

/// 10 GB through 64 MB.
void through_a_spill(std::uint64_t total) {
    const std::uint64_t count = total / 1024;
    double own = 0, spilling = 0;
    {  // what a journal does by itself: appended, then read; segments given up as they are read
        bench::disk_folder dir;
        journal j{dir.path() + "/j", {.sync = sync::process_crash, .segment_bytes = segment}};
        durable_queue<small> q{j, "q"};
        auto g = q.group("g");
        small m;
        const double start = bench::now_ns();
        for (m.number = 0; m.number < count; ++m.number) verify(bool{q.send(m)}, "a send failed");
        for (std::uint64_t next = 0; next < count;) {
            auto batch = g.try_receive_n(256);
            verify(bool{batch}, "a message is missing");
            for (const auto& got : batch) verify(got.number == next++, "a message is out of order");
            verify(bool{batch.accept()}, "accept failed");
            if (next % (1 << 18) == 0) (void)j.trim();
        }
        own = (bench::now_ns() - start) / 1e9;
    }
    bench::disk_folder dir;
    spill_here = dir.path();
    std::atomic<bool> ended{false};
    std::uint64_t most_memory = 0;
    std::size_t most_mapped = 0;
    std::uint64_t before = kilobytes("Anonymous:");
    {
        auto [tx, rx] = make_channel<small, spill_ring<small, on_disk>>(32'000);
        std::thread looking{[&] {
            while (!ended) {
                std::this_thread::sleep_for(std::chrono::milliseconds{20});
                most_memory = std::max(most_memory, kilobytes("Anonymous:"));
                most_mapped = std::max(most_mapped, segments_mapped("penstock-spill"));
            }
        }};
        const double start = bench::now_ns();
        small m;
        for (m.number = 0; m.number < count; ++m.number) verify(bool{tx.send(m)}, "a send failed");
        for (std::uint64_t next = 0; next < count; ++next) {
            auto got = rx.receive();
            verify(got && got->number == next, "an element is missing or out of order");
        }
        spilling = (bench::now_ns() - start) / 1e9;
        ended = true;
        looking.join();
    }
    const bool kept = most_memory <= 64 * 1024 && most_mapped <= 3 && spilling * 0.7 <= own;
    std::printf(
        "%.1f GB into a spilling channel and out: %.1f s; through a journal: %.1f s, ratio %.2f "
        "(at least 0.7); anonymous memory at most %.1f MB (%.1f before; at most 64), %zu "
        "segments mapped (at most 3): %s\n",
        static_cast<double>(total) / 1e9, spilling, own, own / spilling,
        static_cast<double>(most_memory) / 1024, static_cast<double>(before) / 1024, most_mapped,
        kept ? "kept" : "NOT KEPT");
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t parts = 25;
    std::string csv;
    bool limit = true, spill = true;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--whole") == 0) {
            parts = 1;
        } else if (std::strcmp(argv[i], "--csv") == 0 && i + 1 < argc) {
            csv = argv[++i];
        } else if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            limit = std::strcmp(argv[i + 1], "limit") == 0;
            spill = std::strcmp(argv[++i], "spill") == 0;
        } else if (std::strcmp(argv[i], "--table") != 0) {
            std::fprintf(stderr, "limits [--whole] [--only limit|spill] [--csv FILE]\n");
            return 2;
        }
    }
    if (limit) {
        const auto course = through_a_limit(100'000'000'000 / parts);
        std::ofstream out;
        if (!csv.empty()) {
            out.open(csv);
            out << "cell,subject,run,value,unit\n";
            for (const sample& s : course)
                out << "\"1 GB limit by GB: " << s.gigabytes << "\",\"through\",1,"
                    << s.megabytes_each_second << ",MB/s\n";
        }
    }
    if (spill) through_a_spill(10'000'000'000 / parts);
    return 0;
}
