// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <penstock/durable/durable_queue.hpp>
#include <penstock/durable/tail.hpp>
#include <penstock/durable/verify.hpp>

#include "durable/faulty_files.hpp"
#include "durable/scratch.hpp"

using namespace penstock;
namespace fs = std::filesystem;

namespace {
const journal_options small{.sync = sync::process_crash, .segment_bytes = 16 * 1024};
using numbers = durable_queue<std::uint64_t>;
}  // namespace

TEST_CASE("a tail sees what is appended, in batches and transactions too, and can seek") {
    scratch dir;
    journal j{dir.path("j"), small};
    numbers q{j, "q"};
    durable_queue<std::string> other{j, "other"};
    std::uint64_t sent = 0;
    for (; sent < 1000; ++sent) REQUIRE(q.send(sent));
    REQUIRE(other.send("not this"));
    REQUIRE(q.send_all(std::vector<std::uint64_t>{1000, 1001}));
    REQUIRE(j.transact([&](auto& t) { t.send(q, 1002); }));
    REQUIRE(j.maintain());  // a segment ahead, which is not in use

    journal_tail<std::uint64_t> tail{j.path(), "q"};
    std::uint64_t at_500 = 0;
    for (std::uint64_t i = 0; i <= 1002; ++i) {
        auto m = tail.try_receive();
        REQUIRE(m);
        CHECK(m->value == i);
        CHECK(m->time.time_since_epoch().count() > 0);
        if (i == 500) at_500 = m->id;
    }
    CHECK(tail.try_receive().status() == status::empty);
    REQUIRE(q.send(1003, "a.topic"));
    const auto last = tail.try_receive();
    CHECK(last->value == 1003);
    CHECK(last->topic == "a.topic");
    REQUIRE(tail.seek(at_500));
    CHECK(tail.try_receive()->value == 500);
    CHECK(tail.lagged() == 0);
}

TEST_CASE("another process tails while this one sends, trims and uses segments again") {
    scratch dir;
    journal j{dir.path("j"), small};
    numbers q{j, "q"};
    auto g = q.group("g", {.prefetch = 8});
    constexpr std::uint64_t count = 20000;
    REQUIRE(q.send(0));
    int opened[2];
    REQUIRE(::pipe(opened) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        int answer = 1;
        try {
            journal_tail<std::uint64_t> tail{dir.path("j"), "q"};
            if (::write(opened[1], "", 1) != 1) ::_exit(4);
            std::uint64_t next = 0;
            while (next < count) {
                auto m = tail.try_receive();
                if (!m && m.status() == status::empty) continue;
                if (!m || m->value < next) ::_exit(2);  // wrong, or in the wrong order
                if (m->value > next && tail.lagged() == 0) ::_exit(3);
                next = m->value + 1;
            }
            answer = 0;
        } catch (...) {
        }
        ::_exit(answer);
    }
    ::close(opened[1]);  // so that a child that dies is no wait for ever
    char is_there;
    REQUIRE(::read(opened[0], &is_there, 1) == 1);  // who comes after a trim begins behind it
    ::close(opened[0]);
    for (std::uint64_t i = 1; i < count; ++i) {
        REQUIRE(q.send(i));
        if (i % 500 == 0) {
            while (auto d = g.try_receive()) REQUIRE(d.accept());
            REQUIRE(j.trim());
        }
    }
    int how = 0;
    REQUIRE(::waitpid(child, &how, 0) == child);
    REQUIRE(WIFEXITED(how));
    CHECK(WEXITSTATUS(how) == 0);
}

TEST_CASE("a segment that a tail reads is not used again, and one that comes late is told") {
    scratch dir;
    journal j{dir.path("j"), small};
    numbers q{j, "q"};
    auto g = q.group("g", {.prefetch = 8});
    std::uint64_t sent = 0;
    for (; sent < 2000; ++sent) REQUIRE(q.send(sent));
    journal_tail<std::uint64_t> tail{j.path(), "q"};
    CHECK(tail.try_receive()->value == 0);
    while (auto d = g.try_receive()) REQUIRE(d.accept());
    REQUIRE(*j.trim() > 2);
    for (; sent < 4000; ++sent) REQUIRE(q.send(sent));
    std::uint64_t next = 1;
    while (tail.lagged() == 0) {  // the rest of its segment, whose name has gone
        auto m = tail.try_receive();
        REQUIRE(m);
        if (tail.lagged() == 0)
            CHECK(m->value == next++);
        else
            CHECK(m->value > next);
    }
    CHECK(next > 200);
}

TEST_CASE("a tail of another type, of no stream, of no journal is refused") {
    scratch dir;
    journal j{dir.path("j"), small};
    numbers q{j, "q"};
    CHECK_THROWS_AS((journal_tail<std::string>{j.path(), "q"}), std::invalid_argument);
    CHECK_THROWS_AS((journal_tail<std::uint64_t>{j.path(), "z"}), std::invalid_argument);
    CHECK_THROWS_AS((journal_tail<std::uint64_t>{dir.path("none"), "q"}), std::system_error);
}

TEST_CASE("a file that is cut short under a tail is no SIGBUS, and found by verify") {
    scratch dir;
    {
        journal j{dir.path("j"), small};
        numbers q{j, "q"};
        for (std::uint64_t i = 0; i < 1000; ++i) REQUIRE(q.send(i));
    }
    journal_tail<std::uint64_t> tail{dir.path("j"), "q"};
    CHECK(tail.try_receive()->value == 0);
    fs::resize_file(dir.path("j/") + format::file_name(1), 4096);
    std::uint64_t seen = 1;
    while (auto m = tail.try_receive()) CHECK(m->value == seen++);
    const journal_report r = verify(dir.path("j"));
    REQUIRE_FALSE(r.damage.empty());
    CHECK(r.damage[0].at.segment == 1);
    CHECK(r.damage[0].at.byte <= 4096);
}

namespace {
/// A copy that is taken while the writer stores: its commit word is there, eight bytes behind it not yet.
struct half_copies final : faulty_files {
    std::ptrdiff_t read_at(int fd, void* to, std::size_t n, std::uint64_t at) override {
        const auto done = faulty_files::read_at(fd, to, n, at);
        if (times > 0 && done > 0 && at <= missing &&
            missing + 8 <= at + static_cast<std::uint64_t>(done)) {
            --times;
            std::memset(static_cast<char*>(to) + (missing - at), 0, 8);
        }
        return done;
    }
    std::uint64_t missing = 0;
    int times = 0;
};
}  // namespace

TEST_CASE("a tail that comes upon half a record looks again, and never hands it out") {
    for (const int times : {1, 2, 3, 4, 1000}) {
        CAPTURE(times);
        scratch dir;
        half_copies files;
        journal j{dir.path("j"), small};
        numbers q{j, "q"};
        REQUIRE(q.send(41));
        journal_tail<std::uint64_t> tail{j.path(), "q", files};
        CHECK(tail.try_receive()->value == 41);
        const std::uint64_t behind = j.appended();
        REQUIRE(q.send(42));
        REQUIRE(q.send(43));
        files.missing = behind % small.segment_bytes + sizeof(format::record_header);
        files.times = times;
        auto m = tail.try_receive();
        while (!m && files.times < 100 && m.status() == status::empty) m = tail.try_receive();
        if (times <= 3) {
            REQUIRE(m);
            CHECK(m->value == 42);
        } else if (times == 1000) {  // it stays so: damage
            CHECK(m.status() == status::failed);
            REQUIRE(tail.seek(j.appended() - format::record_bytes(8)));
        }
        files.times = 0;
        if (times == 4) {
            while (!m) m = tail.try_receive();
            CHECK(m->value == 42);
        }
        CHECK(tail.try_receive()->value == 43);
    }
}

TEST_CASE("verify says nothing of a journal that is whole, and changes nothing") {
    scratch dir;
    {
        journal j{dir.path("j"), small};
        numbers q{j, "q"};
        for (std::uint64_t i = 0; i < 1000; ++i) REQUIRE(q.send(i));
        REQUIRE(j.maintain());
        CHECK(verify(j.path()).torn_bytes == 0);
    }
    const auto before = fs::last_write_time(dir.path("j/") + format::file_name(1));
    const journal_report r = verify(dir.path("j"));
    CHECK(r.damage.empty());
    CHECK(r.torn_bytes == 0);
    CHECK(r.segments_read == r.segments);
    CHECK(r.records_read > 1000);
    CHECK(fs::last_write_time(dir.path("j/") + format::file_name(1)) == before);
    fs::remove(dir.path("j/") + format::file_name(2));
    CHECK(verify(dir.path("j")).damage.at(0).what == "the segment is missing");
}
