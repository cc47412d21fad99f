// SPDX-License-Identifier: BSL-1.0
// Share work among workers who may come and go: each job is done once, by whoever is free.
#include <array>
#include <atomic>
#include <cstdio>
#include <optional>

#include <penstock/penstock.hpp>

struct job {
    std::size_t number;
};

int main() {
    constexpr std::size_t jobs = 3000;
    std::array<std::atomic<int>, jobs> done{};
    std::array<unsigned long long, 3> by{};

    penstock::thread_pool pool{3};
    penstock::bus work;
    const auto hire = [&] {
        // Same pattern, same group: one queue, and a job goes to one of its members.
        return work.subscribe<job>("job.#", {.group = "workers", .executor = pool, .capacity = 64},
                                   [&](const job& j) { ++done[j.number]; });
    };
    std::array<std::optional<penstock::subscription>, 3> workers{hire(), hire(), {}};

    const auto topic = work.topic<job>("job.new");
    for (std::size_t number = 0; number < jobs; ++number) {
        if (number == 1000) workers[2] = hire();  // help arrives
        if (number == 2000) {                     // one leaves: its last job is done by then
            workers[0]->cancel();
            by[0] = workers[0]->counts().handled;
        }
        if (!topic.publish(job{number})) return 1;  // waits while 64 are queued
    }
    work.close();  // waits until what is queued is done

    by[1] = workers[1]->counts().handled;
    by[2] = workers[2]->counts().handled;
    std::size_t once = 0;
    for (const auto& times : done) once += times == 1;
    std::printf(
        "%zu jobs: the worker who left did %llu, the one who stayed %llu, the late one %llu\n",
        jobs, by[0], by[1], by[2]);
    std::printf("done exactly once: %zu\n", once);
    return once == jobs && by[0] + by[1] + by[2] == jobs ? 0 : 1;
}
