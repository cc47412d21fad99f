// SPDX-License-Identifier: BSL-1.0
#include <optional>
#include <thread>

#include <doctest/doctest.h>

#include <penstock/channel/channel.hpp>
#include <penstock/channel/detail/access.hpp>

#include "support/flow.hpp"

using penstock::channel;
using penstock::status;
using penstock::detail::channel_access;

TEST_CASE("what was kept a place for comes in its order, whatever came meanwhile, also a close") {
    channel<int> jobs{2};
    {
        auto kept = channel_access::core(jobs).reserve();
        CHECK(kept);
        CHECK(jobs.try_send(2));
        CHECK(jobs.try_send(3) == status::full);
        CHECK(jobs.try_receive().status() == status::empty);  // it waits behind the place
        jobs.close();
        CHECK(!channel_access::core(jobs).reserve());
        kept.put(1);
    }
    CHECK(*jobs.receive() == 1);
    CHECK(*jobs.receive() == 2);
    CHECK(jobs.receive().status() == status::closed);
}

TEST_CASE(
    "a place that is let go is room again, at the latest when what stands before it is received") {
    channel<int> jobs{2};
    std::optional kept{channel_access::core(jobs).reserve()};
    CHECK(jobs.try_send(1));
    CHECK(jobs.try_send(2) == status::full);
    kept.reset();
    CHECK(jobs.size_approx() == 1);
    CHECK(jobs.try_send(2));
    CHECK(*jobs.try_receive() == 1);

    kept.emplace(channel_access::core(jobs).reserve());  // behind the 2
    std::jthread sends{[&] { CHECK(jobs.send(3)); }};
    until([&] { return jobs.waiting_senders_approx() == 1; });
    kept.reset();
    CHECK(jobs.size_approx() == 2);
    CHECK(*jobs.try_receive() == 2);
    sends.join();
    CHECK(jobs.try_send(4));  // the gap is room too
    int out[2];
    CHECK(jobs.try_receive_n(out, 2).count == 2);
    CHECK(out[0] == 3);
    CHECK(out[1] == 4);
}

TEST_CASE("a sender who sleeps is told that a place was let go") {
    channel<int> jobs{1};
    std::optional kept{channel_access::core(jobs).reserve()};
    std::jthread sends{[&] { CHECK(jobs.send(7)); }};
    until([&] { return jobs.waiting_senders_approx() == 1; });
    kept.reset();
    sends.join();
    CHECK(*jobs.try_receive() == 7);
}

TEST_CASE("who sleeps before a place that is let go gets what stands behind it") {
    channel<int> jobs{2};
    std::optional kept{channel_access::core(jobs).reserve()};
    std::jthread receives{[&] { CHECK(*jobs.receive() == 2); }};
    CHECK(jobs.send(2));
    until([&] { return jobs.waiting_receivers_approx() == 1; });
    kept.reset();
    receives.join();
}
