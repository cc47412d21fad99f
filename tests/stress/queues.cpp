// SPDX-License-Identifier: BSL-1.0
// Queues and channels under more threads than cores, threads that come and go, and chance: what
// went in comes out once, in each producer's order, and every element is destroyed once.
//
// Each test runs for PENSTOCK_STRESS_SECONDS (0.5); tests/stress/run sets it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>

#include <doctest/doctest.h>

#include <penstock/core/manual_clock.hpp>

#include "channel/storages.hpp"
#include "support/tracked.hpp"

using penstock::overflow;
using penstock::status;
using namespace std::chrono_literals;

namespace {

/// A message that is also counted.
struct parcel {
    parcel(const flow_message& its) noexcept : m{its}, life{1} {}
    flow_message m;
    tracked life;
};

std::chrono::duration<double> time_for_each() {
    const char* text = std::getenv("PENSTOCK_STRESS_SECONDS");
    return std::chrono::duration<double>{text ? std::atof(text) : 0.5};
}

using engine = std::mt19937;
std::size_t pick(engine& e, std::size_t least, std::size_t most) {
    return std::uniform_int_distribution<std::size_t>{least, most}(e);
}

/// Runs round(engine) again and again until the time is over; the seed is printed when one fails.
template <class Round>
void again_and_again(const char* name, Round round) {
    const auto end = std::chrono::steady_clock::now() + time_for_each();
    std::size_t rounds = 0, messages = 0;
    do {
        const auto seed = std::random_device{}();
        CAPTURE(seed);
        engine e{seed};
        tracked_count count;
        messages += round(e);
        REQUIRE(tracked::alive() == 0);
        REQUIRE(count.misuses() == 0);
        ++rounds;
    } while (std::chrono::steady_clock::now() < end);
    std::printf("%-40s %6zu rounds, %9zu messages\n", name, rounds, messages);
    std::fflush(stdout);
}

const std::size_t cores = std::max(2u, std::thread::hardware_concurrency());

/// Each of `n` roles is played by one thread after another: f(role, generation).
template <class F>
void in_generations(std::size_t n, std::size_t generations, F f) {
    in_threads(n, [&](std::size_t role) {
        for (std::size_t g = 0; g < generations; ++g) std::jthread{[&] { f(role, g); }}.join();
    });
}

template <class Queue>
std::size_t stress_queue(engine& e, bool bounded) {
    const std::size_t producers = Queue::single_producer ? 1 : pick(e, 1, 2 * cores);
    const std::size_t consumers = Queue::single_consumer ? 1 : pick(e, 1, 2 * cores);
    const std::size_t capacity = pick(e, 1, pick(e, 1, 300));
    const std::size_t generations = pick(e, 1, 5), slice = pick(e, 1, 400);
    const std::size_t left_in = bounded ? pick(e, 0, capacity) : pick(e, 0, 300);
    // An unbounded queue keeps the order of each thread; rings keep that of a role which threads
    // hand on to each other.
    const std::size_t names = bounded ? producers : producers * generations;
    flow_account account{names, producers * generations * slice / names};
    const std::size_t wanted = account.total() - std::min(left_in, account.total());
    std::atomic<std::size_t> taken{0};  // consumers stop when they have them, so that some stay in
    auto q = std::make_unique<Queue>(capacity);
    // Readers live as long as their role, so that order is checked across generations.
    std::vector<flow_account::reader> readers(consumers, flow_account::reader{account});
    in_generations(producers + consumers, generations, [&](std::size_t role, std::size_t g) {
        if (role < producers) {
            for (std::size_t i = 0; i < slice; ++i) {
                parcel p{bounded ? account.message(role, g * slice + i)
                                 : account.message(role * generations + g, i)};
                until([&] { return q->try_push(std::move(p)); });
            }
            return;
        }
        for (;;) {
            if (taken.fetch_add(1) >= wanted) {
                --taken;
                return;
            }
            std::optional<parcel> p;
            until([&] {
                if (auto found = q->try_pop()) p.emplace(std::move(*found));
                return p.has_value();
            });
            readers[role - producers].got(p->m);
            if (g + 1 < generations && taken % 64 == 0) return;  // the next generation goes on
        }
    });
    REQUIRE(account.received() == wanted);
    REQUIRE(account.complaint(account.total() - wanted) == "");
    q.reset();  // with what is left in
    return account.total();
}

template <class F>
std::size_t stress_channel(engine& e) {
    using channel = channel_over<F, parcel>;
    const std::size_t senders = F::single_producer ? 1 : pick(e, 1, 2 * cores);
    const std::size_t receivers = F::single_consumer ? 1 : pick(e, 1, 2 * cores);
    const std::size_t each = pick(e, 1, 800);
    const auto policy = static_cast<overflow>(pick(e, 0, F::single_consumer ? 2 : 3));
    const std::size_t close_at = pick(e, 0, 3) == 0 ? pick(e, 0, senders * each) : senders * each;
    const auto seed = static_cast<std::uint32_t>(e());
    flow_account account{senders, each};
    std::atomic<std::size_t> sent{0}, refused{0}, moved{0}, sending{senders};
    std::mutex mutex;
    std::vector<flow_message> lost;
    std::vector<flow_account::reader> readers(receivers, flow_account::reader{account});
    {
        channel c{{.capacity = pick(e, 1, pick(e, 1, 200)),
                   .overflow = policy,
                   .on_drop = [&](parcel&& p) {
                       std::lock_guard lock{mutex};
                       lost.push_back(p.m);
                   }}};
        in_threads(senders + receivers + 1, [&](std::size_t who) {
            engine mine{seed + static_cast<std::uint32_t>(who)};
            if (who < senders) {
                for (std::size_t i = 0; i < each; ++i) {
                    parcel p{account.message(who, i)};
                    for (;;) {
                        status s = status::ok;
                        switch (pick(mine, 0, 3)) {
                            case 0: s = c.try_send(std::move(p)); break;
                            case 1: s = c.send_for(std::move(p), 1us); break;
                            case 2: {
                                std::stop_source stop;
                                stop.request_stop();
                                s = c.send(std::move(p), stop.get_token());
                                break;
                            }
                            default: s = c.send(std::move(p)); break;
                        }
                        if (s == status::ok || s == status::dropped) {
                            sent += s == status::ok;
                            break;
                        }
                        if (p.life.value() != 1) ++moved;
                        if (s == status::closed || policy == overflow::reject) {
                            ++refused;
                            break;
                        }
                        std::this_thread::yield();
                    }
                }
                if (--sending == 0) c.close();
            } else if (who < senders + receivers) {
                for (;;) {
                    std::optional<penstock::result<parcel>> r;
                    switch (pick(mine, 0, 3)) {
                        case 0: r.emplace(c.try_receive()); break;
                        case 1: r.emplace(c.receive_for(1us)); break;
                        case 2: {
                            std::stop_source stop;
                            stop.request_stop();
                            r.emplace(c.receive(stop.get_token()));
                            break;
                        }
                        default: r.emplace(c.receive()); break;
                    }
                    if (*r) {
                        readers[who - senders].got((*r)->m);
                    } else if (r->status() == status::closed) {
                        break;
                    } else {
                        std::this_thread::yield();
                    }
                }
            } else {
                until([&] { return sent >= close_at || sending == 0; });
                c.close();
            }
        });
        REQUIRE(moved == 0);  // what is refused is still its sender's
        REQUIRE(c.size_approx() == 0);
        REQUIRE(c.dropped() == lost.size());
        // Whoever got ok and was not dropped later was received.
        const std::size_t dropped_later = policy == overflow::drop_oldest ? lost.size() : 0;
        REQUIRE(account.received() == sent - dropped_later);
    }
    std::sort(lost.begin(), lost.end(), [](auto& a, auto& b) {
        return std::pair{a.producer, a.number} < std::pair{b.producer, b.number};
    });
    flow_account::reader graveyard{account};
    for (auto& m : lost) graveyard.got(m);
    REQUIRE(account.complaint(refused) == "");
    return senders * each;
}

}  // namespace

TEST_CASE("spsc_ring") {
    again_and_again(
        "spsc_ring", [](engine& e) { return stress_queue<penstock::spsc_ring<parcel>>(e, true); });
}
TEST_CASE("mpmc_ring") {
    again_and_again(
        "mpmc_ring", [](engine& e) { return stress_queue<penstock::mpmc_ring<parcel>>(e, true); });
}
TEST_CASE("unbounded") {
    again_and_again(
        "unbounded", [](engine& e) { return stress_queue<penstock::unbounded<parcel>>(e, false); });
}
TEST_CASE("channel over spsc_ring") {
    again_and_again("channel over spsc_ring", stress_channel<over_spsc_ring>);
}
TEST_CASE("channel over mpmc_ring") {
    again_and_again("channel over mpmc_ring", stress_channel<over_mpmc_ring>);
}
TEST_CASE("channel over unbounded") {
    again_and_again("channel over unbounded", stress_channel<over_unbounded>);
}
