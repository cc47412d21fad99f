// SPDX-License-Identifier: BSL-1.0
// Batches: send_n, receive_n, drain and their kin, over each storage.
#include <list>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/channel/ends.hpp>
#include <penstock/core/manual_clock.hpp>

#include "channel/storages.hpp"
#include "support/tracked.hpp"

using namespace std::chrono_literals;
using penstock::channel;
using penstock::manual_clock;
using penstock::overflow;
using penstock::status;

namespace {
std::vector<int> numbers(int n) {
    std::vector<int> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), 0);
    return all;
}
template <class C>
std::vector<int> drained(C& c) {
    std::vector<int> all;
    c.drain([&](int&& n) { all.push_back(n); });
    return all;
}
}  // namespace

TEST_CASE_TEMPLATE("a batch goes in and out in order", F, ALL_STORAGES) {
    channel_over<F, int> c{10};
    const auto all = numbers(10);
    const auto sent = c.send_n(all.begin(), 6);
    CHECK(sent.count == 6);
    CHECK(sent.status == status::ok);
    CHECK(c.try_send_n(all.begin() + 6, 4).count == 4);
    int out[10] = {};
    const auto got = c.receive_n(out, 4);
    CHECK(got);
    CHECK(got.count == 4);
    CHECK(c.try_receive_n(out + 4, 100).count == 6);
    CHECK(std::vector<int>(out, out + 10) == all);
}

TEST_CASE_TEMPLATE("an empty batch is ok and waits for nothing", F, ALL_STORAGES) {
    channel_over<F, int> c{1};
    int out[1];
    CHECK(c.send_n(out, 0));
    CHECK(c.try_send_n(out, 0));
    CHECK(c.receive_n(out, 0));
    CHECK(c.try_receive_n(out, 0));
    CHECK(c.drain([](int&&) {}) == 0);
}

TEST_CASE_TEMPLATE("try_send_n says how many went in, and leaves the rest untouched", F,
                   BOUNDED_STORAGES) {
    channel_over<F, std::unique_ptr<int>> c{3};
    std::vector<std::unique_ptr<int>> mine;
    for (int i = 0; i < 5; ++i) mine.push_back(std::make_unique<int>(i));
    const auto sent = c.try_send_n(std::make_move_iterator(mine.begin()), 5);
    CHECK(sent.count == 3);
    CHECK(sent.status == status::full);
    CHECK(!mine[2]);
    CHECK(*mine[3] == 3);
    CHECK(*mine[4] == 4);
    c.close();
    const auto late = c.try_send_n(std::make_move_iterator(mine.begin() + 3), 2);
    CHECK(late.count == 0);
    CHECK(late.status == status::closed);
    CHECK(mine[3]);
    CHECK(c.counts().sent == 3);
}

TEST_CASE_TEMPLATE("send_n waits for room until all are in", F, BOUNDED_STORAGES) {
    channel_over<F, int> c{2};
    std::jthread sender{[&] {
        const auto all = numbers(50);
        const auto sent = c.send_n(all.begin(), all.size());
        CHECK(sent);
        CHECK(sent.count == 50);
        c.close();
    }};
    std::vector<int> got;
    int out[3];
    while (auto some = c.receive_n(out, 3)) got.insert(got.end(), out, out + some.count);
    CHECK(got == numbers(50));
    CHECK(c.receive_n(out, 3).status == status::closed);
    CHECK(c.try_receive_n(out, 3).status == status::closed);
}

TEST_CASE_TEMPLATE("a batch that waits is told why it ended, and how far it got", F,
                   BOUNDED_STORAGES) {
    manual_clock time;
    for (int how = 0; how < 3; ++how) {
        channel_over<F, std::unique_ptr<int>> c{{.capacity = 2, .clock = time}};
        std::stop_source stop;
        std::jthread sender{[&] {
            std::vector<std::unique_ptr<int>> mine;
            for (int i = 0; i < 5; ++i) mine.push_back(std::make_unique<int>(i));
            const auto sent =
                c.send_n_for(std::make_move_iterator(mine.begin()), 5, 1h, stop.get_token());
            CHECK(sent.count == 3);
            CHECK(sent.status == (how == 0   ? status::closed
                                  : how == 1 ? status::stopped
                                             : status::timed_out));
            CHECK(!mine[2]);
            CHECK(*mine[3] == 3);
        }};
        until([&] { return c.waiting_senders_approx() == 1; });
        CHECK(**c.receive() == 0);  // room for one more
        until([&] { return c.size_approx() == 2 && c.waiting_senders_approx() == 1; });
        if (how == 0) c.close();
        if (how == 1) stop.request_stop();
        if (how == 2) time.advance(1h);
        sender.join();
        CHECK(c.size_approx() == 2);
    }
}

TEST_CASE_TEMPLATE("receive_n waits for one and is told why it ended", F, ALL_STORAGES) {
    manual_clock time;
    for (int how = 0; how < 4; ++how) {
        channel_over<F, int> c{{.capacity = 4, .clock = time}};
        std::stop_source stop;
        std::jthread receiver{[&] {
            int out[4] = {};
            const auto got = c.receive_n_until(out, 4, time.now() + 1h, stop.get_token());
            CHECK(got.count == (how == 3 ? 1 : 0));
            CHECK(got.status == (how == 0   ? status::closed
                                 : how == 1 ? status::stopped
                                 : how == 2 ? status::timed_out
                                            : status::ok));
        }};
        until([&] { return c.waiting_receivers_approx() == 1; });
        if (how == 0) c.close();
        if (how == 1) stop.request_stop();
        if (how == 2) time.advance(1h);
        if (how == 3) CHECK(c.send(7));
    }
    channel_over<F, int> c{4};
    int out[1];
    CHECK(c.try_receive_n(out, 1).status == status::empty);
}

TEST_CASE("a batch wakes as many as can take of it") {
    channel<int> c{8};
    std::vector<std::jthread> receivers;
    std::atomic<int> sum{0};
    for (int i = 0; i < 4; ++i) receivers.emplace_back([&] { sum += *c.receive(); });
    until([&] { return c.waiting_receivers_approx() == 4; });
    const int four[] = {1, 2, 3, 4};
    CHECK(c.send_n(four, 4));
    receivers.clear();
    CHECK(sum == 10);

    std::vector<std::jthread> senders;
    const auto eight = numbers(8);
    CHECK(c.send_n(eight.begin(), 8));
    for (int i = 0; i < 4; ++i) senders.emplace_back([&] { CHECK(c.send(9)); });
    until([&] { return c.waiting_senders_approx() == 4; });
    int out[4];
    CHECK(c.receive_n(out, 4).count == 4);
    senders.clear();
    CHECK(c.size_approx() == 8);
}

TEST_CASE_TEMPLATE("drain takes what is there now and no more", F, ALL_STORAGES) {
    channel_over<F, int> c{10};
    const auto all = numbers(10);
    CHECK(c.send_n(all.begin(), 10));
    std::vector<int> got;
    const std::size_t n = c.drain([&](int&& i) {
        got.push_back(i);
        if (!F::single_producer) CHECK(c.send(100 + i));  // comes too late for this drain
    });
    CHECK(n == 10);
    CHECK(got == all);
    c.close();
    CHECK(c.drain([](int&&) {}) == (F::single_producer ? 0 : 10));
}

TEST_CASE_TEMPLATE("a drain whose function throws leaves the rest in", F, ALL_STORAGES) {
    channel_over<F, int> c{4};
    const auto all = numbers(4);
    CHECK(c.send_n(all.begin(), 4));
    CHECK_THROWS_AS(c.drain([](int&& i) {
        if (i == 1) throw std::runtime_error{"not this one"};
    }),
                    std::runtime_error);
    CHECK(drained(c) == std::vector<int>{2, 3});
}

TEST_CASE_TEMPLATE("a drain wakes senders that wait for room", F, BOUNDED_STORAGES) {
    channel_over<F, int> c{1};
    CHECK(c.send(1));
    std::jthread sender{[&] { CHECK(c.send(2)); }};
    until([&] { return c.waiting_senders_approx() == 1; });
    CHECK(c.drain([](int&&) {}) == 1);
    sender.join();
    CHECK(drained(c) == std::vector<int>{2});
}

TEST_CASE_TEMPLATE("elements that may throw when copied go one by one", F, ALL_STORAGES) {
    channel_over<F, std::string> c{5};
    const std::vector<std::string> kept{"a", "b", "c"};
    CHECK(c.send_n(kept.begin(), 3).count == 3);
    CHECK(kept[2] == "c");
    std::list<std::string> moved{"d", "e"};
    CHECK(c.send_n(std::make_move_iterator(moved.begin()), 2).count == 2);
    std::string out[5];
    CHECK(c.receive_n(out, 5).count == 5);
    CHECK(out[0] + out[1] + out[2] + out[3] + out[4] == "abcde");

    throws_on_copy some[3] = {throws_on_copy{1}, throws_on_copy{2}, throws_on_copy{3}};
    channel_over<F, throws_on_copy> d{5};
    CHECK(d.send_n(some, 1));
    throws_on_copy::armed = true;
    CHECK_THROWS_AS((void)d.send_n(some, 3), std::runtime_error);
    throws_on_copy::armed = false;
    CHECK(d.size_approx() == 1);
    CHECK(d.counts().sent == 1);
}

TEST_CASE_TEMPLATE("batches obey overflow", F, BOUNDED_STORAGES) {
    const auto all = numbers(5);
    std::vector<int> lost;
    const auto keep = [&](int&& n) { lost.push_back(n); };
    {
        channel_over<F, int> c{{.capacity = 3, .overflow = overflow::reject, .on_drop = keep}};
        const auto sent = c.send_n(all.begin(), 5);
        CHECK(sent.count == 3);
        CHECK(sent.status == status::full);
        CHECK(c.rejected() == 2);
        CHECK(lost.empty());
        (void)drained(c);
    }
    {
        channel_over<F, int> c{{.capacity = 3, .overflow = overflow::drop_newest, .on_drop = keep}};
        const auto sent = c.try_send_n(all.begin(), 5);
        CHECK(sent.count == 3);
        CHECK(sent.status == status::dropped);
        CHECK(lost == std::vector<int>{3, 4});
        CHECK(drained(c) == std::vector<int>{0, 1, 2});
    }
    if (F::single_consumer) return;
    lost.clear();
    channel_over<F, int> c{{.capacity = 3, .overflow = overflow::drop_oldest, .on_drop = keep}};
    const auto sent = c.send_n(all.begin(), 5);
    CHECK(sent.count == 5);
    CHECK(sent.status == status::ok);
    CHECK(lost == std::vector<int>{0, 1});
    CHECK(drained(c) == std::vector<int>{2, 3, 4});
}

TEST_CASE_TEMPLATE("the ends have the same batches", F, ALL_STORAGES) {
    auto [tx, rx] = penstock::make_channel<int, typename F::template of<int>>(8);
    const auto all = numbers(4);
    const auto now = std::chrono::steady_clock::now();
    CHECK(tx.send_n(all.begin(), 2));
    CHECK(tx.try_send_n(all.begin() + 2, 1));
    CHECK(tx.send_n_for(all.begin(), 1, 1h));
    CHECK(tx.send_n_until(all.begin(), 1, now));
    int out[8];
    CHECK(rx.receive_n(out, 1).count == 1);
    CHECK(rx.try_receive_n(out, 1).count == 1);
    CHECK(rx.receive_n_for(out, 1, 1h).count == 1);
    CHECK(rx.receive_n_until(out, 1, now).count == 1);
    CHECK(rx.drain([](int&& n) { CHECK(n == 0); }) == 1);
    CHECK(rx.counts().received == 5);
}

TEST_CASE_TEMPLATE("batches of many threads lose, double and reorder nothing", F, ALL_STORAGES) {
    const std::size_t senders = F::single_producer ? 1 : 3;
    const std::size_t receivers = F::single_consumer ? 1 : 3;
    constexpr std::size_t each = 6000;
    for (std::size_t capacity : {1u, 3u, 64u}) {
        CAPTURE(capacity);
        flow_account account{senders, each};
        channel_over<F, flow_message> c{capacity};
        std::atomic<std::size_t> sending{senders};
        in_threads(senders + receivers, [&](std::size_t who) {
            if (who < senders) {
                std::vector<flow_message> batch;
                for (std::size_t i = 0; i < each;) {
                    batch.clear();
                    for (std::size_t k = 0; k < 1 + i % 7 && i < each; ++k)
                        batch.push_back(account.message(who, i++));
                    CHECK(c.send_n(batch.begin(), batch.size()));
                }
                if (--sending == 0) c.close();
            } else {
                flow_account::reader mine{account};
                std::vector<flow_message> batch(5);
                while (auto got = c.receive_n(batch.data(), batch.size()))
                    for (std::size_t i = 0; i < got.count; ++i) mine.got(batch[i]);
            }
        });
        CHECK(account.complaint() == "");
        CHECK(c.counts().sent == senders * each);
        CHECK(c.counts().received == senders * each);
    }
}
