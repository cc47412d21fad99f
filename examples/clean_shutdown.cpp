// SPDX-License-Identifier: BSL-1.0
// Stop on SIGTERM without losing what was accepted: no new work, finish what is in, then leave.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <thread>
#include <vector>

#include <unistd.h>

#include <penstock/penstock.hpp>

using penstock::status;

int main() {
    // Signals go to the one thread that asks for them; threads started from here on inherit that.
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);

    auto [tx, rx] = penstock::make_channel<int>(256);
    std::atomic<int> accepted = 0, refused = 0, done = 0;

    std::vector<std::jthread> clients;
    for (int client = 0; client < 3; ++client)
        clients.emplace_back([&, tx = tx] {
            for (int request = 0;; ++request) {
                const status answer = tx.send(request);
                if (answer == status::closed) break;  // told at once, also while waiting for room
                if (++accepted == 20'000) kill(getpid(), SIGTERM);  // somebody ends the service
            }
            ++refused;  // the request is still the client's: it can go elsewhere
        });

    std::vector<std::jthread> workers;
    for (int worker = 0; worker < 2; ++worker)
        workers.emplace_back([&, rx = rx] {
            while (rx.receive()) ++done;  // ends when closed and drained
        });

    int signal = 0;
    sigwait(&ends, &signal);
    tx.close();  // 1. no new work
    const auto waiting = rx.size_approx();
    workers.clear();  // 2. what was accepted is finished
    clients.clear();  // 3. everybody has an answer

    std::printf("signal %d: %zu requests were still queued\n", signal, waiting);
    std::printf("accepted %d, done %d, lost %d; %d clients were told `closed`\n", accepted.load(),
                done.load(), accepted - done, refused.load());
    return accepted == done && refused == 3 ? 0 : 1;
}
