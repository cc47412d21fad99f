// SPDX-License-Identifier: BSL-1.0
// The floor under a journal: a mapped file written with zeros, records copied into it and summed on the
// way by the journal's own function, fdatasync. No locks, no segments, nobody to tell.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <penstock/durable/crc32c.hpp>
#include <penstock/durable/format.hpp>

#include "../support/machine.hpp"
#include "../support/stores.hpp"
#include "../support/verify.hpp"

namespace bench {

/// A file of zeros, mapped. In pieces of 64 KiB, as the journal writes them: larger ones make syncs dear.
class mapped_file {
public:
    mapped_file() = default;
    mapped_file(const std::string& path, std::size_t bytes) : size_{bytes} {
        fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
        const std::vector<char> zeros(64 * 1024);
        for (std::size_t at = 0; at < bytes; at += zeros.size())
            verify(::write(fd_, zeros.data(), zeros.size()) > 0, "no space");
        verify(::fsync(fd_) == 0, "fsync failed");
        void* const p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
        verify(p != MAP_FAILED, "no mapping");
        data_ = static_cast<std::byte*>(p);
    }
    mapped_file(mapped_file&& o) noexcept
        : fd_{std::exchange(o.fd_, -1)}, data_{std::exchange(o.data_, nullptr)}, size_{o.size_} {}
    mapped_file& operator=(mapped_file&& o) noexcept {
        std::swap(fd_, o.fd_);
        std::swap(data_, o.data_);
        std::swap(size_, o.size_);
        return *this;
    }
    ~mapped_file() {
        if (data_) ::munmap(data_, size_);
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] std::byte* data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    void populate() const { ::madvise(data_, size_, 23 /* MADV_POPULATE_WRITE */); }
    void sync() const { verify(::fdatasync(fd_) == 0, "fdatasync failed"); }

private:
    int fd_ = -1;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// Puts a record there: header, payload, the sum over both. Ours has as many bytes.
template <std::size_t Bytes>
std::uint32_t put_record(std::byte* to, const durable_message<Bytes>& m) {
    const std::uint64_t header[4]{1, Bytes, m.number, 0};
    const std::uint32_t sum =
        penstock::crc32c_state{}.add_copying(header, 4, to + 32, &m, Bytes).value();
    std::memcpy(to + 8, header + 1, 24);
    const std::uint64_t first = header[0] << 32 | sum;
    std::memcpy(to, &first, 8);  // last
    return sum;
}
template <std::size_t Bytes>
inline constexpr std::size_t record_bytes = penstock::format::record_bytes(Bytes);

class bare_file {
public:
    bare_file() { file_.populate(); }

    template <std::size_t Bytes>
    double loop(std::size_t n, std::size_t batch) {
        constexpr std::size_t one = record_bytes<Bytes>;
        auto m = messages<Bytes>(0, batch);
        const std::size_t outer = batch > 1 ? 32 : 0;
        file_.sync();  // what a run before has left is not this one's
        file_.populate();
        const double start = now_ns();
        for (std::size_t i = 0; i < n; i += batch) {
            if (at_ + outer + batch * one > file_.size()) at_ = 0;
            std::byte* const to = file_.data() + at_;
            if (batch == 1) {
                m[0].number = i;
                last_ = put_record(to, m[0]);
            } else {
                penstock::crc32c_state sum;
                for (std::size_t b = 0; b < batch; ++b) {
                    m[b].number = i + b;
                    std::byte* const at = to + outer + b * one;
                    const std::uint64_t header[4]{1, Bytes, m[b].number, 0};
                    std::memcpy(at, header, sizeof header);
                    sum = sum.add_copying(header, 4, at + 32, &m[b], Bytes);
                }
                last_ = sum.value();
                std::memset(to, 0, outer);
                std::memcpy(to, &last_, sizeof last_);
            }
            at_ += outer + batch * one;
        }
        const double ns = now_ns() - start;
        verify(last_ != 0, "no sum");
        return ns;
    }

    /// One thread: a sync behind every `per_sync` records.
    template <std::size_t Bytes>
    double synced(std::size_t n, std::size_t per_sync) {
        durable_message<Bytes> m;
        file_.sync();
        const double start = now_ns();
        for (std::size_t i = 0; i < n; ++i) {
            m.number = i;
            put(m);
            if (i % per_sync == per_sync - 1) file_.sync();
        }
        return now_ns() - start;
    }

    /// Threads that each wait until theirs is synced: who finds nobody syncing does it for all.
    template <std::size_t Bytes>
    double synced_together(std::size_t n, std::size_t threads) {
        std::mutex mutex;
        std::condition_variable done;
        std::uint64_t appended = 0, synced = 0;
        bool syncing = false;
        file_.sync();
        std::vector<std::thread> all;
        const double start = now_ns();
        for (std::size_t t = 0; t < threads; ++t)
            all.emplace_back([&, t] {
                durable_message<Bytes> m;
                std::unique_lock lock{mutex};
                for (m.number = t; m.number < n; m.number += threads) {
                    put(m);
                    const auto mine = ++appended;
                    while (synced < mine) {
                        if (syncing) {
                            done.wait(lock);
                            continue;
                        }
                        syncing = true;
                        const auto upto = appended;
                        lock.unlock();
                        file_.sync();
                        lock.lock();
                        synced = upto;
                        syncing = false;
                        done.notify_all();
                    }
                }
            });
        for (auto& t : all) t.join();
        verify(synced == n, "records are missing");
        return now_ns() - start;
    }

private:
    template <std::size_t Bytes>
    void put(const durable_message<Bytes>& m) {
        if (at_ + record_bytes<Bytes> > file_.size()) at_ = 0;
        last_ = put_record(file_.data() + at_, m);
        at_ += record_bytes<Bytes>;
    }

    disk_folder dir_;
    mapped_file file_{dir_.path() + "/bare", std::size_t{64} << 20};
    std::size_t at_ = 0;
    std::uint32_t last_ = 0;
};

}  // namespace bench
