// SPDX-License-Identifier: BSL-1.0
// The journal beside stores that people use as queues, and beside bare loops over the same bytes
//
//   PENSTOCK_BENCH_DIR=/mnt/disk benchmarks/run durable [--only REGEX] [--reps N] [--csv FILE] [--list]
//
// The loops do only what the work takes: copy into a mapped, resident file, the same CRC32C over the
// same bytes, fdatasync. Files and rows of a run are made before its clock starts; what was appended
// is read back and summed when it has stopped. README.md here says how it measures.
#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <penstock/durable/durable_queue.hpp>

#include "support/bench.hpp"
#include "support/stores.hpp"

namespace {

using namespace penstock;
using bench::verify;
template <std::size_t Bytes>
using message = bench::durable_message<Bytes>;

template <std::size_t Bytes>
std::vector<message<Bytes>> messages(std::uint64_t from, std::size_t n) {
    std::vector<message<Bytes>> m(n);
    for (std::size_t i = 0; i < n; ++i) m[i].number = from + i;
    return m;
}

// ---- Peers: a new store for each run ----

template <class Store, std::size_t Bytes>
double append(std::size_t n, std::size_t batch, bool sync) {
    bench::disk_folder dir;
    Store store{dir.path(), sync};
    auto m = messages<Bytes>(0, batch);
    const std::size_t rounds = (n + batch - 1) / batch;
    const double start = bench::now_ns();
    for (std::size_t r = 0; r < rounds; ++r) {
        for (std::size_t i = 0; i < batch; ++i) m[i].number = r * batch + i;
        store.append(m.data(), batch);
    }
    const double ns =
        (bench::now_ns() - start) * static_cast<double>(n) / static_cast<double>(rounds * batch);
    verify(store.template read_all<message<Bytes>>() == bench::sum_below(rounds * batch),
           "a store's sum is wrong");
    return ns;
}

template <class Store>
double read(std::size_t n) {
    bench::disk_folder dir;
    Store store{dir.path(), false};
    for (std::size_t i = 0; i < n; i += 1000) {
        const auto m = messages<100>(i, std::min<std::size_t>(1000, n - i));
        store.append(m.data(), m.size());
    }
    const double start = bench::now_ns();
    const auto sum = store.template read_all<message<100>>();
    const double ns = bench::now_ns() - start;
    verify(sum == bench::sum_below(n), "a store's sum is wrong");
    return ns;
}

// ---- Ours: one journal, whose segments are used again, so that its pages are resident ----

template <std::size_t Bytes>
class resident_journal {
public:
    explicit resident_journal(penstock::sync policy)
        : journal_{dir_.path() + "/j", {.sync = policy, .segment_bytes = segment}} {}

    double append(std::size_t n, std::size_t batch, std::size_t threads = 1) {
        double ns = 0;
        for (std::size_t done = 0; done < n;) {
            const std::size_t part = std::min(n - done, per_segment / batch * batch);
            begin_segment();
            const auto from = journal_.appended();
            ns += threads > 1 ? append_together(part, threads) : append_part(part, batch);
            check(from, part);
            done += part;
        }
        return ns;
    }

    double read(std::size_t n) {
        double ns = 0;
        for (std::size_t done = 0; done < n;) {
            const std::size_t part = std::min(n - done, per_segment / 3);
            begin_segment();
            (void)append_part(part, 100);
            const double start = bench::now_ns();
            std::uint64_t sum = 0, got = 0;
            while (got < part) {
                auto batch = group_.try_receive_n(100);
                verify(bool{batch}, "a message is missing");
                for (const auto& m : batch) sum += m.number;
                got += batch.size();
                verify(bool{batch.accept()}, "accept failed");
            }
            ns += bench::now_ns() - start;
            verify(sum == bench::sum_below(part), "a message is wrong");
            reuse();
            done += part;
        }
        return ns;
    }

private:
    static constexpr std::uint64_t segment = 32 << 20;
    static constexpr std::size_t per_segment = segment / 2 / (format::record_bytes(Bytes));

    /// Syncing, which trim does, takes the pages of the last segment their right to be written without
    /// a fault; those of a new one have it.
    void begin_segment() {
        verify(bool{journal_.maintain()}, "maintain failed");
        const auto m = messages<Bytes>(0, 100);
        for (const auto old = journal_.appended() / segment; journal_.appended() / segment == old;)
            verify(bool{queue_.send_all(m)}, "send failed");
        verify(bool{journal_.maintain()}, "maintain failed");
        verify(bool{group_.seek(seek_to::end)}, "seek failed");
    }
    double append_part(std::size_t n, std::size_t batch) {
        auto m = messages<Bytes>(0, batch);
        const double start = bench::now_ns();
        for (std::size_t i = 0; i < n; i += batch) {
            const std::size_t k = std::min(batch, n - i);
            for (std::size_t b = 0; b < k; ++b) m[b].number = i + b;
            const status s = k == 1 ? queue_.send(m[0]) : queue_.send_all({m.data(), k});
            verify(bool{s}, "send failed");
        }
        return bench::now_ns() - start;
    }
    double append_together(std::size_t n, std::size_t threads) {
        std::vector<std::thread> all;
        const double start = bench::now_ns();
        for (std::size_t t = 0; t < threads; ++t)
            all.emplace_back([&, t] {
                message<Bytes> m;
                for (m.number = t; m.number < n; m.number += threads)
                    verify(bool{queue_.send(m)}, "send failed");
            });
        for (auto& t : all) t.join();
        return bench::now_ns() - start;
    }
    /// Reads back from the files, past the queue's own reading.
    void check(std::uint64_t from, std::size_t n) {
        os::directory dir{{}, journal_.path()};
        std::uint64_t sum = 0;
        for (auto number = from / segment; number <= journal_.appended() / segment; ++number) {
            auto s = std::make_shared<penstock::segment>();
            verify(!s->open(dir, number, {.number = 0}, false), "a segment is missing");
            scanner walk{s};
            for (format::record r; walk.look(r) == format::found::record; walk.step(r)) {
                if (number * segment + r.at < from || r.header.type != format::record_type::message)
                    continue;
                std::uint64_t id;
                std::memcpy(&id, r.payload.data(), sizeof id);
                sum += id;
            }
        }
        verify(sum == bench::sum_below(n), "the journal's sum is wrong");
        reuse();
    }
    void reuse() {
        verify(bool{group_.seek(seek_to::end)}, "seek failed");
        verify(bool{journal_.trim()}, "trim failed");
    }

    bench::disk_folder dir_;
    journal journal_;
    durable_queue<message<Bytes>> queue_{journal_, "queue"};
    durable_group<message<Bytes>> group_ = queue_.group("all", {.prefetch = 128});
};

/// Made when first used: a suite that is only asked for its list makes no files.
template <std::size_t Bytes>
resident_journal<Bytes>& ours(penstock::sync policy) {
    static std::optional<resident_journal<Bytes>> by_policy[4];
    auto& j = by_policy[static_cast<int>(policy)];
    return j ? *j : j.emplace(policy);
}

// ---- Hardware: a mapped file, written with zeros, resident ----

class bare_file {
public:
    bare_file() {
        fd_ = ::open((dir_.path() + "/bare").c_str(), O_RDWR | O_CREAT, 0600);
        const std::vector<char> zeros(64 * 1024);
        for (std::size_t at = 0; at < size; at += zeros.size())
            verify(::write(fd_, zeros.data(), zeros.size()) > 0, "no space");
        verify(::fsync(fd_) == 0, "fsync failed");
        void* const p = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
        verify(p != MAP_FAILED, "no mapping");
        data_ = static_cast<std::byte*>(p);
        std::memset(p, 0, size);
    }
    ~bare_file() {
        ::munmap(data_, size);
        ::close(fd_);
    }

    /// `per_sync` records for each fdatasync, 0: none.
    template <std::size_t Bytes>
    double loop(std::size_t n, std::size_t batch, std::size_t per_sync) {
        constexpr std::size_t one = format::record_bytes(Bytes);
        const auto m = messages<Bytes>(0, batch);
        const std::size_t outer = batch > 1 ? sizeof(format::record_header) : 0;
        std::uint32_t last = 0;
        const double start = bench::now_ns();
        for (std::size_t i = 0; i < n; i += batch) {
            if (at_ + outer + batch * one > size) at_ = 0;
            std::byte* const to = data_ + at_;
            for (std::size_t b = 0; b < batch; ++b)
                std::memcpy(to + outer + b * one + sizeof(format::record_header), &m[b], Bytes);
            last = crc32c(to + 8, outer + batch * one - 8);
            std::memcpy(to, &last, sizeof last);
            at_ += outer + batch * one;
            if (per_sync > 0 && i % per_sync == 0) verify(::fdatasync(fd_) == 0, "fdatasync");
        }
        verify(last != 0, "no sum");
        return bench::now_ns() - start;
    }

private:
    static constexpr std::size_t size = 64 << 20;
    bench::disk_folder dir_;
    int fd_ = -1;
    std::byte* data_ = nullptr;
    std::size_t at_ = 0;
};
bare_file& bare() {
    static bare_file f;
    return f;
}

template <class Add>
void each_peer([[maybe_unused]] Add add) {
#if BENCH_SQLITE
    add("SQLite, WAL", std::type_identity<bench::sqlite_store>{});
#endif
#if BENCH_ROCKSDB
    add("RocksDB", std::type_identity<bench::rocksdb_store>{});
#endif
#if BENCH_LMDB
    add("LMDB", std::type_identity<bench::lmdb_store>{});
#endif
}

template <std::size_t Bytes>
void appends(bench::suite& s, const char* name, std::size_t batch, penstock::sync policy) {
    const bool sync = policy == sync::every_append;
    auto& c = s.cell(name);
    c.add("journal", bench::ours,
          [=](std::size_t n) { return ours<Bytes>(policy).append(n, batch); });
    c.add("bare loop", bench::hardware,
          [=](std::size_t n) { return bare().loop<Bytes>(n, batch, sync ? 1 : 0); });
    each_peer([&](const char* peer, auto store) {
        using type = typename decltype(store)::type;
        c.add(
            peer, bench::peers, [=](std::size_t n) { return append<type, Bytes>(n, batch, sync); });
    });
}

void name_the_disk() {
    std::string longest, line, device;
    const auto here = std::filesystem::absolute(
        std::getenv("PENSTOCK_BENCH_DIR") ? std::getenv("PENSTOCK_BENCH_DIR") : ".");
    for (std::ifstream in{"/proc/mounts"}; std::getline(in, line);) {
        std::istringstream fields{line};
        std::string from, on, type;
        fields >> from >> on >> type;
        if (here.string().starts_with(on) && on.size() >= longest.size())
            longest = on, device = type + " on " + from;
    }
    std::printf("files in %s: %s\n", here.c_str(), device.c_str());
}

}  // namespace

int main(int argc, char** argv) {
    bench::suite s{argc, argv};
    name_the_disk();
    appends<100>(s, "append 100 B", 1, penstock::sync::process_crash);
    appends<1024>(s, "append 1 KiB", 1, penstock::sync::process_crash);
    appends<100>(s, "append 100 B by 100", 100, penstock::sync::process_crash);
    appends<100>(s, "append 100 B, sync each", 1, penstock::sync::every_append);
    auto& together = s.cell("16 threads, sync each");
    together.add("journal", bench::ours, [](std::size_t n) {
        return ours<100>(penstock::sync::every_append).append(n, 1, 16);
    });
    together.add("bare loop, 16 a sync", bench::hardware,
                 [](std::size_t n) { return bare().loop<100>(n, 1, 16); });
    auto& reads = s.cell("read 100 B, cursor every 100");
    reads.add("journal", bench::ours,
              [](std::size_t n) { return ours<100>(penstock::sync::process_crash).read(n); });
    each_peer([&](const char* peer, auto store) {
        using type = typename decltype(store)::type;
        reads.add(peer, bench::peers, [](std::size_t n) { return read<type>(n); });
    });
    return s.run();
}
