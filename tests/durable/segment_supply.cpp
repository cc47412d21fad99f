// SPDX-License-Identifier: BSL-1.0
// Segments made ahead and used again; what the helper does and what happens without it.
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/core/manual_clock.hpp>
#include <penstock/durable/detail/segment_supply.hpp>
#include <penstock/durable/durable_queue.hpp>

#include "durable/faulty_files.hpp"
#include "durable/scratch.hpp"

using namespace penstock;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using call = faulty_files::call;

namespace {

using numbers = durable_queue<std::uint64_t>;
journal_options with(faulty_files& files) {
    return {.sync = sync::process_crash, .segment_bytes = 16 * 1024, .files = files};
}
std::size_t files_in(const std::string& path, const std::string& extension) {
    std::size_t n = 0;
    for (const auto& e : fs::directory_iterator{path}) n += e.path().extension() == extension;
    return n;
}
void accept_all(durable_group<std::uint64_t>& g, std::uint64_t& seen) {
    while (auto d = g.try_receive()) {
        REQUIRE(*d == seen++);
        REQUIRE(d.accept());
    }
}

}  // namespace

TEST_CASE("with maintain() called in between, no append creates, writes or syncs a file") {
    scratch dir;
    faulty_files files;
    journal j{dir.path("j"), with(files)};
    numbers q{j, "q"};
    for (std::uint64_t i = 0; i < 5000; ++i) {
        if (i % 100 == 0) REQUIRE(j.maintain());
        const int opened = files.opened, synced = files.synced;
        files.fail(call::write, EIO);
        REQUIRE(q.send(i));
        files.heal();
        CHECK(files.opened == opened);
        CHECK(files.synced == synced);
    }
    CHECK(files_in(dir.path("j"), ".segment") > 10);
}

TEST_CASE("maintain() syncs full segments, so that few are unsynced") {
    scratch dir;
    faulty_files files;
    journal j{dir.path("j"), with(files)};
    numbers q{j, "q"};
    for (std::uint64_t i = 0; i < 1000; ++i) REQUIRE(q.send(i));
    REQUIRE(j.maintain());
    CHECK(j.synced() % j.segment_bytes() == 0);  // up to the beginning of the last one
    CHECK(j.appended() - j.synced() < j.segment_bytes());
}

TEST_CASE("without help appends make their segments themselves and sync when many are unsynced") {
    scratch dir;
    faulty_files files;
    journal j{dir.path("j"), with(files)};
    numbers q{j, "q"};
    for (std::uint64_t i = 0; i < 8000; ++i) {
        REQUIRE(q.send(i));
        REQUIRE(j.appended() - j.synced() <= 6 * j.segment_bytes());
    }
}

TEST_CASE("maintain() answers no_space on a full disk and goes on when there is space") {
    scratch dir;
    faulty_files files;
    journal j{dir.path("j"), with(files)};
    numbers q{j, "q"};
    files.fail(call::write, ENOSPC);
    CHECK(j.maintain() == status::no_space);
    CHECK(q.send(1));
    files.heal();
    CHECK(j.maintain());
    j.close();
    CHECK(j.maintain() == status::closed);
}

TEST_CASE("trimmed segments are used again, and their old bytes never seen as new") {
    scratch dir;
    faulty_files files;
    std::uint64_t sent = 0, seen = 0;
    for (int process = 0; process < 4; ++process) {
        journal j{dir.path("j"), with(files)};
        CHECK(j.report().torn_bytes == 0);
        CHECK(j.report().damage.empty());
        numbers q{j, "q"};
        auto g = q.group("g", {.prefetch = 8});
        for (int i = 0; i < 4000; ++i) {
            REQUIRE(q.send(sent++));
            if (i % 200 == 0) {
                accept_all(g, seen);
                REQUIRE(j.trim());
                REQUIRE(j.maintain());
                CHECK(files_in(dir.path("j"), ".segment") + files_in(dir.path("j"), ".spare") <= 6);
            }
        }
        CHECK(files_in(dir.path("j"), ".spare") > 0);
    }
    journal j{dir.path("j"), with(files)};
    numbers q{j, "q"};
    auto g = q.group("g", {.prefetch = 8});
    accept_all(g, seen);
    CHECK(seen == sent);
}

TEST_CASE("stale bytes behind a segment's end, as power loss may leave them, are no records") {
    scratch dir;
    faulty_files files;
    std::vector<char> stale;
    const auto path = [&](std::uint64_t n) { return dir.path("j/") + format::file_name(n); };
    std::uint64_t seen = 0, last = 0, count = 0;
    {
        journal j{dir.path("j"), with(files)};
        numbers q{j, "q"};
        auto g = q.group("g", {.prefetch = 8});
        std::uint64_t sent = 0;
        for (; sent < 1500; ++sent) REQUIRE(q.send(sent));
        accept_all(g, seen);
        {
            std::ifstream in{path(1), std::ios::binary};
            stale.assign(std::istreambuf_iterator<char>{in}, {});
        }
        REQUIRE(j.trim());
        const auto begin = j.appended() / j.segment_bytes();
        while (j.appended() / j.segment_bytes() < begin + 1) REQUIRE(q.send(sent++));
        for (int i = 0; i < 30; ++i) REQUIRE(q.send(sent++));
        last = j.appended();
        count = sent;
    }
    // The zeros written over the file's former content never came to the disk.
    const std::uint64_t number = last / (16 * 1024), byte = last % (16 * 1024);
    {
        std::fstream out{path(number), std::ios::binary | std::ios::in | std::ios::out};
        char header[64];
        out.read(header, sizeof header);
        REQUIRE((header[56] & 1) == 1);  // a file used before
        out.seekp(static_cast<std::streamoff>(byte + 8));
        out.write(stale.data() + byte, static_cast<std::streamsize>(stale.size() - byte - 8));
    }
    journal j{dir.path("j"), with(files)};
    CHECK(j.report().damage.empty());
    CHECK(j.report().torn_at == journal_place{number, byte});
    numbers q{j, "q"};
    auto g = q.group("g", {.prefetch = 8});
    accept_all(g, seen);
    CHECK(seen == count);
}

TEST_CASE("a segment that somebody reads is removed, not used again: a view stays what it was") {
    scratch dir;
    journal j{dir.path("j"), {.sync = sync::process_crash, .segment_bytes = 16 * 1024}};
    durable_queue<std::string_view> q{j, "q"};
    const std::string text(500, 'k'), other(500, 'x');
    for (int i = 0; i < 100; ++i) REQUIRE(q.send(text));
    auto g = q.group("g", {.prefetch = 8});
    auto kept = g.try_receive();
    REQUIRE(kept.accept());
    for (int i = 1; i < 100; ++i) REQUIRE(g.try_receive().accept());
    REQUIRE(*j.trim() > 1);
    for (int i = 0; i < 100; ++i) REQUIRE(q.send(other));
    CHECK(*kept == text);
}

TEST_CASE("a prepared segment that was never used is a spare when the journal is opened again") {
    scratch dir;
    faulty_files files;
    for (int process = 0; process < 3; ++process) {
        journal j{dir.path("j"), with(files)};
        CHECK(files_in(dir.path("j"), ".spare") == (process > 0 ? 1 : 0));
        REQUIRE(j.maintain());
        CHECK(files_in(dir.path("j"), ".segment") == 2);
        CHECK(j.report().damage.empty());
    }
}

TEST_CASE("a spare of another size or without its header is removed") {
    scratch dir;
    faulty_files files;
    { journal j{dir.path("j"), with(files)}; }
    std::ofstream{dir.path("j/") + detail::segment_supply::spare_name(7)} << "short";
    journal j{dir.path("j"), with(files)};
    REQUIRE(j.maintain());
    CHECK(files_in(dir.path("j"), ".spare") == 0);
    CHECK(files_in(dir.path("j"), ".segment") == 2);
}

TEST_CASE("the helper prepares ahead and keeps the interval") {
    scratch dir;
    manual_clock time;
    journal j{dir.path("j"),
              {.sync = sync::interval,
               .interval = {.time = 1s, .bytes = 4096},
               .segment_bytes = 16 * 1024,
               .helper = true,
               .clock = time}};
    numbers q{j, "q"};
    REQUIRE(j.sync());
    REQUIRE(q.send(1));
    const auto small_end = j.appended();
    while (time.sleepers() == 0) std::this_thread::yield();
    CHECK(j.synced() < small_end);
    time.advance(1s);
    REQUIRE(j.wait_synced(small_end));
    for (std::uint64_t i = 0; i < 200; ++i) REQUIRE(q.send(i));
    REQUIRE(j.wait_synced(small_end + 4096));  // by bytes
    for (std::uint64_t i = 0; i < 3000; ++i) REQUIRE(q.send(i));
    while (files_in(dir.path("j"), ".segment") < j.appended() / j.segment_bytes() + 1)
        std::this_thread::yield();
}

TEST_CASE("by interval without help, appends sync when it has passed or so much is unsynced") {
    scratch dir;
    manual_clock time;
    faulty_files files;
    journal j{dir.path("j"),
              {.sync = sync::interval,
               .interval = {.time = 1s, .bytes = 2000},
               .segment_bytes = 16 * 1024,
               .clock = time,
               .files = files}};
    numbers q{j, "q"};
    REQUIRE(q.send(1));
    CHECK(j.synced() < j.appended());
    time.advance(1s);
    REQUIRE(q.send(2));
    CHECK(j.synced() == j.appended());
    for (std::uint64_t i = 0; i < 200; ++i) {
        REQUIRE(q.send(i));
        CHECK(j.appended() - j.synced() < 2000);
    }
    REQUIRE(q.send(3));
    const auto before = j.synced();
    time.advance(1s);
    REQUIRE(j.maintain());
    CHECK(j.synced() == j.appended());
    CHECK(j.synced() >= before);
}

TEST_CASE("a wait for others' syncs ends by its token, and when the journal breaks") {
    scratch dir;
    faulty_files files;
    journal j{dir.path("j"), with(files)};
    numbers q{j, "q"};
    REQUIRE(q.send(1));
    std::stop_source stop;
    stop.request_stop();
    CHECK(j.wait_synced(j.appended(), {}, stop.get_token()) == status::stopped);
    std::thread waits{[&] { CHECK(j.wait_synced(j.appended()) == status::failed); }};
    files.fail(call::sync_data, EIO);
    CHECK(j.sync() == status::failed);
    waits.join();
}

TEST_CASE("visible::synced hands out only what is synced, under any policy") {
    scratch dir;
    faulty_files files;
    journal_options options = with(files);
    options.visible = visible::synced;
    journal j{dir.path("j"), options};
    numbers q{j, "q"};
    auto g = q.group("g", {.prefetch = 8});
    REQUIRE(q.send(5));
    CHECK(g.try_receive().status() == status::empty);
    std::thread waits{[&] { CHECK(*g.receive() == 5); }};
    REQUIRE(j.sync());
    waits.join();
}

TEST_CASE(
    "under every_append a message is out when its sync is over, by visible::appended before") {
    for (const auto when : {visible::by_policy, visible::synced, visible::appended}) {
        scratch dir;
        faulty_files files;
        journal_options options = with(files);
        options.sync = sync::every_append;
        options.visible = when;
        numbers q{dir.path("j"), options};
        auto g = q.group("g", {.prefetch = 8});
        int looked = 0;
        files.on_sync_data = [&] {
            ++looked;
            CHECK(static_cast<bool>(g.try_receive()) == (when == visible::appended));
        };
        REQUIRE(q.send(5));
        files.on_sync_data = {};
        CHECK(looked == 1);
        CHECK(*g.try_receive() == 5);
    }
}
