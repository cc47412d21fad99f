// SPDX-License-Identifier: BSL-1.0
// SIGKILL in the middle of the work. A child sends and accepts, and tells its parent through a pipe
// what has returned; the parent kills it, opens the journal and compares with its own list.
//
//   tests/run crash --all    2,000 kills in each case
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
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
namespace fs = std::filesystem;

namespace {

struct message {
    std::uint64_t id;
    std::uint64_t filling[6];
};
message with_id(std::uint64_t id) {
    message m{id, {}};
    for (std::uint64_t i = 0; i < 6; ++i) m.filling[i] = id * (i + 3);
    return m;
}

/// What the child says: one write, which a pipe does not cut.
struct told {
    std::uint64_t id;
    std::uint64_t accepted;
};

struct work {
    penstock::sync policy;
    int senders, members;
};

/// Never returns: works until it is killed.
[[noreturn]] void child(const std::string& path, const work& w, std::uint64_t first, int pipe) {
    try {
        durable_queue<message> q{path, {.sync = w.policy, .segment_bytes = 32 * 1024}};
        const auto tell = [pipe](std::uint64_t id, bool accepted) {
            const told t{id, accepted};
            if (::write(pipe, &t, sizeof t) != sizeof t) ::_exit(3);
        };
        std::vector<std::thread> threads;
        for (int s = 0; s < w.senders; ++s)
            threads.emplace_back([&, s] {
                for (auto id = first + static_cast<std::uint64_t>(s);;
                     id += static_cast<std::uint64_t>(w.senders)) {
                    if (!q.send(with_id(id))) ::_exit(4);
                    tell(id, false);
                }
            });
        for (int m = 0; m < w.members; ++m)
            threads.emplace_back([&] {
                auto g = q.group("work", {.prefetch = 32});
                for (std::uint64_t turn = 0;; ++turn) {
                    auto d = g.receive();
                    if (!d) ::_exit(5);
                    if (turn % 7 == 3) continue;  // released: delivered again
                    const std::uint64_t id = d->id;
                    if (!d.accept()) ::_exit(6);
                    tell(id, true);
                }
            });
        for (auto& t : threads) t.join();
    } catch (...) {
    }
    ::_exit(7);
}

/// Kills in each case; slow builds have time for fewer.
std::uint64_t points() {
    const char* const asked = std::getenv("PENSTOCK_CRASH_POINTS");
    return asked ? std::strtoull(asked, nullptr, 10) : 60;
}

class matrix {
public:
    explicit matrix(const work& w) : work_{w} {}

    void run(std::uint64_t count) {
        for (std::uint64_t point = 0; point < count; ++point) {
            CAPTURE(point);
            if (work_.senders == 0) fill();
            kill_once(1 + next(point % 4 == 0 && work_.senders > 0 ? 400 : 40));
            check(point % 4 == 3 || point + 1 == count);
            first_ += 1'000'000;
        }
        MESSAGE(count << " kills: " << sends_ << " sends and " << accepts_
                      << " accepts had returned, " << unreported_ << " sends and " << untold_
                      << " accepts more had happened");
        CHECK(sends_ + accepts_ > count);
    }

private:
    /// For those who only receive: more than they are let to accept.
    void fill() {
        durable_queue<message> q{
            dir_.path("j"), {.sync = work_.policy, .segment_bytes = 32 * 1024}};
        for (std::uint64_t i = 0; i < 64; ++i) {
            REQUIRE(q.send(with_id(first_ + i)));
            sent_.insert(first_ + i);
        }
    }
    void kill_once(std::uint64_t after) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const pid_t pid = ::fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            ::close(ends[0]);
            child(dir_.path("j"), work_, first_ + 64, ends[1]);
        }
        ::close(ends[1]);
        told t{};
        std::uint64_t heard = 0;
        // What was told before the kill counts, also what is read after it.
        while (::read(ends[0], &t, sizeof t) == sizeof t) {
            // No message is accepted twice, by whatever process: an accept that returned holds.
            REQUIRE((t.accepted != 0 ? accepted_ : sent_).insert(t.id).second);
            if (++heard != after) continue;
            for (auto n = next(1 << 14); n > 0; --n)
                sys::pause();  // where it is by then, who knows
            ::kill(pid, SIGKILL);
        }
        ::close(ends[0]);
        int how = 0;
        REQUIRE(::waitpid(pid, &how, 0) == pid);
        REQUIRE(WIFSIGNALED(how));  // else it gave up by itself: its exit code says where
        REQUIRE(WTERMSIG(how) == SIGKILL);
    }

    /// All sends of the last process; what was accepted only with `settle`, so that groups go through
    /// several kills with much that is unsettled.
    void check(bool settle) {
        durable_queue<message> q{
            dir_.path("j"), {.sync = work_.policy, .segment_bytes = 32 * 1024}};
        REQUIRE(q.report().damage.empty());
        auto worked = q.group("work", {.prefetch = 32});  // there before anything is trimmed

        // Every send that returned is there exactly once, whole, and per sender in order; and nothing of
        // what the processes before have sent comes a second time.
        auto audit = q.group("audit", {.prefetch = 32});
        std::array<std::uint64_t, 8> last{};
        std::uint64_t found = 0;
        while (auto d = audit.try_receive()) {
            const message expected = with_id(d->id);
            REQUIRE(
                std::equal(std::begin(expected.filling), std::end(expected.filling), d->filling));
            REQUIRE(d->id >= first_);
            REQUIRE(d->id < first_ + 1'000'000);
            auto& before = last[d->id % static_cast<std::uint64_t>(std::max(1, work_.senders))];
            REQUIRE(before < d->id);
            before = d->id;
            REQUIRE(there_.insert(d->id).second);
            ++found;
            REQUIRE(d.accept());
        }
        for (const std::uint64_t id : sent_) REQUIRE(there_.count(id) == 1);
        REQUIRE(found - sent_.size() <= static_cast<std::uint64_t>(work_.senders));
        unreported_ += found - sent_.size();
        sends_ += sent_.size();
        sent_.clear();
        ++unsettled_kills_;
        if (settle) check_accepts(worked);
        REQUIRE(q.trim());
    }

    /// What was accepted does not come again; what was not comes, once.
    void check_accepts(durable_group<message>& group) {
        std::set<std::uint64_t> left;
        while (auto d = group.try_receive()) {
            REQUIRE(there_.count(d->id) == 1);
            REQUIRE(accepted_.count(d->id) == 0);
            REQUIRE(left.insert(d->id).second);
            REQUIRE(d.accept());
        }
        for (const std::uint64_t id : accepted_) REQUIRE(there_.count(id) == 1);
        // Some were accepted, and nobody was told any more: of each member at each kill at most one.
        const std::uint64_t untold = there_.size() - left.size() - accepted_.size();
        REQUIRE(untold <= unsettled_kills_ * static_cast<std::uint64_t>(work_.members));
        accepts_ += accepted_.size();
        untold_ += untold;
        unsettled_kills_ = 0;
        there_.clear();
        accepted_.clear();
    }

    std::uint64_t next(std::uint64_t below) {
        random_ ^= random_ << 13;
        random_ ^= random_ >> 7;
        random_ ^= random_ << 17;
        return random_ % below;
    }

    work work_;
    // A kill leaves the page cache: the disk is asked only where there is time.
    scratch dir_{
        std::getenv("PENSTOCK_CRASH_POINTS") ? fs::temp_directory_path() : scratch::in_memory()};
    std::uint64_t first_ = 1'000'000;  // of the ids of this kill
    std::uint64_t random_ = 0x2545F4914F6CDD1D;
    std::set<std::uint64_t> sent_;      // told by the last process
    std::set<std::uint64_t> accepted_;  // told by those since accepts were checked
    std::set<std::uint64_t> there_;     // found in the journal since then
    std::uint64_t unsettled_kills_ = 0;
    std::uint64_t sends_ = 0, accepts_ = 0, unreported_ = 0, untold_ = 0;
};

}  // namespace

TEST_CASE("killed while sending: every send that returned is there exactly once") {
    matrix{{sync::process_crash, 1, 0}}.run(points());
}

TEST_CASE(
    "killed while receiving and accepting: every accept that returned holds, nothing is lost") {
    matrix{{sync::process_crash, 0, 2}}.run(points());
}

TEST_CASE(
    "killed while several send, receive, release and accept: nothing lost, no accept undone") {
    matrix{{sync::process_crash, 2, 2}}.run(points());
}

TEST_CASE("killed under every_append") { matrix{{sync::every_append, 2, 1}}.run(points()); }
