// SPDX-License-Identifier: BSL-1.0
// Real processes that come to an end, or stand still, at the worst moment; and what others find of their
// journals meanwhile.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <penstock/durable/tail.hpp>

#include "crash/scripts.hpp"
#include "durable/scratch.hpp"

using namespace crash;
namespace fs = std::filesystem;

namespace {

using numbers = durable_queue<std::uint64_t>;

journal_options small(penstock::sync policy = sync::process_crash) {
    return {.sync = policy, .segment_bytes = room};
}

/// A child process, which ends with the test.
class child {
public:
    template <class F>
    explicit child(F&& f) {
        if (::pipe(ends_) != 0) throw std::runtime_error{"no pipe"};
        pid_ = ::fork();
        if (pid_ == 0) {
            try {
                f(ends_[1]);
            } catch (...) {
                ::_exit(3);
            }
            ::_exit(0);
        }
    }
    ~child() {
        end();
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    /// The next number it tells.
    std::uint64_t hear() {
        std::uint64_t n = 0;
        REQUIRE(::read(ends_[0], &n, sizeof n) == sizeof n);
        return n;
    }
    static void tell(int to, std::uint64_t n) {
        if (::write(to, &n, sizeof n) != sizeof n) ::_exit(4);
    }
    void signal(int s) const { ::kill(pid_, s); }
    /// Until it is stopped: true, or gone.
    [[nodiscard]] bool stopped(int& status) const {
        return ::waitpid(pid_, &status, WUNTRACED) == pid_ && WIFSTOPPED(status);
    }
    void end() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    int ends_[2]{};
    pid_t pid_ = 0;
};

std::vector<std::uint64_t> take_all(numbers& q, const char* group) {
    auto g = q.group(group, {.prefetch = 8});
    std::vector<std::uint64_t> all;
    while (auto d = g.try_receive()) {
        all.push_back(*d);
        if (!d.accept()) throw std::runtime_error{"not accepted"};
    }
    return all;
}
bool is_count(const std::vector<std::uint64_t>& v) {
    for (std::size_t i = 0; i < v.size(); ++i)
        if (v[i] != i) return false;
    return true;
}

}  // namespace

TEST_CASE("a writer that is stopped keeps the journal for as long as that lasts, and goes on") {
    scratch dir;
    child writer{[&](int to) {
        numbers q{dir.path("j"), small()};
        for (std::uint64_t n = 0;; ++n) {
            if (!q.send(n)) ::_exit(5);
            child::tell(to, n);
            if (n == 9) ::raise(SIGSTOP);
        }
    }};
    while (writer.hear() != 9) {
    }
    int status = 0;
    REQUIRE(writer.stopped(status));
    for (int n = 0; n < 3; ++n) {
        try {
            journal second{dir.path("j"), small()};
            FAIL("two writers");
        } catch (const std::system_error& e) {
            CHECK(std::string{e.what()}.find("process " + std::to_string(writer.pid())) !=
                  std::string::npos);
        }
    }
    writer.signal(SIGCONT);
    while (writer.hear() < 20) {
    }
    writer.end();  // the lock is gone with it
    numbers q{dir.path("j"), small()};
    CHECK(q.report().damage.empty());
    const auto all = take_all(q, "g");
    CHECK(all.size() > 20);
    CHECK(is_count(all));
}

TEST_CASE("a copy of the directory taken while it is written opens, with a prefix in it") {
    scratch dir;
    child writer{[&](int to) {
        numbers q{dir.path("j"), small()};
        for (std::uint64_t n = 0;; ++n) {
            if (!q.send(n)) ::_exit(5);
            child::tell(to, n);  // waits when nobody listens: then there are some 8,000
        }
    }};
    while (writer.hear() < 100) {
    }
    std::size_t most = 0;
    for (int n = 0; n < 4; ++n) {
        const std::string copy = dir.path("copy" + std::to_string(n));
        fs::create_directory(copy);
        // In the order of their names, as tools do: what is copied later may know more.
        std::vector<std::string> names;
        for (const auto& e : fs::directory_iterator{dir.path("j")})
            names.push_back(e.path().filename().string());
        std::sort(names.begin(), names.end());
        for (const auto& name : names) {
            std::error_code gone;  // a .tmp may be
            fs::copy_file(dir.path("j/" + name), copy + "/" + name, gone);
        }
        numbers q{copy, {.sync = sync::process_crash, .segment_bytes = room, .skip_damage = true}};
        const auto all = take_all(q, "g");
        CHECK(all.size() > 100);
        if (q.report().damage.empty()) {
            CHECK(is_count(all));
        } else {  // what came into a file behind the reader, while the next was begun: it is said
            CHECK(std::is_sorted(all.begin(), all.end()));
        }
        most = std::max(most, all.size());
        fs::remove_all(copy);
    }
    writer.end();
    numbers q{dir.path("j"), small()};
    const auto all = take_all(q, "g");
    CHECK(is_count(all));
    CHECK(all.size() >= most);
}

TEST_CASE("tails that come, lag and die leave no trace") {
    scratch dir;
    numbers q{dir.path("j"), small()};
    auto g = q.group("g", {.prefetch = 8});
    std::uint64_t sent = 0, got = 0;
    const auto work = [&](std::uint64_t n) {
        while (n-- > 0) {
            REQUIRE(q.send(sent++));
            auto d = g.try_receive();
            REQUIRE(d);
            CHECK(*d == got++);
            REQUIRE(d.accept());
        }
        REQUIRE(q.trim());
    };
    work(10);
    for (int n = 0; n < 4; ++n) {
        child tail{[&](int to) {
            penstock::journal_tail<std::uint64_t> t{dir.path("j"), "queue"};
            child::tell(to, t.try_receive() ? 1 : 0);
            ::pause();  // with a segment locked
        }};
        (void)tail.hear();
        work(600);  // over several segments, which are given up meanwhile
        tail.end();
        work(300);
    }
    std::size_t segments = 0;
    for (const auto& e : fs::directory_iterator{dir.path("j")})
        segments += e.path().extension() == ".segment";
    CHECK(segments <= 2);
}

TEST_CASE("a wall clock that goes back changes neither order nor content") {
    disk files;
    history h;
    {
        shop s{files, sync::every_append};
        for (std::uint64_t n = 1; n <= 20; ++n) {
            files.time = n == 10 ? 5 : files.time + (n % 3 == 0 ? -1'000'000'000 : 1);
            REQUIRE(s.queues[0]->send(message(n, 900)));
            h.units.push_back({.sent = {{0, n}}});
        }
    }
    files.time = -1;
    std::string wrong;
    disk after{files.only_synced(), 2, false};
    after.time = 1;
    CHECK(recovered(after, h, 20, wrong));
    CHECK(wrong.empty());
}
