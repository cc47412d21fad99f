// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/channel/ends.hpp>
#include <penstock/channel/weighed.hpp>
#include <penstock/queue/spsc_ring.hpp>

#include "support/flow.hpp"

using penstock::channel;
using penstock::mpmc_ring;
using penstock::overflow;
using penstock::spsc_ring;
using penstock::status;
using penstock::weighed;

namespace {

using blob = std::unique_ptr<std::size_t>;  // as heavy as it says
blob of(std::size_t weight) { return std::make_unique<std::size_t>(weight); }
std::size_t weight_of(const blob& b) { return *b; }

template <class Storage>
using blobs = channel<blob, Storage>;
using over_mpmc = mpmc_ring<weighed<blob>>;
using over_spsc = spsc_ring<weighed<blob>>;

}  // namespace

TYPE_TO_STRING(over_mpmc);
TYPE_TO_STRING(over_spsc);

TEST_CASE_TEMPLATE("full is by bytes or by elements, whichever comes first", S, over_mpmc,
                   over_spsc) {
    blobs<S> c{{.capacity = 3, .max_bytes = 10, .weigh = weight_of}};
    CHECK(c.try_send(of(6)));
    CHECK(c.try_send(of(4)));
    CHECK(c.bytes_approx() == 10);
    auto mine = of(1);
    CHECK(c.try_send(std::move(mine)) == status::full);
    REQUIRE(mine);
    CHECK(c.try_send(of(0)));  // weighs nothing
    CHECK(c.try_send(of(0)) == status::full);
    CHECK(**c.receive() == 6);
    CHECK(c.bytes_approx() == 4);
    CHECK(c.try_send(std::move(mine)));
    CHECK(c.try_send(of(1)) == status::full);  // three are in
    while (c.try_receive()) {
    }
    CHECK(c.bytes_approx() == 0);
}

TEST_CASE_TEMPLATE("what is heavier than the whole budget is too large, whatever the policy", S,
                   over_mpmc, over_spsc) {
    for (auto policy :
         {overflow::block, overflow::reject, overflow::drop_newest, overflow::drop_oldest}) {
        if (policy == overflow::drop_oldest && S::single_consumer) continue;
        blobs<S> c{{.capacity = 3, .overflow = policy, .max_bytes = 10, .weigh = weight_of}};
        auto mine = of(11);
        CHECK(c.send(std::move(mine)) == status::too_large);
        CHECK(c.try_send(std::move(mine)) == status::too_large);
        CHECK(mine);
        CHECK(c.rejected() == 2);
        CHECK(c.send(of(10)));
        c.close();
        CHECK(c.send(std::move(mine)) == status::closed);
    }
}

TEST_CASE("each policy lets go of what it says, and of its bytes") {
    std::vector<std::size_t> lost;
    const auto keep = [&](blob&& b) { lost.push_back(*b); };
    {
        channel<blob, over_mpmc> c{
            {.capacity = 9,
             .overflow = overflow::drop_oldest,
             .on_drop = keep,
             .max_bytes = 10,
             .weigh = weight_of}};
        for (std::size_t w : {1u, 2u, 3u, 4u}) CHECK(c.send(of(w)));
        CHECK(c.send(of(5)));  // takes as many as it needs
        CHECK(lost == std::vector<std::size_t>{1, 2, 3});
        CHECK(c.bytes_approx() == 9);
        lost.clear();
        c.close_and_discard();
        CHECK(lost == std::vector<std::size_t>{4, 5});
        CHECK(c.bytes_approx() == 0);
    }
    lost.clear();
    channel<blob, over_mpmc> c{
        {.capacity = 9,
         .overflow = overflow::drop_newest,
         .on_drop = keep,
         .max_bytes = 10,
         .weigh = weight_of}};
    CHECK(c.send(of(8)));
    CHECK(c.send(of(3)) == status::dropped);
    CHECK(lost == std::vector<std::size_t>{3});
    CHECK(c.bytes_approx() == 8);
    channel<blob, over_mpmc> d{
        {.capacity = 9, .overflow = overflow::reject, .max_bytes = 10, .weigh = weight_of}};
    CHECK(d.send(of(8)));
    CHECK(d.send(of(3)) == status::full);
    CHECK(d.rejected() == 1);
}

TEST_CASE("drop_oldest lets go of all that it takes, also when on_drop throws, and then sends") {
    std::vector<std::size_t> lost;
    channel<blob, over_mpmc> c{
        {.capacity = 9,
         .overflow = overflow::drop_oldest,
         .on_drop =
             [&](blob&& b) {
                 lost.push_back(*b);
                 if (*b != 2) throw std::runtime_error{"lost"};
             },
         .max_bytes = 10,
         .weigh = weight_of}};
    for (std::size_t w : {1u, 2u, 3u, 4u}) CHECK(c.send(of(w)));
    CHECK_THROWS_AS((void)c.send(of(10)), std::runtime_error);
    CHECK(lost == std::vector<std::size_t>{1, 2, 3, 4});
    CHECK(c.dropped() == 4);
    CHECK(**c.try_receive() == 10);
    CHECK(c.bytes_approx() == 0);
}

TEST_CASE("weigh is asked once for each send, and its answer is kept") {
    int asked = 0;
    channel<blob, over_mpmc> c{{.capacity = 1, .max_bytes = 10, .weigh = [&](const blob& b) {
                                    ++asked;
                                    return *b;
                                }}};
    CHECK(c.send(of(3)));
    std::jthread sender{[&] { CHECK(c.send(of(4))); }};
    until([&] { return c.waiting_senders_approx() == 1; });
    CHECK(c.receive());
    sender.join();
    auto last = c.receive();
    **last = 100;  // too late to matter
    CHECK(c.bytes_approx() == 0);
    CHECK(asked == 2);
}

TEST_CASE("if weigh throws, nothing has happened") {
    bool armed = true;
    channel<blob, over_mpmc> c{{.capacity = 2, .max_bytes = 10, .weigh = [&](const blob& b) {
                                    if (armed) throw std::runtime_error{"scales are broken"};
                                    return *b;
                                }}};
    auto mine = of(1);
    CHECK_THROWS_AS((void)c.send(std::move(mine)), std::runtime_error);
    CHECK_THROWS_AS((void)c.try_send(std::move(mine)), std::runtime_error);
    CHECK(mine);
    CHECK(c.bytes_approx() == 0);
    CHECK(c.counts().sent == 0);
    armed = false;
    CHECK(c.send(std::move(mine)));
}

TEST_CASE("a large one that waits is not overtaken by small ones") {
    channel<blob, over_mpmc> c{{.capacity = 10, .max_bytes = 10, .weigh = weight_of}};
    CHECK(c.send(of(4)));
    CHECK(c.send(of(4)));
    std::jthread large{[&] { CHECK(c.send(of(9))); }};
    until([&] { return c.waiting_senders_approx() == 1; });
    CHECK(c.try_send(of(1)) == status::full);  // there are two left, but somebody waits
    std::jthread small{[&] { CHECK(c.send(of(2))); }};
    until([&] { return c.waiting_senders_approx() == 2; });
    CHECK(**c.receive() == 4);
    until([&] { return c.waiting_senders_approx() == 2; });
    CHECK(c.size_approx() == 1);  // six are free: the small one waits its turn
    CHECK(**c.receive() == 4);
    CHECK(**c.receive() == 9);
    CHECK(**c.receive() == 2);
}

TEST_CASE("a large one that gives up lets those behind it go") {
    channel<blob, over_mpmc> c{{.capacity = 10, .max_bytes = 10, .weigh = weight_of}};
    CHECK(c.send(of(5)));
    std::stop_source stop;
    std::jthread large{[&] {
        auto mine = of(9);
        CHECK(c.send(std::move(mine), stop.get_token()) == status::stopped);
        CHECK(mine);
    }};
    until([&] { return c.waiting_senders_approx() == 1; });
    std::jthread small{[&] { CHECK(c.send(of(2))); }};
    until([&] { return c.waiting_senders_approx() == 2; });
    stop.request_stop();
    small.join();
    CHECK(c.bytes_approx() == 7);
}

TEST_CASE_TEMPLATE("close ends the line", S, over_mpmc, over_spsc) {
    blobs<S> c{{.capacity = 10, .max_bytes = 10, .weigh = weight_of}};
    CHECK(c.send(of(8)));
    std::vector<std::jthread> senders;
    const std::size_t n = S::single_producer ? 1 : 3;
    for (std::size_t i = 0; i < n; ++i)
        senders.emplace_back([&] {
            auto mine = of(5);
            CHECK(c.send(std::move(mine)) == status::closed);
            CHECK(mine);
        });
    until([&] { return c.waiting_senders_approx() == n; });
    c.close();
    senders.clear();
    CHECK(c.bytes_approx() == 8);
}

TEST_CASE("the options and the storage have to agree, and the text names the cure") {
    std::string why;
    try {
        channel<blob> c{{.capacity = 1, .max_bytes = 10, .weigh = weight_of}};
    } catch (const std::invalid_argument& e) {
        why = e.what();
    }
    CHECK(why.find("weighed<T>") != std::string::npos);
    CHECK_THROWS_AS(
        (channel<blob, over_mpmc>{{.capacity = 1, .max_bytes = 10}}), std::invalid_argument);
    static_assert(sizeof(mpmc_ring<blob>) == sizeof(mpmc_ring<weighed<blob>>));
}

TEST_CASE_TEMPLATE("batches and ends work with a budget", S, over_mpmc, over_spsc) {
    auto [tx, rx] =
        penstock::make_channel<blob, S>({.capacity = 10, .max_bytes = 10, .weigh = weight_of});
    blob some[4] = {of(4), of(4), of(4), of(4)};
    const auto sent = tx.try_send_n(std::make_move_iterator(some), 4);
    CHECK(sent.count == 2);
    CHECK(sent.status == status::full);
    CHECK(some[2]);
    blob out[4];
    CHECK(rx.receive_n(out, 4).count == 2);
    std::jthread sender{[&, t = &tx] {
        CHECK(t->send_n(std::make_move_iterator(some + 2), 2).count == 2);
        t->close();
    }};
    std::size_t got = 0;
    while (auto n = rx.receive_n(out, 4)) got += n.count;
    CHECK(got == 2);
}

TEST_CASE_TEMPLATE("never more bytes than allowed, and nothing lost", S, over_mpmc, over_spsc) {
    const std::size_t senders = S::single_producer ? 1 : 4;
    const std::size_t receivers = S::single_consumer ? 1 : 2;
    constexpr std::size_t each = 3000, most = 20;
    blobs<S> c{{.capacity = 8, .max_bytes = most, .weigh = weight_of}};
    std::atomic<std::size_t> sending{senders}, in{0}, out{0}, too_many{0};
    in_threads(senders + receivers, [&](std::size_t who) {
        if (who < senders) {
            for (std::size_t i = 0; i < each; ++i) {
                const std::size_t w = (i * 7 + who) % (most + 1);
                if (i % 5 == 0) {
                    auto mine = of(w);
                    if (c.try_send(std::move(mine))) in += w;
                } else {
                    CHECK(c.send(of(w)));
                    in += w;
                }
                if (c.bytes_approx() > most) ++too_many;
            }
            if (--sending == 0) c.close();
        } else {
            while (auto b = c.receive()) out += **b;
        }
    });
    CHECK(in == out);
    CHECK(too_many == 0);
    CHECK(c.bytes_approx() == 0);
    CHECK(c.counts().sent == c.counts().received);
}
