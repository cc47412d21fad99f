// SPDX-License-Identifier: BSL-1.0
// What the hardware itself takes: the floor under every cell.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "machine.hpp"
#include "verify.hpp"

namespace bench {

/// One line that two cores hand to each other: ns there and back, n times.
inline double ping_pong(std::size_t rounds, bool two_lines) {
    struct alignas(64) line {
        std::atomic<std::uint32_t> turn{0};
        char rest[60];
    };
    line lines[2];
    auto& ping = lines[0].turn;
    auto& pong = lines[two_lines ? 1 : 0].turn;
    return timed(
        2,
        [&](std::size_t who) {
            // Even numbers are there, odd ones back; each side waits for the other's.
            for (std::uint32_t i = 0; i < rounds; ++i) {
                patience wait{2};
                if (who == 0) {
                    ping.store(2 * i + 1, std::memory_order_release);  // pairs with the echo's load
                    while (pong.load(std::memory_order_acquire) != 2 * i + 2) {
                        if (cpus().size() == 1) wait();
                    }
                } else {
                    while (ping.load(std::memory_order_acquire) != 2 * i + 1) {
                        if (cpus().size() == 1) wait();
                    }
                    pong.store(2 * i + 2, std::memory_order_release);  // pairs with the load above
                }
            }
        },
        [](std::size_t i) { return i; });
}

/// n lines written by one core and read by the other, published `block` at a time.
inline double line_transfer(std::size_t n, std::size_t block) {
    struct alignas(64) line {
        std::uint64_t word;
        char rest[56];
    };
    constexpr std::size_t count = 1024;
    static line ring[count];
    struct alignas(64) cursor {
        std::atomic<std::uint64_t> value{0};
    } tail, head;
    std::uint64_t sum = 0;
    n = std::max<std::size_t>(n / block, 1) * block;
    const double ns = timed(
        2,
        [&](std::size_t who) {
            patience wait{2};
            for (std::uint64_t i = 0; i < n; i += block) {
                if (who == 0) {
                    while (i + block - head.value.load(std::memory_order_acquire) > count) wait();
                    for (std::size_t k = 0; k < block; ++k) ring[(i + k) % count].word = i + k;
                    tail.value.store(i + block, std::memory_order_release);  // pairs with the load
                } else {
                    while (tail.value.load(std::memory_order_acquire) < i + block) wait();
                    for (std::size_t k = 0; k < block; ++k) sum += ring[(i + k) % count].word;
                    head.value.store(i + block, std::memory_order_release);  // pairs with the load
                }
            }
        },
        [](std::size_t i) { return i; });
    verify(sum == sum_below(n), "a line was read before it was written");
    return ns;
}

/// `threads` threads that each do `one(counter)` until it was done n times in all. ns between two
/// of them, so that with two threads the line that they share is in it.
template <class One>
double updates(std::size_t n, std::size_t threads, One one) {
    alignas(64) std::atomic<std::uint64_t> counter{0};
    const std::size_t each = std::max<std::size_t>(n / threads, 1);
    const double ns = timed(
        threads,
        [&](std::size_t) {
            for (std::size_t i = 0; i < each; ++i) one(counter);
        },
        [](std::size_t i) { return i; });
    verify(counter == each * threads, "an addition was lost");
    return ns;
}

inline double additions(std::size_t n, std::size_t threads) {
    return updates(n, threads, [](std::atomic<std::uint64_t>& counter) {
        counter.fetch_add(1, std::memory_order_relaxed);  // carries nothing
    });
}
inline double exchanges(std::size_t n, std::size_t threads) {
    return updates(n, threads, [](std::atomic<std::uint64_t>& counter) {
        std::uint64_t seen = counter.load(std::memory_order_relaxed);  // the exchange checks it
        while (!counter.compare_exchange_weak(
            seen, seen + 1, std::memory_order_relaxed)) {  // carries nothing
        }
    });
}

inline double fences(std::size_t n) {
    return timed(
        1,
        [n](std::size_t) {
            for (std::size_t i = 0; i < n; ++i) std::atomic_thread_fence(std::memory_order_seq_cst);
        },
        [](std::size_t i) { return i; });
}
inline double pauses(std::size_t n) {
    return timed(
        1,
        [n](std::size_t) {
            for (std::size_t i = 0; i < n; ++i) penstock::sys::pause();
        },
        [](std::size_t i) { return i; });
}

}  // namespace bench
