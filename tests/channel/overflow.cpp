// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/channel/channel.hpp>
#include <penstock/core/manual_clock.hpp>

#include "channel/storages.hpp"
#include "support/tracked.hpp"

using namespace std::chrono_literals;
using penstock::channel;
using penstock::overflow;
using penstock::status;

TEST_CASE_TEMPLATE("reject says full, counts it and leaves the value with its owner", F,
                   BOUNDED_STORAGES) {
    bool anything_dropped = false;
    channel_over<F, std::unique_ptr<int>> c{
        {.capacity = 2, .overflow = overflow::reject, .on_drop = [&](std::unique_ptr<int>&&) {
             anything_dropped = true;
         }}};
    CHECK(c.send(std::make_unique<int>(1)) == status::ok);
    CHECK(c.send(std::make_unique<int>(2)) == status::ok);
    auto mine = std::make_unique<int>(3);
    CHECK(c.send(std::move(mine)) == status::full);
    CHECK(c.send_for(std::move(mine), 1h) == status::full);  // it doesn't wait
    CHECK(c.send_until(std::move(mine), penstock::clock::time_point::max()) == status::full);
    CHECK(c.try_send(std::move(mine)) == status::full);
    REQUIRE(mine);
    CHECK(c.rejected() == 4);
    CHECK(c.dropped() == 0);
    CHECK(!anything_dropped);
    CHECK(**c.receive() == 1);
    CHECK(c.send(std::move(mine)) == status::ok);
    CHECK(c.rejected() == 4);
}

TEST_CASE_TEMPLATE("drop_newest gives the newcomer to on_drop and counts it", F, BOUNDED_STORAGES) {
    std::vector<int> lost;
    channel_over<F, std::unique_ptr<int>> c{
        {.capacity = 3,
         .overflow = overflow::drop_newest,
         .on_drop = [&](std::unique_ptr<int>&& p) { lost.push_back(*p); }}};
    for (int i = 0; i < 3; ++i) CHECK(c.send(std::make_unique<int>(i)) == status::ok);
    auto mine = std::make_unique<int>(3);
    CHECK(c.send(std::move(mine)) == status::dropped);
    CHECK(!mine);
    CHECK(c.send_for(std::make_unique<int>(4), 1h) == status::dropped);
    CHECK(c.try_send(std::make_unique<int>(5)) == status::dropped);
    CHECK(lost == std::vector<int>{3, 4, 5});
    CHECK(c.dropped() == 3);
    CHECK(c.rejected() == 0);
    for (int i = 0; i < 3; ++i) CHECK(**c.receive() == i);
}

TEST_CASE("drop_oldest gives the oldest to on_drop and lets the newcomer in") {
    for (int capacity : {1, 2, 3, 10}) {
        std::vector<int> lost;
        channel<std::unique_ptr<int>> c{
            {.capacity = static_cast<std::size_t>(capacity),
             .overflow = overflow::drop_oldest,
             .on_drop = [&](std::unique_ptr<int>&& p) { lost.push_back(*p); }}};
        for (int i = 0; i < 25; ++i) CHECK(c.send(std::make_unique<int>(i)) == status::ok);
        std::vector<int> expected(static_cast<std::size_t>(25 - capacity));
        std::iota(expected.begin(), expected.end(), 0);
        CHECK(lost == expected);
        CHECK(c.dropped() == expected.size());
        for (int i = 25 - capacity; i < 25; ++i) CHECK(**c.receive() == i);
        CHECK(c.try_receive().status() == status::empty);
    }
}

TEST_CASE("drop_oldest needs a storage whose producer may pop, and names the cure") {
    using over_spsc = channel<int, penstock::spsc_ring<int>>;
    std::string why;
    try {
        over_spsc c{{.capacity = 2, .overflow = overflow::drop_oldest}};
    } catch (const std::invalid_argument& e) {
        why = e.what();
    }
    CHECK(why.find("use mpmc_ring") != std::string::npos);
    CHECK_NOTHROW((channel<int, penstock::unbounded<int>>{
        {.capacity = 2, .overflow = overflow::drop_oldest}}));
}

TEST_CASE("an unbounded storage never overflows, whatever the policy") {
    for (auto policy :
         {overflow::block, overflow::reject, overflow::drop_newest, overflow::drop_oldest}) {
        channel<int, penstock::unbounded<int>> c{{.capacity = 1, .overflow = policy}};
        for (int i = 0; i < 1000; ++i) CHECK(c.send(i) == status::ok);
        for (int i = 0; i < 1000; ++i) CHECK(*c.receive() == i);
        CHECK(c.dropped() == 0);
        CHECK(c.rejected() == 0);
    }
}

TEST_CASE("without on_drop what is dropped is destroyed and counted") {
    tracked_count count;
    {
        channel<tracked> c{{.capacity = 1, .overflow = overflow::drop_newest}};
        CHECK(c.send(tracked{1}));
        CHECK(c.send(tracked{2}) == status::dropped);
        CHECK(tracked::alive() == 1);
        CHECK(c.dropped() == 1);
        channel<tracked> d{{.capacity = 1, .overflow = overflow::drop_oldest}};
        CHECK(d.send(tracked{3}));
        CHECK(d.send(tracked{4}));
        CHECK(tracked::alive() == 2);
        CHECK(d.dropped() == 1);
    }
    CHECK(tracked::alive() == 0);
    CHECK(count.misuses() == 0);
}

TEST_CASE("on_drop may use the channel it is called by") {
    channel<int>* self = nullptr;
    std::vector<int> lost;
    channel<int> c{{.capacity = 2, .overflow = overflow::drop_oldest, .on_drop = [&](int&& n) {
                        lost.push_back(n);
                        if (n == 0) CHECK(self->send(100) == status::ok);  // once more round
                    }}};
    self = &c;
    for (int i = 0; i < 3; ++i) CHECK(c.send(i) == status::ok);
    // 0 fell out for 2, which is in when on_drop runs; its 100 made 1 fall out too.
    CHECK(lost == std::vector<int>{0, 1});
    CHECK(*c.receive() == 2);
    CHECK(*c.receive() == 100);
}

TEST_CASE("the policy block never drops and never rejects") {
    channel<int> c{1};
    CHECK(c.send(1));
    CHECK(c.try_send(2) == status::full);
    CHECK(c.rejected() == 0);
    CHECK(c.dropped() == 0);
    CHECK(*c.receive() == 1);
}

TEST_CASE_TEMPLATE("what many threads send is received, dropped or rejected: the counts are exact",
                   F, BOUNDED_STORAGES) {
    constexpr std::size_t each = 5000;
    const std::size_t senders = F::single_producer ? 1 : 3;
    for (auto policy : {overflow::reject, overflow::drop_newest, overflow::drop_oldest}) {
        if (policy == overflow::drop_oldest && F::single_consumer) continue;
        std::mutex mutex;
        std::vector<flow_message> lost;
        std::atomic<std::size_t> ok{0}, full{0}, dropped{0}, received{0}, sending{senders};
        flow_account account{senders, each};
        channel_over<F, flow_message> c{
            {.capacity = 4, .overflow = policy, .on_drop = [&](auto&& m) {
                 std::lock_guard lock{mutex};
                 lost.push_back(m);
             }}};
        in_threads(senders + 1, [&](std::size_t who) {
            if (who < senders) {
                for (std::size_t i = 0; i < each; ++i) {
                    const status s = c.send(account.message(who, i));
                    ok += s == status::ok;
                    full += s == status::full;
                    dropped += s == status::dropped;
                    if (i % 64 == 0) std::this_thread::yield();
                }
                if (--sending == 0) c.close();
            } else {
                flow_account::reader mine{account};
                while (auto m = c.receive()) mine.got(*m), ++received;
            }
        });
        CHECK(ok + full + dropped == senders * each);
        CHECK(c.rejected() == full);
        CHECK(c.dropped() == lost.size());
        if (policy == overflow::reject) CHECK(ok == received);
        if (policy == overflow::drop_newest) CHECK(dropped == lost.size());
        if (policy == overflow::drop_oldest) CHECK(ok == senders * each);
        CHECK(received + lost.size() + full == senders * each);
        // Everything once: received, lost, or refused to its owner's face.
        flow_account::reader graveyard{account};
        std::sort(lost.begin(), lost.end(), [](auto& a, auto& b) {
            return std::pair{a.producer, a.number} < std::pair{b.producer, b.number};
        });
        for (auto& m : lost) graveyard.got(m);
        CHECK(account.complaint(full) == "");
    }
}
