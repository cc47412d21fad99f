// SPDX-License-Identifier: BSL-1.0
// Closing in every state, over each storage: senders get `closed` at once, receivers drain what is
// in, then get `closed`; both sides wake; a send that returned ok before the close is received.
#include <functional>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/channel/channel.hpp>
#include <penstock/core/manual_clock.hpp>

#include "channel/storages.hpp"
#include "support/tracked.hpp"

using namespace std::chrono_literals;
using penstock::channel;
using penstock::status;

TEST_CASE_TEMPLATE("close while empty", F, ALL_STORAGES) {
    channel_over<F, std::unique_ptr<int>> c{2};
    c.close();
    CHECK(c.closed());
    CHECK(c.receive().status() == status::closed);
    CHECK(c.try_receive().status() == status::closed);
    CHECK(c.receive_for(1h).status() == status::closed);
    auto mine = std::make_unique<int>(1);
    CHECK(c.send(std::move(mine)) == status::closed);
    CHECK(c.try_send(std::move(mine)) == status::closed);
    CHECK(c.send_for(std::move(mine), 1h) == status::closed);
    CHECK(mine);
    CHECK(c.dropped() == 0);
}

TEST_CASE_TEMPLATE("close while something is in: it is drained first", F, ALL_STORAGES) {
    for (int in : {1, 2, 3}) {  // 3: full
        channel_over<F, int> c{3};
        for (int i = 0; i < in; ++i) CHECK(c.send(i));
        c.close();
        CHECK(c.send(9) == status::closed);
        for (int i = 0; i < in; ++i) CHECK(*c.receive() == i);
        CHECK(c.receive().status() == status::closed);
        CHECK(c.try_receive().status() == status::closed);
    }
}

TEST_CASE_TEMPLATE("close twice, and after the drain", F, ALL_STORAGES) {
    channel_over<F, int> c{2};
    CHECK(c.send(1));
    c.close();
    c.close();
    CHECK(*c.receive() == 1);
    CHECK(c.receive().status() == status::closed);
    c.close();
    CHECK(c.receive().status() == status::closed);
    CHECK(c.send(1) == status::closed);
}

TEST_CASE_TEMPLATE("closing wakes sleeping receivers", F, ALL_STORAGES) {
    channel_over<F, int> c{2};
    const std::size_t n = F::single_consumer ? 1 : 4;
    std::vector<std::jthread> receivers;
    for (std::size_t i = 0; i < n; ++i)
        receivers.emplace_back([&] { CHECK(c.receive().status() == status::closed); });
    until([&] { return c.waiting_receivers_approx() == n; });
    c.close();
}

TEST_CASE_TEMPLATE("closing wakes sleeping senders, who keep their values", F, BOUNDED_STORAGES) {
    channel_over<F, std::unique_ptr<int>> c{1};
    CHECK(c.send(std::make_unique<int>(7)));
    const std::size_t n = F::single_producer ? 1 : 4;
    std::vector<std::jthread> senders;
    for (std::size_t i = 0; i < n; ++i)
        senders.emplace_back([&] {
            auto mine = std::make_unique<int>(8);
            CHECK(c.send(std::move(mine)) == status::closed);
            CHECK(mine);
        });
    until([&] { return c.waiting_senders_approx() == n; });
    c.close();
    senders.clear();
    CHECK(**c.receive() == 7);
    CHECK(c.receive().status() == status::closed);
}

TEST_CASE_TEMPLATE("closed comes before dropped, rejected and full", F, BOUNDED_STORAGES) {
    using penstock::overflow;
    for (auto policy : {overflow::block, overflow::reject, overflow::drop_newest}) {
        channel_over<F, int> c{{.capacity = 1, .overflow = policy}};
        CHECK(c.send(1));
        c.close();
        CHECK(c.send(2) == status::closed);
        CHECK(c.try_send(2) == status::closed);
        CHECK(c.dropped() == 0);
        CHECK(c.rejected() == 0);
    }
    channel<int> c{{.capacity = 1, .overflow = overflow::drop_oldest}};
    CHECK(c.send(1));
    c.close();
    CHECK(c.send(2) == status::closed);
    CHECK(*c.receive() == 1);
    CHECK(c.dropped() == 0);
}

TEST_CASE_TEMPLATE("a stop doesn't cut the drain of a closed channel short", F, ALL_STORAGES) {
    channel_over<F, int> c{3};
    for (int i = 0; i < 3; ++i) CHECK(c.send(i));
    c.close();
    std::stop_source stop;
    stop.request_stop();
    for (int i = 0; i < 3; ++i) CHECK(*c.receive(stop.get_token()) == i);
    CHECK(c.receive(stop.get_token()).status() == status::closed);
}

TEST_CASE_TEMPLATE("close_and_discard hands what is in to on_drop and counts it", F, ALL_STORAGES) {
    std::vector<int> lost;
    channel_over<F, int> c{{.capacity = 3, .on_drop = [&](int&& n) { lost.push_back(n); }}};
    for (int i = 0; i < 3; ++i) CHECK(c.send(i));
    c.close_and_discard();
    CHECK(lost == std::vector<int>{0, 1, 2});
    CHECK(c.dropped() == 3);
    CHECK(c.receive().status() == status::closed);
    CHECK(c.send(1) == status::closed);
}

TEST_CASE_TEMPLATE("the destructor hands what is in to on_drop", F, ALL_STORAGES) {
    tracked_count count;
    std::vector<int> lost;
    {
        channel_over<F, tracked> c{
            {.capacity = 3, .on_drop = [&](tracked&& t) { lost.push_back(t.value()); }}};
        for (int i = 0; i < 3; ++i) CHECK(c.send(tracked{i}));
    }
    CHECK(lost == std::vector<int>{0, 1, 2});
    CHECK(tracked::alive() == 0);
    CHECK(count.misuses() == 0);
}

TEST_CASE_TEMPLATE("a close beside sends: every ok send is received, and everybody ends", F,
                   ALL_STORAGES) {
    const std::size_t senders = F::single_producer ? 1 : 3;
    const std::size_t receivers = F::single_consumer ? 1 : 2;
    for (int round = 0; round < 60; ++round) {
        channel_over<F, flow_message> c{2};
        std::atomic<std::size_t> sent{0}, received{0};
        in_threads(senders + receivers + 2, [&](std::size_t who) {
            if (who < senders) {
                for (std::size_t i = 0;; ++i) {
                    const auto m = flow_account::message(who, i);
                    const status s = i % 3 == 0 ? c.try_send(m) : c.send(m);
                    if (s == status::closed) break;
                    sent += s == status::ok;
                }
            } else if (who < senders + receivers) {
                while (c.receive()) ++received;
            } else {  // two close at once
                until([&] { return sent >= static_cast<std::size_t>(round % 40); });
                c.close();
            }
        });
        REQUIRE(received == sent);
        REQUIRE(c.size_approx() == 0);
    }
}

namespace {
/// A ring for one producer that lets the test step in where the ring says full.
struct interruptible : penstock::spsc_ring<int> {
    using spsc_ring::spsc_ring;
    bool try_push(int&& n) {
        if (spsc_ring::try_push(std::move(n))) return true;
        if (when_full) std::exchange(when_full, nullptr)();
        return false;
    }
    static inline std::function<void()> when_full;
};
}  // namespace

TEST_CASE("a sender refused as full while the channel closes leaves no receiver asleep") {
    // The gate closes, and the receiver drains and sleeps, all between the ring's `full` and the
    // sender's leaving the gate. The receiver can't know that nothing comes: the sender wakes it.
    for (const auto policy : {penstock::overflow::block, penstock::overflow::reject}) {
        channel<int, interruptible> c{{.capacity = 1, .overflow = policy}};
        CHECK(c.send(1));
        std::jthread receiver;
        interruptible::when_full = [&] {
            c.close();
            receiver = std::jthread{[&] {
                CHECK(*c.receive() == 1);
                CHECK(c.receive().status() == status::closed);
            }};
            until([&] { return c.waiting_receivers_approx() == 1; });
        };
        CHECK(c.try_send(2) == status::full);
        receiver.join();
    }
}

namespace {
/// Stops in mid-move, which is inside the claimed slot, when told to.
struct sticky {
    explicit sticky(int v) noexcept : value{v} {}
    sticky(sticky&& other) noexcept : value{other.value} {
        if (value != stuck_value) return;
        stuck = true;
        until([] { return !stuck; });
        stuck_value = -1;
    }
    sticky& operator=(sticky&&) = delete;

    int value;
    static inline std::atomic<int> stuck_value{-1};
    static inline std::atomic<bool> stuck{false};
};
}  // namespace

TEST_CASE("receivers sleep on a slot that is claimed and not yet written, and no wake is lost") {
    channel<sticky> c{4};
    std::atomic<int> sum{0};
    sticky::stuck_value = 1;
    std::jthread slow_sender{[&] { CHECK(c.send(sticky{1})); }};
    until([] { return sticky::stuck.load(); });
    CHECK(c.send(sticky{2}));  // behind the claimed slot
    CHECK(c.try_receive().status() == status::empty);
    std::jthread receivers[2];
    for (auto& r : receivers) r = std::jthread{[&] { sum += c.receive()->value; }};
    until([&] { return c.waiting_receivers_approx() == 2; });
    CHECK(c.send(sticky{3}));  // wakes one, who finds nothing to take and sleeps again
    until([&] { return c.waiting_receivers_approx() == 2; });
    CHECK(sum == 0);
    c.close();  // not drained: something is coming
    until([&] { return c.waiting_receivers_approx() == 2; });
    sticky::stuck = false;
    for (auto& r : receivers) r.join();
    CHECK(sum == 1 + 2);
    CHECK(c.receive()->value == 3);
    CHECK(c.receive().status() == status::closed);
}
