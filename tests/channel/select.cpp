// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/channel/async.hpp>
#include <penstock/channel/select.hpp>
#include <penstock/core/manual_clock.hpp>

#include "support/coroutine.hpp"
#include "support/flow.hpp"

using namespace std::chrono_literals;
using penstock::async_select;
using penstock::make_channel;
using penstock::on;
using penstock::overflow;
using penstock::select;
using penstock::selected;
using penstock::status;
using penstock::timeout;

namespace {
constexpr auto ignore = [](auto&&...) {};
}

TEST_CASE("select takes the one that is ready, of whatever type, and calls its handler") {
    auto [numbers_tx, numbers] = make_channel<int>(2);
    auto [words_tx, words] = make_channel<std::string>(2);
    std::string got;
    const auto once = [&, &n = numbers, &w = words] {
        return select(
            on(n, [&](int i) { got = std::to_string(i); }), on(w, [&](std::string s) { got = s; }));
    };
    CHECK(words_tx.send("word"));
    selected s = once();
    CHECK(s);
    CHECK(s.index() == 1);
    CHECK(got == "word");
    CHECK(numbers_tx.send(5));
    CHECK(once().index() == 0);
    CHECK(got == "5");
}

TEST_CASE("of two that are always ready each has its turn") {
    auto [atx, a] = make_channel<int>(1000);
    auto [btx, b] = make_channel<int>(1000);
    for (int i = 0; i < 1000; ++i) {
        CHECK(atx.send(i));
        CHECK(btx.send(i));
    }
    int from[2] = {};
    for (int i = 0; i < 1000; ++i) ++from[select(on(a, ignore), on(b, ignore)).index()];
    CHECK(from[0] > 400);
    CHECK(from[1] > 400);
}

TEST_CASE("a send is chosen when there is room, and its value stays where it was until then") {
    auto [tx, rx] = make_channel<std::unique_ptr<int>>(1);
    auto [never_tx, never] = make_channel<int>(1);
    auto value = std::make_unique<int>(1);
    int sent = 0;
    const auto once = [&, &to = tx, &other = never] {
        return select(on(to, value, [&] { ++sent; }), on(other, ignore), timeout(0s));
    };
    CHECK(once());
    CHECK(sent == 1);
    CHECK_FALSE(value);
    value = std::make_unique<int>(2);
    CHECK(once().status() == status::timed_out);
    CHECK(sent == 1);
    REQUIRE(value);
    CHECK(*value == 2);
    CHECK(**rx.receive() == 1);
    CHECK(once().index() == 0);
    CHECK(**rx.receive() == 2);
}

TEST_CASE("a sleeping select is woken by any of its cases") {
    auto [atx, a] = make_channel<int>(1);
    auto [btx, b] = make_channel<int>(1);
    auto [ctx, c] = make_channel<int>(1);
    CHECK(ctx.send(0));
    int value = 9;
    for (std::size_t which = 0; which < 3; ++which) {
        std::optional<std::size_t> taken;
        std::jthread selecting{[&, &x = a, &y = b, &z = ctx] {
            taken = select(on(x, ignore), on(y, ignore), on(z, value)).index();
        }};
        auto& core = penstock::detail::channel_access::core(ctx);
        until([&] { return core.senders().waiting_approx() == 1; });
        if (which == 0) CHECK(atx.send(1));
        if (which == 1) CHECK(btx.send(1));
        if (which == 2) CHECK(*c.receive() == 0);
        selecting.join();
        CHECK(taken == which);
        CHECK(core.senders().waiting_approx() == 0);
        CHECK(penstock::detail::channel_access::core(a).receivers().waiting_approx() == 0);
    }
    CHECK(*c.receive() == 9);
}

TEST_CASE("closed cases are skipped, one with a handler for it is chosen, and all closed ends it") {
    auto [atx, a] = make_channel<int>(1);
    auto [btx, b] = make_channel<int>(1);
    CHECK(btx.send(1));
    atx.close();
    CHECK(select(on(a, ignore), on(b, ignore)).index() == 1);
    bool told = false;
    const selected s = select(on(a, ignore, [&] { told = true; }), on(b, ignore));
    CHECK(s);
    CHECK(s.index() == 0);
    CHECK(told);
    btx.close();
    const selected all = select(on(a, ignore), on(b, ignore));
    CHECK_FALSE(all);
    CHECK(all.status() == status::closed);
    CHECK(all.index() == 2);
    int value = 3;
    CHECK(select(on(atx, value)).status() == status::closed);
    CHECK(value == 3);
}

TEST_CASE("a close wakes a sleeping select") {
    auto [atx, a] = make_channel<int>(1);
    auto [btx, b] = make_channel<int>(1);
    std::jthread selecting{[&x = a, &y = b] {
        CHECK(select(on(x, ignore), on(y, ignore)).status() == status::closed);
    }};
    auto& core = penstock::detail::channel_access::core(b);
    until([&] { return core.receivers().waiting_approx() == 1; });
    atx.close();
    btx.close();
}

TEST_CASE("a timeout calls its handler; without one it is the answer; what is ready comes first") {
    penstock::manual_clock time;
    auto [tx, rx] = make_channel<int>(1);
    bool idle = false;
    CHECK(select(on(rx, ignore), timeout(
                                     0s, [&] { idle = true; }, time)));
    CHECK(idle);
    CHECK(select(on(rx, ignore), timeout(0s)).status() == status::timed_out);
    CHECK(tx.send(1));
    CHECK(select(on(rx, ignore), timeout(0s)).index() == 0);
    idle = false;
    std::jthread selecting{[&, &in = rx] {
        CHECK(select(on(in, ignore), timeout(
                                         1h, [&] { idle = true; }, time)));
    }};
    until([&] { return time.sleepers() == 1; });
    time.advance(1h);
    selecting.join();
    CHECK(idle);
}

TEST_CASE("a stop ends a select") {
    auto [tx, rx] = make_channel<int>(1);
    std::stop_source stop;
    std::jthread selecting{[&, &in = rx] {
        CHECK(select(on(in, ignore), stop.get_token()).status() == status::stopped);
    }};
    auto& core = penstock::detail::channel_access::core(rx);
    until([&] { return core.receivers().waiting_approx() == 1; });
    stop.request_stop();
}

TEST_CASE("overflow: drop_oldest is always ready, reject waits for room") {
    auto [tx, rx] = make_channel<int>({.capacity = 1, .overflow = overflow::drop_oldest});
    int value = 1;
    CHECK(select(on(tx, value)));
    value = 2;
    CHECK(select(on(tx, value)));
    CHECK(*rx.receive() == 2);
    auto [ty, ry] = make_channel<int>({.capacity = 1, .overflow = overflow::reject});
    CHECK(select(on(ty, value)));
    CHECK(select(on(ty, value), timeout(0s)).status() == status::timed_out);
    CHECK(ty.rejected() == 0);
}

TEST_CASE("what a handler throws goes through, and the element was taken") {
    auto [tx, rx] = make_channel<int>(1);
    CHECK(tx.send(1));
    CHECK_THROWS_AS((void)select(on(rx, [](int i) { throw i; })), int);
    CHECK(rx.try_receive().status() == status::empty);
}

TEST_CASE("a handler may use the channels that it was called for") {
    auto [tx, rx] = make_channel<int>(1);
    CHECK(tx.send(3));
    int sum = 0;
    while (select(on(rx, [&, &own = tx](int i) {
        sum += i;
        if (i > 0) {
            CHECK(own.send(i - 1));
        } else {
            own.close();
        }
    }))) {
    }
    CHECK(sum == 6);
}

TEST_CASE(
    "a select that was woken at two channels takes from one and leaves the other's to others") {
    for (int round = 0; round < 300; ++round) {
        auto [atx, a] = make_channel<int>(1);
        auto [btx, b] = make_channel<int>(1);
        std::atomic<int> got{0};
        in_threads(4, [&, &x = a, &y = b, &tx = atx, &ty = btx](std::size_t who) {
            if (who == 0) CHECK(tx.send(1));
            if (who == 1) CHECK(ty.send(1));
            if (who == 2 && select(on(x, ignore), on(y, ignore))) ++got;
            if (who == 3 && select(on(y, ignore), on(x, ignore))) ++got;
        });
        CHECK(got == 2);
    }
}

TEST_CASE("many selects over many channels: each message is received once") {
    constexpr std::size_t each = 3000;
    flow_account account{3, each};
    auto [atx, a] = make_channel<flow_message>(2);
    auto [btx, b] = make_channel<flow_message>(2);
    auto [done_tx, done] = make_channel<int>(1);
    in_threads(6, [&, &tx = atx, &ty = btx, &x = a, &y = b, &over = done,
                   &end = done_tx](std::size_t who) {
        if (who < 3) {
            for (std::size_t i = 0; i < each; ++i) {
                flow_message m = account.message(who, i);
                if (who < 2) {  // each of these keeps to one channel, so its order stays
                    CHECK((who == 0 ? tx : ty).send(m));
                } else {
                    CHECK(select(on(tx, m)));
                }
            }
            until([&] { return account.done(); });
            tx.close();
            ty.close();
            end.close();
        } else {
            flow_account::reader mine{account};
            const auto take = [&](flow_message m) { mine.got(m); };
            while (select(on(x, take), on(y, take), on(over, ignore))) {
            }
        }
    });
    CHECK(account.complaint() == "");
}

// ---- For coroutines ----

TEST_CASE("a coroutine selects, is woken by any case, and goes on") {
    auto [atx, a] = make_channel<int>(1);
    auto [btx, b] = make_channel<std::string>(1);
    std::vector<std::string> got;
    std::optional<status> end;
    coroutine c = [](auto x, auto y, std::vector<std::string>& into,
                     std::optional<status>& e) -> coroutine {
        for (;;) {
            const selected s = co_await async_select(
                on(x, [&](int i) { into.push_back(std::to_string(i)); }),
                on(y, [&](std::string w) { into.push_back(w); }));
            if (s) continue;
            e = s.status();
            co_return;
        }
    }(a, b, got, end);
    CHECK(btx.send("word"));
    CHECK(atx.send(1));
    CHECK(got == std::vector<std::string>{"word", "1"});
    atx.close();
    CHECK_FALSE(end);
    btx.close();
    CHECK(end == status::closed);
}

TEST_CASE("a coroutine's select ends by a stop, on the executor that it names") {
    auto [tx, rx] = make_channel<int>(1);
    std::stop_source stop;
    manual_executor later;
    std::optional<status> end;
    coroutine c = [](auto in, std::stop_token s, manual_executor& where,
                     std::optional<status>& e) -> coroutine {
        const selected one = co_await async_select(on(in, ignore), s, where);
        e = one.status();
    }(rx, stop.get_token(), later, end);
    stop.request_stop();
    CHECK_FALSE(end);
    CHECK(later.run() == 1);
    CHECK(end == status::stopped);
}

TEST_CASE("a coroutine that is destroyed in a select passes on the wakes of all its cases") {
    auto [atx, a] = make_channel<int>(1);
    auto [btx, b] = make_channel<int>(1);
    manual_executor later;
    const auto selecting = [](auto x, auto y, manual_executor& where) -> coroutine {
        const selected s = co_await async_select(on(x, ignore), on(y, ignore), where);
        (void)s;
    };
    coroutine first = selecting(a, b, later);
    int taken = 0;
    const auto one = [](auto in, int& n) -> coroutine {
        auto r = co_await in.async_receive();
        n += *r;
    };
    coroutine second = one(a, taken), third = one(b, taken);
    CHECK(atx.send(1));
    CHECK(taken == 0);  // the first in line has the wake
    CHECK(btx.send(10));
    CHECK(taken == 10);  // it is woken already: that one went to the next
    first.destroy();
    CHECK(taken == 11);
    CHECK(later.run() == 1);
    CHECK(coroutine::frames() == 2);  // they have ended, and are still there
}
