// SPDX-License-Identifier: BSL-1.0
// Histories of real threads on our queues, each checked against the sequential queue.
#include <chrono>
#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>

#include <doctest/doctest.h>

#include <penstock/queue/mpmc_ring.hpp>
#include <penstock/queue/spsc_ring.hpp>
#include <penstock/queue/unbounded.hpp>

#include "lincheck/broken_ring.hpp"
#include "lincheck/checker.hpp"
#include "support/moodycamel_races.hpp"
#include "support/sanitized.hpp"

using namespace lincheck;

namespace {

struct campaign {
    std::size_t histories = 0, operations = 0, met = 0, configurations = 0;
    std::string failure;

    [[nodiscard]] double share() const {
        return operations == 0 ? 0 : static_cast<double>(met) / static_cast<double>(operations);
    }
};

/// Records and checks until a failure or `most` histories: for three seconds, or where the machine is
/// busy up to fifteen, until there are a few hundred.
template <class Make, class SpecificationOf>
campaign explore(const plan& p, std::size_t most, Make make, SpecificationOf specification_of) {
    campaign c;
    runner r{p.threads};
    const auto start = std::chrono::steady_clock::now();
    auto goes_on = [&] {
        const auto limit = std::chrono::seconds{c.histories < 500 ? 15 : 3};
        return c.histories < most && std::chrono::steady_clock::now() - start < limit;
    };
    while (goes_on()) {
        const std::size_t capacity = 1 + dice::mine()(3);
        auto q = make(capacity);
        const std::size_t before = dice::mine()(4);
        const std::size_t filled = dice::mine()(static_cast<std::uint32_t>(capacity) + 1);
        const history h = r.record(*q, p, before, filled);
        const verdict v = check(h, specification_of(capacity));
        ++c.histories;
        c.configurations = std::max(c.configurations, v.configurations);
        for (auto& o : h) c.operations += o.thread < p.threads;
        c.met += overlapped(h);
        if (!v.linearizable) {
            c.failure = v.why;
            break;
        }
    }
    return c;
}

void print(const char* what, const plan& p, const campaign& c) {
    std::printf(
        "%-24s %zu threads x %zu: %6zu histories, %7zu operations, %4.1f %% overlapped, "
        "at most %zu configurations\n",
        what, p.threads, p.operations, c.histories, c.operations, 100 * c.share(),
        c.configurations);
    std::fflush(stdout);
}

constexpr std::size_t many = TESTS_SANITIZED ? 3000 : 15'000;
const plan shapes[] = {{2, 6, false}, {3, 5, false}, {4, 4, false}};

template <class Queue>
auto made(std::size_t capacity) {
    return std::make_unique<Queue>(capacity);
}

/// A queue that nobody doubts.
class locked {
public:
    explicit locked(std::size_t capacity) : capacity_{capacity} {}
    bool try_push(item&& i) {
        std::lock_guard lock{mutex_};
        if (q_.size() == capacity_) return false;
        q_.push_back(std::move(i));
        return true;
    }
    std::optional<item> try_pop() {
        std::lock_guard lock{mutex_};
        if (q_.empty()) return std::nullopt;
        std::optional<item> found{std::move(q_.front())};
        q_.pop_front();
        return found;
    }

private:
    std::mutex mutex_;
    const std::size_t capacity_;
    std::deque<item> q_;
};

auto strict = [](std::size_t capacity) { return fifo{capacity, false}; };
auto sequenced = [](std::size_t capacity) { return fifo{capacity, true}; };
auto per_producer = [](std::size_t) { return fifo_per_producer{}; };

}  // namespace

TEST_CASE("spsc_ring is a bounded queue, full and empty included") {
    const plan p{2, 8, true};
    const campaign c = explore(p, many, made<penstock::spsc_ring<item>>, strict);
    print("spsc_ring", p, c);
    CHECK(c.failure == "");
    CHECK(c.share() >= 0.3);
}

TEST_CASE("mpmc_ring is a bounded queue, but for the two answers that its header documents") {
    for (const plan& p : shapes) {
        const campaign c = explore(p, many, made<penstock::mpmc_ring<item>>, sequenced);
        print("mpmc_ring", p, c);
        CHECK(c.failure == "");
        CHECK(c.share() >= 0.3);
    }
}

TEST_CASE("what mpmc_ring's header concedes does happen: it is no strict queue") {
    const plan p{3, 5, false};
    const campaign c = explore(p, 20 * many, made<penstock::mpmc_ring<item>>, strict);
    std::printf("mpmc_ring, strictly      refuted after %zu histories\n", c.histories);
    CHECK(c.failure != "");
}

TEST_CASE("unbounded keeps the order of each producer") {
    for (const plan& p : shapes) {
        const campaign c = explore(p, many, made<penstock::unbounded<item>>, per_producer);
        print("unbounded", p, c);
        CHECK(c.failure == "");
        CHECK(c.share() >= 0.3);
    }
}

TEST_CASE("a queue under a mutex is a bounded queue") {
    const plan p{3, 5, false};
    const campaign c = explore(p, many / 3, made<locked>, strict);
    print("locked", p, c);
    CHECK(c.failure == "");
}

namespace {
template <bug Bug>
void expect_found(const char* name, bool strictly = false) {
    const plan p{3, 5, false};
    const campaign c = explore(p, 20 * many, made<broken_ring<Bug>>, [&](std::size_t capacity) {
        return fifo{capacity, !strictly};
    });
    std::printf("seeded: %-20s found after %zu histories\n", name, c.histories);
    INFO(name);
    CHECK(c.failure != "");
}
}  // namespace

TEST_CASE("the small ring without a mistake passes") {
    const plan p{3, 5, false};
    const campaign c = explore(p, many, made<broken_ring<bug::absent>>, sequenced);
    print("small ring", p, c);
    CHECK(c.failure == "");
}

TEST_CASE("each mistake made on purpose is found") {
    expect_found<bug::swap_on_wrap>("swap on wrap");
    expect_found<bug::lost_element>("lost element");
    expect_found<bug::wrong_empty>("wrong empty");
    expect_found<bug::published_too_early>("published too early");
    expect_found<bug::full_too_early>("full at capacity - 1");
}
