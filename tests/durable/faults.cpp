// SPDX-License-Identifier: BSL-1.0
// The file system refuses: each call in turn, a clear answer, and nothing promised that isn't so.
#include <cerrno>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/durable/durable_queue.hpp>

#include "durable/faulty_files.hpp"
#include "durable/scratch.hpp"

using namespace penstock;
using call = faulty_files::call;

namespace {

using numbers = durable_queue<std::uint64_t>;

journal_options with(faulty_files& files, penstock::sync policy = sync::process_crash) {
    return {.sync = policy, .segment_bytes = 16 * 1024, .files = files};
}

std::vector<std::uint64_t> accept_all(numbers& q) {
    auto g = q.group("reader", {.prefetch = 8});
    std::vector<std::uint64_t> seen;
    while (auto d = g.try_receive()) {
        seen.push_back(*d);
        REQUIRE(d.accept());
    }
    return seen;
}
std::vector<std::uint64_t> from_to(std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> v;
    for (; from < to; ++from) v.push_back(from);
    return v;
}

}  // namespace

TEST_CASE(
    "a full disk is no_space; what is in is intact, accepts still work, and it goes on later") {
    scratch dir;
    for (const int error : {ENOSPC, EDQUOT}) {
        faulty_files files;
        const std::string path = dir.path("j" + std::to_string(error));
        std::uint64_t sent = 0;
        {
            numbers q{path, with(files)};
            auto g = q.group("g", {.prefetch = 8});
            files.fail(call::write, error);
            status s = status::ok;
            while ((s = q.send(sent))) ++sent;
            CHECK(s == status::no_space);
            CHECK(q.send(sent) == status::no_space);
            CHECK(sent > 200);
            CHECK(g.try_receive().accept());  // there is room kept for it
            CHECK(g.try_receive().accept());
            // Not for any number of them: then they wait for space as well, unsettled.
            status accepted = status::ok;
            int more = 0;
            while (accepted) {
                auto d = g.try_receive();
                REQUIRE(d);
                accepted = d.accept();
                more += static_cast<bool>(accepted);
            }
            CHECK(accepted == status::no_space);
            files.heal();
            CHECK(*g.try_receive() == static_cast<std::uint64_t>(more) + 2);
            REQUIRE(q.send(sent));
            ++sent;
            for (const auto& e : std::filesystem::directory_iterator{path})
                CHECK(e.path().extension() != ".tmp");
        }
        numbers q{path, with(files)};
        CHECK(q.report().damage.empty());
        CHECK(accept_all(q) == from_to(0, sent));
    }
}

TEST_CASE(
    "a failed sync poisons the journal: every later call answers failed, nothing is retried") {
    scratch dir;
    faulty_files files;
    {
        numbers q{dir.path("j"), with(files, sync::every_append)};
        auto g = q.group("g", {.prefetch = 8});
        for (std::uint64_t i = 0; i < 3; ++i) REQUIRE(q.send(i));
        auto held = g.try_receive();
        REQUIRE(held);
        files.fail(call::sync_data, EIO, 0, 1);  // once: the next one would say ok, and lie
        CHECK(q.send(3) == status::failed);
        const int syncs = files.synced;
        CHECK(q.send(4) == status::failed);
        CHECK(held.accept() == status::failed);
        CHECK(g.try_receive().status() == status::failed);
        CHECK(g.receive().status() == status::failed);
        CHECK(q.trim().status() == status::failed);
        CHECK(files.synced == syncs);
    }
    numbers q{dir.path("j"), with(files, sync::every_append)};
    const auto seen = accept_all(q);
    REQUIRE(seen.size() >= 3);
    CHECK(seen == from_to(0, seen.size()));
    CHECK(seen.size() <= 4);  // 4 was never appended
}

TEST_CASE("a sync that is interrupted counts as failed too: nobody knows what it did") {
    scratch dir;
    faulty_files files;
    journal j{dir.path("j"), with(files, sync::every_append)};
    numbers q{j, "q"};
    files.fail(call::sync_data, EINTR, 0, 1);
    CHECK(q.send(1) == status::failed);
    CHECK(j.sync() == status::failed);
    CHECK(j.failure().find(dir.path("j")) != std::string::npos);
    CHECK(j.failure().find("sync") != std::string::npos);
}

TEST_CASE("a failing sync wakes those who wait for messages") {
    scratch dir;
    faulty_files files;
    numbers q{dir.path("j"), with(files, sync::every_append)};
    auto g = q.group("g", {.prefetch = 8});
    std::thread waits{[&] { CHECK(g.receive().status() == status::failed); }};
    files.fail(call::sync_data, EIO);
    CHECK(q.send(1) == status::failed);
    waits.join();
}

TEST_CASE("each call that fails while a segment is made is answered, and what was sent is there") {
    scratch dir;
    int n = 0;
    for (const call c : {call::open, call::write, call::sync, call::sync_data, call::rename,
                         call::map, call::allocate, call::read}) {
        for (const int after : {0, 1}) {
            faulty_files files;
            const std::string path = dir.path("j" + std::to_string(++n));
            std::uint64_t sent = 0;
            {
                numbers q{path, with(files)};
                files.fail(c, EIO, after, 1);
                status s = status::ok;
                while (sent < 2000 && (s = q.send(sent))) ++sent;
                CAPTURE(static_cast<int>(c));
                CHECK((s == status::failed || sent == 2000));
                if (after == 0) CHECK(s == status::failed);
                if (!s) CHECK(q.send(sent) == status::failed);
            }
            files.heal();
            numbers q{path, with(files)};
            CHECK(q.report().damage.empty());
            CHECK(accept_all(q) == from_to(0, sent));
        }
    }
}

TEST_CASE("each call that fails while a journal is opened is an exception, and changes nothing") {
    scratch dir;
    faulty_files files;
    {
        numbers q{dir.path("j"), with(files)};
        for (std::uint64_t i = 0; i < 700; ++i) REQUIRE(q.send(i));
    }
    int thrown = 0;
    for (const call c : {call::open, call::read, call::write, call::truncate, call::allocate,
                         call::sync_data, call::list, call::map}) {
        for (int after = 0; after < 4; ++after) {
            files.fail(c, EIO, after, 1);
            try {
                journal j{dir.path("j"), with(files)};
            } catch (const std::system_error& e) {
                ++thrown;
                CHECK(e.code().value() == EIO);
                CHECK(std::string{e.what()}.find(dir.path("j")) != std::string::npos);
            }
            files.heal();
        }
    }
    CHECK(thrown >= 12);
    numbers q{dir.path("j"), with(files)};
    CHECK(q.report().damage.empty());
    CHECK(accept_all(q) == from_to(0, 700));
}

TEST_CASE("short and interrupted reads and writes are gone on with") {
    scratch dir;
    faulty_files files;
    files.most = 777;
    {
        numbers q{dir.path("j"), with(files)};
        files.fail(call::write, EINTR, 3, 5);
        for (std::uint64_t i = 0; i < 1000; ++i) REQUIRE(q.send(i));
    }
    files.most = 5;
    files.fail(call::read, EINTR, 2, 3);
    numbers q{dir.path("j"), with(files)};
    CHECK(q.report().damage.empty());
    CHECK(accept_all(q) == from_to(0, 1000));
}

TEST_CASE("an old segment that can't be mapped answers failed, and is read once it can") {
    scratch dir;
    faulty_files files;
    {
        numbers q{dir.path("j"), with(files)};
        for (std::uint64_t i = 0; i < 1000; ++i) REQUIRE(q.send(i));
    }
    numbers q{dir.path("j"), with(files)};
    auto g = q.group("g", {.prefetch = 8});
    files.fail(call::map, EMFILE, 0, 1);
    CHECK(g.try_receive().status() == status::failed);
    CHECK(*g.try_receive() == 0);
    REQUIRE(q.send(1000));
}
