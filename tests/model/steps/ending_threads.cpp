// SPDX-License-Identifier: BSL-1.0
// The ending matrix, for threads: what ends a wait x where the waiter stands x which side. Each cell
// is driven step by step: the waiter is stopped exactly there, the end comes, then it goes on alone.
// It must come to its end, be told why, keep its value (a sender), and the counts must add up.
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include <penstock/channel/ends.hpp>
#include <penstock/core/manual_clock.hpp>

#include "model/steps.hpp"
#include "model/support.hpp"

namespace {

using namespace std::chrono_literals;
using model::payload;
using penstock::status;

enum class ending { close, stop_token, timeout, last_end_gone };
constexpr const char* endings[] = {"close", "stop_token", "timeout", "last end gone"};
enum class side { sender, receiver };
constexpr const char* sides[] = {"sender", "receiver"};

struct point {
    const char* name;
    const char* line;  // in which its next step stands; null: asleep
};
constexpr point points[] = {
    {"before its first look", "compare_exchange_weak"},
    {"signed in, not yet enlisted", "void look() noexcept"},
    {"about to be counted", "waiting_.fetch_add(n"},
    {"asleep", nullptr},
};

status expected(ending e) {
    return e == ending::stop_token ? status::stopped
           : e == ending::timeout  ? status::timed_out
                                   : status::closed;
}

model::run_result cell(ending e, const point& at, side s) {
    return model::drive([&](model::steps& go) {
        penstock::manual_clock time;
        penstock::sys::stop_source stop;
        auto ends = penstock::make_channel<payload>({.capacity = 1, .clock = time});
        auto tx = std::optional{std::move(ends.tx)};
        auto rx = std::optional{std::move(ends.rx)};
        if (s == side::sender) MODEL_CHECK(tx->send(payload{1}));
        status told = status::failed;
        payload mine{2};
        const int waits = go.thread("waits", [&] {
            if (s == side::sender) {
                told = tx->send_for(std::move(mine), 1h, stop.get_token());
            } else {
                told = rx->receive_for(1h, stop.get_token()).status();
            }
        });
        if (!at.line) {
            MODEL_CHECK(go.run(waits) == model::rest::asleep);
        } else if (at.line == points[0].line) {
            go.step(waits);  // has begun
        } else {
            go.until(waits, at.line);
        }
        switch (e) {
            case ending::close: s == side::sender ? rx->close() : tx->close(); break;
            case ending::stop_token: stop.request_stop(); break;
            case ending::timeout: time.advance(2h); break;
            case ending::last_end_gone: s == side::sender ? rx.reset() : tx.reset(); break;
        }
        // A deadline that is not yet set counts from now: it passes once more.
        if (e == ending::timeout && at.line == points[0].line) {
            if (go.run(waits) == model::rest::asleep) time.advance(2h);
        }
        go.finish(waits);
        MODEL_CHECK(told == expected(e));
        MODEL_CHECK(s != side::sender || mine.value() == 2);
        const auto n = s == side::sender ? tx->counts() : rx->counts();
        MODEL_CHECK(n.sent == n.received + n.dropped + n.in);
        MODEL_CHECK(n.sent == (s == side::sender ? 1u : 0u));
        MODEL_CHECK(n.in == (s == side::sender && e != ending::last_end_gone ? 1u : 0u));
    });
}

}  // namespace

TEST_CASE("the ending matrix of threads: nobody hangs, nothing is lost, each is told why") {
    std::string failures;
    std::printf("%-14s %-30s %-10s %s\n", "ends by", "while it stands", "side", "told");
    for (int e = 0; e < 4; ++e)
        for (const point& at : points)
            for (int s = 0; s < 2; ++s) {
                const auto run = cell(static_cast<ending>(e), at, static_cast<side>(s));
                std::printf("%-14s %-30s %-10s %s\n", endings[e], at.name, sides[s],
                            run.ok ? expected(static_cast<ending>(e)).name() : "FAILED");
                if (!run.ok) failures += run.text + "\n";
            }
    std::printf(
        "user code throws: can't meet a waiter. Moves are nothrow (static_assert); copies and weigh\n"
        "come before the wait; on_drop is called by overflows that never wait, and by the last end.\n"
        "both sides asleep: can't last. One sleeps while it is full, the other while it is empty.\n");
    CHECK_MESSAGE(failures.empty(), failures);
}
