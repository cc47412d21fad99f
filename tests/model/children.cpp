// SPDX-License-Identifier: BSL-1.0
#include "children.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace model {
namespace {

struct child {
    pid_t pid;
    int from;
    child_result result;
    std::function<void(const child_result&)> done;
};

child start(child_task task) {
    int ends[2];
    std::fflush(nullptr);
    if (pipe(ends) != 0) std::abort();
    const pid_t pid = fork();
    if (pid < 0) std::abort();
    if (pid == 0) {
        close(ends[0]);
        alarm(task.seconds);
        const std::string text = task.work();
        for (std::size_t at = 0; at < text.size();) {
            const auto n = write(ends[1], text.data() + at, text.size() - at);
            if (n <= 0) _exit(1);
            at += static_cast<std::size_t>(n);
        }
        _exit(0);
    }
    close(ends[1]);
    return {pid, ends[0], {}, std::move(task.done)};
}

}  // namespace

void run_children(std::size_t at_once, const std::function<child_task()>& next) {
    std::vector<child> running;
    for (bool more = true; more || !running.empty();) {
        while (more && running.size() < at_once) {
            child_task task = next();
            more = static_cast<bool>(task.work);
            if (more) running.push_back(start(std::move(task)));
        }
        std::vector<pollfd> wait;
        for (auto& c : running) wait.push_back({c.from, POLLIN, 0});
        if (wait.empty() || poll(wait.data(), wait.size(), -1) <= 0) continue;
        for (std::size_t i = running.size(); i-- > 0;) {
            if (wait[i].revents == 0) continue;
            char buffer[4096];
            const auto n = read(running[i].from, buffer, sizeof buffer);
            if (n > 0) {
                running[i].result.text.append(buffer, static_cast<std::size_t>(n));
                continue;
            }
            close(running[i].from);
            int status = 0;
            waitpid(running[i].pid, &status, 0);
            running[i].result.too_long = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
            running[i].result.crashed = !running[i].result.too_long && status != 0;
            const child ended = std::move(running[i]);
            running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
            ended.done(ended.result);
        }
    }
}

}  // namespace model
