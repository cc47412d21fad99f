// SPDX-License-Identifier: BSL-1.0
// The work of each cell, for any subject: elements through a queue, and the sums to prove it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include <malloc.h>

#include "machine.hpp"
#include "verify.hpp"

namespace bench {

/// One cache line.
struct message {
    message() = default;
    message(std::uint64_t i) : words{i, ~i, i, i, i, i, i, ~i} {}
    operator std::uint64_t() const {
        return words[0] == ~words[7] && words[1] == words[7] ? words[0] : ~std::uint64_t{0};
    }
    std::uint64_t words[8];
};

/// n elements from `producers` to `consumers`, `batch` at a time. Who produces and who consumes
/// sits on every core, so that most elements change cores.
template <class Subject, class T>
double flow(std::size_t n, std::size_t producers, std::size_t consumers, std::size_t capacity,
            std::size_t batch) {
    auto q = std::make_unique<Subject>(capacity);
    std::vector<std::uint64_t> sums(consumers, 0);
    const std::size_t threads = producers + consumers;
    const double ns = timed(
        threads,
        [&](std::size_t who) {
            patience wait{threads};
            std::vector<T> some(batch);
            if (who < producers) {
                typename Subject::producer end{*q};
                const std::uint64_t count = share_of(n, who, producers);
                if (batch == 1) {
                    for (std::uint64_t i = 0; i < count; ++i) {
                        const T value{i};
                        while (!end.push(value)) wait();
                        wait.reset();
                    }
                } else if constexpr (requires { end.push_n(some.data(), batch); }) {
                    for (std::uint64_t i = 0; i < count;) {
                        const std::size_t k = std::min<std::uint64_t>(batch, count - i);
                        for (std::size_t j = 0; j < k; ++j) some[j] = T{i + j};
                        for (std::size_t went = 0; went < k;) {
                            const std::size_t now = end.push_n(some.data() + went, k - went);
                            if (now == 0) wait();
                            went += now;
                        }
                        i += k;
                    }
                }
            } else {
                typename Subject::consumer end{*q};
                const std::uint64_t count = share_of(n, who - producers, consumers);
                std::uint64_t sum = 0;
                if (batch == 1) {
                    T value{};
                    for (std::uint64_t i = 0; i < count; ++i) {
                        while (!end.pop(value)) wait();
                        wait.reset();
                        sum += value;
                    }
                } else if constexpr (requires { end.pop_n(some.data(), batch); }) {
                    for (std::uint64_t i = 0; i < count;) {
                        const std::size_t k =
                            end.pop_n(some.data(), std::min<std::uint64_t>(batch, count - i));
                        if (k == 0) wait();
                        for (std::size_t j = 0; j < k; ++j) sum += some[j];
                        i += k;
                    }
                }
                sums[who - producers] = sum;
            }
        },
        [&](std::size_t i) { return i < producers ? i : i - producers + 1; });
    std::uint64_t sum = 0, expected = 0;
    for (auto s : sums) sum += s;
    for (std::size_t p = 0; p < producers; ++p) expected += sum_below(share_of(n, p, producers));
    verify(sum == expected, "what came out is not what went in");
    return ns;
}

/// n times there and back over two queues, one element under way.
template <class Subject, class T>
double round_trip(std::size_t n, std::size_t capacity) {
    auto there = std::make_unique<Subject>(capacity), back = std::make_unique<Subject>(capacity);
    std::uint64_t sum = 0;
    const double ns = timed(
        2,
        [&](std::size_t who) {
            patience wait{2};
            typename Subject::producer out{who == 0 ? *there : *back};
            typename Subject::consumer in{who == 0 ? *back : *there};
            T value{};
            for (std::uint64_t i = 0; i < n; ++i) {
                if (who == 0) {
                    while (!out.push(T{i})) wait();
                    while (!in.pop(value)) {
                        if (cpus().size() == 1) wait();
                    }
                    sum += value;
                } else {
                    while (!in.pop(value)) {
                        if (cpus().size() == 1) wait();
                    }
                    while (!out.push(value)) wait();
                }
            }
        },
        [](std::size_t i) { return i; });
    verify(sum == sum_below(n), "a round trip changed its element");
    return ns;
}

/// One thread: push one, pop one.
template <class Subject, class T>
double alone(std::size_t n, std::size_t capacity) {
    auto q = std::make_unique<Subject>(capacity);
    std::uint64_t sum = 0;
    const double ns = timed(
        1,
        [&](std::size_t) {
            typename Subject::producer in{*q};
            typename Subject::consumer out{*q};
            T value{};
            for (std::uint64_t i = 0; i < n; ++i) {
                verify(in.push(T{i}), "an empty queue is full");
                while (!out.pop(value)) {
                }
                sum += value;
            }
        },
        [](std::size_t i) { return i; });
    verify(sum == sum_below(n), "what came out is not what went in");
    return ns;
}

/// Bytes of a queue that holds `count` elements, itself included. In a thread of its own, because a
/// thread keeps what it frees, and what it takes from there again would not count.
template <class Subject, class T>
double bytes(std::size_t count) {
    auto in_use = [] {
        const auto info = mallinfo2();
        return info.uordblks + info.hblkhd;
    };
    std::size_t before = 0, after = 0;
    std::jthread{[&] {
        auto warm_up = std::make_unique<char>();  // the thread's own bookkeeping
        before = in_use();
        auto q = std::make_unique<Subject>(count);
        typename Subject::producer end{*q};
        for (std::uint64_t i = 0; i < count; ++i)
            verify(end.push(T{i}), "it doesn't hold as many as it was made for");
        after = in_use();
    }}.join();
    return static_cast<double>(after - before);
}

}  // namespace bench
