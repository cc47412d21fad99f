// SPDX-License-Identifier: BSL-1.0
// The outbox under SIGKILL: orders are billed by transactions, the process is killed anywhere, and
// there is never an invoice without its accept, nor an accept without its invoice. At random moments of
// several threads; then at every step of one: a step is a store into a segment, or a system call, which
// is killed both before it has begun and when it has returned.
//
//   tests/run crash --all    2,000 random moments
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <penstock/durable/durable_queue.hpp>

#include "durable/scratch.hpp"
#include "support/sanitized.hpp"

using namespace penstock;
namespace fs = std::filesystem;

namespace {

struct order {
    std::uint64_t id;
};
struct invoice {
    std::uint64_t order;
    std::uint64_t part;  // two for each order
};

constexpr std::uint64_t segment_bytes = 16 * 1024;

struct shop {
    explicit shop(const std::string& path, penstock::sync policy = sync::process_crash)
        : books{path, {.sync = policy, .segment_bytes = segment_bytes}} {}
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

/// Invoices come by twos, once for each order.
void read_invoices(shop& s, std::set<std::uint64_t>& billed) {
    std::uint64_t half = 0;
    bool open = false;
    while (auto i = s.audit.try_receive()) {
        if (i->part == 1) {
            REQUIRE_FALSE(open);
            half = i->order;
            REQUIRE(billed.insert(i->order).second);  // once
        } else {
            REQUIRE(open);
            REQUIRE(i->order == half);  // both or none
        }
        open = !open;
        REQUIRE(i.accept());
    }
    REQUIRE_FALSE(open);
}

/// What comes again has no invoice yet, what doesn't has one; then all have.
void bill_the_rest(shop& s, std::set<std::uint64_t>& billed) {
    while (auto d = s.billing.try_receive()) {
        REQUIRE(billed.count(d->id) == 0);
        REQUIRE(s.bill(d));
    }
    read_invoices(s, billed);
}

/// Sends orders and bills them until it is killed; tells of each order that is billed.
[[noreturn]] void child(const std::string& path, std::uint64_t first, int pipe) {
    try {
        shop s{path};
        std::atomic<std::uint64_t> billed{first};
        std::thread sends{[&] {
            for (auto id = first;; ++id) {
                while (id - billed > 100) std::this_thread::yield();  // the disk has others too
                if (!s.orders.send({id})) ::_exit(4);
            }
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
                    ++billed;
                    if (::write(pipe, &id, sizeof id) != sizeof id) ::_exit(3);
                }
            }};
        sends.join();
    } catch (...) {
    }
    ::_exit(7);
}

// ---- One thread, step by step -------------------------------------------------------------------

/// Memory of the parent and the child: what has returned is counted there without a call.
struct counted {
    std::uint64_t sent, billed;
};
class told {
public:
    told() {
        void* const p = ::mmap(
            nullptr, sizeof(counted), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        REQUIRE(p != MAP_FAILED);
        now_ = static_cast<volatile counted*>(p);
    }
    told(const told&) = delete;
    ~told() { ::munmap(const_cast<counted*>(now_), sizeof(counted)); }
    void send() const { now_->sent = now_->sent + 1; }
    void bill() const { now_->billed = now_->billed + 1; }
    [[nodiscard]] counted get() const { return {now_->sent, now_->billed}; }

private:
    volatile counted* now_;
};

/// A process that is stopped wherever the parent wants; dead when this is.
class traced {
public:
    template <class F>
    explicit traced(F&& f) {
        pid_ = ::fork();
        if (pid_ != 0) return;
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(9);
        ::raise(SIGSTOP);
        try {
            f();
        } catch (...) {
            ::_exit(7);
        }
        ::_exit(0);
    }
    traced(const traced&) = delete;
    ~traced() { kill(); }
    /// Until it is stopped; false: it has ended.
    [[nodiscard]] bool stopped() {
        if (::waitpid(pid_, &status_, 0) == pid_ && WIFSTOPPED(status_)) return true;
        pid_ = 0;
        return false;
    }
    [[nodiscard]] bool go(int how) const {
        const bool signalled = WSTOPSIG(status_) != SIGSTOP && !at_call() && !at(SIGTRAP);
        return ::ptrace(static_cast<decltype(PTRACE_CONT)>(how), pid_, nullptr,
                        signalled ? WSTOPSIG(status_) : 0) == 0;
    }
    [[nodiscard]] bool at(int signal) const { return WSTOPSIG(status_) == signal; }
    [[nodiscard]] bool at_call() const { return WSTOPSIG(status_) == (SIGTRAP | 0x80); }
    [[nodiscard]] bool ended_well() const {
        return WIFEXITED(status_) && WEXITSTATUS(status_) == 0;
    }
    [[nodiscard]] pid_t pid() const { return pid_; }
    void kill() {
        if (pid_ == 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, &status_, 0);
        pid_ = 0;
    }

private:
    pid_t pid_ = 0;
    int status_ = 0;
};

/// After the kill: nothing by halves, and what had returned is there.
void check(const std::string& path, penstock::sync policy, const counted& returned) {
    shop s{path, policy};
    REQUIRE(s.books.report().damage.empty());
    std::set<std::uint64_t> billed;
    read_invoices(s, billed);
    REQUIRE(billed.size() >= returned.billed);
    REQUIRE(billed.size() <= returned.billed + 1);
    std::uint64_t next = 0;
    for (const std::uint64_t id : billed) REQUIRE(id == next++);
    bill_the_rest(s, billed);
    REQUIRE(billed.size() >= returned.sent);
    REQUIRE(billed.size() <= returned.sent + 1);
    next = 0;
    for (const std::uint64_t id : billed) REQUIRE(id == next++);
}

bool can_trace() {
    if (TESTS_SANITIZED) {
        MESSAGE("skipped: a sanitizer's steps are not the journal's");
        return false;
    }
    traced t{[] {}};
    if (t.stopped()) return true;
    MESSAGE("skipped: ptrace is not allowed here");
    return false;
}

}  // namespace

TEST_CASE("killed while billing: no invoice without its accept, no accept without its invoice") {
    const char* const asked = std::getenv("PENSTOCK_CRASH_POINTS");
    const std::uint64_t points = asked ? std::strtoull(asked, nullptr, 10) : 60;
    scratch dir{asked ? fs::temp_directory_path() : scratch::in_memory()};
    std::uint64_t random = 0x2545F4914F6CDD1D, told_of = 0, all = 0;
    for (std::uint64_t point = 0; point < points; ++point) {
        CAPTURE(point);
        random = random * 6364136223846793005u + 1442695040888963407u;
        const std::uint64_t first = (point + 1) * 1'000'000;
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const pid_t pid = ::fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            ::close(ends[0]);
            child(dir.path("j"), first, ends[1]);
        }
        ::close(ends[1]);
        std::set<std::uint64_t> told, billed;
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
        read_invoices(s, billed);
        for (const std::uint64_t t : told) REQUIRE(billed.count(t) == 1);
        bill_the_rest(s, billed);
        // All that this process sent is billed now, and nothing of one before: no gap.
        std::uint64_t next = first;
        for (const std::uint64_t b : billed) REQUIRE(b == next++);
        told_of += told.size();
        all += billed.size();
        REQUIRE(s.books.trim());
    }
    CHECK(told_of > points);
    MESSAGE(points << " kills: " << told_of << " billings had returned, " << all
                   << " orders billed");
}

TEST_CASE("the outbox killed behind every store of a transaction") {
    if (!can_trace()) return;
    std::uint64_t kills = 0;
    for (std::uint64_t step = 1;; ++step) {
        CAPTURE(step);
        scratch dir{scratch::in_memory()};
        const std::string path = dir.path("j");
        const told all;
        traced t{[&] {
            shop s{path};
            for (std::uint64_t id = 0; id < 3; ++id) {
                if (!s.orders.send({id})) ::_exit(4);
                all.send();
            }
            for (int n = 0; n < 2; ++n) {
                auto d = s.billing.try_receive();
                if (!d) ::_exit(5);
                if (n == 1) ::raise(SIGUSR1);
                if (!s.bill(d)) ::_exit(6);
                if (n == 1) ::raise(SIGUSR2);
                all.bill();
            }
        }};
        REQUIRE(t.stopped());
        while (!t.at(SIGUSR1)) {
            REQUIRE(::ptrace(PTRACE_CONT, t.pid(), nullptr, nullptr) == 0);
            REQUIRE(t.stopped());
        }
        const int fd = ::open((path + "/" + format::file_name(1)).c_str(), O_RDONLY | O_CLOEXEC);
        void* const file = ::mmap(nullptr, segment_bytes, PROT_READ, MAP_SHARED, fd, 0);
        REQUIRE(file != MAP_FAILED);
        ::close(fd);
        std::vector<unsigned char> seen(segment_bytes);
        std::memcpy(seen.data(), file, seen.size());
        std::uint64_t stores = 0;
        while (stores < step && !t.at(SIGUSR2)) {
            REQUIRE(::ptrace(PTRACE_SINGLESTEP, t.pid(), nullptr, nullptr) == 0);
            REQUIRE(t.stopped());
            if (std::memcmp(seen.data(), file, seen.size()) == 0) continue;
            std::memcpy(seen.data(), file, seen.size());
            ++stores;
        }
        ::munmap(file, segment_bytes);
        t.kill();
        ++kills;
        check(path, sync::process_crash, all.get());
        if (stores < step) {  // there are no more
            MESSAGE(kills << " kills behind the " << stores << " stores of a transaction");
            CHECK(stores > 10);
            break;
        }
    }
}

TEST_CASE("the outbox killed at every system call, from the first opening to the closing") {
    if (!can_trace()) return;
    for (const auto policy : {sync::process_crash, sync::every_append}) {
        std::uint64_t kills = 0;
        bool ended = false;
        for (std::uint64_t step = 1; !ended; ++step) {
            CAPTURE(step);
            scratch dir{scratch::in_memory()};
            const std::string path = dir.path("j");
            const told all;
            traced t{[&] {
                // Over four segments, made ahead or by the append that needs one.
                shop s{path, policy};
                for (std::uint64_t id = 0; id < 200; ++id) {
                    if (policy == sync::every_append && id == 12) break;
                    if (!s.orders.send({id})) ::_exit(4);
                    all.send();
                    auto d = s.billing.try_receive();
                    if (!d || !s.bill(d)) ::_exit(6);
                    all.bill();
                    if (id == 70 && !s.books.maintain()) ::_exit(8);
                }
            }};
            REQUIRE(t.stopped());
            REQUIRE(::ptrace(PTRACE_SETOPTIONS, t.pid(), nullptr, PTRACE_O_TRACESYSGOOD) == 0);
            for (std::uint64_t calls = 0;;) {
                if (t.at_call() && ++calls == step) break;
                REQUIRE(t.go(PTRACE_SYSCALL));
                if (t.stopped()) continue;
                ended = true;
                REQUIRE(t.ended_well());
                MESSAGE(kills << " kills before and behind the " << calls / 2 << " system calls");
                CHECK(calls > 100);
                break;
            }
            t.kill();
            kills += !ended;
            check(path, policy, all.get());
        }
    }
}
