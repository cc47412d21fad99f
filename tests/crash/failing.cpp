// SPDX-License-Identifier: BSL-1.0
// Each call to the file system fails in its turn, once or from then on, in each way it may: the answer is
// clear, nothing is promised that isn't so, and after healing, a kill or power loss exactly that is there.
// tests/durable/faults.cpp has the answers of the commonest cases, one by one.
#include <cerrno>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>

#include "crash/scripts.hpp"

using namespace crash;

namespace {

const std::map<std::string_view, std::vector<int>> errors{
    {"open", {EMFILE, ENFILE, EACCES, EROFS, EIO, EINTR}},
    {"read", {EIO, EINTR}},
    {"write", {ENOSPC, EDQUOT, EIO, EINTR}},
    {"truncate", {EIO, EINTR}},
    {"allocate", {ENOSPC, EDQUOT, EIO, EINTR, EOPNOTSUPP}},
    {"sync", {EIO, ENOSPC, EDQUOT, EINTR}},
    {"lock", {ENOLCK}},
    {"rename", {EACCES, EROFS, ENOSPC, EIO}},
    {"remove", {EACCES, EROFS, EIO}},
    {"make_directory", {EACCES, EROFS, ENOSPC}},
    {"list", {EIO, ENOMEM}},
    {"map", {ENOMEM, EACCES, ENODEV}},
};
bool no_space(int error) { return error == ENOSPC || error == EDQUOT; }

/// Some work; what was answered is kept, and must make sense.
class attempt {
public:
    attempt(penstock::sync policy, tally& counts) : policy_{policy}, counts_{counts} {}

    /// The calls it takes when none fails.
    std::vector<std::string> calls;
    std::size_t fails_at = static_cast<std::size_t>(-1);
    int error = 0;
    bool for_ever = false;
    std::size_t at_once = static_cast<std::size_t>(-1);
    std::size_t refused = 0;  // actions

    void run() {
        files_.most = at_once;
        files_.refuse = [this](const char* call) -> int {
            calls.emplace_back(call);
            if (calls.size() <= fails_at) return 0;
            const bool same = calls[fails_at] == call;
            return calls.size() == fails_at + 1 || (for_ever && same) ? error : 0;
        };
        try {
            shop s{files_, policy_};
            h_.promised = h_.returned = h_.units.size();
            for (const char c : std::string_view{"SSbSSaaaSSatSSTSSSSaiSS"}) act(s, c);
        } catch (const std::system_error& e) {
            ++refused;
            const std::string what = e.what();
            if (what.find("penstock: ") != 0 || what.find(" j") == std::string::npos)
                wrong("an exception without place or operation: " + what);
            // Declaring passes on what the journal said before: its code is of what happened.
            const bool known = e.code().value() == error || e.code().value() == EIO;
            if (!known) wrong("an exception of something else: " + what);
        } catch (const std::exception& e) {
            wrong(e.what());
        }
        files_.refuse = nullptr;
        after();
    }

private:
    void wrong(const std::string& what) {
        counts_.violation((fails_at < calls.size() ? calls[fails_at] : "no call") + " number " +
                          std::to_string(fails_at) + (for_ever ? " and later" : "") +
                          " answered errno " + std::to_string(error) + ", policy " +
                          std::to_string(static_cast<int>(policy_)) + ": " + what);
    }

    template <class F>
    void perform(unit u, F&& f) {
        h_.units.push_back(std::move(u));
        const status s = f();
        if (s == status::ok) {
            if (failed_) wrong("ok after failed");
            h_.returned = h_.units.size();
            if (policy_ == sync::every_append) h_.promised = h_.returned;
            return;
        }
        ++refused;
        if (s == status::no_space && !no_space(error)) wrong("no_space");
        if (s != status::no_space && s != status::failed) wrong("an answer that is neither");
        if (s == status::failed && !failed_) {
            failed_ = true;  // this one may be there or not
        } else {
            h_.units.pop_back();
        }
    }
    void act(shop& s, char what) {
        const std::uint64_t id = ++last_;
        switch (what) {
            case 'S':
                return perform(
                    {.sent = {{0, id}}}, [&] { return s.queues[0]->send(message(id, 3000)); });
            case 'i':
                return perform(
                    {.sent = {{1, id}}}, [&] { return s.queues[1]->send(message(id, 9)); });
            case 'b': {
                last_ += 1;
                const std::vector<std::string> two{message(id, 700), message(id + 1, 10)};
                return perform(
                    {.sent = {{0, id}, {0, id + 1}}}, [&] { return s.queues[0]->send_all(two); });
            }
            case 'a':
                if (auto d = s.groups[0]->try_receive())
                    perform({.accepted = {{0, id_of(*d)}}}, [&] { return d.accept(); });
                return;
            case 't':
                if (auto d = s.groups[0]->try_receive())
                    perform({.sent = {{1, id}}, .accepted = {{0, id_of(*d)}}}, [&] {
                        return s.books.transact([&](auto& t) {
                            t.send(*s.queues[1], message(id, 50));
                            t.accept(d);
                        });
                    });
                return;
            case 'T': {
                h_.trimmed = true;
                const auto r = s.books.trim();
                if (!r && r.status() != status::failed) wrong("trim answered otherwise");
                return;
            }
        }
    }

    void after() {
        std::string why;
        disk killed{files_.after_kill(), 1, false};
        ++counts_.points;
        ++counts_.states;
        if (!recovered(killed, h_, h_.returned, why)) wrong("after a kill: " + why);
        auto next = files_.next_process();
        ++counts_.states;
        if (!recovered_twice(*next, h_, h_.returned, why))
            wrong("after a kill and power loss: " + why);
        std::mt19937_64 random{counts_.points};
        files_.states(effort(2, 10), random, [&](image&& left) {
            disk started{std::move(left), 2, false};
            ++counts_.states;
            if (!recovered(started, h_, h_.promised, why)) wrong("after power loss: " + why);
        });
    }

    const penstock::sync policy_;
    tally& counts_;
    disk files_;
    history h_;
    std::uint64_t last_ = 0;
    bool failed_ = false;
};

}  // namespace

TEST_CASE("each call fails in turn: a clear answer, and exactly what was promised is there") {
    tally counts;
    std::size_t silent = 0, calls = 0;
    for (const auto policy : {sync::every_append, sync::process_crash}) {
        attempt dry{policy, counts};
        dry.run();
        REQUIRE(dry.refused == 0);
        calls += dry.calls.size();
        for (std::size_t n = 0; n < dry.calls.size(); ++n) {
            const auto& may = errors.at(dry.calls[n]);
            for (std::size_t e = 0; e < may.size(); ++e) {
                // In the short form each call fails in one way, in all of them by turns.
                if (effort(0, 1) == 0 && e != n % may.size()) continue;
                for (const bool for_ever : {false, true}) {
                    if (for_ever && may[e] == EINTR) continue;
                    attempt a{policy, counts};
                    a.fails_at = n;
                    a.error = may[e];
                    a.for_ever = for_ever;
                    a.run();
                    silent += a.refused == 0 ? 1 : 0;
                    // What was only interrupted is done again, but for a sync.
                    if (may[e] == EINTR && dry.calls[n] != "sync") CHECK(a.refused == 0);
                }
            }
        }
    }
    INFO(counts.first);
    CHECK(counts.violations == 0);
    MESSAGE(calls << " calls, failed in " << counts.points << " ways, " << silent
                  << " of them without consequence: " << counts.points << " points, "
                  << counts.states << " states, violations " << counts.violations);
}

TEST_CASE("reads and writes that are short each time change nothing") {
    tally counts;
    attempt a{sync::every_append, counts};
    a.at_once = 333;
    a.run();
    INFO(counts.first);
    CHECK(counts.violations == 0);
    CHECK(a.refused == 0);
}
