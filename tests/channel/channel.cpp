// SPDX-License-Identifier: BSL-1.0
// Every operation's every answer, over each storage. Closing has close.cpp, overflow overflow.cpp.
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/channel/channel.hpp>
#include <penstock/core/manual_clock.hpp>

#include "channel/storages.hpp"
#include "support/tracked.hpp"

using namespace std::chrono_literals;
using penstock::channel;
using penstock::manual_clock;
using penstock::status;

TEST_CASE_TEMPLATE("what is sent is received, in order", F, ALL_STORAGES) {
    channel_over<F, std::string> c{4};
    CHECK(c.send("one") == status::ok);
    CHECK(c.try_send("two") == status::ok);
    CHECK(c.send_for("three", 1s) == status::ok);
    CHECK(c.send_until("four", std::chrono::steady_clock::now()) == status::ok);
    CHECK(c.size_approx() == 4);
    CHECK(*c.receive() == "one");
    CHECK(*c.try_receive() == "two");
    CHECK(*c.receive_for(1s) == "three");
    CHECK(*c.receive_until(std::chrono::steady_clock::now()) == "four");
    CHECK(c.try_receive().status() == status::empty);
    CHECK(c.size_approx() == 0);
    CHECK(!c.closed());
}

TEST_CASE_TEMPLATE("a copy is sent where the value is kept", F, ALL_STORAGES) {
    channel_over<F, std::string> c{4};
    const std::string text = "mine";
    CHECK(c.send(text));
    CHECK(c.try_send(text));
    CHECK(c.send_for(text, 1s));
    CHECK(c.send_until(text, std::chrono::steady_clock::now()));
    CHECK(text == "mine");
    for (int i = 0; i < 4; ++i) CHECK(*c.receive() == "mine");
}

TEST_CASE_TEMPLATE("a copy that throws sends nothing", F, ALL_STORAGES) {
    channel_over<F, throws_on_copy> c{2};
    const throws_on_copy original{7};
    throws_on_copy::armed = true;
    CHECK_THROWS_AS((void)c.send(original), std::runtime_error);
    CHECK_THROWS_AS((void)c.try_send(original), std::runtime_error);
    throws_on_copy::armed = false;
    CHECK(c.try_receive().status() == status::empty);
    CHECK(c.send(original));
    CHECK(c.receive()->value == 7);
}

TEST_CASE_TEMPLATE("capacity is exact, and full leaves the value with its owner", F,
                   BOUNDED_STORAGES) {
    for (std::size_t capacity : {1u, 2u, 3u, 100u}) {
        channel_over<F, std::unique_ptr<int>> c{capacity};
        CHECK(c.capacity() == capacity);
        for (std::size_t i = 0; i < capacity; ++i) CHECK(c.try_send(std::make_unique<int>(1)));
        auto mine = std::make_unique<int>(2);
        CHECK(c.try_send(std::move(mine)) == status::full);
        REQUIRE(mine);
        CHECK(c.receive());
        CHECK(c.try_send(std::move(mine)) == status::ok);
        CHECK(!mine);
    }
}

TEST_CASE_TEMPLATE("capacity zero and a negative one are refused", F, BOUNDED_STORAGES) {
    CHECK_THROWS_AS((channel_over<F, int>{0}), std::invalid_argument);
    CHECK_THROWS_AS((channel_over<F, int>{static_cast<std::size_t>(-1)}), std::invalid_argument);
}

TEST_CASE_TEMPLATE("receive waits for an element", F, ALL_STORAGES) {
    channel_over<F, int> c{1};
    std::jthread receiver{[&] { CHECK(*c.receive() == 7); }};
    until([&] { return c.waiting_receivers_approx() == 1; });
    CHECK(c.send(7));
    receiver.join();
    CHECK(c.waiting_receivers_approx() == 0);
}

TEST_CASE_TEMPLATE("send waits for room", F, BOUNDED_STORAGES) {
    channel_over<F, int> c{1};
    CHECK(c.send(1));
    std::jthread sender{[&] { CHECK(c.send(2) == status::ok); }};
    until([&] { return c.waiting_senders_approx() == 1; });
    CHECK(*c.receive() == 1);
    CHECK(*c.receive() == 2);
    sender.join();
    CHECK(c.waiting_senders_approx() == 0);
}

TEST_CASE_TEMPLATE("a stop ends a receiver's wait", F, ALL_STORAGES) {
    channel_over<F, int> c{1};
    manual_clock::time_point never = manual_clock::time_point::max();
    for (int form = 0; form < 3; ++form) {
        std::stop_source stop;
        std::jthread receiver{[&] {
            auto token = stop.get_token();
            auto r = form == 0   ? c.receive(token)
                     : form == 1 ? c.receive_for(1h, token)
                                 : c.receive_until(never, token);
            CHECK(r.status() == status::stopped);
        }};
        until([&] { return c.waiting_receivers_approx() == 1; });
        stop.request_stop();
    }
}

TEST_CASE_TEMPLATE("a stop ends a sender's wait, and the value stays its owner's", F,
                   BOUNDED_STORAGES) {
    channel_over<F, std::unique_ptr<int>> c{1};
    CHECK(c.send(std::make_unique<int>(1)));
    manual_clock::time_point never = manual_clock::time_point::max();
    for (int form = 0; form < 3; ++form) {
        std::stop_source stop;
        std::jthread sender{[&] {
            auto token = stop.get_token();
            auto mine = std::make_unique<int>(2);
            const status s = form == 0   ? c.send(std::move(mine), token)
                             : form == 1 ? c.send_for(std::move(mine), 1h, token)
                                         : c.send_until(std::move(mine), never, token);
            CHECK(s == status::stopped);
            CHECK(mine);
        }};
        until([&] { return c.waiting_senders_approx() == 1; });
        stop.request_stop();
    }
    CHECK(c.size_approx() == 1);
}

TEST_CASE_TEMPLATE("a stop ends a wait, not a drain: what is there is received", F, ALL_STORAGES) {
    channel_over<F, int> c{3};
    for (int i = 0; i < 3; ++i) CHECK(c.send(i));
    std::stop_source stop;
    stop.request_stop();
    for (int i = 0; i < 3; ++i) CHECK(*c.receive(stop.get_token()) == i);
    CHECK(c.receive(stop.get_token()).status() == status::stopped);
    CHECK(c.receive_for(1h, stop.get_token()).status() == status::stopped);
    CHECK(c.send(7, stop.get_token()) == status::ok);  // there was room: nothing to wait for
    CHECK(*c.receive() == 7);
}

TEST_CASE_TEMPLATE("a receiver times out when its clock gets there, not before", F, ALL_STORAGES) {
    manual_clock time;
    channel_over<F, int> c{{.capacity = 1, .clock = time}};
    std::atomic<bool> ended{false};
    std::jthread receiver{[&] {
        CHECK(c.receive_for(1h).status() == status::timed_out);
        ended = true;
    }};
    until([&] { return c.waiting_receivers_approx() == 1; });
    time.advance(1h - 1ns);
    until([&] { return c.waiting_receivers_approx() == 1; });
    CHECK(!ended);
    time.advance(1ns);
    receiver.join();
    CHECK(c.receive_for(0s).status() == status::timed_out);
    CHECK(c.receive_for(-1s).status() == status::timed_out);
    CHECK(c.receive_until(time.now()).status() == status::timed_out);
    CHECK(c.send(7));
    CHECK(*c.receive_for(0s) == 7);  // what is ready is taken first
}

TEST_CASE_TEMPLATE("a sender times out and keeps its value", F, BOUNDED_STORAGES) {
    manual_clock time;
    channel_over<F, std::unique_ptr<int>> c{{.capacity = 1, .clock = time}};
    CHECK(c.send(std::make_unique<int>(1)));
    std::jthread sender{[&] {
        auto mine = std::make_unique<int>(2);
        CHECK(c.send_for(std::move(mine), 5ms) == status::timed_out);
        CHECK(mine);
    }};
    until([&] { return time.sleepers() == 1 && c.waiting_senders_approx() == 1; });
    time.advance(5ms);
    sender.join();
    auto mine = std::make_unique<int>(3);
    CHECK(c.send_for(std::move(mine), 0s) == status::timed_out);
    CHECK(c.send_until(std::move(mine), time.now()) == status::timed_out);
    CHECK(mine);
    CHECK(time.sleepers() == 0);
}

TEST_CASE("a timed wait by the steady clock ends too") {
    channel<int> c{1};
    const auto start = std::chrono::steady_clock::now();
    CHECK(c.receive_for(2ms).status() == status::timed_out);
    CHECK(c.send(1));
    CHECK(c.send_for(2, 2ms) == status::timed_out);
    CHECK(std::chrono::steady_clock::now() - start >= 4ms);
}

TEST_CASE_TEMPLATE("elements without default constructor or copy are destroyed exactly once", F,
                   ALL_STORAGES) {
    tracked_count count;
    {
        channel_over<F, tracked> c{3};
        CHECK(c.send(tracked{1}));
        CHECK(c.send(tracked{2}));
        CHECK(c.receive()->value() == 1);
        auto r = c.try_receive();
        CHECK(r->value() == 2);
        CHECK(c.send(tracked{3}));
        CHECK(tracked::alive() == 2);
    }
    CHECK(tracked::alive() == 0);
    CHECK(count.misuses() == 0);
}

TEST_CASE_TEMPLATE("over-aligned elements stand where they must", F, ALL_STORAGES) {
    over_aligned::misplaced = 0;
    {
        channel_over<F, over_aligned> c{3};
        for (int i = 0; i < 5; ++i) {
            CHECK(c.send(over_aligned{i}));
            CHECK(c.receive()->value == i);
        }
    }
    CHECK(over_aligned::misplaced == 0);
}

TEST_CASE_TEMPLATE("many threads that wait for each other lose, double and reorder nothing", F,
                   ALL_STORAGES) {
    const std::size_t senders = F::single_producer ? 1 : 4;  // more threads than cores
    const std::size_t receivers = F::single_consumer ? 1 : 4;
    for (std::size_t capacity : {1u, 2u, 7u, 256u}) {
        CAPTURE(capacity);
        flow_account account{senders, 2000};
        channel_over<F, flow_message> c{capacity};
        std::atomic<std::size_t> sending{senders};
        in_threads(senders + receivers, [&](std::size_t who) {
            if (who < senders) {
                for (std::size_t i = 0; i < 2000; ++i) CHECK(c.send(account.message(who, i)));
                if (--sending == 0) c.close();
            } else {
                flow_account::reader mine{account};
                while (auto m = c.receive()) mine.got(*m);
            }
        });
        CHECK(account.complaint() == "");
    }
}

TEST_CASE_TEMPLATE("threads that only poll lose nothing either", F, ALL_STORAGES) {
    flow_account account{1, 5000};
    channel_over<F, flow_message> c{8};
    in_threads(2, [&](std::size_t who) {
        if (who == 0) {
            for (std::size_t i = 0; i < account.total(); ++i)
                until([&] { return static_cast<bool>(c.try_send(account.message(0, i))); });
            c.close();
        } else {
            flow_account::reader mine{account};
            for (;;) {
                auto m = c.try_receive();
                if (m) {
                    mine.got(*m);
                } else if (m.status() == status::closed) {
                    break;
                } else {
                    std::this_thread::yield();
                }
            }
        }
    });
    CHECK(account.complaint() == "");
}

TEST_CASE_TEMPLATE("receivers that are stopped again and again lose no message", F, ALL_STORAGES) {
    // A wake that meets a stop is passed on, and a stopped receiver takes nothing with it.
    constexpr std::size_t total = 2000;
    flow_account account{1, total};
    channel_over<F, flow_message> c{4};
    std::mutex mutex;
    std::stop_source stop;
    std::atomic<bool> over{false};
    auto token = [&] {
        std::lock_guard lock{mutex};
        return stop.get_token();
    };
    const std::size_t receivers = F::single_consumer ? 1 : 3;
    in_threads(2 + receivers, [&](std::size_t who) {
        if (who == 0) {
            for (std::size_t i = 0; i < total; ++i) CHECK(c.send(account.message(0, i)));
            c.close();
        } else if (who == 1) {
            while (!over) {
                {
                    std::lock_guard lock{mutex};
                    stop.request_stop();
                    stop = std::stop_source{};
                }
                std::this_thread::yield();
            }
        } else {
            flow_account::reader mine{account};
            for (;;) {
                auto m = c.receive(token());
                if (m) {
                    mine.got(*m);
                } else if (m.status() == status::closed) {
                    break;
                }
            }
            over = true;
        }
    });
    CHECK(account.complaint() == "");
}
