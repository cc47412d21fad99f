// SPDX-License-Identifier: BSL-1.0
// What takes gigabytes: appends that roll over many segments, the slowest of appends at a fixed rate, and
// opening a large journal after SIGKILL. PENSTOCK_BENCH_GB says how many instead of 3, and of 10.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <penstock/durable/durable_queue.hpp>

#include "bare_file.hpp"

namespace bench {

inline constexpr std::size_t segment_bytes = std::size_t{64} << 20;

inline std::size_t gigabytes(std::size_t usual) {
    const char* const asked = std::getenv("PENSTOCK_BENCH_GB");
    return (asked ? std::strtoull(asked, nullptr, 10) : usual) << 30;
}

enum class help { none, thread, recycling };

// ---- Rolling ------------------------------------------------------------------------------------

/// The loop's segments: made when needed, or ahead by a thread, which also syncs what is full. What is
/// synced may be used again.
class bare_segments {
public:
    bare_segments(const std::string& dir, help how) : dir_{dir}, again_{how == help::recycling} {
        if (how == help::none) return;
        next_ = make();
        helper_ = std::thread{[this] {
            std::unique_lock lock{mutex_};
            while (!stop_) {
                if (full_.data()) {
                    mapped_file full = std::move(full_);
                    full_ = {};
                    lock.unlock();
                    full.sync();
                    lock.lock();
                    if (again_) spares_.push_back(std::move(full));
                    changed_.notify_all();
                } else if (!next_.data() && !spares_.empty()) {
                    next_ = std::move(spares_.back());
                    spares_.pop_back();
                    changed_.notify_all();
                } else if (!next_.data()) {
                    lock.unlock();
                    mapped_file made = make();
                    made.populate();
                    lock.lock();
                    next_ = std::move(made);
                    changed_.notify_all();
                } else {
                    changed_.wait(lock);
                }
            }
        }};
    }
    ~bare_segments() {
        if (!helper_.joinable()) return;
        {
            std::lock_guard lock{mutex_};
            stop_ = true;
        }
        changed_.notify_all();
        helper_.join();
    }
    /// Instead of `full`.
    void roll(mapped_file& full) {
        if (!helper_.joinable()) {
            full = make();
            return;
        }
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return next_.data() && !full_.data(); });
        full_ = std::move(full);
        full = std::move(next_);
        next_ = {};
        changed_.notify_all();
    }

private:
    mapped_file make() { return {dir_ + "/" + std::to_string(number_++), segment_bytes}; }

    std::string dir_;
    bool again_;
    std::thread helper_;
    std::vector<mapped_file> spares_;
    std::mutex mutex_;
    std::condition_variable changed_;
    mapped_file next_, full_;
    bool stop_ = false;
    int number_ = 0;
};

/// ns a message over so many bytes.
template <std::size_t Bytes>
double rolling_loop(help how) {
    disk_folder dir;
    const std::size_t n = gigabytes(3) / record_bytes<Bytes>;
    bare_segments segments{dir.path(), how};
    mapped_file now{dir.path() + "/first", segment_bytes};
    now.populate();
    durable_message<Bytes> m;
    std::size_t at = 0;
    const double start = now_ns();
    for (m.number = 0; m.number < n; ++m.number) {
        if (at + record_bytes<Bytes> > segment_bytes) {
            segments.roll(now);
            at = 0;
        }
        (void)put_record(now.data() + at, m);
        at += record_bytes<Bytes>;
    }
    return (now_ns() - start) / static_cast<double>(n);
}

/// A journal, and what somebody does for it meanwhile.
template <std::size_t Bytes>
class helped_journal {
public:
    explicit helped_journal(help how)
        : journal_{dir_.path() + "/j",
                   {.sync = penstock::sync::process_crash, .helper = how != help::none}} {
        verify(bool{journal_.maintain()}, "maintain failed");
        if (how != help::recycling) return;
        reader_ = std::thread{[this] {  // has read everything, a segment at a time
            auto group = queue_.group("all");
            for (std::uint64_t last = 0; !stop_;) {
                const auto now = journal_.appended() / segment_bytes;
                if (now == last) {
                    std::this_thread::sleep_for(std::chrono::milliseconds{1});
                    continue;
                }
                last = now;
                verify(bool{group.seek(penstock::seek_to::end)}, "seek failed");
                verify(bool{journal_.trim()}, "trim failed");
            }
        }};
    }
    ~helped_journal() {
        stop_ = true;
        if (reader_.joinable()) reader_.join();
    }
    void send(const durable_message<Bytes>& m) { verify(bool{queue_.send(m)}, "send failed"); }
    /// Of what is there, the sum is that of the last `there` up to n; all unless it was trimmed.
    void check(std::uint64_t n, bool all) {
        penstock::os::directory dir{{}, journal_.path()};
        std::uint64_t sum = 0, there = 0;
        for (auto number = journal_.appended() / segment_bytes; number > 0; --number) {
            auto s = std::make_shared<penstock::segment>();
            if (s->open(dir, number, {.number = 0}, false)) break;
            penstock::scanner walk{s};
            for (penstock::format::record r; walk.look(r) == penstock::format::found::record;
                 walk.step(r)) {
                if (r.header.type != penstock::format::record_type::message) continue;
                std::uint64_t id;
                std::memcpy(&id, r.payload.data(), sizeof id);
                sum += id;
                ++there;
            }
        }
        verify(all ? there == n : there > 0, "messages are missing");
        verify(sum == sum_below(n) - sum_below(n - there), "a message is wrong");
    }

private:
    disk_folder dir_;
    penstock::journal journal_;
    penstock::durable_queue<durable_message<Bytes>> queue_{journal_, "queue"};
    std::atomic<bool> stop_{false};
    std::thread reader_;
};

template <std::size_t Bytes>
double rolling_journal(help how) {
    helped_journal<Bytes> j{how};
    const std::size_t n = gigabytes(3) / record_bytes<Bytes>;
    durable_message<Bytes> m;
    const double start = now_ns();
    for (m.number = 0; m.number < n; ++m.number) j.send(m);
    const double ns = (now_ns() - start) / static_cast<double>(n);
    j.check(n, how != help::recycling);
    return ns;
}

// ---- The slowest at a fixed rate ----------------------------------------------------------------

/// The 99.99th percentile of what an append takes when 200,000 a second are due.
template <std::size_t Bytes, class Append>
double slowest(std::size_t n, Append append) {
    std::vector<float> took(n);
    durable_message<Bytes> m;
    const double start = now_ns();
    for (m.number = 0; m.number < n; ++m.number) {
        const double due = start + static_cast<double>(m.number) * 5000;
        double now = now_ns();
        while (now < due) now = now_ns();
        append(m);
        took[m.number] = static_cast<float>(now_ns() - now);
    }
    const auto at = took.begin() + static_cast<std::ptrdiff_t>(n - 1 - n / 10'000);
    std::nth_element(took.begin(), at, took.end());
    return static_cast<double>(*at);
}
template <std::size_t Bytes>
double slowest_of_journal(help how) {
    helped_journal<Bytes> j{how};
    const std::size_t n = gigabytes(3) / record_bytes<Bytes>;
    const double ns = slowest<Bytes>(n, [&](const auto& m) { j.send(m); });
    j.check(n, how != help::recycling);
    return ns;
}
template <std::size_t Bytes>
double slowest_of_loop(help how) {
    disk_folder dir;
    bare_segments segments{dir.path(), how};
    mapped_file now{dir.path() + "/first", segment_bytes};
    now.populate();
    std::size_t at = 0;
    return slowest<Bytes>(gigabytes(3) / record_bytes<Bytes>, [&](const auto& m) {
        if (at + record_bytes<Bytes> > segment_bytes) {
            segments.roll(now);
            at = 0;
        }
        (void)put_record(now.data() + at, m);
        at += record_bytes<Bytes>;
    });
}

// ---- Opening after SIGKILL ----------------------------------------------------------------------

inline void verify_killed(pid_t pid) {
    int how = 0;
    verify(::waitpid(pid, &how, 0) == pid && WIFSIGNALED(how), "it was to be killed");
}
/// f() in a process of its own, which it kills: before what it has goes, which would close the journal.
template <class F>
void in_another(F&& f) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        f();
        ::_exit(1);
    }
    verify_killed(pid);
}
inline void kill_myself() { ::kill(::getpid(), SIGKILL); }

/// A journal of so many bytes, its last segment nearly full, in the page cache.
class large_journal {
public:
    explicit large_journal(std::size_t bytes) {
        in_another([&] {
            penstock::journal j{path(), {.sync = penstock::sync::process_crash, .helper = true}};
            queue q{j, "queue"};
            const auto m = messages<1024>(0, 50);
            while (j.appended() < bytes || j.appended() % segment_bytes < segment_bytes / 10 * 9)
                verify(bool{q.send_all(m)}, "send failed");
            kill_myself();
        });
    }
    /// ns, after another kill.
    double open() {
        in_another([&] {
            queue q{path(), {.sync = penstock::sync::process_crash}};
            verify(bool{q.send({})}, "send failed");
            kill_myself();
        });
        const double start = now_ns();
        queue q{path(), {.sync = penstock::sync::process_crash}};
        const double ns = now_ns() - start;
        verify(q.report().damage.empty() && q.report().records_read > 0, "nothing was read");
        return ns;
    }
    /// ns to sum a segment's records, walked as the opening does.
    double scan() {
        penstock::os::directory dir{{}, path()};
        auto s = std::make_shared<penstock::segment>();
        verify(!s->open(dir, 1, {.number = 0}, false), "no segment 1");
        const double start = now_ns();
        penstock::scanner walk{s};
        std::size_t n = 0;
        for (penstock::format::record r; walk.look(r) == penstock::format::found::record;
             walk.step(r))
            ++n;
        const double ns = now_ns() - start;
        verify(n > 50'000, "the segment is not full");
        return ns;
    }

private:
    using queue = penstock::durable_queue<durable_message<1024>>;
    [[nodiscard]] std::string path() const { return dir_.path() + "/j"; }
    disk_folder dir_;
};

#if BENCH_ROCKSDB
/// RocksDB in a program of its own: its threads don't live on in a fork.
///   PROGRAM --rocksdb-then-sigkill FOLDER FROM UPTO
inline int rocksdb_then_sigkill(char** arguments) {
    rocksdb_store s{arguments[0], false};
    const auto upto = std::strtoull(arguments[2], nullptr, 10);
    for (auto n = std::strtoull(arguments[1], nullptr, 10); n < upto; n += 1000) {
        const auto m = messages<1024>(n, 1000);
        s.append(m.data(), m.size());
    }
    return ::kill(::getpid(), SIGKILL);
}

class large_rocksdb {
public:
    explicit large_rocksdb(std::size_t bytes) { append(bytes / record_bytes<1024>); }
    double open() {
        append(1000);
        const double start = now_ns();
        const rocksdb_store s{dir_.path(), false};
        return now_ns() - start;
    }

private:
    void append(std::size_t n) {
        const std::string from = std::to_string(count_), upto = std::to_string(count_ + n);
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::execl("/proc/self/exe", "durable", "--rocksdb-then-sigkill", dir_.path().c_str(),
                    from.c_str(), upto.c_str(), nullptr);
            ::_exit(127);
        }
        verify_killed(pid);
        count_ += n;
    }
    disk_folder dir_;
    std::size_t count_ = 0;
};
#endif

}  // namespace bench
