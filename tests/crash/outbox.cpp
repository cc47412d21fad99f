// SPDX-License-Identifier: BSL-1.0
// The outbox under SIGKILL: orders are billed by transactions, the process is killed anywhere, and
// there is never an invoice without its accept, nor an accept without its invoice.
//
//   PENSTOCK_CRASH_POINTS=2000 tests/run crash
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <penstock/durable/durable_queue.hpp>

#include "durable/scratch.hpp"

using namespace penstock;

namespace {

struct order {
    std::uint64_t id;
};
struct invoice {
    std::uint64_t order;
    std::uint64_t part;  // two for each order
};

struct shop {
    explicit shop(const std::string& path)
        : books{path, {.sync = sync::process_crash, .segment_bytes = 16 * 1024}} {}
    journal books;
    durable_queue<order> orders{books, "orders"};
    durable_queue<invoice> invoices{books, "invoices"};
    durable_group<order> billing = orders.group("billing", {.prefetch = 32});
    durable_group<invoice> audit = invoices.group("audit", {.prefetch = 32});

    status bill(delivery<order>& d) {
        return books.transact([&](auto& t) {
            t.send(invoices, {d->id, 1});
            t.accept(d);
            t.send(invoices, {d->id, 2});
        });
    }
};

/// Sends orders and bills them until it is killed; tells of each order that is billed.
[[noreturn]] void child(const std::string& path, std::uint64_t first, int pipe) {
    try {
        shop s{path};
        std::thread sends{[&] {
            for (auto id = first;; ++id)
                if (!s.orders.send({id})) ::_exit(4);
        }};
        std::thread bills[2];
        for (auto& b : bills)
            b = std::thread{[&] {
                auto mine = s.orders.group("billing", {.prefetch = 32});
                for (std::uint64_t turn = 0;; ++turn) {
                    auto d = mine.receive();
                    if (!d) ::_exit(5);
                    if (turn % 11 == 7) continue;  // released
                    const std::uint64_t id = d->id;
                    if (!s.bill(d)) ::_exit(6);
                    if (::write(pipe, &id, sizeof id) != sizeof id) ::_exit(3);
                }
            }};
        sends.join();
    } catch (...) {
    }
    ::_exit(7);
}

}  // namespace

TEST_CASE("killed while billing: no invoice without its accept, no accept without its invoice") {
    const char* const asked = std::getenv("PENSTOCK_CRASH_POINTS");
    const std::uint64_t points = asked ? std::strtoull(asked, nullptr, 10) / 4 : 60;
    scratch dir;
    std::set<std::uint64_t> told, billed;
    std::uint64_t random = 0x2545F4914F6CDD1D;
    for (std::uint64_t point = 0; point < points; ++point) {
        CAPTURE(point);
        random = random * 6364136223846793005u + 1442695040888963407u;
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const pid_t pid = ::fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            ::close(ends[0]);
            child(dir.path("j"), (point + 1) * 1'000'000, ends[1]);
        }
        ::close(ends[1]);
        std::uint64_t id = 0, heard = 0;
        const std::uint64_t after = 1 + (random >> 33) % 60;
        while (::read(ends[0], &id, sizeof id) == sizeof id) {
            REQUIRE(told.insert(id).second);
            if (++heard == after) ::kill(pid, SIGKILL);
        }
        ::close(ends[0]);
        int how = 0;
        REQUIRE(::waitpid(pid, &how, 0) == pid);
        REQUIRE(WIFSIGNALED(how));
        REQUIRE(WTERMSIG(how) == SIGKILL);

        shop s{dir.path("j")};
        REQUIRE(s.books.report().damage.empty());
        std::uint64_t half = 0;
        while (auto i = s.audit.try_receive()) {
            if (i->part == 1) {
                REQUIRE(half == 0);
                half = i->order;
                REQUIRE(billed.insert(i->order).second);  // once
            } else {
                REQUIRE(i->order == half);  // both or none
                half = 0;
            }
            REQUIRE(i.accept());
        }
        REQUIRE(half == 0);
        for (const std::uint64_t t : told) REQUIRE(billed.count(t) == 1);
        // Accepted or billed, never one of them: what comes again has no invoice yet.
        while (auto d = s.billing.try_receive()) {
            REQUIRE(billed.count(d->id) == 0);
            REQUIRE(s.bill(d));
        }
        while (auto i = s.audit.try_receive()) {
            billed.insert(i->order);
            REQUIRE(i.accept());
        }
        REQUIRE(s.books.trim());
    }
    // All that was sent is billed now: none was accepted without its invoice.
    CHECK(told.size() > points);
    MESSAGE(points << " kills: " << told.size() << " billings had returned, " << billed.size()
                   << " orders billed");
    std::uint64_t last = 0, begin = 0;
    for (const std::uint64_t b : billed) {
        if (b / 1'000'000 != last / 1'000'000) begin = b / 1'000'000 * 1'000'000;
        REQUIRE(b == begin);  // no gap among the orders of one process
        ++begin;
        last = b;
    }
}
