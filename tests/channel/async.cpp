// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <atomic>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/channel/async.hpp>
#include <penstock/channel/select.hpp>
#include <penstock/channel/weighed.hpp>
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

// ---- Batches

namespace {

using penstock::batch_result;

template <class Rx>
coroutine take_batches(Rx rx, std::size_t n, std::vector<std::size_t>& counts,
                       std::vector<int>& into, std::optional<status>& end,
                       std::stop_token stop = {}) {
    std::vector<int> out(n);
    for (;;) {
        const batch_result some = co_await rx.async_receive_n(out.data(), n, stop);
        if (!some) {
            CHECK(some.count == 0);
            end = some.status;
            co_return;
        }
        counts.push_back(some.count);
        into.insert(into.end(), out.data(), out.data() + some.count);
    }
}

template <class Tx, class Iterator>
coroutine send_batch(Tx tx, Iterator first, std::size_t n, std::optional<batch_result>& answer,
                     std::stop_token stop = {}) {
    answer = co_await tx.async_send_n(first, n, stop);
}

std::vector<std::unique_ptr<int>> boxes(int n) {
    std::vector<std::unique_ptr<int>> all;
    for (int i = 0; i < n; ++i) all.push_back(std::make_unique<int>(i));
    return all;
}

}  // namespace

TEST_CASE_TEMPLATE("a coroutine takes what is there, up to n, and else waits for one", Storage,
                   penstock::mpmc_ring<int>, penstock::spsc_ring<int>) {
    auto [tx, rx] = make_channel<int, Storage>(8);
    const std::vector<int> five{1, 2, 3, 4, 5};
    CHECK(tx.send_n(five.begin(), 5));
    std::vector<std::size_t> counts;
    std::vector<int> got;
    std::optional<status> end;
    coroutine c = take_batches(std::move(rx), 3, counts, got, end);
    CHECK(counts == std::vector<std::size_t>{3, 2});
    CHECK(tx.send_n(five.begin(), 2));  // one wake, both are taken by it
    CHECK(counts == std::vector<std::size_t>{3, 2, 2});
    CHECK(got == std::vector<int>{1, 2, 3, 4, 5, 1, 2});
    CHECK_FALSE(end);
    tx.close();
    CHECK(end == status::closed);
}

TEST_CASE_TEMPLATE("a batch that finds no room waits for the rest, in order", Storage,
                   penstock::mpmc_ring<int>, penstock::spsc_ring<int>) {
    auto [tx, rx] = make_channel<int, Storage>(2);
    const std::vector<int> five{1, 2, 3, 4, 5};
    std::optional<batch_result> answer;
    coroutine c = send_batch(std::move(tx), five.begin(), 5, answer);
    CHECK_FALSE(answer);
    CHECK(*rx.receive() == 1);
    CHECK_FALSE(answer);
    int out[3];
    CHECK(rx.try_receive_n(out, 3).count == 2);  // 2, 3: there is room for 4 and 5 now
    REQUIRE(answer);
    CHECK(answer->status == status::ok);
    CHECK(answer->count == 5);
    CHECK(rx.try_receive_n(out, 3).count == 2);
    CHECK(out[0] == 4);
    CHECK(out[1] == 5);
}

TEST_CASE("an empty batch of a coroutine is ok and waits for nothing") {
    auto [tx, rx] = make_channel<int>(1);
    CHECK(tx.send(1));
    std::optional<batch_result> sent, got;
    coroutine s = send_batch(tx, static_cast<const int*>(nullptr), 0, sent);
    coroutine r = [](auto own, std::optional<batch_result>& a) -> coroutine {
        a = co_await own.async_receive_n(static_cast<int*>(nullptr), 0);
    }(rx, got);
    REQUIRE(sent);
    CHECK(*sent);
    REQUIRE(got);
    CHECK(*got);
}

TEST_CASE("a batch that is stopped or closed says how many went in, and the rest is untouched") {
    for (bool by_stop : {true, false}) {
        auto [tx, rx] = make_channel<std::unique_ptr<int>>(2);
        auto all = boxes(5);
        std::stop_source stop;
        std::optional<batch_result> answer;
        coroutine c =
            send_batch(tx, std::make_move_iterator(all.begin()), 5, answer, stop.get_token());
        CHECK(**rx.receive() == 0);
        CHECK_FALSE(answer);
        if (by_stop) {
            stop.request_stop();
        } else {
            rx.close();
        }
        REQUIRE(answer);
        CHECK(answer->status == (by_stop ? status::stopped : status::closed));
        CHECK(answer->count == 3);
        CHECK(**rx.receive() == 1);
        CHECK(**rx.receive() == 2);
        CHECK_FALSE(rx.try_receive());
        for (std::size_t i = 0; i < 5; ++i) CHECK((all[i] != nullptr) == (i >= 3));
    }
    auto [tx, rx] = make_channel<int>(2);
    std::vector<std::size_t> counts;
    std::vector<int> got;
    std::optional<status> end;
    std::stop_source stop;
    coroutine c = take_batches(rx, 2, counts, got, end, stop.get_token());
    stop.request_stop();
    CHECK(end == status::stopped);
    CHECK(counts.empty());
}

TEST_CASE("a batch that is destroyed leaves in what it had sent, and its place to others") {
    auto [tx, rx] = make_channel<std::unique_ptr<int>>(2);
    auto all = boxes(5);
    std::optional<batch_result> answer;
    std::optional<status> other;
    coroutine c = send_batch(tx, std::make_move_iterator(all.begin()), 5, answer);
    coroutine d = [](auto own, std::optional<status>& a) -> coroutine {
        a = co_await own.async_send(std::make_unique<int>(7));
    }(tx, other);
    c.destroy();
    CHECK_FALSE(answer);
    for (std::size_t i = 0; i < 5; ++i) CHECK((all[i] != nullptr) == (i >= 2));
    CHECK(**rx.receive() == 0);
    CHECK(other == status::ok);
    CHECK(**rx.receive() == 1);
    CHECK(**rx.receive() == 7);

    std::vector<std::size_t> counts;
    std::vector<int> got;
    std::optional<status> end;
    auto ints = make_channel<int>(4);
    coroutine r = take_batches(ints.rx, 2, counts, got, end);
    r.destroy();
    CHECK(ints.tx.send(1));
    CHECK(*ints.rx.receive() == 1);
    CHECK(counts.empty());
}

TEST_CASE("one batch wakes as many coroutines as can use it") {
    auto [tx, rx] = make_channel<int>(3);
    std::vector<int> got[3];
    std::optional<status> end[3];
    std::vector<coroutine> waiting;
    for (int i = 0; i < 3; ++i)
        waiting.push_back([](auto own, std::vector<int>& into) -> coroutine {
            auto r = co_await own.async_receive();
            into.push_back(*r);
        }(rx, got[i]));
    const std::vector<int> three{1, 2, 3};
    std::optional<batch_result> answer;
    coroutine c = send_batch(tx, three.begin(), 3, answer);
    for (int i = 0; i < 3; ++i) CHECK(got[i] == std::vector<int>{i + 1});

    CHECK(tx.send_n(three.begin(), 3));
    for (int i = 0; i < 3; ++i) waiting[static_cast<std::size_t>(i)] = send_one(tx, 10 + i, end[i]);
    std::vector<std::size_t> counts;
    std::vector<int> all;
    std::optional<status> over;
    coroutine r = take_batches(rx, 3, counts, all, over);
    for (int i = 0; i < 3; ++i) CHECK(end[i] == status::ok);
    CHECK(all == std::vector<int>{1, 2, 3, 10, 11, 12});
}

TEST_CASE("overflow answers a coroutine's batch as it answers a thread's") {
    const std::vector<int> five{1, 2, 3, 4, 5};
    for (auto policy : {overflow::reject, overflow::drop_newest, overflow::drop_oldest}) {
        auto one = make_channel<int>({.capacity = 2, .overflow = policy});
        auto two = make_channel<int>({.capacity = 2, .overflow = policy});
        std::optional<batch_result> answer;
        coroutine c = send_batch(one.tx, five.begin(), 5, answer);
        const batch_result expected = two.tx.send_n(five.begin(), 5);
        REQUIRE(answer);
        CHECK(answer->count == expected.count);
        CHECK(answer->status == expected.status);
        CHECK(one.rx.dropped() == two.rx.dropped());
        CHECK(one.rx.rejected() == two.rx.rejected());
        CHECK(*one.rx.receive() == *two.rx.receive());
    }
}

// ---- User code that throws

namespace {

/// Throws when it is copied for the nth time.
struct fragile {
    fragile(int v, int& copies) : value{v}, left{&copies} {}
    fragile(const fragile& other) : value{other.value}, left{other.left} {
        if (--*left == 0) throw std::runtime_error{"copy"};
    }
    fragile(fragile&&) noexcept = default;
    int value;
    int* left;
};

/// What came out of a co_await.
struct ending {
    std::optional<status> answer{};
    bool threw = false;
};

}  // namespace

TEST_CASE("what a copy throws comes out of co_await, not out of the receive that woke it") {
    auto [tx, rx] = make_channel<fragile>(1);
    int left = 100;
    const std::vector<fragile> all{{0, left}, {1, left}, {2, left}, {3, left}};
    ending e;
    left = 4;  // 0 goes in; 1 is tried, is kept for the wait; 2 is tried when there is room: throws
    coroutine c = [](auto own, auto first, ending& end) -> coroutine {
        try {
            const auto sent = co_await own.async_send_n(first, 4);
            end.answer = sent.status;
        } catch (const std::runtime_error&) {
            end.threw = true;
        }
    }(tx, all.begin(), e);
    CHECK_FALSE(e.threw);
    auto first = rx.try_receive();  // it is resumed in here
    REQUIRE(first);
    CHECK(first->value == 0);
    CHECK(e.threw);
    CHECK(rx.try_receive()->value == 1);
    CHECK_FALSE(rx.try_receive());
    left = 100;
    CHECK(tx.try_send(all[3]));  // it left no trace
    CHECK(tx.counts().sent == 3);
}

TEST_CASE("what weigh and on_drop throw comes out of co_await, and of a coroutine's select") {
    using storage = penstock::mpmc_ring<penstock::weighed<int>>;
    auto heavy = make_channel<int, storage>(
        {.capacity = 2, .max_bytes = 10, .weigh = [](const int& v) -> std::size_t {
             if (v < 0) throw std::runtime_error{"weigh"};
             return static_cast<std::size_t>(v);
         }});
    auto dropping =
        make_channel<int>({.capacity = 1, .overflow = overflow::drop_newest, .on_drop = [](int&&) {
                               throw std::runtime_error{"drop"};
                           }});
    CHECK(dropping.tx.send(1));
    const auto send = [](auto own, int value, ending& end) -> coroutine {
        try {
            const status s = co_await own.async_send(value);
            end.answer = s;
        } catch (const std::runtime_error&) {
            end.threw = true;
        }
    };
    const auto choose = [](auto own, int value, ending& end) -> coroutine {
        try {
            const auto s = co_await penstock::async_select(penstock::on(own, value));
            end.answer = s.status();
        } catch (const std::runtime_error&) {
            end.threw = true;
        }
    };
    ending e[4];
    coroutine a = send(heavy.tx, -1, e[0]), b = choose(heavy.tx, -1, e[1]);
    coroutine c = send(dropping.tx, 2, e[2]), d = choose(dropping.tx, 2, e[3]);
    for (const auto& end : e) CHECK(end.threw);
    CHECK(heavy.tx.counts().sent == 0);
    CHECK(dropping.tx.dropped() == 2);
    ending again;
    coroutine f = send(heavy.tx, 10, again);
    CHECK(again.answer == status::ok);
    CHECK(*dropping.rx.receive() == 1);
}

TEST_CASE("a batch under a byte budget keeps its place in the line") {
    using storage = penstock::mpmc_ring<penstock::weighed<int>>;
    auto [tx, rx] = make_channel<int, storage>(
        {.capacity = 8, .max_bytes = 10, .weigh = [](const int& v) {
             return static_cast<std::size_t>(v);
         }});
    const std::vector<int> all{4, 5, 8, 2};
    std::optional<batch_result> answer;
    coroutine c = send_batch(tx, all.begin(), 4, answer);
    CHECK(tx.try_send(1) == status::full);  // 8 waits, and is not overtaken
    CHECK(*rx.receive() == 4);
    CHECK_FALSE(answer);
    CHECK(*rx.receive() == 5);
    REQUIRE(answer);  // 8 and 2
    CHECK(answer->count == 4);
    coroutine d = send_batch(tx, all.begin(), 1, answer);  // waits behind nobody
    d.destroy();
    CHECK(*rx.receive() == 8);
    CHECK(tx.try_send(8));  // what it held was given back
    CHECK(*rx.receive() == 2);
    CHECK(*rx.receive() == 8);
}

TEST_CASE("batches of coroutines and threads: each message is received once, in order") {
    constexpr std::size_t producers = 3, each = 2000;
    flow_account account{producers, each};
    {
        auto [tx, rx] = make_channel<flow_message>(4);
        std::vector<coroutine> running;
        auto receive = [](auto own, flow_account& a) -> coroutine {
            flow_account::reader mine{a};
            flow_message out[5];
            for (;;) {
                const batch_result some = co_await own.async_receive_n(out, 5);
                if (!some) break;
                for (std::size_t i = 0; i < some.count; ++i) mine.got(out[i]);
            }
        };
        auto send = [](auto own, flow_account& a, std::size_t p) -> coroutine {
            std::vector<flow_message> mine;
            for (std::size_t i = 0; i < each; ++i) mine.push_back(a.message(p, i));
            for (std::size_t i = 0; i < each; i += 7) {
                const std::size_t n = i + 7 < each ? 7 : each - i;
                const auto sent = co_await own.async_send_n(&mine[i], n);
                CHECK(sent.count == n);
            }
        };
        for (int i = 0; i < 2; ++i) running.push_back(receive(rx, account));
        std::vector<coroutine> sending(producers);
        std::jthread thread{[&, &from = rx] {
            flow_account::reader mine{account};
            flow_message out[3];
            while (const auto some = from.receive_n(out, 3))
                for (std::size_t i = 0; i < some.count; ++i) mine.got(out[i]);
        }};
        in_threads(
            producers, [&, &own = tx](std::size_t p) { sending[p] = send(own, account, p); });
        for (auto& c : sending) until([&] { return c.done(); });
        tx.close();
        for (auto& c : running) until([&] { return c.done(); });
    }
    CHECK(account.complaint() == "");
    CHECK(coroutine::frames() == 0);
}
