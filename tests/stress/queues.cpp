// SPDX-License-Identifier: BSL-1.0
// Queues and channels under more threads than cores, threads that come and go, and chance: what
// went in comes out once, in each producer's order, and every element is destroyed once.
//
// Each test runs for PENSTOCK_STRESS_SECONDS (0.3); tests/stress/run sets it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/core/manual_clock.hpp>
#include <penstock/queue/broadcast_ring.hpp>
#include <penstock/queue/latest.hpp>
#include <penstock/queue/lossy_ring.hpp>

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
    return std::chrono::duration<double>{text ? std::atof(text) : 0.3};
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

// ---- elements that are shared -------------------------------------------------------------------

/// What one reader sees of all producers: whole, each in order, and without a gap unless told of one.
class observer {
public:
    explicit observer(std::size_t producers) : next_(producers) {}
    void missed_some() {
        for (from& f : next_) f.may_skip = true;
    }
    void saw(const flow_message& m) {
        if (m.producer >= next_.size() || m != flow_account::message(m.producer, m.number)) {
            ++wrong_;
            return;
        }
        from& f = next_[m.producer];
        if (f.may_skip ? m.number < f.next : m.number != f.next) ++wrong_;
        f = {m.number + 1, false};
        ++seen_;
    }
    [[nodiscard]] std::size_t seen() const { return seen_; }
    [[nodiscard]] std::size_t wrong() const { return wrong_; }

private:
    struct from {
        std::uint32_t next = 0;
        bool may_skip = false;
    };
    std::vector<from> next_;
    std::size_t seen_ = 0, wrong_ = 0;
};

/// Readers side by side, one behind them all, and one that comes and goes.
std::size_t stress_gated(engine& e) {
    using ring = penstock::broadcast_ring<parcel>;
    const std::size_t producers = pick(e, 1, 2 * cores), readers = pick(e, 1, 3);
    const std::size_t each = pick(e, 1, 600), total = producers * each;
    const auto seed = static_cast<std::uint32_t>(e());
    ring r{pick(e, 1, pick(e, 1, 200))};
    std::vector<ring::reader> ends;
    for (std::size_t i = 0; i < readers; ++i) ends.push_back(r.join());
    ends.push_back(r.join(penstock::behind(ends[0], ends[1 % readers], ends[2 % readers])));
    std::vector<observer> seen(readers + 1, observer{producers});
    std::vector<std::atomic<std::size_t>> done(readers + 1);
    std::atomic<std::size_t> pushing{producers}, too_early{0}, guests_wrong{0};
    in_threads(producers + readers + 2, [&](std::size_t who) {
        engine mine{seed + static_cast<std::uint32_t>(who)};
        if (who < producers) {
            for (std::size_t i = 0; i < each; ++i) {
                parcel p{flow_account::message(who, i)};
                until([&] { return r.try_push(std::move(p)); });
            }
            if (--pushing == 0) r.close();
        } else if (who < producers + readers + 1) {
            const std::size_t i = who - producers;
            until([&] {
                while (const parcel* p = ends[i].front()) {
                    if (i == readers)  // those before it are done with this one
                        for (std::size_t k = 0; k < readers; ++k)
                            if (done[k] <= seen[i].seen()) ++too_early;
                    seen[i].saw(p->m);
                    ++done[i];
                    ends[i].pop();
                }
                return ends[i].drained();
            });
        } else {
            while (pushing > 0) {
                observer guest{producers};
                guest.missed_some();  // what was before it joined
                auto end = r.join();
                for (std::size_t left = pick(mine, 0, 100); left > 0 && !end.drained(); --left) {
                    if (const parcel* p = end.front()) {
                        guest.saw(p->m);
                        end.pop();
                    } else {
                        std::this_thread::yield();
                    }
                }
                guests_wrong += guest.wrong();
            }
        }
    });
    for (observer& o : seen) {
        REQUIRE(o.wrong() == 0);
        REQUIRE(o.seen() == total);
    }
    REQUIRE(too_early == 0);
    REQUIRE(guests_wrong == 0);
    return total;
}

const flow_message& message_of(const flow_message& m) { return m; }
const flow_message& message_of(const parcel& p) { return p.m; }

/// Readers who are overtaken are told how many they missed, and go on in order.
template <class T>
std::size_t stress_lossy(engine& e) {
    using ring = penstock::broadcast_ring<T, penstock::lossy>;
    const std::size_t producers = pick(e, 1, 2 * cores), readers = pick(e, 1, 4);
    const std::size_t each = pick(e, 1, 2000), total = producers * each;
    ring r{pick(e, 1, pick(e, 1, 200))};
    std::vector<typename ring::reader> ends;
    for (std::size_t i = 0; i < readers; ++i) ends.push_back(r.join());
    std::vector<observer> seen(readers, observer{producers});
    std::atomic<std::size_t> pushing{producers};
    in_threads(producers + readers, [&](std::size_t who) {
        if (who < producers) {
            for (std::size_t i = 0; i < each; ++i) {
                T m{flow_account::message(who, i)};
                until([&] { return r.try_push(std::move(m)); });
            }
            if (--pushing == 0) r.close();
            return;
        }
        const std::size_t i = who - producers;
        until([&] {
            while (auto m = ends[i].try_pop()) {
                if (ends[i].lagged() > 0) seen[i].missed_some();
                seen[i].saw(message_of(*m));
            }
            return ends[i].drained();
        });
    });
    for (std::size_t i = 0; i < readers; ++i) {
        REQUIRE(seen[i].wrong() == 0);
        REQUIRE(seen[i].seen() + ends[i].missed() == total);
    }
    return total;
}

/// Each reader sees values whole, and no writer's older one after a newer one of his.
template <class T>
std::size_t stress_latest(engine& e) {
    const std::size_t writers = pick(e, 1, 3), readers = pick(e, 1, 4), each = pick(e, 1, 3000);
    penstock::latest<T> last;
    std::vector<observer> seen(readers, observer{writers});
    std::atomic<std::size_t> writing{writers};
    in_threads(writers + readers, [&](std::size_t who) {
        if (who < writers) {
            for (std::size_t i = 0; i < each; ++i) last.write(T{flow_account::message(who, i)});
            --writing;
            return;
        }
        std::uint64_t version = 0;
        for (bool over = false; !over;) {
            over = writing == 0;  // then one more look, at the very last value
            auto m = last.read_newer(version);
            if (m) {
                seen[who - writers].missed_some();
                seen[who - writers].saw(message_of(*m));
            } else {
                std::this_thread::yield();
            }
        }
    });
    for (observer& o : seen) {
        REQUIRE(o.wrong() == 0);
        REQUIRE(o.seen() >= 1);
    }
    REQUIRE(last.version() <= writers * each);
    const auto m = last.read();
    REQUIRE(message_of(*m).number == each - 1);  // somebody's last one
    return writers * each;
}

}  // namespace

TEST_CASE("broadcast_ring, gated") { again_and_again("broadcast_ring, gated", stress_gated); }
TEST_CASE("broadcast_ring, lossy") {
    again_and_again("broadcast_ring, lossy", stress_lossy<flow_message>);
}
TEST_CASE("broadcast_ring, lossy and shared") {
    again_and_again("broadcast_ring, lossy and shared", stress_lossy<parcel>);
}
TEST_CASE("latest") { again_and_again("latest", stress_latest<flow_message>); }
TEST_CASE("latest, shared") { again_and_again("latest, shared", stress_latest<parcel>); }
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
