// SPDX-License-Identifier: BSL-1.0
// Survive kill -9: orders that were accepted stay done, and all the others are still there.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include <penstock/durable/durable_queue.hpp>

struct order {
    int number;
    int cents;
};

const penstock::journal_options small{.segment_bytes = 1 << 20};

/// Takes 100 orders, bills 40 of them, and is killed while it bills the next one.
[[noreturn]] void shop(const std::string& folder) {
    penstock::durable_queue<order> orders{folder, small};  // a send returns when it is synced
    for (int number = 1; number <= 100; ++number)
        if (!orders.send({number, 990})) std::_Exit(1);

    auto billing = orders.group("billing");
    for (int n = 0; n < 40; ++n)
        if (auto d = billing.receive(); !d || !d.accept()) std::_Exit(1);

    const auto unfinished = billing.receive();
    kill(getpid(), SIGKILL);
    std::_Exit(1);
}

int main() {
    std::string folder = (std::filesystem::temp_directory_path() / "penstock-XXXXXX").string();
    if (!mkdtemp(folder.data())) return 1;
    const pid_t child = fork();
    if (child == 0) shop(folder);
    int state = 0;
    if (waitpid(child, &state, 0) != child) return 1;
    const bool killed = WIFSIGNALED(state) && WTERMSIG(state) == SIGKILL;
    std::printf("the shop %s with 40 of 100 orders billed\n", killed ? "was killed" : "FAILED");

    int first = 0, last = 0, billed = 0;
    {
        penstock::durable_queue<order> orders{folder, small};
        auto billing = orders.group("billing");  // goes on after its last accept
        while (auto d = billing.try_receive()) {
            if (first == 0) first = d->number;
            last = d->number;
            if (d.accept()) ++billed;
        }
    }
    std::printf("opened again, billing went on with order %d and did %d more, up to %d\n", first,
                billed, last);
    std::filesystem::remove_all(folder);
    return killed && first == 41 && last == 100 && billed == 60 ? 0 : 1;
}
