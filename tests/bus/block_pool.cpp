// SPDX-License-Identifier: BSL-1.0
// A message's memory: used again, from whichever thread it comes back, and after the bus has gone.
// In steady state nothing is allocated, on neither side: malloc is counted, where it is ours.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/broadcast.hpp>
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

namespace {

/// Counts what is out; the shape of a std::pmr::memory_resource.
struct counting_memory {
    std::atomic<std::int64_t> taken{0}, out{0};
    std::atomic<bool> empty{false};
    void* allocate(std::size_t bytes, std::size_t alignment) {
        if (empty) throw std::bad_alloc{};
        ++taken;
        out += static_cast<std::int64_t>(bytes);
        return ::operator new(bytes, std::align_val_t{alignment});
    }
    void deallocate(void* p, std::size_t bytes, std::size_t alignment) noexcept {
        out -= static_cast<std::int64_t>(bytes);
        ::operator delete(p, std::align_val_t{alignment});
    }
};

struct big {
    explicit big(std::uint64_t v) : value{v} {}
    std::uint64_t value;
    alignas(128) char rest[2000] = {};
};

}  // namespace

TEST_CASE("a bus has its messages' memory, small and big, from where its options say") {
    counting_memory memory;
    std::vector<message<big>> kept;
    {
        bus events{{.memory = memory}};
        auto small = events.subscribe<std::uint64_t>("small", {.capacity = 100});
        auto huge = events.subscribe<big>("big", {.capacity = 100});
        auto s = events.topic<std::uint64_t>("small");
        auto b = events.topic<big>("big");
        auto whole = events.topic<big>("big", {.all_or_none = true});
        CHECK(memory.taken == 0);
        for (std::uint64_t i = 0; i < 10; ++i) {
            s.publish(i);
            b.publish(big{i});
            whole.publish(big{i});
            b.emplace(i);
        }
        CHECK(memory.taken == 10 + 30);
        while (auto m = small.try_receive()) {
        }
        while (auto m = huge.try_receive()) {
            CHECK(reinterpret_cast<std::uintptr_t>(&**m) % 128 == 0);
            kept.push_back(*m);
        }
        CHECK(kept.size() == 30);
        // What was small is used again; what was big has to be had again.
        for (std::uint64_t i = 0; i < 10; ++i) s.publish(i);
        CHECK(memory.taken <= 40 + 1);
        memory.empty = true;
        CHECK_THROWS_AS(b.publish(big{0}), std::bad_alloc);
        memory.empty = false;
        CHECK(b.publish(big{0}));
    }
    CHECK(memory.out > 30 * 2000);
    kept.clear();
    CHECK(memory.out == 0);
}

TEST_CASE(
    "with memory of one's own a publish calls operator new for nothing, from the first burst on") {
    counting_memory memory;
    {
        penstock::thread_pool pool{1};
        bus events{{.memory = memory}};
        std::atomic<std::uint64_t> sum{0};
        auto feed = events.subscribe<std::uint64_t>("n", {.capacity = 1000});
        auto pooled = events.subscribe<std::uint64_t>(
            "n", {.executor = pool, .capacity = 1000}, [&](const std::uint64_t& n) { sum += n; });
        auto t = events.topic<std::uint64_t>("n");
        t.publish(0);  // this thread is known
        CHECK(events.quiesce_for(std::chrono::hours{1}));
        const std::uint64_t before = allocations;
        for (std::uint64_t i = 1; i < 1000; ++i) t.emplace(i);
        [[maybe_unused]] const std::uint64_t made = allocations - before;
        CHECK(events.quiesce_for(std::chrono::hours{1}));
        CHECK(sum == 999 * 500);
#if !TESTS_SANITIZED
        // Our own memory's: it calls operator new. And the pool's list of tasks finds its size.
        CHECK(made <= static_cast<std::uint64_t>(memory.taken) + 2);
#endif
        CHECK(memory.taken >= 999);
    }
    CHECK(memory.out == 0);
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

namespace {

struct event {
    std::uint64_t value, account, size;
};

}  // namespace

TEST_CASE(
    "in steady state nothing is allocated, neither by publishers nor by readers of any kind") {
    using namespace penstock;
    thread_pool one{1}, two{2};
    bus events;
    const auto t = events.topic<event>("n");
    const auto whole = events.topic<event>("n", {.all_or_none = true});
    {
        // More under way than there will ever be: the blocks are made.
        auto feed = events.subscribe<event>("n", {.capacity = 4000});
        std::vector<message<event>> kept;
        for (int i = 0; i < 4000; ++i) t.publish({0, 1, 2});
        while (auto m = feed.try_receive()) kept.push_back(*m);
        CHECK(kept.size() == 4000);
    }
    constexpr std::size_t room = 2048;
    std::atomic<std::uint64_t> sum{0};
    const auto add = [&](const event& e) { sum += e.value; };
    const auto options = [&](executor_ref on) {
        return subscribe_options<event>{.executor = on, .capacity = room};
    };
    std::vector<subscription> all;
    all.push_back(events.subscribe<event>("n", add));
    all.push_back(events.subscribe<event>("n", options(one), add));  // these two share a queue
    all.push_back(events.subscribe<event>("n", options(one), add));
    all.push_back(events.subscribe<event>("#", options(two), add));
    all.push_back(events.subscribe<event>("*", options(own_thread), add));
    all.push_back(events.subscribe<event>(
        "n", broadcast_options<event>{.executor = one, .capacity = room}, add));
    auto filtered = options(two);
    filtered.where = [](const event& e) { return e.size == 2; };
    all.push_back(events.subscribe<event>("n", std::move(filtered), add));
    for (int member = 0; member < 2; ++member) {
        auto keyed = options(two);
        keyed.group = "by key";
        keyed.key = &event::account;
        keyed.prefetch = 2;
        all.push_back(events.subscribe<event>("n", std::move(keyed), add));
        auto group = options(one);
        group.group = "group";
        all.push_back(events.subscribe<event>("n", std::move(group), add));
    }
    auto newest = events.subscribe<event>("n", {.latest = true, .executor = two}, [](auto&) {});
    auto drops = options(one);
    drops.overflow = overflow::drop_oldest;
    drops.capacity = 16;
    auto losing = events.subscribe<event>("n", std::move(drops), [](auto&) {});
    constexpr std::uint64_t readers = 9 + 1;
    auto feed = events.subscribe<event>("n", {.capacity = room});
    std::jthread pulling{[&] {
        while (auto m = feed.receive()) add(**m);
    }};

    const auto rounds = [&](std::uint64_t value, int n, bool all_or_none) {
        for (int i = 0; i < n; ++i) {
            const event e{value, static_cast<std::uint64_t>(i % 16), 2};
            if (all_or_none)
                while (!whole.publish(e)) {
                }
            else
                t.publish(e);
        }
    };
    rounds(0, 5000, false);
    rounds(0, 5000, true);
    CHECK(events.quiesce_for(std::chrono::hours{1}));
    const std::uint64_t before = allocations;
    rounds(1, messages, false);
    rounds(1, messages / 10, true);
    const std::uint64_t made = allocations - before;  // readers have read all but `room`
    CHECK(events.quiesce_for(std::chrono::hours{1}));
    constexpr std::uint64_t published = messages + messages / 10;
    events.close();
    pulling.join();
    CHECK(sum == readers * published);
    for (const auto* s : {&newest, &losing}) {
        const auto c = s->counts();
        CHECK(c.received == published + 10'000);
        CHECK(c.handled + c.dropped == c.received);
    }
    CHECK(made <= 4);  // the list of a pool's tasks may find its size as late as now
    MESSAGE(published, " messages to ", readers + 2, " readers: ", made, " allocations");
}
