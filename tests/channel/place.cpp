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

TEST_CASE("a place that is let go makes room when a receiver comes past it, and senders are told") {
    channel<int> jobs{1};
    { const auto kept = channel_access::core(jobs).reserve(); }
    std::jthread sends{[&] { CHECK(jobs.send(7)); }};
    until([&] { return jobs.waiting_senders_approx() == 1; });
    CHECK(jobs.try_receive().status() == status::empty);
    sends.join();
    CHECK(*jobs.try_receive() == 7);

    int out[2];
    {
        const auto kept = channel_access::core(jobs).reserve();
        CHECK(jobs.try_send(1) == status::full);
    }
    std::jthread again{[&] { CHECK(jobs.send(8)); }};
    until([&] { return jobs.waiting_senders_approx() == 1; });
    CHECK(jobs.try_receive_n(out, 2).count == 0);
    again.join();
    CHECK(jobs.try_receive_n(out, 2).count == 1);
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
