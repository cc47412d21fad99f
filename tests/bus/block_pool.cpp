// SPDX-License-Identifier: BSL-1.0
// A message's memory: used again, from whichever thread it comes back, and after the bus has gone.
// In steady state nothing is allocated, on neither side: malloc is counted, where it is ours.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/detail/block_pool.hpp>
#include <penstock/bus/thread_pool.hpp>

#include "support/flow.hpp"
#include "support/sanitized.hpp"

using penstock::bus;
using penstock::message;
using penstock::detail::block_pool;

namespace {
std::atomic<std::uint64_t> allocations{0};
}

#if !TESTS_SANITIZED
extern "C" {
void* __libc_malloc(std::size_t) noexcept;
void* malloc(std::size_t size) noexcept {  // operator new comes by here, too
    allocations.fetch_add(1, std::memory_order_relaxed);
    return __libc_malloc(size);
}
}
constexpr int messages = 1'000'000;
#else
constexpr int messages = 20'000;
#endif

TEST_CASE("a block that came back is used again, one of another size is not") {
    auto* pool = new block_pool;
    std::set<void*> first;
    std::vector<void*> out;
    for (int i = 0; i < 100; ++i) out.push_back(pool->take(100));
    first.insert(out.begin(), out.end());
    CHECK(first.size() == 100);
    for (void* p : out) pool->put(p, 100);
    for (void*& p : out) p = pool->take(65);  // of the same kind
    for (void* p : out) CHECK(first.count(p) == 1);
    void* const other = pool->take(1000);
    CHECK(first.count(other) == 0);
    pool->put(other, 1000);
    pool->orphan();
    for (void* p : out) pool->put(p, 65);  // the last takes the pool along
}

TEST_CASE("blocks come back from several threads while others are taken") {
    auto* pool = new block_pool;
    constexpr std::size_t n = 20'000;
    std::vector<std::atomic<std::uint64_t*>> under_way(64);
    in_threads(3, [&](std::size_t who) {
        if (who == 0) {
            for (std::uint64_t i = 0; i < n; ++i) {
                auto* p = ::new (pool->take(64)) std::uint64_t{i};
                if (auto* old = under_way[i % 64].exchange(p)) pool->put(old, 64);
            }
            return;
        }
        for (std::size_t i = 0; i < n; ++i)
            if (auto* p = under_way[(i * who) % 64].exchange(nullptr)) {
                CHECK_MESSAGE(*p < n, "written by another");
                pool->put(p, 64);
            }
    });
    for (auto& u : under_way)
        if (auto* p = u.load()) pool->put(p, 64);
    pool->orphan();
}

TEST_CASE("messages may outlive their bus and the thread that published them") {
    std::vector<message<std::uint64_t>> kept;
    {
        bus events;
        auto feed = events.subscribe<std::uint64_t>("n");
        in_threads(2, [&](std::size_t) {
            for (std::uint64_t i = 0; i < 100; ++i) events.publish("n", i);
        });
        while (auto m = feed.try_receive()) kept.push_back(*m);
    }
    std::uint64_t sum = 0;
    for (auto& m : kept) sum += *m;
    CHECK(kept.size() == 200);
    CHECK(sum == 2 * 4950);
}

TEST_CASE("in steady state nothing is allocated, neither by publishers nor by readers") {
    struct event {
        std::uint64_t value, price, size;
    };
    penstock::thread_pool pool{1};
    bus events;
    auto t = events.topic<event>("n");
    std::atomic<std::uint64_t> sum{0};
    const auto add = [&](const event& e) { sum += e.value; };
    {
        // More under way than there will ever be: the blocks are made.
        auto feed = events.subscribe<event>("n", {.capacity = 1000});
        std::vector<message<event>> kept;
        for (int i = 0; i < 1000; ++i) t.publish({0, 1, 2});
        while (auto m = feed.try_receive()) kept.push_back(*m);
        CHECK(kept.size() == 1000);
    }
    auto direct = events.subscribe<event>("n", add);
    auto pooled = events.subscribe<event>("#", {.executor = pool, .capacity = 256}, add);
    auto threaded =
        events.subscribe<event>("*", {.executor = penstock::own_thread, .capacity = 256}, add);
    for (int i = 0; i < 5000; ++i) t.publish({0, 1, 2});
    const std::uint64_t before = allocations;
    for (int i = 0; i < messages; ++i) t.publish({1, 1, 2});
    CHECK(events.quiesce_for(std::chrono::hours{1}));
    const std::uint64_t made = allocations - before;
    CHECK(sum == 3 * std::uint64_t{messages});
    // quiesce_for's lists, and the list of a pool's tasks may find its size as late as now.
    CHECK(made <= 4);
    MESSAGE(messages, " messages to three readers: ", made, " allocations");
}
