// SPDX-License-Identifier: BSL-1.0
// A channel under way, or at rest, for so many seconds; tests/strace/run watches its system calls.
//
//   traffic awake 10    a thread sends, another receives, as fast as they can
//   traffic idle 10     two threads wait for what doesn't come
//
// Prints how many messages went through, and how often a thread gave up its CPU of its own accord.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <sys/resource.h>

#include <penstock/channel/ends.hpp>

namespace {

using std::chrono::seconds;

long switches() {
    rusage r{};
    getrusage(RUSAGE_THREAD, &r);
    return r.ru_nvcsw;
}

void report(const char* who, long messages, long before) {
    std::printf(
        "%s: %ld messages, %ld voluntary context switches\n", who, messages, switches() - before);
}

void awake(seconds time) {
    auto [tx, rx] = penstock::make_channel<long>(1024);
    std::jthread receives{[own = std::move(rx)] {
        const long before = switches();
        long n = 0;
        while (own.receive()) ++n;
        report("receiver", n, before);
    }};
    const long before = switches();
    const auto end = std::chrono::steady_clock::now() + time;
    long n = 0;
    while (std::chrono::steady_clock::now() < end)
        for (int i = 0; i < 1000; ++i)
            if (tx.send(n)) ++n;
    tx.close();
    receives.join();
    report("sender", n, before);
}

void idle(seconds time) {
    auto [tx, rx] = penstock::make_channel<long>(1024);
    std::jthread waits{[own = rx] {
        const long before = switches();
        long n = 0;
        while (own.receive()) ++n;
        report("receiver without a time limit", n, before);
    }};
    const long before = switches();
    const bool got = static_cast<bool>(rx.receive_for(time));
    report("receiver with one", got ? 1 : 0, before);
    tx.close();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3 || std::atoi(argv[2]) <= 0) return 2;
    const seconds time{std::atoi(argv[2])};
    if (std::strcmp(argv[1], "awake") == 0) {
        awake(time);
    } else if (std::strcmp(argv[1], "idle") == 0) {
        idle(time);
    } else {
        return 2;
    }
}
