// SPDX-License-Identifier: BSL-1.0
// SIGKILL behind every store and every system call. A writer is stopped behind each of its instructions; when
// one of its files or their names has changed, what is there now is what a SIGKILL here would have left. A
// write of several pages can be cut short by it as well: then half of that is there.
//
// How many states an action has depends on how wide the stores are that compiler and C library choose for
// this CPU: 500 bytes are zeroed by 63 of them, or by 8. So no number is required but what has to be
// among them: the action undone with some of it stored, then done, and never undone again.
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dirent.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/scripts.hpp"
#include "durable/scratch.hpp"

using namespace crash;

namespace {

/// An action, as the writer and who watches it both know it. Letters as in walk.hpp; ! before one: step by
/// step.
struct action {
    char what;
    bool stepped;
    unit does{};
};
std::vector<action> plan(std::string_view script) {
    std::vector<action> all;
    std::uint64_t last = 0;
    std::deque<std::uint64_t> unread[streams];
    bool stepped = false;
    for (const char c : script) {
        if (c == '!') stepped = true;
        if (c == '!' || c == ' ') continue;
        unit u;
        const auto send = [&](int stream) {
            u.sent.emplace_back(stream, ++last);
            unread[stream].push_back(last);
        };
        const auto accept = [&](int stream) {
            REQUIRE_FALSE(unread[stream].empty());
            u.accepted.emplace_back(stream, unread[stream].front());
            unread[stream].pop_front();
        };
        if (std::string_view{"sSbr"}.find(c) != std::string_view::npos) send(0);
        if (c == 'b') send(0);
        if (c == 'a' || c == 't') accept(0);
        if (c == 't') send(1);
        if (c == 'x') accept(1);
        all.push_back({c, std::exchange(stepped, false), std::move(u)});
    }
    return all;
}

struct opened {
    explicit opened(const std::string& path)
        : books{path, {.sync = sync::process_crash, .segment_bytes = room}} {}
    journal books;
    durable_queue<std::string> queues[streams]{{books, stream_names[0]}, {books, stream_names[1]}};
    durable_group<std::string> groups[streams]{queues[0].group(group_names[0], {.prefetch = 64}),
                                               queues[1].group(group_names[1], {.prefetch = 64})};
};

/// The writer: a signal to who traces it before and behind each action.
void work(const std::string& path, const std::vector<action>& all) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    auto j = std::make_unique<opened>(path);
    for (const action& a : all) {
        std::vector<std::string> m;
        for (const auto& [stream, id] : a.does.sent)
            m.push_back(message(id, a.what == 'S' ? 3000 : 40 * (id % 4)));
        std::vector<delivery<std::string>> d;
        for (const auto& [stream, id] : a.does.accepted) {
            d.push_back(j->groups[stream].try_receive());
            if (!d.back() || id_of(*d.back()) != id) ::_exit(4);
        }
        status s = status::ok;
        ::raise(SIGUSR1);
        switch (a.what) {
            case 's':
            case 'S': s = j->queues[0].send(m[0]); break;
            case 'b': s = j->queues[0].send_all(m); break;
            case 'a':
            case 'x': s = d[0].accept(); break;
            case 't':
                s = j->books.transact([&](auto& t) {
                    t.send(j->queues[1], m[0]);
                    t.accept(d[0]);
                });
                break;
            case 'r': {
                auto r = j->queues[0].reserve(500);
                std::memset(r->bytes().data(), 'X', 500);
                std::memcpy(r->bytes().data(), m[0].data(), m[0].size());
                s = r->commit(m[0].size());
                break;
            }
            case 'T': s = j->books.trim().status(); break;
            case 'm': s = j->books.maintain(); break;
            case 'R':
                j.reset();
                j = std::make_unique<opened>(path);
                break;
            default: ::_exit(5);
        }
        ::raise(SIGUSR2);
        if (!s) ::_exit(6);
    }
}

/// The writer's directory, as it was when it was last looked at.
class watched {
public:
    explicit watched(std::string path) : path_{std::move(path)} {}
    watched(const watched&) = delete;
    ~watched() {
        for (const auto& [number, f] : files_) close(f);
    }

    /// What had happened to names when it was last looked at: "from to".
    std::set<std::string> renamed;

    /// Whether something is otherwise now.
    bool look() {
        bool changed = false;
        renamed.clear();
        std::set<std::uint64_t> there;
        DIR* const d = ::opendir(path_.c_str());
        if (!d) return false;
        while (const dirent* e = ::readdir(d)) {
            const std::string name = e->d_name;
            if (name == "." || name == "..") continue;
            there.insert(e->d_ino);
            const auto [at, is_new] = files_.try_emplace(e->d_ino);
            file& f = at->second;
            if (is_new) {
                f.fd = ::openat(::dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
                f.bytes = ::mmap(nullptr, room, PROT_READ, MAP_SHARED, f.fd, 0);
                REQUIRE(f.bytes != MAP_FAILED);
            }
            if (f.name != name) {
                renamed.insert(kind(f.name) + " to " + kind(name));
                f.name = name;
                changed = true;
            }
            changed |= read(f);
        }
        ::closedir(d);
        for (auto f = files_.begin(); f != files_.end();) {
            if (there.contains(f->first)) {
                ++f;
                continue;
            }
            renamed.insert(kind(f->second.name) + " to nothing");
            close(f->second);
            f = files_.erase(f);
            changed = true;
        }
        return changed;
    }
    /// What is there; `half`: of the last write of several pages.
    [[nodiscard]] image left(bool half) const {
        image all{{}, {"j"}};
        for (const auto& [number, f] : files_) {
            auto& content = all.files["j/" + f.name] = f.seen;
            if (half && f.half > 0) content.resize(f.half);
        }
        return all;
    }
    /// Whether the last look saw such a write.
    [[nodiscard]] bool cut() const {
        for (const auto& [number, f] : files_)
            if (f.half > 0) return true;
        return false;
    }

private:
    struct file {
        int fd = -1;
        void* bytes = nullptr;
        std::string name{};
        crash::bytes seen{};
        std::size_t half = 0;
    };
    static void close(const file& f) {
        ::munmap(f.bytes, room);
        ::close(f.fd);
    }
    static std::string kind(const std::string& name) {
        const auto dot = name.find_last_of('.');
        return name.empty() ? "nothing" : dot == std::string::npos ? name : name.substr(dot);
    }
    static bool read(file& f) {
        struct stat s {};
        REQUIRE(::fstat(f.fd, &s) == 0);
        const auto size = static_cast<std::size_t>(s.st_size);
        f.half = size > f.seen.size() + 4096 ? f.seen.size() + (size - f.seen.size()) / 2 : 0;
        if (size == f.seen.size() && std::memcmp(f.bytes, f.seen.data(), size) == 0) return false;
        f.seen.resize(size);
        std::memcpy(f.seen.data(), f.bytes, size);
        return true;
    }

    const std::string path_;
    std::map<std::uint64_t, file> files_;
};

/// What was found while an action was under way.
struct outcome {
    std::uint64_t undone = 0, done = 0;
    bool undone_again = false;
};

}  // namespace

TEST_CASE("a kill behind every store and system call: what has returned is there, whole") {
    // Some microseconds an instruction: only where it was asked for.
    if (effort(0, 1) == 0 || TESTS_SANITIZED) return;
    scratch dir{scratch::in_memory()};
    // Of one segment; then rolls: a new one, one made ahead, one used again; trims: kept, removed.
    const auto all = plan(
        "!s!b!a!t!r SSSS!S aaaaaax SSS!TS!S !m SSSS!S aaaaaaaaaa SSSSSSSSSSSSSSSS aaaaaaaaaaaaaaaa !T"
        "!R !s SSSS");
    const pid_t writer = ::fork();
    REQUIRE(writer >= 0);
    if (writer == 0) {
        try {
            work(dir.path("j"), all);
        } catch (...) {
            ::_exit(3);
        }
        ::_exit(0);
    }

    const std::uint64_t boot = penstock::os::linux_files{}.boot();
    watched files{dir.path("j")};
    history h;
    tally counts;
    std::uint64_t instructions = 0;
    std::string each;
    outcome of{};
    std::set<std::string> renamed;  // in all steps
    const auto check = [&](bool half) {
        std::string wrong;
        disk left{files.left(half), boot, false};
        ++counts.states;
        const auto n = recovered(left, h, h.returned, wrong);
        if (!n) counts.violation("action " + std::to_string(h.units.size()) + ": " + wrong);
        const bool done = n == h.units.size();
        of.undone_again |= !done && of.done > 0;
        ++(done ? of.done : of.undone);
    };
    int how = 0;
    while (::waitpid(writer, &how, WUNTRACED) == writer && WIFSTOPPED(how)) {
        const int signal = WSTOPSIG(how);
        if (signal == SIGUSR1) {
            const action& a = all[h.units.size()];
            h.trimmed |= a.what == 'T';
            h.units.push_back(a.does);
            of = {};
            (void)files.look();
        }
        const bool stepped = h.returned < h.units.size() && all[h.returned].stepped;
        if (stepped) {
            ++instructions;
            if (files.look()) {
                ++counts.points;
                renamed.insert(files.renamed.begin(), files.renamed.end());
                if (files.cut()) check(true);
                check(false);
            }
        }
        if (signal == SIGUSR2) {
            const action& a = all[h.returned];
            h.returned = h.units.size();
            if (stepped) {
                each += std::string{a.what} + ' ' + std::to_string(of.undone) + '+' +
                        std::to_string(of.done) + "  ";
                const bool changes = !a.does.sent.empty() || !a.does.accepted.empty();
                INFO("action " << h.returned << " (" << a.what << ")");
                if (changes) CHECK(of.undone > 0);
                CHECK(of.done > 0);
                CHECK_FALSE(of.undone_again);
            }
        }
        const bool next =
            signal == SIGUSR1 ? all[h.returned].stepped : stepped && signal != SIGUSR2;
        if (::ptrace(next ? PTRACE_SINGLESTEP : PTRACE_CONT, writer, nullptr, nullptr) != 0) break;
    }
    CHECK(WIFEXITED(how));
    CHECK(WEXITSTATUS(how) == 0);
    CHECK(h.returned == all.size());
    INFO(counts.first);
    CHECK(counts.violations == 0);
    for (const char* const change : {"nothing to .tmp", ".tmp to .segment", ".segment to .spare",
                                     ".spare to .segment", ".segment to nothing"}) {
        INFO(change);
        CHECK(renamed.contains(change));
    }
    MESSAGE("states of each, undone and done: " << each);
    MESSAGE(instructions << " instructions: " << counts.points << " points, " << counts.states
                         << " states, violations " << counts.violations);
}
