// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/channel/async.hpp>
#include <penstock/queue/spsc_ring.hpp>

#include "support/coroutine.hpp"
#include "support/flow.hpp"
#include "support/tracked.hpp"

using penstock::make_channel;
using penstock::overflow;
using penstock::receiver;
using penstock::result;
using penstock::sender;
using penstock::status;

namespace {

coroutine receive_all(receiver<int> rx, std::vector<int>& into, std::optional<status>& end,
                      std::stop_token stop = {}) {
    for (;;) {
        auto got = co_await rx.async_receive(stop);
        if (!got) {
            end = got.status();
            co_return;
        }
        into.push_back(*got);
    }
}

coroutine send_one(sender<int> tx, int value, std::optional<status>& answer,
                   std::stop_token stop = {}) {
    answer = co_await tx.async_send(value, stop);
}

}  // namespace

TEST_CASE("a coroutine receives what is in, what comes, and the end") {
    auto [tx, rx] = make_channel<int>(2);
    CHECK(tx.send(1));
    std::vector<int> got;
    std::optional<status> end;
    coroutine c = receive_all(rx, got, end);
    CHECK(got == std::vector<int>{1});
    CHECK(tx.send(2));
    CHECK(tx.send(3));
    CHECK(got == std::vector<int>{1, 2, 3});
    CHECK_FALSE(end);
    tx.close();
    CHECK(end == status::closed);
    CHECK(c.done());
}

TEST_CASE("the last sender that goes ends a suspended receive") {
    std::vector<int> got;
    std::optional<status> end;
    coroutine c;
    {
        auto [tx, rx] = make_channel<int>(2);
        c = receive_all(std::move(rx), got, end);
    }
    CHECK(end == status::closed);
}

TEST_CASE("a coroutine sends when there is room, and is told when there will be none") {
    auto [tx, rx] = make_channel<int>(1);
    std::optional<status> a, b, c;
    coroutine one = send_one(tx, 1, a);
    CHECK(a == status::ok);
    coroutine two = send_one(tx, 2, b), three = send_one(tx, 3, c);
    CHECK_FALSE(b);
    CHECK(*rx.receive() == 1);
    CHECK(b == status::ok);  // inside that receive
    CHECK_FALSE(c);
    tx.close();
    CHECK(c == status::closed);
    CHECK(*rx.receive() == 2);
    CHECK(rx.receive().status() == status::closed);
}

TEST_CASE("the last receiver that goes ends a suspended send") {
    std::optional<status> a, b;
    coroutine one, two;
    {
        auto [tx, rx] = make_channel<int>(1);
        one = send_one(tx, 1, a);
        two = send_one(tx, 2, b);
        CHECK_FALSE(b);
    }
    CHECK(b == status::closed);
}

TEST_CASE("a stop ends a suspended receive and a suspended send, and nothing is lost") {
    auto [tx, rx] = make_channel<int>(1);
    std::stop_source stop;
    std::vector<int> got;
    std::optional<status> end, refused;
    coroutine r = receive_all(rx, got, end, stop.get_token());
    stop.request_stop();
    CHECK(end == status::stopped);
    CHECK(tx.send(1));
    CHECK(got.empty());
    std::stop_source other;
    coroutine s = send_one(tx, 2, refused, other.get_token());
    CHECK_FALSE(refused);
    other.request_stop();
    CHECK(refused == status::stopped);
    CHECK(*rx.receive() == 1);
    CHECK(rx.try_receive().status() == status::empty);
}

TEST_CASE("a value that is refused stays where it was") {
    auto [tx, rx] = make_channel<std::unique_ptr<int>>(1);
    CHECK(tx.send(std::make_unique<int>(1)));
    auto mine = std::make_unique<int>(2);
    std::stop_source stop;
    std::optional<status> answer;
    coroutine c = [](auto own, std::unique_ptr<int>& value, std::stop_token s,
                     std::optional<status>& a) -> coroutine {
        a = co_await own.async_send(std::move(value), s);
    }(tx, mine, stop.get_token(), answer);
    stop.request_stop();
    CHECK(answer == status::stopped);
    REQUIRE(mine);
    CHECK(*mine == 2);
}

TEST_CASE("overflow other than block answers a coroutine at once") {
    auto [tx, rx] = make_channel<int>({.capacity = 1, .overflow = overflow::reject});
    std::optional<status> a, b;
    coroutine one = send_one(tx, 1, a), two = send_one(tx, 2, b);
    CHECK(a == status::ok);
    CHECK(b == status::full);
    CHECK(tx.rejected() == 1);
    auto [ty, ry] = make_channel<int>({.capacity = 1, .overflow = overflow::drop_oldest});
    coroutine three = send_one(ty, 1, a), four = send_one(ty, 2, b);
    CHECK(b == status::ok);
    CHECK(*ry.receive() == 2);
}

TEST_CASE("destroying a suspended receive leaves what comes to others") {
    auto [tx, rx] = make_channel<int>(2);
    std::vector<int> got, others;
    std::optional<status> end, others_end;
    coroutine a = receive_all(rx, got, end), b = receive_all(rx, others, others_end);
    a.destroy();
    CHECK(tx.send(1));
    CHECK(others == std::vector<int>{1});
    b.destroy();
    CHECK(tx.send(2));
    CHECK(*rx.receive() == 2);
    CHECK(coroutine::frames() == 0);
}

TEST_CASE("destroying a suspended send lets go of its value, and others send") {
    {
        auto [tx, rx] = make_channel<tracked>(1);
        CHECK(tx.send(tracked{1}));
        coroutine c = [](auto own) -> coroutine { (void)co_await own.async_send(tracked{2}); }(tx);
        c.destroy();
        CHECK(rx.receive()->value() == 1);
        CHECK(tx.send(tracked{3}));
        CHECK(rx.receive()->value() == 3);
    }
    CHECK(tracked::alive() == 0);
}

TEST_CASE("an element is taken by the task that resumes, not by the wake") {
    auto [tx, rx] = make_channel<int>(2);
    manual_executor later;
    std::optional<int> got;
    coroutine c = [](auto own, manual_executor& where, std::optional<int>& into) -> coroutine {
        auto r = co_await own.async_receive({}, where);
        into = *r;
    }(rx, later, got);
    CHECK(tx.send(1));
    CHECK(*rx.receive() == 1);  // a thread is faster
    CHECK(later.run() == 1);
    CHECK_FALSE(got);
    CHECK(tx.send(2));
    CHECK(later.run() == 1);
    CHECK(got == 2);
}

TEST_CASE("coroutines, threads and one ring for one producer and one consumer") {
    auto [tx, rx] = make_channel<int, penstock::spsc_ring<int>>(1);
    long sum = 0;
    std::jthread sending{[own = std::move(tx)] {
        for (int i = 1; i <= 5000; ++i) CHECK(own.send(i));
    }};
    coroutine c = [](auto own, long& s) -> coroutine {
        while (auto got = co_await own.async_receive()) s += *got;
    }(std::move(rx), sum);
    sending.join();
    until([&] { return c.done(); });
    CHECK(sum == 5000L * 5001 / 2);
}

TEST_CASE(
    "many coroutines on many threads: each message is received once, in its producer's order") {
    constexpr std::size_t producers = 3, each = 2000;
    flow_account account{producers, each};
    {
        auto [tx, rx] = make_channel<flow_message>(4);
        std::vector<coroutine> running;
        auto receive = [](auto own, flow_account& a) -> coroutine {
            flow_account::reader mine{a};
            while (auto m = co_await own.async_receive()) mine.got(*m);
        };
        auto send = [](auto own, flow_account& a, std::size_t p) -> coroutine {
            for (std::size_t i = 0; i < each / 2; ++i)
                CHECK(co_await own.async_send(a.message(p, i)));
        };
        for (int i = 0; i < 3; ++i) running.push_back(receive(rx, account));
        std::vector<coroutine> sending(producers);
        in_threads(producers, [&, &own = tx](std::size_t p) {
            sending[p] = send(own, account, p);
            until([&] { return sending[p].done(); });
            for (std::size_t i = each / 2; i < each; ++i) CHECK(own.send(account.message(p, i)));
        });
        {
            auto last = std::move(tx);
            last.close();
        }
        for (auto& c : running) until([&] { return c.done(); });
    }
    CHECK(account.complaint() == "");
    CHECK(coroutine::frames() == 0);
}

TEST_CASE("stops race with sends, a thread and a coroutine: received once or still in") {
    for (int round = 0; round < 400; ++round) {
        auto [tx, rx] = make_channel<int>(1);
        std::stop_source stop;
        std::atomic<int> got{0}, ended{0};
        coroutine c = [](auto own, std::stop_token s, std::atomic<int>& n,
                         std::atomic<int>& e) -> coroutine {
            auto r = co_await own.async_receive(s);
            if (r) ++n;
            ++e;
        }(rx, stop.get_token(), got, ended);
        in_threads(2, [&, &own = tx](std::size_t who) {
            if (who == 0) stop.request_stop();
            if (who == 1) CHECK(own.send(1));
        });
        until([&] { return c.done(); });
        CHECK(ended == 1);
        CHECK(got + (rx.try_receive() ? 1 : 0) == 1);
    }
}

TEST_CASE("coroutines on a strand are destroyed there while messages and stops arrive") {
    for (int round = 0; round < 400; ++round) {
        auto [tx, rx] = make_channel<int>(2);
        manual_executor strand;
        std::stop_source stop;
        int got = 0;
        auto body = [](auto own, manual_executor& where, std::stop_token s, int& n) -> coroutine {
            auto r = co_await own.async_receive(s, where);
            if (r) ++n;
        };
        coroutine a = body(rx, strand, stop.get_token(), got),
                  b = body(rx, strand, stop.get_token(), got);
        std::atomic<int> over{0};
        std::jthread sending{[&, &own = tx] {
            CHECK(own.send(1));
            CHECK(own.send(2));
            ++over;
        }};
        std::jthread stopping{[&] {
            if (round % 3 == 0) stop.request_stop();
            ++over;
        }};
        if (round % 2) strand.run();
        a.destroy();
        until([&] { return over == 2; });
        strand.run();
        int left = 0;
        while (rx.try_receive()) ++left;
        CHECK(got + left == 2);
        if (round % 3 != 0) CHECK(got >= 1);
    }
    CHECK(coroutine::frames() == 0);
}

TEST_CASE("a channel by itself is both ends, for coroutines too") {
    penstock::channel<int> c{1};
    std::vector<int> got;
    coroutine sends = [](penstock::channel<int>& to) -> coroutine {
        for (int i = 0; i < 3; ++i) CHECK(co_await to.async_send(i));
        to.close();
    }(c);
    coroutine receives = [](penstock::channel<int>& from, std::vector<int>& into) -> coroutine {
        while (auto v = co_await from.async_receive()) into.push_back(*v);
    }(c, got);
    CHECK(got == std::vector<int>{0, 1, 2});
    CHECK(sends.done());
    CHECK(receives.done());
}
