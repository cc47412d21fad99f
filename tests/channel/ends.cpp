// SPDX-License-Identifier: BSL-1.0
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/channel/ends.hpp>
#include <penstock/core/manual_clock.hpp>

#include "channel/storages.hpp"
#include "support/tracked.hpp"

using namespace std::chrono_literals;
using penstock::make_channel;
using penstock::overflow;
using penstock::receiver;
using penstock::sender;
using penstock::status;

namespace {
template <class F, class T>
auto ends_over(penstock::channel_options<T> options) {
    return make_channel<T, typename F::template of<T>>(std::move(options));
}
}  // namespace

TEST_CASE("make_channel takes a capacity or options, and a storage") {
    auto [tx, rx] = make_channel<int>(3);
    CHECK(tx.capacity() == 3);
    CHECK(rx.capacity() == 3);
    auto [tx2, rx2] = make_channel<int, penstock::spsc_ring<int>>(5);
    CHECK(tx2.capacity() == 5);
    int lost = 0;
    auto [tx3, rx3] = make_channel<int>(
        {.capacity = 1, .overflow = overflow::drop_oldest, .on_drop = [&](int&& n) { lost = n; }});
    CHECK(tx3.send(1));
    CHECK(tx3.send(2));
    CHECK(lost == 1);
    CHECK(tx3.dropped() == 1);
    CHECK(rx3.dropped() == 1);
    CHECK(*rx3.receive() == 2);
    CHECK_THROWS_AS((void)make_channel<int>(0), std::invalid_argument);
    static_assert(std::is_same_v<decltype(tx), sender<int>>);
    static_assert(std::is_same_v<decltype(rx2), receiver<int, penstock::spsc_ring<int>>>);
    static_assert(!std::is_default_constructible_v<penstock::channel_options<int>>);
}

TEST_CASE_TEMPLATE("each operation of an end answers as the channel's", F, ALL_STORAGES) {
    penstock::manual_clock time;
    auto [tx, rx] = ends_over<F, std::string>({.capacity = 4, .clock = time});
    const std::string text = "kept";
    CHECK(tx.send("a"));
    CHECK(tx.try_send("b"));
    CHECK(tx.send_for("c", 1s));
    CHECK(tx.send_until("d", time.now()));
    CHECK(rx.size_approx() == 4);
    CHECK(tx.size_approx() == 4);
    CHECK(*rx.receive() == "a");
    CHECK(*rx.try_receive() == "b");
    CHECK(*rx.receive_for(1s) == "c");
    CHECK(*rx.receive_until(time.now()) == "d");
    CHECK(tx.send(text));
    CHECK(tx.try_send(text));
    CHECK(tx.send_for(text, 1s));
    CHECK(tx.send_until(text, time.now()));
    for (int i = 0; i < 4; ++i) CHECK(*rx.receive() == "kept");
    CHECK(rx.try_receive().status() == status::empty);
    CHECK(rx.receive_for(0s).status() == status::timed_out);
    CHECK(rx.receive_until(time.now()).status() == status::timed_out);
    std::stop_source stop;
    stop.request_stop();
    CHECK(rx.receive(stop.get_token()).status() == status::stopped);
    CHECK(!rx.closed());
    tx.close();
    CHECK(rx.closed());
    CHECK(tx.closed());
    CHECK(rx.receive().status() == status::closed);
    CHECK(tx.send("e") == status::closed);
}

TEST_CASE_TEMPLATE("when the last sender goes, receivers drain and get closed", F, ALL_STORAGES) {
    auto ends = ends_over<F, int>({.capacity = 2});
    CHECK(ends.tx.send(1));
    CHECK(ends.tx.send(2));
    { auto gone = std::move(ends.tx); }
    CHECK(!ends.tx);
    CHECK(ends.rx.closed());
    CHECK(*ends.rx.receive() == 1);
    CHECK(*ends.rx.receive() == 2);
    CHECK(ends.rx.receive().status() == status::closed);
}

TEST_CASE_TEMPLATE("a receiver that sleeps wakes when the last sender goes", F, ALL_STORAGES) {
    penstock::manual_clock time;
    auto ends = ends_over<F, int>({.capacity = 2, .clock = time});
    std::jthread worker{[rx = std::move(ends.rx)] {
        CHECK(rx.receive_for(1h).status() == status::closed);
    }};
    until([&] { return time.sleepers() == 1; });
    ends.tx = {};
}

TEST_CASE_TEMPLATE("when the last receiver goes, senders get closed and what is in on_drop", F,
                   ALL_STORAGES) {
    std::vector<int> lost;
    auto ends = ends_over<F, int>({.capacity = 2, .on_drop = [&](int&& n) { lost.push_back(n); }});
    CHECK(ends.tx.send(1));
    CHECK(ends.tx.send(2));
    ends.rx = {};
    CHECK(lost == std::vector<int>{1, 2});
    CHECK(ends.tx.dropped() == 2);
    CHECK(ends.tx.closed());
    CHECK(ends.tx.send(3) == status::closed);
}

TEST_CASE_TEMPLATE("a sender that sleeps wakes when the last receiver goes", F, BOUNDED_STORAGES) {
    penstock::manual_clock time;
    std::atomic<int> lost{0};
    auto ends =
        ends_over<F, int>({.capacity = 1, .on_drop = [&](int&& n) { lost += n; }, .clock = time});
    CHECK(ends.tx.send(1));
    std::atomic<bool> ended{false};
    std::jthread worker{[&ended, tx = std::move(ends.tx)] {
        CHECK(tx.send_for(2, 1h) == status::closed);
        ended = true;
    }};
    until([&] { return time.sleepers() == 1; });
    ends.rx = {};
    worker.join();
    CHECK(ended);
    CHECK(lost == 1);
}

TEST_CASE("ends are handles: copies name the same channel, the last one counts") {
    auto [tx, rx] = make_channel<int>(8);
    auto tx2 = tx;
    auto rx2 = rx;
    CHECK(tx2.send(1));
    CHECK(*rx.receive() == 1);
    tx = {};
    CHECK(!tx);
    CHECK(!rx.closed());
    CHECK(tx2.send(2));
    rx = {};
    CHECK(!tx2.closed());
    CHECK(*rx2.receive() == 2);
    sender<int> tx3;
    CHECK(!tx3);
    tx3 = tx2;
    tx2 = tx3;
    tx2 = {};
    CHECK(!rx2.closed());
    tx3 = {};
    CHECK(rx2.closed());
}

TEST_CASE("where the storage allows one in a role, that end can only be moved") {
    using one = penstock::spsc_ring<int>;
    static_assert(!std::is_copy_constructible_v<sender<int, one>>);
    static_assert(!std::is_copy_assignable_v<receiver<int, one>>);
    static_assert(std::is_nothrow_move_constructible_v<sender<int, one>>);
    static_assert(std::is_nothrow_move_assignable_v<receiver<int, one>>);
    static_assert(std::is_copy_constructible_v<sender<int>>);
    static_assert(std::is_copy_constructible_v<receiver<int>>);
    CHECK(true);
}

TEST_CASE("an end that was assigned another channel leaves its first one") {
    auto one = make_channel<int>(1);
    auto two = make_channel<int>(1);
    one.tx = two.tx;
    CHECK(one.rx.closed());
    CHECK(!two.rx.closed());
    auto& same = two.tx;
    two.tx = same;
    CHECK(!two.rx.closed());
    CHECK(one.tx.send(5));
    CHECK(*two.rx.receive() == 5);
}

TEST_CASE_TEMPLATE("a range-for over a receiver sees each element once, then ends", F,
                   ALL_STORAGES) {
    auto ends = ends_over<F, std::unique_ptr<int>>({.capacity = 10});
    for (int i = 0; i < 10; ++i) CHECK(ends.tx.send(std::make_unique<int>(i)));
    ends.tx.close();
    int expected = 0;
    for (std::unique_ptr<int>& p : ends.rx) {
        CHECK(*p == expected++);
        auto mine = std::move(p);  // it is the loop's to take
        CHECK(mine);
    }
    CHECK(expected == 10);
    for (auto& p : ends.rx) FAIL("nothing is left, but ", *p);
}

TEST_CASE("a range-for can be left early, and the rest stays in") {
    auto [tx, rx] = make_channel<int>(10);
    for (int i = 0; i < 10; ++i) CHECK(tx.send(i));
    for (int& n : rx)
        if (n == 3) break;
    CHECK(*rx.receive() == 4);
    static_assert(std::input_iterator<receiver<int>::iterator>);
}

TEST_CASE("a range-for destroys each element once") {
    tracked_count count;
    {
        auto [tx, rx] = make_channel<tracked>(5);
        for (int i = 0; i < 5; ++i) CHECK(tx.send(tracked{i}));
        tx.close();
        int n = 0;
        for (tracked& t : rx) CHECK(t.value() == n++);
    }
    CHECK(tracked::alive() == 0);
    CHECK(count.misuses() == 0);
}

TEST_CASE_TEMPLATE("a worker that owns its end outlives the name it came by", F, ALL_STORAGES) {
    std::atomic<int> sum{0};
    std::jthread worker;
    {
        auto ends = ends_over<F, int>({.capacity = 2});
        worker = std::jthread{[&sum, rx = std::move(ends.rx)](std::stop_token stop) {
            while (auto n = rx.receive(stop)) sum += *n;
        }};
        for (int i = 1; i <= 100; ++i) CHECK(ends.tx.send(i));
    }
    worker.join();
    CHECK(sum == 5050);
}

TEST_CASE("ends that come and go in many threads close the channel exactly once, at the last") {
    for (int round = 0; round < 200; ++round) {
        std::atomic<int> sum{0}, lost{0};
        auto ends = make_channel<int>({.capacity = 2, .on_drop = [&](int&& n) { lost += n; }});
        std::vector<std::jthread> threads;
        for (int i = 0; i < 3; ++i) {
            threads.emplace_back([tx = ends.tx] {
                auto copy = tx;
                for (int k = 0; k < 5; ++k) CHECK(copy.send(1));
            });
            threads.emplace_back([&sum, rx = ends.rx] {
                while (auto n = rx.receive()) sum += *n;
            });
        }
        ends.tx = {};
        ends.rx = {};
        threads.clear();
        REQUIRE(sum == 15);
        REQUIRE(lost == 0);
    }
}
