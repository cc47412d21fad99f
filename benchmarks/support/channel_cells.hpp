// SPDX-License-Identifier: BSL-1.0
// The work of channels.cpp's cells, for any subject whose two sides wait for each other.
//
//   struct subject {
//       explicit subject(std::size_t capacity);
//       struct sender   { explicit sender(subject&);   void send(stamp); };     // waits when full
//       struct receiver { explicit receiver(subject&); stamp receive(); };      // waits when empty
//   };
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "machine.hpp"
#include "verify.hpp"

namespace bench {

using stamp = std::uint64_t;  // a number to sum, or the ns at which it should have been sent

/// Busy until then.
inline void until(double ns) {
    while (now_ns() < ns) penstock::sys::pause();
}

inline double quantile(std::vector<double> x, double q) {
    const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(x.size() - 1));
    std::nth_element(x.begin(), x.begin() + at, x.end());
    return x[static_cast<std::size_t>(at)];
}

/// n messages from `senders` to `receivers`, as fast as they go.
template <class Subject>
double blocking_flow(std::size_t n, std::size_t senders, std::size_t receivers) {
    auto q = std::make_unique<Subject>(1024);
    std::vector<std::uint64_t> sums(receivers, 0);
    const double ns = timed(
        senders + receivers,
        [&](std::size_t who) {
            if (who < senders) {
                typename Subject::sender end{*q};
                const std::uint64_t count = share_of(n, who, senders);
                for (std::uint64_t i = 0; i < count; ++i) end.send(i);
            } else {
                typename Subject::receiver end{*q};
                const std::uint64_t count = share_of(n, who - senders, receivers);
                std::uint64_t sum = 0;
                for (std::uint64_t i = 0; i < count; ++i) sum += end.receive();
                sums[who - senders] = sum;
            }
        },
        [&](std::size_t i) { return i < senders ? i : i - senders + 1; });
    std::uint64_t sum = 0, expected = 0;
    for (auto s : sums) sum += s;
    for (std::size_t p = 0; p < senders; ++p) expected += sum_below(share_of(n, p, senders));
    verify(sum == expected, "what came out is not what went in");
    return ns;
}

/// What one sender, one receiver and a pace between them measure.
struct paced {
    std::vector<double> latency;  // ns from when a message was due to when its receiver had it
    std::vector<double> send;     // ns in send, of messages at least 1 us apart
    double receiver_cpu = 0, both_cpu = 0;  // ns a message
};

enum class pace { busy, sleeping };  // how the sender waits for the next message's time

/// `count` messages, one each `interval_ns`, after a first one that warms up. A message that is late
/// because the one before took too long counts from when it was due.
template <class Subject>
paced at_pace(std::size_t count, double interval_ns, pace how = pace::busy) {
    auto q = std::make_unique<Subject>(1024);
    paced p;
    p.latency.reserve(count);
    p.send.reserve(count);
    const bool times_sends = interval_ns >= 1000;  // else looking at the clock takes too long
    double cpu[2] = {0, 0};
    (void)timed(
        2,
        [&](std::size_t who) {
            if (who == 0) {
                typename Subject::sender end{*q};
                end.send(0);
                const double cpu_before = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
                double due = std::floor(now_ns()) + std::max(interval_ns, 100e3);
                for (std::size_t i = 0; i < count; ++i, due += interval_ns) {
                    if (how == pace::sleeping) {
                        const auto ns = static_cast<std::int64_t>(due);
                        const timespec at{ns / 1'000'000'000, ns % 1'000'000'000};
                        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
                    } else {
                        until(due);
                    }
                    if (!times_sends) {
                        end.send(static_cast<stamp>(due));
                        continue;
                    }
                    const double start = now_ns();
                    end.send(static_cast<stamp>(how == pace::sleeping ? start : due));
                    p.send.push_back(now_ns() - start);
                }
                cpu[0] = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_before;
            } else {
                typename Subject::receiver end{*q};
                (void)end.receive();
                const double cpu_before = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
                for (std::size_t i = 0; i < count; ++i) {
                    const stamp sent = end.receive();
                    p.latency.push_back(now_ns() - static_cast<double>(sent));
                }
                cpu[1] = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_before;
            }
        },
        [](std::size_t i) { return i; });
    verify(*std::min_element(p.latency.begin(), p.latency.end()) >= 0,
           "a message was there before it was sent");
    p.receiver_cpu = cpu[1] / static_cast<double>(count);
    p.both_cpu = (cpu[0] + cpu[1]) / static_cast<double>(count);
    return p;
}

/// ns of CPU that a receiver takes who waits a second for a message. It has slept once before.
template <class Subject>
double idle_cpu() {
    constexpr double waits_ns = 400e6;
    auto q = std::make_unique<Subject>(1024);
    double cpu = 0;
    (void)timed(
        2,
        [&](std::size_t who) {
            if (who == 0) {
                typename Subject::sender end{*q};
                for (double before : {0.0, 2e6, waits_ns}) {
                    std::this_thread::sleep_for(std::chrono::nanoseconds{static_cast<int>(before)});
                    end.send(0);
                }
            } else {
                typename Subject::receiver end{*q};
                verify(end.receive() + end.receive() == 0, "a message is not what was sent");
                const double before = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
                verify(end.receive() == 0, "a message is not what was sent");
                cpu = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - before;
            }
        },
        [](std::size_t i) { return i; });
    return cpu * 1e9 / waits_ns;
}

}  // namespace bench
