// SPDX-License-Identifier: BSL-1.0
// Counts that add up, quiescence, and what is defined when a channel or an end goes while others
// wait.
#include <memory>
#include <mutex>
#include <stdexcept>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/channel/ends.hpp>
#include <penstock/core/manual_clock.hpp>

#include "channel/storages.hpp"
#include "support/tracked.hpp"

using namespace std::chrono_literals;
using penstock::channel;
using penstock::channel_counts;
using penstock::manual_clock;
using penstock::overflow;
using penstock::status;

namespace {
bool add_up(const channel_counts& c) { return c.sent == c.received + c.dropped + c.in; }
}  // namespace

TEST_CASE_TEMPLATE("every element is counted where it went", F, ALL_STORAGES) {
    channel_over<F, int> c{3};
    for (int i = 0; i < 3; ++i) CHECK(c.send(i));
    CHECK(c.receive());
    auto n = c.counts();
    CHECK(n.sent == 3);
    CHECK(n.received == 1);
    CHECK(n.in == 2);
    CHECK(n.dropped == 0);
    c.close_and_discard();
    CHECK(c.send(1) == status::closed);
    n = c.counts();
    CHECK(n.sent == 3);
    CHECK(n.received == 1);
    CHECK(n.in == 0);
    CHECK(n.dropped == 2);
    CHECK(n.rejected == 0);
}

TEST_CASE_TEMPLATE("counts stay right over many laps", F, ALL_STORAGES) {
    for (std::size_t capacity : {1u, 3u, 5u}) {
        channel_over<F, int> c{capacity};
        for (std::uint64_t i = 0; i < 1000; ++i) {
            REQUIRE(c.counts().sent == i);
            REQUIRE(c.counts().received == i);
            CHECK(c.send(1));
            CHECK(c.receive());
        }
    }
}

TEST_CASE_TEMPLATE("sent = received + dropped + in, whatever the policy and the end", F,
                   ALL_STORAGES) {
    constexpr std::size_t each = 2000;
    const std::size_t senders = F::single_producer ? 1 : 3;
    const std::size_t receivers = F::single_consumer ? 1 : 2;
    for (auto policy :
         {overflow::block, overflow::reject, overflow::drop_newest, overflow::drop_oldest}) {
        if (policy == overflow::drop_oldest && F::single_consumer) continue;
        for (std::size_t until_closed : {each, each / 2}) {
            std::atomic<std::uint64_t> ok{0}, full{0}, newest{0}, received{0}, lost{0};
            std::atomic<std::size_t> sending{senders};
            channel_over<F, flow_message> c{
                {.capacity = 4, .overflow = policy, .on_drop = [&](auto&&) { ++lost; }}};
            in_threads(senders + receivers, [&](std::size_t who) {
                if (who < senders) {
                    for (std::size_t i = 0; i < each; ++i) {
                        if (i == until_closed && who == 0) c.close();
                        const status s = c.send(flow_account::message(who, i));
                        ok += s == status::ok;
                        full += s == status::full;
                        newest += s == status::dropped;
                    }
                    if (--sending == 0) c.close();
                } else {
                    // They leave some in.
                    for (std::size_t i = 0; i < senders * each / 2 && c.receive(); ++i) ++received;
                    while (policy == overflow::block && c.receive()) ++received;
                }
            });
            const auto n = c.counts();
            CHECK(add_up(n));
            CHECK(n.sent == ok + newest);
            CHECK(n.received == received);
            CHECK(n.dropped == lost);
            CHECK(n.rejected == full);
            c.close_and_discard();
            CHECK(c.counts().in == 0);
            CHECK(c.counts().dropped == lost);
            CHECK(add_up(c.counts()));
        }
    }
}

TEST_CASE("a drop_oldest sender drops nothing for a send that is then told closed") {
    // Every element that was dropped made room for one that went in: what is left is a full ring.
    for (int round = 0; round < 300; ++round) {
        channel<int> c{{.capacity = 2, .overflow = overflow::drop_oldest}};
        CHECK(c.send(1));
        CHECK(c.send(2));
        in_threads(3, [&](std::size_t who) {
            if (who == 2) return c.close();
            for (int i = 0; i < 20 && c.send(i); ++i) {
            }
        });
        CHECK(c.counts().in == 2);
        CHECK(add_up(c.counts()));
    }
}

TEST_CASE_TEMPLATE("quiesce answers at once when nothing is in", F, ALL_STORAGES) {
    manual_clock time;
    channel_over<F, int> c{{.capacity = 2, .clock = time}};
    CHECK(c.quiesce() == status::ok);
    CHECK(c.quiesce_for(0s) == status::ok);
    CHECK(c.send(1));
    CHECK(c.quiesce_for(0s) == status::timed_out);
    CHECK(c.quiesce(penstock::deadline{time, time.now()}) == status::timed_out);
    std::stop_source stop;
    stop.request_stop();
    CHECK(c.quiesce({}, stop.get_token()) == status::stopped);
    CHECK(c.receive());
    CHECK(c.quiesce_for(0s) == status::ok);
    c.close();
    CHECK(c.quiesce() == status::ok);
}

TEST_CASE_TEMPLATE("quiesce waits until the last element was taken", F, ALL_STORAGES) {
    channel_over<F, int> c{3};
    for (int i = 0; i < 3; ++i) CHECK(c.send(i));
    std::atomic<bool> quiet{false};
    std::jthread waits{[&] {
        CHECK(c.quiesce() == status::ok);
        quiet = true;
    }};
    CHECK(c.receive());
    CHECK(c.receive());
    CHECK(!quiet);
    CHECK(c.receive());
    waits.join();
}

TEST_CASE_TEMPLATE("quiesce waits for senders that wait for room", F, BOUNDED_STORAGES) {
    channel_over<F, int> c{1};
    CHECK(c.send(1));
    std::jthread sender{[&] { CHECK(c.send(2)); }};
    until([&] { return c.waiting_senders_approx() == 1; });
    std::jthread waits{[&] {
        CHECK(c.quiesce() == status::ok);
        CHECK(c.counts().received == 2);
    }};
    CHECK(*c.receive() == 1);
    CHECK(*c.receive() == 2);
}

TEST_CASE_TEMPLATE("a sender that leaves without having sent lets quiesce go on", F,
                   BOUNDED_STORAGES) {
    channel_over<F, int> c{1};
    CHECK(c.send(1));
    std::jthread sender{[&] { CHECK(c.send(2) == status::closed); }};
    until([&] { return c.waiting_senders_approx() == 1; });
    std::jthread waits{[&] { CHECK(c.quiesce() == status::ok); }};
    c.close();
    CHECK(*c.receive() == 1);
}

TEST_CASE_TEMPLATE("a shutdown that quiesces loses nothing", F, ALL_STORAGES) {
    for (int round = 0; round < 50; ++round) {
        channel_over<F, int> c{2};
        std::atomic<int> got{0};
        std::jthread receiver{[&](std::stop_token stop) {
            while (c.receive(stop)) ++got;
        }};
        for (int i = 0; i < 20; ++i) CHECK(c.send(i));
        CHECK(c.quiesce() == status::ok);
        CHECK(c.counts().received == 20);
        receiver.request_stop();
        receiver.join();
        CHECK(got == 20);
    }
}

TEST_CASE_TEMPLATE("destroying a channel ends the waits in it", F, BOUNDED_STORAGES) {
    auto c = std::make_unique<channel_over<F, int>>(std::size_t{1});
    const std::size_t n = F::single_consumer ? 1 : 3;
    {
        std::vector<std::jthread> receivers;
        for (std::size_t i = 0; i < n; ++i)
            receivers.emplace_back([at = c.get()] {
                CHECK(at->receive().status() == status::closed);
            });
        until([&] { return c->waiting_receivers_approx() == n; });
        c.reset();
    }
    c = std::make_unique<channel_over<F, int>>(std::size_t{1});
    CHECK(c->send(1));
    std::vector<std::jthread> senders;
    for (std::size_t i = 0; i < n; ++i)
        senders.emplace_back([at = c.get()] { CHECK(at->send(2) == status::closed); });
    until([&] { return c->waiting_senders_approx() == n; });
    c.reset();
}

TEST_CASE_TEMPLATE("who quiesces while the channel is destroyed is told closed", F,
                   BOUNDED_STORAGES) {
    manual_clock time;
    auto c = std::make_unique<channel_over<F, int>>(
        penstock::channel_options<int>{.capacity = 1, .clock = time});
    CHECK(c->send(1));
    std::vector<std::jthread> waiting;
    for (int i = 0; i < 2; ++i)
        waiting.emplace_back([at = c.get()] { CHECK(at->quiesce_for(1h) == status::closed); });
    until([&] { return time.sleepers() == 2; });
    c.reset();
}

TEST_CASE_TEMPLATE("the very end through which a thread waits may go", F, BOUNDED_STORAGES) {
    for (bool sends : {false, true}) {
        auto ends = penstock::make_channel<int, typename F::template of<int>>(1);
        if (sends) CHECK(ends.tx.send(1));
        auto& core = penstock::detail::channel_access::core(ends.tx);
        const auto going = [](auto&& end) {
            return std::make_unique<std::remove_cvref_t<decltype(end)>>(std::move(end));
        };
        std::jthread waits;
        if (sends) {
            auto tx = going(std::move(ends.tx));
            waits = std::jthread{[at = tx.get()] { CHECK(at->send(2) == status::closed); }};
            until([&] { return core.senders().waiting_approx() == 1; });
            tx.reset();
        } else {
            auto rx = going(std::move(ends.rx));
            waits =
                std::jthread{[at = rx.get()] { CHECK(at->receive().status() == status::closed); }};
            until([&] { return core.receivers().waiting_approx() == 1; });
            rx.reset();
        }
    }
}

TEST_CASE_TEMPLATE("an end may go while a thread waits through it", F, BOUNDED_STORAGES) {
    for (bool sends : {false, true}) {
        auto ends = penstock::make_channel<int, typename F::template of<int>>(1);
        if (sends) CHECK(ends.tx.send(1));
        auto tx = std::make_unique<decltype(ends.tx)>(std::move(ends.tx));
        auto rx = std::make_unique<decltype(ends.rx)>(std::move(ends.rx));
        std::atomic<bool> begun{false};
        std::jthread waits{[&begun, sends, t = tx.get(), r = rx.get()] {
            begun = true;
            if (sends) {
                CHECK(t->send(2) == status::closed);
            } else {
                CHECK(r->receive().status() == status::closed);
            }
        }};
        // Where it waits can't be seen through its end; through the other one's counts, neither. It
        // has begun; from the close on it may also come late, and is told the same.
        until([&] { return begun.load(); });
        for (int i = 0; i < 1000; ++i) std::this_thread::yield();
        if (sends) {
            rx.reset();
            waits.join();
        } else {
            tx.reset();
            waits.join();
        }
    }
}

TEST_CASE_TEMPLATE("what on_drop throws leaves the call that dropped, and the channel goes on", F,
                   BOUNDED_STORAGES) {
    int calls = 0;
    const auto refuses = [&](int&&) {
        ++calls;
        throw std::runtime_error{"no"};
    };
    {
        channel_over<F, int> c{
            {.capacity = 1, .overflow = overflow::drop_newest, .on_drop = refuses}};
        CHECK(c.send(1));
        CHECK_THROWS_AS((void)c.send(2), std::runtime_error);
        CHECK(c.dropped() == 1);
        CHECK(add_up(c.counts()));
        CHECK(*c.receive() == 1);
        CHECK(c.send(3));
        CHECK(c.send_n(&calls, 0));
        CHECK_THROWS_AS(c.close_and_discard(), std::runtime_error);
        CHECK(c.closed());
        CHECK(c.counts().in == 0);
        CHECK(add_up(c.counts()));
    }
    if (!F::single_consumer) {
        channel_over<F, int> c{
            {.capacity = 1, .overflow = overflow::drop_oldest, .on_drop = refuses}};
        CHECK(c.send(1));
        CHECK_THROWS_AS((void)c.send(2), std::runtime_error);
        CHECK(*c.receive() == 2);  // it is in
        CHECK(add_up(c.counts()));
    }
    calls = 0;
    {
        auto ends = penstock::make_channel<int, typename F::template of<int>>(
            {.capacity = 3, .on_drop = refuses});
        for (int i = 0; i < 3; ++i) CHECK(ends.tx.send(i));
        { const auto gone = std::move(ends.rx); }  // swallows them, and hands over all
        CHECK(calls == 3);
        CHECK(ends.tx.counts().dropped == 3);
        CHECK(ends.tx.closed());
    }
    {
        channel_over<F, int> c{{.capacity = 3, .on_drop = refuses}};
        for (int i = 0; i < 3; ++i) CHECK(c.send(i));
        CHECK_THROWS_AS(c.close_and_discard(), std::runtime_error);
        CHECK(c.counts().in == 2);  // the rest: for the destructor, or another try
        calls = 0;
    }
    CHECK(calls == 2);
}

TEST_CASE("each wait policy lets a message through, and an end") {
    using penstock::wait_policy;
    for (auto how :
         {wait_policy::hybrid, wait_policy::park, wait_policy::yield, wait_policy::spin}) {
        channel<int> c{{.capacity = 1, .wait = how}};
        std::jthread receiver{[&] {
            for (int i = 0; i < 100; ++i) CHECK(*c.receive() == i);
            CHECK(c.receive().status() == status::closed);
        }};
        for (int i = 0; i < 100; ++i) CHECK(c.send(i));
        c.close();
    }
}
