// SPDX-License-Identifier: BSL-1.0
// File systems that really are full, limited or read-only, where faults.cpp has calls that answer so: a
// small tmpfs in a mount namespace of a child process. Where the machine does not allow one, the
// test says so.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <penstock/durable/durable_queue.hpp>
#include <penstock/durable/tail.hpp>
#include <penstock/durable/verify.hpp>

#include "durable/scratch.hpp"

using namespace penstock;
namespace fs = std::filesystem;

namespace {

using numbers = durable_queue<std::uint64_t>;
constexpr std::uint64_t page = 4096;

journal_options with(penstock::sync policy, std::uint64_t segment_bytes = 16 * 1024) {
    return {.sync = policy, .segment_bytes = segment_bytes};
}

/// As REQUIRE, in a child.
void need(bool holds, const std::string& what) {
    if (!holds) throw std::runtime_error{what};
}

/// Runs f in a process of its own; what went wrong there, empty: nothing.
template <class F>
std::string in_child(F&& f) {
    int ends[2];
    if (::pipe(ends) != 0) return "no pipe";
    const pid_t pid = ::fork();
    if (pid == 0) {
        std::string wrong;
        try {
            f();
        } catch (const std::exception& e) {
            wrong = e.what();
        }
        const auto done = ::write(ends[1], wrong.data(), wrong.size());
        ::_exit(done == static_cast<ssize_t>(wrong.size()) ? 0 : 1);
    }
    ::close(ends[1]);
    std::string wrong;
    char text[256];
    for (ssize_t n; (n = ::read(ends[0], text, sizeof text)) > 0;)
        wrong.append(text, static_cast<std::size_t>(n));
    ::close(ends[0]);
    int how = 0;
    if (::waitpid(pid, &how, 0) != pid || !WIFEXITED(how) || WEXITSTATUS(how) != 0)
        wrong += " (and the process did not end by itself)";
    return wrong;
}

bool write_to(const char* path, const std::string& text) {
    return static_cast<bool>(std::ofstream{path} << text << std::flush);
}

/// A namespace of mounts in which this process may mount: as root, or as the root of a user namespace.
bool enter_namespace() {
    const std::string user = std::to_string(::getuid()), group = std::to_string(::getgid());
    if (::unshare(CLONE_NEWNS) != 0) {
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
        (void)write_to("/proc/self/setgroups", "deny");
        if (!write_to("/proc/self/uid_map", "0 " + user + " 1\n") ||
            !write_to("/proc/self/gid_map", "0 " + group + " 1\n"))
            return false;
    }
    return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

/// A tmpfs of that size, as long as the process.
class small_disk {
public:
    small_disk(std::string where, std::uint64_t bytes) : at_{std::move(where)} {
        const std::string size = "size=" + std::to_string(bytes);
        fs::create_directories(at_);
        need(::mount("penstock", at_.c_str(), "tmpfs", 0, size.c_str()) == 0, "mount failed");
    }
    [[nodiscard]] std::string path(const std::string& name) const { return at_ + "/" + name; }
    [[nodiscard]] std::uint64_t free_pages() const {
        struct statvfs s {};
        need(::statvfs(at_.c_str(), &s) == 0, "statvfs failed");
        return s.f_bavail * s.f_frsize / page;
    }
    /// Takes all but so many pages.
    void leave(std::uint64_t pages) {
        give_back();
        const int fd = ::open(path("ballast").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        const std::uint64_t size = (free_pages() - pages) * page;
        need(fd >= 0 && (size == 0 || ::posix_fallocate(fd, 0, static_cast<off_t>(size)) == 0),
             "no ballast");
        ::close(fd);
        need(free_pages() == pages, "the disk is not as full as it was to be");
    }
    void give_back() { fs::remove(path("ballast")); }
    void make_read_only() {
        need(::mount("penstock", at_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0,
             "remount failed");
    }

private:
    std::string at_;
};

/// f(disk) on a disk of that size.
template <class F>
void on_small_disk(std::uint64_t bytes, F&& f) {
    scratch dir;
    if (const auto why = in_child([] { need(enter_namespace(), "not allowed"); }); !why.empty()) {
        MESSAGE("skipped: no mount namespace here, " << why);
        return;
    }
    CHECK(in_child([&] {
              need(enter_namespace(), "no namespace");
              small_disk disk{dir.path("disk"), bytes};
              f(disk);
          }) == "");
}

/// Sends on until it can't: what that answers.
status fill(numbers& q, std::uint64_t& sent) {
    for (;; ++sent)
        if (const status s = q.send(sent); !s) return s;
}
/// By batches, each accepted by one append: on a full disk there is room kept for some, not for one
/// a message.
void take(durable_group<std::uint64_t>& g, std::uint64_t& next, std::uint64_t upto) {
    while (next < upto) {
        auto some =
            g.try_receive_n(static_cast<std::size_t>(std::min<std::uint64_t>(upto - next, 500)));
        need(bool{some}, "a message is missing: " + std::to_string(next));
        for (const std::uint64_t n : some) need(n == next++, "a message is wrong");
        need(bool{some.accept()}, "no accept");
    }
}
/// A new group finds 0 to sent - 1.
void need_all(numbers& q, std::uint64_t sent, const char* name) {
    auto g = q.group(name, {.prefetch = 512});
    std::uint64_t next = 0;
    take(g, next, sent);
    need(!g.try_receive(), "more than was sent");
}
bool left_over(const std::string& path) {
    return std::any_of(fs::directory_iterator{path}, fs::directory_iterator{},
                       [](const auto& e) { return e.path().extension() == ".tmp"; });
}

}  // namespace

TEST_CASE(
    "a disk that fills: no_space, all before it is there, and on it goes when there is space") {
    for (const auto policy : {sync::every_append, sync::process_crash})
        on_small_disk(40 * page, [policy](small_disk& disk) {
            std::uint64_t sent = 0;
            {
                numbers q{disk.path("j"), with(policy)};
                auto g = q.group("g", {.prefetch = 8});
                disk.leave(10);
                need(fill(q, sent) == status::no_space, "no no_space");
                need(sent > 500 && q.send(sent) == status::no_space, "not again");
                need(!left_over(disk.path("j")), "half a segment was left");
                need(bool{g.try_receive().accept()}, "no room was kept to accept");
                disk.give_back();
                for (const std::uint64_t upto = sent + 500; sent < upto; ++sent)
                    need(bool{q.send(sent)}, "it does not go on");
                disk.leave(0);
                need(fill(q, sent) == status::no_space, "no second no_space");
            }
            disk.give_back();
            numbers q{disk.path("j"), with(policy)};
            need(q.report().damage.empty() && q.report().torn_bytes == 0, "damage");
            need_all(q, sent, "all");
            need(bool{q.send(sent)}, "no more after reopening");
        });
}

TEST_CASE("a full disk is made room on by accepting and trimming alone, also after a restart") {
    on_small_disk(40 * page, [](small_disk& disk) {
        const auto policy = with(sync::process_crash);
        std::uint64_t sent = 0, got = 0;
        {
            numbers q{disk.path("j"), policy};
            auto g = q.group("g", {.prefetch = 512});
            disk.leave(16);
            for (int round = 0; round < 3; ++round) {
                need(fill(q, sent) == status::no_space, "no no_space");
                take(g, got, got + (sent - got) / 2);
                need(bool{q.trim()}, "trim failed");
            }
            need(fill(q, sent) == status::no_space, "no no_space");
        }
        numbers q{disk.path("j"), policy};
        need(q.report().damage.empty(), "damage");
        auto g = q.group("g", {.prefetch = 512});
        while (got < sent) {
            take(g, got, std::min(got + 500, sent));
            need(bool{q.trim()}, "trim failed");
        }
        need(bool{q.send(sent)}, "it does not go on");
        need(bool{g.try_receive().accept()}, "the last one");
    });
}

TEST_CASE("space that ends in the middle of a new segment, at each of its pages") {
    on_small_disk(64 * page, [](small_disk& disk) {
        for (std::uint64_t left = 0; left < 9; ++left) {
            const std::string path = disk.path("j" + std::to_string(left));
            std::uint64_t sent = 0;
            {
                numbers q{path, with(sync::every_append, 32 * 1024)};
                disk.leave(left);
                const status s = fill(q, sent);
                need(s == status::no_space, "no no_space");
                need(disk.free_pages() == (left < 8 ? left : 0), "pages were kept");
                disk.give_back();
                need(bool{q.send(sent++)}, "it does not go on");
            }
            numbers q{path, with(sync::every_append, 32 * 1024)};
            need(q.report().damage.empty(), "damage");
            need_all(q, sent, "all");
            q = numbers{disk.path("other"), with(sync::process_crash)};
            fs::remove_all(path);
        }
    });
}

TEST_CASE(
    "a batch and a transaction that find the disk full are not there, nor is a part of them") {
    on_small_disk(40 * page, [](small_disk& disk) {
        journal j{disk.path("j"), with(sync::process_crash)};
        numbers q{j, "q"};
        auto g = q.group("g", {.prefetch = 8});
        disk.leave(4);
        std::uint64_t sent = 0;
        std::vector<std::uint64_t> batch(40);
        status s = status::ok;
        for (;; sent += batch.size()) {
            for (std::size_t i = 0; i < batch.size(); ++i) batch[i] = sent + i;
            if (s = q.send_all(batch); !s) break;
        }
        need(s == status::no_space, "no no_space by a batch");
        auto d = g.try_receive();
        s = j.transact([&](auto& t) {
            for (const std::uint64_t n : batch) t.send(q, n);
            t.accept(d);
        });
        need(s == status::no_space, "no no_space by a transaction");
        disk.give_back();
        // The delivery is out still: the next attempt takes it along.
        need(bool{j.transact([&](auto& t) {
                 for (const std::uint64_t n : batch) t.send(q, n);
                 t.accept(d);
             })},
             "the same later");
        need_all(q, sent + batch.size(), "all");
        need(*g.try_receive() == 1, "the accept was lost");
    });
}

TEST_CASE("no journal comes to life on a full disk, and one does when there is space") {
    on_small_disk(40 * page, [](small_disk& disk) {
        for (const std::uint64_t left : {0u, 1u, 3u}) {
            disk.leave(left);
            bool thrown = false;
            try {
                numbers q{disk.path("j"), with(sync::process_crash)};
            } catch (const std::system_error& e) {
                thrown = e.code() == std::errc::no_space_on_device;
                need(std::string{e.what()}.find(disk.path("j")) != std::string::npos, e.what());
            }
            need(thrown, "no exception with pages left: " + std::to_string(left));
        }
        disk.give_back();
        numbers q{disk.path("j"), with(sync::process_crash)};
        need(q.report().created && q.send(1), "it can't be created any more");
    });
}

TEST_CASE("a file size limit: an append that needs a larger file fails for good, nothing is lost") {
    scratch dir;
    CHECK(in_child([&] {
              std::uint64_t sent = 0;
              {
                  numbers q{dir.path("j"), with(sync::process_crash)};
                  ::signal(SIGXFSZ, SIG_IGN);  // else the process ends there
                  const rlimit limit{12 * 1024, RLIM_INFINITY};
                  need(::setrlimit(RLIMIT_FSIZE, &limit) == 0, "no limit");
                  need(fill(q, sent) == status::failed, "not failed");
                  need(q.send(sent) == status::failed, "failed, and not for good");
              }
              const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
              need(::setrlimit(RLIMIT_FSIZE, &none) == 0, "the limit stays");
              numbers q{dir.path("j"), with(sync::process_crash)};
              need(q.report().damage.empty() && !left_over(dir.path("j")), "damage");
              need_all(q, sent, "all");
              need(bool{q.send(sent)}, "it does not go on");
          }) == "");
}

TEST_CASE("a read-only file system: writers are refused, verify and tails read") {
    on_small_disk(40 * page, [](small_disk& disk) {
        std::uint64_t sent = 0;
        {
            numbers q{disk.path("j"), with(sync::process_crash)};
            for (; sent < 500; ++sent) need(bool{q.send(sent)}, "send");
        }
        disk.make_read_only();
        for (const char* name : {"j", "new"}) {
            bool thrown = false;
            try {
                numbers q{disk.path(name), with(sync::process_crash)};
            } catch (const std::system_error& e) {
                thrown = e.code() == std::errc::read_only_file_system;
            }
            need(thrown, "not refused: " + std::string{name});
        }
        need(verify(disk.path("j")).damage.empty(), "damage");
        journal_tail<std::uint64_t> tail{disk.path("j"), "queue"};
        for (std::uint64_t n = 0; n < sent; ++n) need(tail.try_receive()->value == n, "a tail");
    });
}

TEST_CASE("a directory that may not be written any more: what is in stays, no more segments") {
    scratch dir;
    constexpr uid_t nobody = 65534;
    fs::create_directory(dir.path("d"));
    if (::getuid() == 0) {
        // Those to whom no permission applies would see nothing of it.
        fs::permissions(fs::path{dir.path("d")}.parent_path(),
                        fs::perms::group_exec | fs::perms::others_exec, fs::perm_options::add);
        REQUIRE(::chown(dir.path("d").c_str(), nobody, nobody) == 0);
    }
    CHECK(in_child([&] {
              if (::getuid() == 0) need(::setresuid(nobody, nobody, nobody) == 0, "still root");
              const std::string path = dir.path("d/j");
              std::uint64_t sent = 0;
              {
                  numbers q{path, with(sync::process_crash)};
                  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_exec);
                  need(fill(q, sent) == status::failed && sent > 200, "not failed");
              }
              bool thrown = false;
              try {
                  numbers other{path + "/new", with(sync::process_crash)};
              } catch (const std::system_error& e) {
                  thrown = e.code() == std::errc::permission_denied;
              }
              need(thrown, "not refused");
              journal_tail<std::uint64_t> tail{path, "queue"};
              for (std::uint64_t n = 0; n < sent; ++n)
                  need(tail.try_receive()->value == n, "a tail");
              fs::permissions(path, fs::perms::owner_all);
              numbers q{path, with(sync::process_crash)};
              need_all(q, sent, "all");
              need(bool{q.send(sent)}, "it does not go on");
          }) == "");
}
