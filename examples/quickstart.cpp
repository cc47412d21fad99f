// SPDX-License-Identifier: BSL-1.0
// Quickstart: hand work to another thread, wait when it falls behind, and end with nothing lost.
#include <cstdio>
#include <thread>

#include <penstock/penstock.hpp>

int main() {
    constexpr int jobs = 10'000;
    long sum = 0;
    {
        auto [tx, rx] = penstock::make_channel<int>(64);  // at most 64 wait, whatever happens

        std::jthread worker{[&sum, rx = std::move(rx)] {
            while (auto job = rx.receive()) sum += *job;  // sleeps while there is nothing
        }};

        for (int job = 1; job <= jobs; ++job)
            if (!tx.send(job)) return 1;  // waits while 64 are queued; false: closed

        tx.close();  // the worker takes what is in, then its loop ends
    }
    constexpr long expected = long{jobs} * (jobs + 1) / 2;
    std::printf("%d jobs went through a channel of 64; their sum is %ld: %s\n", jobs, sum,
                sum == expected ? "all of them arrived" : "some were LOST");
    return sum == expected ? 0 : 1;
}
