// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <penstock/durable/durable_queue.hpp>
#include <penstock/durable/journal.hpp>

#include "durable/faulty_files.hpp"
#include "durable/scratch.hpp"

using namespace penstock;
namespace fs = std::filesystem;

namespace {

const journal_options small{.sync = sync::process_crash, .segment_bytes = 16 * 1024};

std::size_t segments_in(const std::string& path) {
    std::size_t n = 0;
    for (const auto& e : fs::directory_iterator{path}) n += e.path().extension() == ".segment";
    return n;
}

void fill(durable_queue<std::uint64_t>& q, std::uint64_t from, std::uint64_t to) {
    for (; from < to; ++from) REQUIRE(q.send(from));
}

}  // namespace

TEST_CASE("constructors name the path and the operation they failed at") {
    scratch dir;
    try {
        journal j{dir.path("no/such/parent")};
        FAIL("opened");
    } catch (const std::system_error& e) {
        CHECK(e.code() == std::errc::no_such_file_or_directory);
        CHECK(std::string{e.what()}.find("create the directory") != std::string::npos);
        CHECK(std::string{e.what()}.find(dir.path("no/such/parent")) != std::string::npos);
    }
    std::ofstream{dir.path("file")} << "x";
    CHECK_THROWS_AS(journal{dir.path("file")}, std::system_error);
    for (const std::uint64_t bytes : {0ull, 4096ull, 16385ull, 1ull << 31})
        CHECK_THROWS_AS((journal{dir.path("j"), {.segment_bytes = bytes}}), std::invalid_argument);
}

TEST_CASE("a second writer is refused with the holder's process id") {
    scratch dir;
    journal j{dir.path("j"), small};
    const auto refused = [&] {
        try {
            journal other{dir.path("j"), small};
            return std::string{"opened"};
        } catch (const std::system_error& e) {
            if (e.code() != std::errc::device_or_resource_busy) return std::string{"another error"};
            return std::string{e.what()};
        }
    };
    const std::string pid = std::to_string(::getpid());
    CHECK(refused().find("process " + pid + ",") != std::string::npos);  // in this process

    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const std::string what = refused();  // and in another
        (void)!::write(ends[1], what.data(), what.size());
        ::_exit(0);
    }
    ::close(ends[1]);
    char text[512] = {};
    const auto n = ::read(ends[0], text, sizeof text - 1);
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    REQUIRE(n > 0);
    CHECK(std::string{text}.find("process " + pid + ",") != std::string::npos);

    j.close();
    CHECK(refused() == "opened");
}

TEST_CASE("a message as large as promised goes through, one byte more is too_large") {
    scratch dir;
    journal j{dir.path("j"), small};
    durable_queue<std::string> q{j, "q"};
    const auto largest = j.largest_message();
    CHECK(largest > 8000);
    for (int i = 0; i < 5; ++i) REQUIRE(q.send(std::string(largest, 'a')));
    CHECK(q.send(std::string(largest + 1, 'b')) == status::too_large);
    auto g = q.group("g");
    for (int i = 0; i < 5; ++i) {
        auto d = g.try_receive();
        REQUIRE(d);
        CHECK(d->size() == largest);
        REQUIRE(d.accept());
    }
    CHECK(g.try_receive().status() == status::empty);
}

TEST_CASE("a journal rolls over many segments and reads them all after reopening") {
    scratch dir;
    {
        durable_queue<std::uint64_t> q{dir.path("j"), small};
        fill(q, 0, 5000);
    }
    CHECK(segments_in(dir.path("j")) >= 12);
    durable_queue<std::uint64_t> q{dir.path("j"), small};
    auto g = q.group("g");
    for (std::uint64_t i = 0; i < 5000; ++i) {
        auto d = g.try_receive();
        REQUIRE(d);
        REQUIRE(*d == i);
        REQUIRE(d.accept());
    }
}

TEST_CASE("opening reads the last segment only, however many there are") {
    scratch dir;
    faulty_files files;
    std::uint64_t sent = 0;
    for (const std::uint64_t more : {100u, 5000u, 10000u}) {
        journal_options options = small;
        options.files = files;
        files.opened = 0;
        durable_queue<std::uint64_t> q{dir.path("j"), options};
        CHECK(q.report().segments_read == 1);
        CHECK(q.report().records_read < 500);
        CHECK(files.opened < 12);  // files and directories alike
        fill(q, sent, sent + more);
        sent += more;
        auto g = q.group("g");
        for (int i = 0; i < 50; ++i) REQUIRE(g.try_receive().accept());
    }
    CHECK(segments_in(dir.path("j")) > 30);
    durable_queue<std::uint64_t> q{dir.path("j"), small};
    CHECK(q.report().segments_read == 1);
    CHECK(*q.group("g").try_receive() == 150);  // a cursor from far behind came with the snapshot
}

TEST_CASE("trim removes what every group has accepted and nothing else") {
    scratch dir;
    journal j{dir.path("j"), small};
    durable_queue<std::uint64_t> q{j, "q"};
    fill(q, 0, 3000);
    CHECK(*j.trim() == 0);  // nobody has read it yet
    auto fast = q.group("fast", {.prefetch = 8});
    auto slow = q.group("slow", {.prefetch = 8});
    for (int i = 0; i < 3000; ++i) REQUIRE(fast.try_receive().accept());
    CHECK(*j.trim() == 0);
    for (int i = 0; i < 1000; ++i) REQUIRE(slow.try_receive().accept());
    const std::size_t before = segments_in(dir.path("j"));
    const std::uint64_t removed = *j.trim();
    CHECK(removed >= 2);
    CHECK(segments_in(dir.path("j")) == before - removed);
    CHECK(*slow.try_receive() == 1000);
    CHECK(fast.try_receive().status() == status::empty);

    auto late = q.group("late", {.prefetch = 8});  // begins at the oldest there is
    const std::uint64_t oldest = *late.try_receive();
    CHECK(oldest > 0);
    CHECK(oldest <= 1000);
}

TEST_CASE("a quiet stream does not hold back trim, one without a group does") {
    scratch dir;
    journal j{dir.path("j"), small};
    durable_queue<std::uint64_t> busy{j, "busy"};
    durable_queue<std::uint64_t> quiet{j, "quiet"};
    REQUIRE(quiet.send(1));
    auto b = busy.group("g");
    for (std::uint64_t i = 0; i < 3000; ++i) {
        REQUIRE(busy.send(i));
        REQUIRE(b.try_receive().accept());
    }
    CHECK(*j.trim() == 0);
    auto q = quiet.group("g");
    CHECK(*j.trim() == 0);
    REQUIRE(q.try_receive().accept());
    CHECK(*j.trim() > 5);
    CHECK(segments_in(dir.path("j")) == 1);
}

TEST_CASE("disk use stays bounded when a queue is consumed and trimmed, across reopenings") {
    scratch dir;
    std::uint64_t sent = 0, seen = 0;
    for (int process = 0; process < 6; ++process) {
        durable_queue<std::uint64_t> q{dir.path("j"), small};
        auto g = q.group("g");
        for (int i = 0; i < 1500; ++i) {
            REQUIRE(q.send(sent++));
            if (i % 100 == 99) {
                while (auto d = g.try_receive()) {
                    REQUIRE(*d == seen++);
                    REQUIRE(d.accept());
                }
                REQUIRE(q.trim());
                REQUIRE(segments_in(dir.path("j")) <= 3);
            }
        }
    }
    CHECK(seen == sent);
}

TEST_CASE("under manual, appended runs ahead and sync catches up") {
    scratch dir;
    journal j{dir.path("j"), {.sync = sync::manual, .segment_bytes = 16 * 1024}};
    durable_queue<std::uint64_t> q{j, "q"};
    fill(q, 0, 3);
    CHECK(j.appended() > j.synced());
    CHECK(*q.group("g").try_receive() == 0);  // appended is enough to be handed out
    REQUIRE(j.sync());
    CHECK(j.synced() == j.appended());
}

TEST_CASE("one sync serves all who wait for it") {
    scratch dir;
    faulty_files files;
    journal j{dir.path("j"), {.segment_bytes = 256 * 1024, .files = files}};
    durable_queue<std::uint64_t> q{j, "q"};
    // The first sync goes on when each sender has appended once: the second serves the other seven.
    constexpr std::uint64_t senders = 8, each = 20;
    const std::uint64_t empty = j.appended();
    REQUIRE(q.send(0));
    const std::uint64_t one = j.appended() - empty;
    const std::uint64_t all_once = j.appended() + senders * one;
    files.synced = 0;
    files.on_sync_data = [&] {
        while (j.appended() < all_once) std::this_thread::yield();
    };
    std::vector<std::thread> threads;
    for (std::uint64_t s = 0; s < senders; ++s)
        threads.emplace_back([&] {
            for (std::uint64_t i = 0; i < each; ++i) CHECK(q.send(i));
        });
    for (auto& t : threads) t.join();
    const int syncs = files.synced;
    files.on_sync_data = nullptr;
    CHECK(syncs <= static_cast<int>(senders * (each - 1) + 2));
    MESSAGE((senders * each) << " sends, " << syncs << " syncs");
}

TEST_CASE("many openings leave a journal as it was, though each writes its epoch") {
    scratch dir;
    { fill(*std::make_unique<durable_queue<std::uint64_t>>(dir.path("j"), small), 0, 10); }
    for (int i = 0; i < 400; ++i) {
        durable_queue<std::uint64_t> q{dir.path("j"), small};
        REQUIRE(q.report().damage.empty());
        REQUIRE(q.report().torn_bytes == 0);
        if (i % 100 == 0)
            fill(q, 10 + static_cast<std::uint64_t>(i), 11 + static_cast<std::uint64_t>(i));
    }
    durable_queue<std::uint64_t> q{dir.path("j"), small};
    auto g = q.group("g");
    std::vector<std::uint64_t> seen;
    while (auto d = g.try_receive()) {
        seen.push_back(*d);
        REQUIRE(d.accept());
    }
    CHECK(seen == std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 110, 210, 310});
}

TEST_CASE("streams and groups that would not fit a snapshot are refused while opening them") {
    scratch dir;
    journal j{dir.path("j"), small};
    durable_queue<std::uint64_t> q{j, "q"};
    CHECK_THROWS_AS((void)q.group("g", {.prefetch = 5000}), std::length_error);
    CHECK_THROWS_AS((void)q.group(""), std::invalid_argument);
    CHECK_THROWS_AS((void)q.group(std::string(2000, 'n')), std::invalid_argument);
    CHECK(q.group("g").try_receive().status() == status::empty);
}

TEST_CASE("a journal keeps the segment size that it was created with") {
    scratch dir;
    { journal j{dir.path("j"), small}; }
    journal j{dir.path("j"), {.segment_bytes = 1 << 20}};
    CHECK(j.segment_bytes() == 16 * 1024);
}

TEST_CASE("a closed journal answers closed, and a moved one goes on") {
    scratch dir;
    journal a{dir.path("j"), small};
    durable_queue<std::uint64_t> q{a, "q"};
    journal b{std::move(a)};
    REQUIRE(q.send(1));
    b.close();
    CHECK(q.send(2) == status::closed);
    CHECK(b.trim().status() == status::closed);
    CHECK(b.failure().empty());
}

TEST_CASE(
    "trim keeps for replay what is young, and the last bytes, although all have accepted it") {
    scratch dir;
    faulty_files files;
    files.time = 1'000'000'000'000;
    journal j{
        dir.path("j"), {.sync = sync::process_crash, .segment_bytes = 16 * 1024, .files = files}};
    durable_queue<std::uint64_t> q{j, "q"};
    auto g = q.group("g", {.prefetch = 16});
    std::uint64_t at_half = 0;
    for (std::uint64_t i = 0; i < 4000; ++i) {
        if (i == 2000) {
            files.time += 3'600'000'000'000;
            at_half = j.appended();
        }
        REQUIRE(q.send(i));
        REQUIRE(g.try_receive().accept());
    }
    files.time += 60'000'000'000;
    CHECK(*j.trim({.age = std::chrono::hours{2}}) == 0);
    CHECK(*j.trim({.bytes = j.appended()}) == 0);
    CHECK(*j.trim({.age = std::chrono::minutes{30}}) > 2);
    REQUIRE(g.seek(seek_to::begin));
    {
        auto oldest = g.try_receive();
        REQUIRE(oldest);
        CHECK(*oldest <= 2000);  // the segment in which the young begin
        CHECK(oldest.info().id + 16 * 1024 > at_half);
    }
    REQUIRE(g.seek(seek_to::end));
    const std::uint64_t end = j.appended();
    CHECK(*j.trim({.bytes = 40 * 1024}) > 2);
    REQUIRE(g.seek(seek_to::begin));
    const auto left = g.try_receive();
    REQUIRE(left);
    CHECK(left.info().id + 40 * 1024 > end - 16 * 1024);
    CHECK(left.info().id < end - 40 * 1024 + 16 * 1024);
}

namespace {
constexpr std::uint64_t one_segment = 16 * 1024;

/// Twice as large as an accept.
struct wide {
    std::uint64_t value = 0;
    std::uint64_t more[9]{};
    wide(std::uint64_t v) noexcept : value{v} {}
    operator std::uint64_t() const noexcept { return value; }
};
void fill(durable_queue<wide>& q, std::uint64_t from, std::uint64_t to) {
    for (; from < to; ++from) REQUIRE(q.send(from));
}

std::uint64_t disk_use(const std::string& path) {
    std::uint64_t n = 0;
    for (const auto& f : fs::directory_iterator{path})
        if (f.path().filename() != "lock") n += f.file_size();
    return n;
}
journal_options with(const retention& r) {
    return {.sync = sync::process_crash, .segment_bytes = one_segment, .retention = r};
}
}  // namespace

TEST_CASE(
    "at its limit a journal lets go of what all have accepted, and takes a segment more at most") {
    scratch dir;
    const std::uint64_t most = 8 * one_segment;
    journal j{dir.path("j"), with({.bytes = most})};
    durable_queue<wide> q{j, "q"}, quiet{j, "quiet"};
    auto g = q.group("g", {.prefetch = 16});
    (void)quiet.group("never", {.prefetch = 16});
    std::uint64_t largest = 0;
    for (std::uint64_t i = 0; i < 5'000; ++i) {
        REQUIRE(q.send(i));
        auto d = g.try_receive();
        REQUIRE(*d == i);
        REQUIRE(d.accept());
        if (i % 20 != 0) continue;
        largest = std::max(largest, disk_use(j.path()));
        if (i % 200 == 0) REQUIRE(j.maintain());
    }
    CHECK(largest >= most - one_segment);  // for replay it keeps what the limit allows
    CHECK(largest <= most + one_segment);
    CHECK(g.lagged() == 0);
}

TEST_CASE("unread at the limit, by reject: full, nothing is lost, and it goes on after accepts") {
    scratch dir;
    journal j{dir.path("j"), with({.bytes = 4 * one_segment, .unread = unread::reject})};
    durable_queue<wide> q{j, "q"};
    std::uint64_t sent = 0, read = 0;
    while (q.send(sent)) ++sent;
    CHECK(q.send(sent) == status::full);  // nobody reads it yet
    CHECK(q.reserve(sizeof(wide)).status() == status::full);
    CHECK(q.send_all(std::vector<wide>(2, sent)) == status::full);
    CHECK(sent > 350);
    auto g = q.group("g", {.prefetch = 16});
    CHECK(q.send(sent) == status::full);
    for (int round = 0; round < 20; ++round) {
        const std::uint64_t until = read + sent / 5;
        while (read < until) {
            auto d = g.try_receive();
            if (!d) break;
            CHECK(*d == read++);
            REQUIRE(d.accept());
        }
        while (q.send(sent)) ++sent;
        CHECK(q.send(sent) == status::full);
        CHECK(disk_use(j.path()) <= (4 + 1) * one_segment);
    }
    CHECK(sent > 1500);
    while (auto d = g.try_receive()) {
        CHECK(*d == read++);
        REQUIRE(d.accept());
    }
    CHECK(read == sent);
    CHECK(j.failure().empty());
}

TEST_CASE(
    "unread at the limit, by reject: a transaction that accepts goes on, one that only sends is refused") {
    scratch dir;
    journal j{dir.path("j"), with({.bytes = 3 * one_segment, .unread = unread::reject})};
    durable_queue<wide> q{j, "q"};
    auto g = q.group("g", {.prefetch = 16});
    std::uint64_t sent = 0;
    while (q.send(sent)) ++sent;
    CHECK(j.transact([&](auto& t) { t.send(q, sent); }) == status::full);
    const std::uint64_t before = j.appended();
    while (j.appended() < before + one_segment) {
        auto d = g.try_receive();
        REQUIRE(d);
        REQUIRE(j.transact([&](auto& t) {
            t.send(q, sent);
            t.accept(d);
        }));
    }
}

TEST_CASE(
    "unread at the limit, by block: senders wait for the accept that makes room, or for the close") {
    scratch dir;
    journal j{dir.path("j"), with({.bytes = 3 * one_segment})};
    durable_queue<wide> q{j, "q"}, other{j, "other"};
    auto g = q.group("g", {.prefetch = 16});
    auto h = other.group("h", {.prefetch = 16});
    constexpr std::uint64_t count = 2000;
    status end = status::ok;
    std::thread sender{[&] {
        for (std::uint64_t i = 0; end; ++i) {
            end = q.send(i);
            // The last of it may lie anywhere before the cut.
            if (i % 100 == 0 && end) end = other.send(i);
        }
    }};
    std::uint64_t largest = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto d = g.receive();
        REQUIRE(d);
        CHECK(*d == i);
        REQUIRE(d.accept());
        if (i % 100 != 0) continue;
        auto e = h.receive();
        CHECK(*e == i);
        REQUIRE(e.accept());
        largest = std::max(largest, disk_use(j.path()));
    }
    CHECK(largest <= (3 + 1) * one_segment);
    j.close();  // also where it waits
    sender.join();
    CHECK(end == status::closed);
}

TEST_CASE(
    "unread at the limit, by block: a stream that nobody reads is waited for until it has a group") {
    scratch dir;
    journal j{dir.path("j"), with({.bytes = 3 * one_segment})};
    durable_queue<wide> q{j, "q"};
    std::atomic<std::uint64_t> sent{0};
    std::thread sender{[&] {
        while (q.send(wide{sent})) ++sent;
    }};
    while (j.appended() < 2 * one_segment) std::this_thread::yield();
    auto g = q.group("g");
    for (std::uint64_t i = 0; i < 1000; ++i) {
        auto d = g.receive();
        REQUIRE(*d == i);
        REQUIRE(d.accept());
    }
    j.close();
    sender.join();
    CHECK(sent >= 1000);
}

TEST_CASE(
    "unread at the limit, by drop_oldest: the group that is behind is told how many it lost") {
    scratch dir;
    journal j{dir.path("j"), with({.bytes = 4 * one_segment, .unread = unread::drop_oldest})};
    durable_queue<wide> q{j, "q"}, unread_stream{j, "unread"};
    auto fast = q.group("fast", {.prefetch = 16}), slow = q.group("slow", {.prefetch = 16});
    REQUIRE(unread_stream.send(1));
    REQUIRE(q.send(0));
    auto held = slow.try_receive();  // out when it is overtaken
    CHECK(*held == 0);
    std::uint64_t sent = 1, read = 0;
    for (int round = 0; round < 10; ++round) {
        for (int n = 0; n < 150; ++n) REQUIRE(q.send(sent++));
        while (auto d = fast.try_receive()) {
            CHECK(*d == read++);
            REQUIRE(d.accept());
        }
        CHECK(disk_use(j.path()) <= (4 + 1) * one_segment);
    }
    CHECK(fast.lagged() == 0);
    CHECK(read == sent);
    CHECK(held.accept() == status::closed);
    const std::uint64_t lost = slow.lagged();
    {  // A copy, as a kill would leave it, has the same count, and so has the snapshot of its next segments.
        fs::copy(j.path(), dir.path("copy"));
        for (const bool again : {false, true}) {
            journal copy{dir.path("copy"), with({})};
            durable_queue<wide> c{copy, "q"};
            CHECK(c.group("fast", {.prefetch = 16}).lagged() == 0);
            auto s = c.group("slow", {.prefetch = 16});
            CHECK(s.lagged() == lost);
            CHECK(*s.try_receive() == lost);
            if (!again) fill(c, sent, sent + 300);
        }
    }
    CHECK(lost > 500);
    std::uint64_t next = lost;  // exactly so many are gone
    while (auto d = slow.try_receive()) {
        CHECK(*d == next++);
        REQUIRE(d.accept());
    }
    CHECK(next == sent);
    CHECK(slow.lagged() == lost);
    CHECK(j.report().damage.empty());
    CHECK(unread_stream.group("late", {.prefetch = 16}).try_receive().status() == status::empty);
}

TEST_CASE(
    "what is older than the age goes when a segment begins or by maintain, unread only by drop_oldest") {
    for (const unread policy : {unread::block, unread::drop_oldest}) {
        scratch dir;
        faulty_files files;
        files.time = 1'000'000'000'000;
        journal j{dir.path("j"),
                  {.sync = sync::process_crash,
                   .segment_bytes = one_segment,
                   .retention = {.age = std::chrono::hours{1}, .unread = policy},
                   .files = files}};
        durable_queue<wide> q{j, "q"};
        auto g = q.group("g");
        fill(q, 0, 800);
        CHECK(segments_in(j.path()) > 4);
        files.time += 3'000'000'000'000;
        REQUIRE(j.maintain());
        CHECK(g.lagged() == 0);
        files.time += 1'000'000'000'000;
        fill(q, 800, 810);
        REQUIRE(j.maintain());
        if (policy == unread::block) {
            for (std::uint64_t i = 0; i < 800; ++i) {
                auto d = g.try_receive();
                REQUIRE(*d == i);
                REQUIRE(d.accept());
            }
            REQUIRE(j.maintain());
            CHECK(g.lagged() == 0);
            REQUIRE(g.seek(seek_to::begin));
        } else {
            CHECK(g.lagged() == *g.try_receive());
        }
        // The last segment that has something old has something young too.
        const std::uint64_t first = *g.try_receive();
        CHECK(first > 600);
        CHECK(first <= 800);
    }
}

TEST_CASE("at the limit a seek that goes back first keeps what it goes back to") {
    scratch dir;
    journal j{dir.path("j"), with({.bytes = 3 * one_segment, .unread = unread::reject})};
    durable_queue<wide> q{j, "q"};
    auto g = q.group("g");
    std::uint64_t sent = 0;
    while (q.send(sent)) ++sent;
    REQUIRE(g.seek(seek_to::end));  // all of it may go
    REQUIRE(g.seek(seek_to::begin));
    CHECK(q.send(sent) == status::full);
    CHECK(*g.try_receive() == 0);
}

TEST_CASE("a journal that was opened with a lower limit than it holds gets there") {
    scratch dir;
    {
        journal j{dir.path("j"), with({})};
        durable_queue<wide> q{j, "q"};
        (void)q.group("g");
        fill(q, 0, 1500);
        CHECK(disk_use(j.path()) > 8 * one_segment);
    }
    journal j{dir.path("j"), with({.bytes = 3 * one_segment, .unread = unread::drop_oldest})};
    durable_queue<wide> q{j, "q"};
    fill(q, 1500, 1900);
    CHECK(disk_use(j.path()) <= 4 * one_segment);
    auto g = q.group("g");
    const std::uint64_t lost = g.lagged();
    CHECK(*g.try_receive() == lost);
}
