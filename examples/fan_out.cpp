// SPDX-License-Identifier: BSL-1.0
// Tell several independent parts of a program about the same events, each at its own pace.
#include <cstdio>
#include <string>
#include <thread>

#include <penstock/penstock.hpp>

struct tick {
    std::string symbol;
    double price;
};

int main() {
    constexpr std::uint64_t ticks = 10'000;
    penstock::thread_pool pool{2};
    penstock::bus market;

    // A direct handler runs inside publish: for what is quick and must not wait.
    double highest = 0;
    const auto screen = market.subscribe<tick>("price.*.acme", [&](const tick& t) {
        if (t.price > highest) highest = t.price;
    });

    // On an executor it has a queue of its own, and whoever publishes waits only if that is full.
    double sum = 0;
    const auto average = market.subscribe<tick>(
        "price.#", {.executor = pool}, [&](const tick& t) { sum += t.price; });

    // Without a handler it is a receiver, for a loop in a thread of yours. This one may lag: what
    // it misses is counted, and nobody waits for it.
    const auto feed = market.subscribe<tick>(
        "price.us.*", {.capacity = 100, .overflow = penstock::overflow::drop_oldest});
    std::uint64_t logged = 0;
    std::jthread log{[&] {
        while (auto m = feed.receive()) logged += m->topic() == "price.us.acme";
    }};

    const auto acme = market.topic<tick>("price.us.acme");
    for (std::uint64_t i = 1; i <= ticks; ++i)
        acme.publish(tick{"ACME", static_cast<double>(i)});  // allocated once for all three

    market.close();  // no more ticks; what is queued is handled
    log.join();

    const double expected = static_cast<double>(ticks * (ticks + 1) / 2);
    std::printf("screen: highest price %.0f; handled %llu\n", highest,
                static_cast<unsigned long long>(screen.counts().handled));
    std::printf("average: %.1f; handled %llu\n", sum / ticks,
                static_cast<unsigned long long>(average.counts().handled));
    std::printf(
        "log: %llu written, %llu missed: the others didn't wait for it\n",
        static_cast<unsigned long long>(logged), static_cast<unsigned long long>(feed.dropped()));
    return highest == ticks && sum == expected && logged + feed.dropped() == ticks ? 0 : 1;
}
