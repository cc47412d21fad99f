// SPDX-License-Identifier: BSL-1.0
// The crash: this program starts itself as a child that archives as fast as it can, hears through a
// pipe of every call that returned, kills it with SIGKILL in the middle of that, and looks.
//
//   child   send ──► journal, synced ──► returned ──► pipe: "s 17"
//           desk.receive ──► accept ──► returned ──► pipe: "a 12"
//   parent  reads the pipe ... enough: SIGKILL; opens the journal; who is there?
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "archive.hpp"
#include "feed.hpp"
#include "measure.hpp"

struct crash_report {
    std::uint64_t returned = 0;    // sends that the child said had returned
    std::uint64_t found = 0;       // after reopening, in order and without a gap
    std::uint64_t lost = 0;        // returned, and not found
    std::uint64_t wrong = 0;       // found with another content, or out of order
    std::uint64_t accepted = 0;    // accepts that the child said had returned
    std::uint64_t next = 0;        // done for the group after reopening: what it is handed first
    std::uint64_t torn_bytes = 0;  // of the last, unfinished record
    bool goes_on = false;          // next is what comes after the last accept
};

namespace crash {

/// A call that returned: of event `number` of the endless feed.
struct news {
    enum : std::uint32_t { sent, accepted } what;
    std::uint32_t number;
};

inline quake nth(const feed& week, std::uint32_t number) {
    quake q = week.quakes[number % week.quakes.size()];
    q.number = number;
    return q;
}

/// The child: never returns by itself unless something fails. Its standard output is the pipe.
inline int archive_until_killed(const feed& week, const std::string& path) {
    penstock::durable_queue<quake> archive{path, {.segment_bytes = 256 << 10}};
    const auto tell = [](news n) { return write(STDOUT_FILENO, &n, sizeof n) == sizeof n; };

    std::jthread desk{[&](std::stop_token stop) {
        auto group = archive.group("desk");
        while (auto d = group.receive(stop))
            if (!d.accept() || !tell({news::accepted, d->number})) return;
    }};
    for (std::uint32_t number = 0;; ++number) {
        const penstock::status answer = archive.send(nth(week, number));
        if (!answer) std::fprintf(stderr, "child: send: %s\n", answer.name());
        if (!answer || !tell({news::sent, number})) return 1;
    }
}

/// This program's file, with and without /proc.
inline std::string own_file(const char* argv0) {
    namespace fs = std::filesystem;
    if (access("/proc/self/exe", X_OK) == 0) return "/proc/self/exe";
    if (std::strchr(argv0, '/')) return fs::absolute(argv0).string();
    const char* path = std::getenv("PATH");
    for (std::string_view rest = path ? path : ""; !rest.empty();) {
        const auto colon = std::min(rest.find(':'), rest.size());
        const std::string file = fs::path{rest.substr(0, colon)} / argv0;
        if (access(file.c_str(), X_OK) == 0) return fs::absolute(file).string();
        rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
    throw std::runtime_error{std::string{argv0} + ": can't find this program's own file"};
}

class child {
public:
    explicit child(std::vector<std::string> command) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) throw failed("pipe2", errno);
        news_ = ends[0];

        // A child of a program with threads may do next to nothing before it execs: posix_spawn
        // does just that. Signals that this program catches with sigwait are blocked in it.
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        posix_spawnattr_t attributes;
        posix_spawnattr_init(&attributes);
        sigset_t none;
        sigemptyset(&none);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);

        std::vector<char*> argv;
        for (std::string& word : command) argv.push_back(word.data());
        argv.push_back(nullptr);
        const int error = posix_spawn(&pid_, argv[0], &actions, &attributes, argv.data(), environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        close(ends[1]);
        if (error != 0) {
            close(news_);
            throw failed(command[0], error);
        }
    }
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child() {
        if (pid_ > 0) kill();
        close(news_);
    }

    enum class heard { news, nothing, end };
    heard hear(news& n, std::chrono::milliseconds patience) {
        pollfd ready{news_, POLLIN, 0};
        if (poll(&ready, 1, static_cast<int>(patience.count())) <= 0) return heard::nothing;
        // Less than PIPE_BUF is written and read in one piece.
        return read(news_, &n, sizeof n) == sizeof n ? heard::news : heard::end;
    }

    /// Whether SIGKILL is what ended it.
    bool kill() {
        ::kill(pid_, SIGKILL);
        int state = 0;
        waitpid(pid_, &state, 0);
        pid_ = 0;
        return WIFSIGNALED(state) && WTERMSIG(state) == SIGKILL;
    }

private:
    static std::system_error failed(const std::string& what, int error) {
        return std::system_error{error, std::generic_category(), what};
    }

    int news_ = -1;
    pid_t pid_ = 0;
};

/// Kills the child after `sends` of its sends have returned, or some seconds, whatever is first.
inline crash_report run(const feed& week, std::vector<std::string> command, const std::string& path,
                        std::uint64_t sends, const std::stop_token& stop) {
    crash_report report;
    const auto note = [&](const news& n) {
        (n.what == news::sent ? report.returned : report.accepted) = std::uint64_t{n.number} + 1;
    };
    {
        child archiving{std::move(command)};
        news n;
        auto until = steady::now() + std::chrono::seconds{60};  // a slow start, with a sanitizer
        while (report.returned < sends && steady::now() < until && !stop.stop_requested()) {
            const auto heard = archiving.hear(n, std::chrono::milliseconds{100});
            if (heard == child::heard::end) break;
            if (heard == child::heard::nothing) continue;
            if (report.returned == 0) until = steady::now() + std::chrono::seconds{3};
            note(n);
        }
        if (!archiving.kill()) throw std::runtime_error{"the child ended before it was killed"};
        while (archiving.hear(n, {}) == child::heard::news) note(n);
    }
    if (stop.stop_requested()) return report;
    if (report.returned == 0) throw std::runtime_error{"the child archived nothing in time"};

    std::optional<std::uint64_t> next;
    {
        penstock::durable_queue<quake> archive{path};
        report.torn_bytes = archive.report().torn_bytes;
        auto desk = archive.group("desk");
        const auto first = desk.try_receive();
        if (first) next = first->number;
    }
    const bool readable = bool{read_archive(path, [&](const quake& q) {
        const quake expected = nth(week, static_cast<std::uint32_t>(report.found));
        ++(q == expected ? report.found : report.wrong);
    })};
    if (!readable) ++report.wrong;
    report.lost = report.returned > report.found ? report.returned - report.found : 0;
    // The child may have been killed between an accept and its news, hence one more may be done.
    report.next = next.value_or(report.found);
    report.goes_on = report.next == report.accepted || report.next == report.accepted + 1;
    return report;
}

}  // namespace crash
