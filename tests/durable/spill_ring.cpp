// SPDX-License-Identifier: BSL-1.0
//   PENSTOCK_SPILL_MB=10240 tests/run durable     the flat memory of a long peak
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/channel/ends.hpp>
#include <penstock/durable/spill_ring.hpp>

#include "durable/faulty_files.hpp"
#include "durable/scratch.hpp"
#include "support/sanitized.hpp"

using namespace penstock;
namespace fs = std::filesystem;

namespace {

std::string where;  // of the test that runs
struct in_scratch {
    static spill_options options() { return {.directory = where, .segment_bytes = 64 * 1024}; }
};
template <class T>
using spilling = spill_ring<T, in_scratch>;

std::size_t entries(const std::string& path) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator{path}, fs::directory_iterator{}));
}
std::uint64_t bytes_in(const std::string& path) {
    std::uint64_t n = 0;
    for (const auto& e : fs::recursive_directory_iterator{path})
        if (e.is_regular_file()) n += e.file_size();
    return n;
}

struct block {
    std::uint64_t id;
    std::uint64_t filling[127];
};
block block_of(std::uint64_t id) {
    block b{id, {}};
    for (auto& f : b.filling) f = id * 0x9E3779B97F4A7C15;
    return b;
}

/// kB of anonymous memory; 0 without /proc.
std::uint64_t anonymous_kb() {
    std::ifstream in{"/proc/self/status"};
    for (std::string word; in >> word;)
        if (word == "RssAnon:") {
            std::uint64_t kb = 0;
            in >> kb;
            return kb;
        }
    return 0;
}
std::size_t mapped_segments() {
    std::ifstream in{"/proc/self/maps"};
    std::size_t n = 0;
    for (std::string line; std::getline(in, line);) n += line.find(".segment") != std::string::npos;
    return n;
}

}  // namespace

static_assert(closable_queue<spill_ring<int>> && counting_queue<spill_ring<int>>);

TEST_CASE("what doesn't fit in memory comes back from disk in order, and leaves nothing behind") {
    const scratch dir;
    where = dir.path("");
    {
        spilling<std::string> q{10};
        CHECK(entries(where) == 0);  // no file before it is needed
        std::uint64_t pushed = 0, popped = 0;
        const auto text = [](std::uint64_t n) {
            return std::to_string(n) + std::string(n % 300, '.');
        };
        for (int round = 0; round < 60; ++round) {
            for (int i = 0; i < round * 7 % 220; ++i) REQUIRE(q.try_push(text(pushed++)));
            CHECK(q.size_approx() == pushed - popped);
            CHECK(q.spilled_approx() <= q.size_approx());
            CHECK(q.size_approx() - q.spilled_approx() <= 10);
            for (int i = 0; i < round * 11 % 230; ++i) {
                const auto s = q.try_pop();
                if (popped == pushed) {
                    CHECK_FALSE(s);
                    break;
                }
                REQUIRE(s == text(popped++));
            }
        }
        while (popped < pushed) REQUIRE(q.try_pop() == text(popped++));
        CHECK_FALSE(q.try_pop());
        CHECK(q.pushed_approx() == pushed);
        CHECK(entries(where) == 1);
        REQUIRE(q.try_push("in memory again"));
        CHECK(q.spilled_approx() == 0);
    }
    CHECK(entries(where) == 0);
}

TEST_CASE("a spilling channel never makes its senders wait; closed, it is drained to the end") {
    const scratch dir;
    where = dir.path("");
    auto [tx, rx] = make_channel<std::uint64_t, spilling<std::uint64_t>>(16);
    for (std::uint64_t i = 0; i < 20'000; ++i) REQUIRE(tx.try_send(i));
    tx.close();
    CHECK(tx.try_send(0) == status::closed);
    for (std::uint64_t i = 0; i < 20'000; ++i) {
        const auto got = rx.receive();
        REQUIRE(got);
        REQUIRE(*got == i);
    }
    CHECK(rx.receive().status() == status::closed);
}

TEST_CASE("several senders and receivers: each element once, each sender's in order") {
    const scratch dir;
    where = dir.path("");
    constexpr std::uint64_t each = 5000;
    channel<std::uint64_t, spilling<std::uint64_t>> c{32};
    std::vector<std::uint64_t> got[2];
    {
        std::vector<std::jthread> threads;
        for (auto& mine : got)
            threads.emplace_back([&c, &mine] {
                while (auto v = c.receive()) mine.push_back(*v);
            });
        {
            std::vector<std::jthread> senders;
            for (std::uint64_t s = 0; s < 3; ++s)
                senders.emplace_back([&c, s] {
                    for (std::uint64_t i = 0; i < each; ++i)
                        if (!c.send(s * each + i)) std::abort();
                });
        }
        c.close();
    }
    std::vector<bool> seen(3 * each);
    for (auto& mine : got) {
        std::map<std::uint64_t, std::uint64_t> next;
        for (const std::uint64_t v : mine) {
            CHECK_FALSE(seen[v]);
            seen[v] = true;
            auto& least = next[v / each];
            CHECK(least <= v);
            least = v;
        }
    }
    CHECK(got[0].size() + got[1].size() == 3 * each);
}

TEST_CASE("a full disk is full: what is in comes out, and it goes on when there is space") {
    const scratch dir;
    faulty_files files;
    spill_ring<block> q{4, {.directory = dir.path(""), .segment_bytes = 64 * 1024, .files = files}};
    std::uint64_t pushed = 0, popped = 0;
    while (pushed < 10) REQUIRE(q.try_push(block_of(pushed++)));
    files.fail(faulty_files::call::allocate, ENOSPC);
    block kept = block_of(0);
    while (q.try_push(std::move(kept = block_of(pushed)))) ++pushed;
    CHECK(pushed < 200);
    CHECK(kept.id == pushed);  // still ours
    files.heal();
    REQUIRE(q.try_push(std::move(kept)));
    ++pushed;
    while (popped < pushed) {
        const auto b = q.try_pop();
        REQUIRE(b);
        CHECK(b->id == popped++);
    }
}

TEST_CASE("too large for a segment, a disk that fails, a directory that isn't there: said so") {
    const scratch dir;
    faulty_files files;
    spill_ring<std::string> q{
        1, {.directory = dir.path(""), .segment_bytes = 64 * 1024, .files = files}};
    REQUIRE(q.try_push(std::string(50'000, 'm')));  // in memory it may be as large as it likes
    std::string large(50'000, 'x');
    CHECK_THROWS_AS((void)q.try_push(std::move(large)), std::length_error);
    CHECK(large.size() == 50'000);
    REQUIRE(q.try_push("small"));
    files.fail(faulty_files::call::sync_data, EIO);
    CHECK_THROWS_AS(
        [&] {
            for (int i = 0; i < 100; ++i) (void)q.try_push(std::string(10'000, 'y'));
        }(),
        std::runtime_error);
    CHECK(q.try_pop()->size() == 50'000);
    CHECK(*q.try_pop() == "small");  // what is in comes out
    spill_ring<int> nowhere{1, {.directory = dir.path("none")}};
    REQUIRE(nowhere.try_push(1));
    CHECK_THROWS_AS((void)nowhere.try_push(2), std::system_error);
}

TEST_CASE("a long peak takes disk, not memory, and the disk is given back as it is read") {
    const scratch dir;
    const char* const asked = std::getenv("PENSTOCK_SPILL_MB");
    const std::uint64_t blocks = (asked ? std::strtoull(asked, nullptr, 10) : 48) * 1024;
    const std::uint64_t segment =
        std::clamp<std::uint64_t>(blocks / 16 * 1024 / 4096 * 4096, 1 << 20, 64 << 20);
    spill_ring<block> q{1000, {.directory = dir.path(""), .segment_bytes = segment}};
    const std::uint64_t before = anonymous_kb();
    std::uint64_t memory = 0, segments = 0, wrong = 0;
    const auto look = [&] {
        memory = std::max(memory, anonymous_kb());
        segments = std::max<std::uint64_t>(segments, mapped_segments());
    };
    for (std::uint64_t i = 0; i < blocks; ++i) {
        wrong += !q.try_push(block_of(i));
        if (i % 4096 == 0) look();
    }
    CHECK(bytes_in(dir.path("")) >= blocks * sizeof(block) - 1000 * sizeof(block));
    for (std::uint64_t i = 0; i < blocks; ++i) {
        const auto b = q.try_pop();
        wrong += !b || b->id != i || b->filling[126] != i * 0x9E3779B97F4A7C15;
        if (i % 4096 == 0) look();
        if (i == blocks / 2)
            CHECK(bytes_in(dir.path("")) <= blocks * (sizeof(block) + 40) / 2 + 5 * segment);
    }
    CHECK(wrong == 0);
    CHECK(bytes_in(dir.path("")) <= 4 * segment);
    CHECK(segments <= 3);
#if !TESTS_SANITIZED
    CHECK(memory <= before + 16 * 1024);
#endif
    const std::uint64_t mb = blocks / 1024, from = before / 1024, most = memory / 1024;
    MESSAGE(mb << " MB through 1 MB: anonymous memory " << from << " to " << most << " MB, "
               << segments << " segments mapped");
}
