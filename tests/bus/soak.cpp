// SPDX-License-Identifier: BSL-1.0
// Publishers, handlers and members that come and go, throw and publish again, for as long as asked:
//
//   PENSTOCK_SOAK_MINUTES=10 PENSTOCK_SOAK_SEED=7 tests/run bus.soak     each case; else 0.4 s, seed 1
//
// Afterwards everything is accounted for: what publishers were told is queued or dropped has been
// handled, failed or dropped; each key's messages were handled in the order in which they came, one at
// a time; and nothing is left alive.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/broadcast.hpp>
#include <penstock/bus/bus.hpp>
#include <penstock/bus/thread_pool.hpp>

#include "support/flow.hpp"

using namespace std::chrono_literals;
using penstock::broadcast_options;
using penstock::bus;
using penstock::executor_ref;
using penstock::overflow;
using penstock::published;
using penstock::receipt;
using penstock::subscribe_options;
using penstock::subscription;
using penstock::thread_pool;

namespace {

constexpr int keys = 6;

std::atomic<std::int64_t> alive{0};

struct event {
    event(int k, std::uint64_t n, int d) : key{k}, number{n}, depth{d} { ++alive; }
    event(const event& o) noexcept : key{o.key}, number{o.number}, depth{o.depth} { ++alive; }
    event& operator=(const event&) = default;
    ~event() { --alive; }
    int key;
    std::uint64_t number;  // grows for its key
    int depth;
};

/// Of a bus's messages: all of it comes back.
struct counted_memory {
    std::atomic<std::int64_t> out{0};
    void* allocate(std::size_t bytes, std::size_t alignment) {
        out += static_cast<std::int64_t>(bytes);
        return ::operator new(bytes, std::align_val_t{alignment});
    }
    void deallocate(void* p, std::size_t bytes, std::size_t alignment) noexcept {
        out -= static_cast<std::int64_t>(bytes);
        ::operator delete(p, std::align_val_t{alignment});
    }
};

double asked(const char* name, double otherwise) {
    const char* text = std::getenv(name);
    return text ? std::atof(text) : otherwise;
}

std::uint32_t seed() { return static_cast<std::uint32_t>(asked("PENSTOCK_SOAK_SEED", 1)); }
std::chrono::steady_clock::time_point when_asked() {
    const double minutes = asked("PENSTOCK_SOAK_MINUTES", 0.4 / 60);
    return std::chrono::steady_clock::now() +
           std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::duration<double, std::ratio<60>>{minutes});
}

/// What publishers were told, and where it ended.
struct account {
    std::atomic<std::uint64_t> taken{0}, returned{0};
    std::atomic<std::uint64_t> handled{0}, failed{0}, dropped{0};
    void told(const published& p) {
        taken += p.matched() - p.handled() - p.failed() -
                 p.rejected();  // queued, or dropped at once
        returned += p.rejected();
    }
    void told_all_or_none(const published& p) {
        if (p) return told(p);
        ++returned;
    }
    [[nodiscard]] std::uint64_t ended() const { return handled + failed + dropped; }
};

/// Who handles a key: one at a time, in order, whoever of the group it is.
struct key_watch {
    std::array<std::atomic<int>, keys> inside{};
    std::array<std::uint64_t, keys> last{};  // a race, if two of one key ran at once
    std::atomic<std::uint64_t> overlaps{0}, disordered{0}, seen{0};

    void enter(const event& e) {
        const auto k = static_cast<std::size_t>(e.key);
        if (inside[k]++ > 0) ++overlaps;
        if (e.number <= last[k]) ++disordered;
        last[k] = e.number;
        ++seen;
    }
    void leave(const event& e) { --inside[static_cast<std::size_t>(e.key)]; }
};

}  // namespace

TEST_CASE(
    "for as long as asked, whoever comes, goes, throws and publishes again: all is accounted for") {
    const auto until_then = when_asked();
    counted_memory memory;
    account keyed, others;
    key_watch watch;
    std::uint64_t direct_seen = 0, direct_told = 0;
    int rounds = 0;
    do {
        // A round of a bus's life: short, so that ends and beginnings are part of it.
        ++rounds;
        thread_pool pool{2};
        bus events{{.memory = memory}};
        std::atomic<bool> flowing{true};
        std::atomic<std::uint64_t> handled_here{0}, told_here{0};
        std::array<std::mutex, keys>
            in_turn;  // one publisher of a key at a time, so it has an order
        std::array<std::uint64_t, keys> number{};
        watch.last.fill(0);

        const auto count = [&](account& a, const published& p) {
            told_here += p.handled();
            a.told(p);
        };
        // Keyed messages go to one group only, so that what is queued is what is handled there.
        const auto publish_keyed = [&](int key, int depth) {
            const std::lock_guard turn{in_turn[static_cast<std::size_t>(key)]};
            count(keyed,
                  events.try_publish("keyed.k" + std::to_string(key % 2),
                                     event{key, ++number[static_cast<std::size_t>(key)], depth}));
        };
        const auto work = [&](const event& e) {
            watch.enter(e);
            struct leaving {
                ~leaving() { of.leave(e); }
                key_watch& of;
                const event& e;
            } here{watch, e};
            if (e.depth == 5) {
                ++keyed.failed;
                throw e.depth;
            }
            ++keyed.handled;
            if (e.depth == 1) count(others, events.try_publish("other.nested", event{e.key, 0, 7}));
        };
        const auto member_options = [&] {
            return subscribe_options<event>{
                .group = "workers",
                .key = &event::key,
                .per_key = 8,
                .prefetch = 2,
                .executor = pool,
                .capacity = 32,
                .on_drop = [&](const event&) { ++keyed.dropped; }};
        };
        // One stays, so that the group, and with it the order, stays.
        auto stays = events.subscribe<event>("keyed.#", member_options(), work);
        auto looks_on = events.subscribe<event>("#", [&](const event&) { ++handled_here; });

        const auto come_and_go = [&](std::uint32_t from) {
            std::mt19937 random{from};
            while (flowing) {
                const auto full = static_cast<overflow>(random() % 4);
                const std::size_t room = 1 + random() % 16;
                const auto lost = [&](const event&) { ++others.dropped; };
                switch (random() % 4) {
                    case 0: {
                        auto member = events.subscribe<event>("keyed.#", member_options(), work);
                        std::this_thread::yield();
                        break;
                    }
                    case 1: {
                        auto s = events.subscribe<event>(
                            "other.#",
                            {.executor = pool, .capacity = room, .overflow = full, .on_drop = lost},
                            [&](const event& e) {
                                if (e.number % 8 == 3) {
                                    ++others.failed;
                                    throw e.number;
                                }
                                ++others.handled;
                                if (e.depth < 3)
                                    count(others,
                                          events.try_publish(
                                              "other.again", event{e.key, e.number, e.depth + 1}));
                            });
                        for (int i = 0; i < 4; ++i) std::this_thread::yield();
                        break;
                    }
                    case 2: {
                        auto feed = events.subscribe<event>(
                            "other.*", {.capacity = room, .overflow = full, .on_drop = lost});
                        count(others, events.try_publish("other.pulled", event{0, 0, 7}));
                        while (feed.try_receive()) ++others.handled;
                        break;
                    }
                    default: {
                        auto s = events.subscribe<event>(
                            "other.#",
                            {.latest = true, .executor = penstock::own_thread, .on_drop = lost},
                            [&](const event&) { ++others.handled; });
                        std::this_thread::yield();
                    }
                }
            }
        };
        {
            std::vector<std::jthread> churn;
            for (std::uint32_t i = 0; i < 2; ++i)
                churn.emplace_back(
                    come_and_go, seed() + 2 * static_cast<std::uint32_t>(rounds) + i);
            const auto ends = std::min(std::chrono::steady_clock::now() + 200ms, until_then);
            in_threads(2, [&](std::size_t p) {
                std::mt19937 random{seed() ^ static_cast<std::uint32_t>(p + 1)};
                auto plain = events.topic<event>("other.plain");
                auto whole = events.topic<event>("other.whole", {.all_or_none = true});
                do {
                    const int key = static_cast<int>(random() % keys);
                    publish_keyed(key, static_cast<int>(random() % 16));
                    count(others, plain.try_publish(event{key, random() % 64, 0}));
                    count(others, plain.try_emplace(key, random() % 64, 0));
                    const auto all = whole.try_publish(event{key, random() % 64, 0});
                    told_here += all.handled();
                    others.told_all_or_none(all);
                } while (std::chrono::steady_clock::now() < ends);
            });
            flowing = false;
        }
        events.close();
        direct_seen += handled_here;
        direct_told += told_here;
    } while (std::chrono::steady_clock::now() < until_then);

    MESSAGE(rounds, " buses, ", watch.seen.load(), " by key, ", others.ended(), " otherwise, ",
            keyed.returned + others.returned, " returned");
    CHECK(watch.overlaps == 0);
    CHECK(watch.disordered == 0);
    CHECK(keyed.taken == keyed.ended());
    CHECK(others.taken == others.ended());
    CHECK(direct_seen == direct_told);
    CHECK(keyed.handled > 0);
    CHECK(keyed.failed > 0);
    CHECK(others.handled > 0);
    CHECK(alive == 0);
    CHECK(memory.out == 0);
}

namespace {

/// One subscriber of numbered messages, of one or of several keys: in order, and nothing missing in
/// between where that was promised.
struct follower {
    std::array<std::uint64_t, keys> first{}, last{};  // a race, if two of one key ran at once
    std::atomic<std::uint64_t> handled{0}, failed{0}, lost{0}, disordered{0}, missing{0};

    void sees(int key, std::uint64_t number) {
        const auto k = static_cast<std::size_t>(key);
        if (first[k] == 0) first[k] = last[k] = number - 1;
        if (number <= last[k]) ++disordered;
        if (number > last[k] + 1) missing += number - last[k] - 1;
        last[k] = number;
    }
    void handles(int key, std::uint64_t number) {
        sees(key, number);
        if (number % 16 == 5) {
            ++failed;
            throw number;
        }
        ++handled;
    }
};
struct followed {
    std::unique_ptr<follower> by = std::make_unique<follower>();
    subscription s;
};

}  // namespace

TEST_CASE("the same of readers of a ring, of queues that are shared, and of replays by key") {
    const auto until_then = when_asked();
    counted_memory memory;
    std::uint64_t rings = 0, overtaken = 0, shared = 0, replays = 0;
    int rounds = 0;
    do {
        ++rounds;
        std::mutex mutex;
        std::vector<followed> gated, lossy, fanned, late;  // they have ended, but for their counts
        std::atomic<std::uint64_t> fan_told{0};
        std::vector<receipt> receipts;
        {
            thread_pool pool{2}, serial{1};
            bus events{{.memory = memory}};
            std::atomic<bool> flowing{true};
            const auto come_and_go = [&](std::uint32_t from) {
                std::mt19937 random{from};
                const auto stays_a_while = [&](followed&& f, std::vector<followed>& to) {
                    for (auto n = random() % 16; n > 0; --n) std::this_thread::yield();
                    const bool ends_with_the_bus = random() % 4 == 0;
                    if (!ends_with_the_bus) f.s.cancel();
                    const std::lock_guard lock{mutex};
                    if (to.size() > 40) f.s.cancel();  // a ring has 64 readers at most
                    to.push_back(std::move(f));
                };
                while (flowing) {
                    followed f;
                    follower* const me = f.by.get();
                    const auto handle = [me](const event& e) { me->handles(e.key, e.number); };
                    switch (random() % 4) {
                        case 0:
                            f.s = events.subscribe<event>(
                                "ring.#",
                                broadcast_options<event>{
                                    .executor = random() % 2 > 0 ? executor_ref{pool}
                                                                 : executor_ref{serial},
                                    .capacity = 8,
                                    .on_drop =
                                        [me](const event& e) {
                                            me->sees(e.key, e.number);
                                            ++me->lost;
                                        }},
                                handle);
                            stays_a_while(std::move(f), gated);
                            break;
                        case 1:
                            f.s = events.subscribe<event>(
                                "ring.*",
                                broadcast_options<event>{.executor = pool,
                                                         .capacity = 8,
                                                         .overflow = overflow::drop_oldest},
                                handle);
                            stays_a_while(std::move(f), lossy);
                            break;
                        case 2:
                            if (random() % 2 > 0) {  // messages that are shared, or copied
                                f.s = events.subscribe<event>(
                                    "fan.#", {.executor = serial, .capacity = 8}, handle);
                            } else {
                                f.s = events.subscribe<std::uint64_t>(
                                    "fan.#", {.executor = serial, .capacity = 8},
                                    [me](const std::uint64_t& n) { me->handles(0, n); });
                            }
                            stays_a_while(std::move(f), fanned);
                            break;
                        default:
                            f.s = events.subscribe<event>(
                                "kept.#",
                                {.key = &event::key,
                                 .prefetch = 2,
                                 .replay = 1 + random() % 16,
                                 .executor = pool,
                                 .capacity = 64,
                                 .on_drop = [me](const event&) { ++me->lost; }},
                                handle);
                            stays_a_while(std::move(f), late);
                    }
                }
            };
            std::vector<std::jthread> churn;
            for (std::uint32_t i = 0; i < 2; ++i)
                churn.emplace_back(
                    come_and_go, seed() + 2 * static_cast<std::uint32_t>(rounds) + i);
            const auto ends = std::min(std::chrono::steady_clock::now() + 200ms, until_then);
            std::mutex in_turn;  // so that they have one order
            std::uint64_t ring_number = 0, fan_number = 0, small_number = 0;
            std::array<std::uint64_t, keys> kept_number{};
            in_threads(2, [&](std::size_t p) {
                std::mt19937 random{seed() ^ static_cast<std::uint32_t>(p + 1)};
                auto ring = events.topic<event>("ring.x");
                auto fan = events.topic<event>("fan.x", {.all_or_none = p == 1});
                auto small = events.topic<std::uint64_t>("fan.small");
                auto kept = events.topic<event>("kept.x", {.retain = 16});
                do {
                    const int key = static_cast<int>(random() % keys);
                    const std::lock_guard turn{in_turn};
                    receipts.push_back(ring.publish_tracked(event{0, ++ring_number, 0}));
                    fan_told += fan.try_emplace(0, ++fan_number, 0).queued();
                    fan_told += small.try_publish(++small_number).queued();
                    (void)kept.publish(event{key, ++kept_number[static_cast<std::size_t>(key)], 0});
                } while (std::chrono::steady_clock::now() < ends);
            });
            flowing = false;
            churn.clear();
            events.close();
        }
        const auto sum = [](const std::vector<followed>& of, auto what) {
            std::uint64_t n = 0;
            for (const followed& f : of) n += what(f);
            return n;
        };
        const auto disordered = [](const followed& f) { return f.by->disordered.load(); };
        const auto missing = [](const followed& f) { return f.by->missing.load(); };
        const auto ended = [](const followed& f) {
            const auto c = f.s.counts();
            CHECK(c.queued == 0);
            CHECK(c.handled == f.by->handled);
            CHECK(c.failed == f.by->failed);
            CHECK(c.received == c.handled + c.failed + c.rejected + c.dropped);
            return c.handled + c.failed + c.dropped;
        };
        for (const auto* all : {&gated, &lossy, &fanned, &late}) CHECK(sum(*all, disordered) == 0);
        CHECK(sum(gated, missing) == 0);
        CHECK(sum(late, missing) == 0);  // none was rejected: publishers wait
        const std::uint64_t from_rings = sum(gated, ended) + sum(lossy, ended);
        CHECK(sum(fanned, ended) == fan_told);
        for (const followed& f : late) CHECK(f.s.counts().dropped == f.by->lost);
        replays += sum(late, ended);
        shared += fan_told;
        overtaken += sum(lossy, missing);
        for (auto* all : {&gated, &lossy, &fanned, &late})
            all->clear();  // and with them the ring, whose last messages somebody may have missed
        std::uint64_t outcomes = 0, told = 0;
        for (const receipt& r : receipts) {
            CHECK(r.settled());
            outcomes += r.handled() + r.failed() + r.dropped() + r.released();
            told += r.published().queued();
        }
        CHECK(outcomes == told);
        CHECK(from_rings == told);
        rings += told;
    } while (std::chrono::steady_clock::now() < until_then);
    MESSAGE(rounds, " buses, ", rings, " by rings, ", overtaken, " overtaken, ", shared,
            " by shared queues, ", replays, " by key, replayed or not");
    CHECK(rings > 0);
    CHECK(shared > 0);
    CHECK(replays > 0);
    CHECK(alive == 0);
    CHECK(memory.out == 0);
}
