// SPDX-License-Identifier: BSL-1.0
// Market data: prices come faster than a screen can be drawn. It needs the newest one only: `latest`
// keeps that and lets go of the others, so it is never behind; the book of trades misses none.
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>

#include <penstock/penstock.hpp>

struct price {
    int cents;
    long number;
};

int main() {
    constexpr long ticks = 50'000;
    penstock::bus market;

    // The screen: a thread of its own, a queue of one.
    std::atomic<long> drawn{0}, newest{0}, backwards{0};
    auto screen = market.subscribe<price>(
        "price.acme", {.latest = true, .executor = penstock::own_thread}, [&](const price& p) {
            ++drawn;
            backwards += p.number < newest;
            newest = p.number;
            std::this_thread::yield();  // drawing takes its time
        });
    // The book: every tick, here and now.
    long booked = 0;
    auto book = market.subscribe<price>("price.#", [&](const price&) { ++booked; });

    auto acme = market.topic<price>("price.acme");
    for (long n = 1; n <= ticks; ++n) acme.publish(price{10'000 + static_cast<int>(n % 7), n});
    market.close();

    const auto c = screen.counts();
    std::printf(
        "%ld ticks: %ld booked; %ld drawn, %llu passed over, the last drawn was tick %ld\n", ticks,
        booked, drawn.load(), static_cast<unsigned long long>(c.dropped), newest.load());
    return booked == ticks && newest == ticks && backwards == 0 &&
                   c.handled + c.dropped == static_cast<std::uint64_t>(ticks)
               ? 0
               : 1;
}
