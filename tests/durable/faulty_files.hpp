// SPDX-License-Identifier: BSL-1.0
// The kernel's files with one call that fails, and with time and chance held still.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include <penstock/core/os_files.hpp>

class faulty_files : public penstock::os::linux_files {
public:
    enum class call {
        none,
        open,
        read,
        write,
        truncate,
        allocate,
        sync,
        sync_data,
        rename,
        list,
        map
    };

    /// From the `after`th call of that kind on (0: the next), `times` of them answer -`error`.
    void fail(call which, int error, int after = 0, int times = 1 << 30) {
        which_ = which;
        error_ = error;
        left_ = after;
        times_ = times;
    }
    void heal() { which_ = call::none; }

    std::atomic<int> synced{0};  ///< sync_data calls
    std::atomic<int> opened{0};
    std::size_t most = static_cast<std::size_t>(-1);  ///< bytes a write or read takes at once
    bool real_syncs = true;                           ///< false: a sync says ok and does nothing
    std::int64_t time = 0;                            ///< 0: the real one
    std::uint64_t chance = 0;                         ///< 0: the real one; else multiples of it
    std::uint64_t boot_id = 0;                        ///< 0: the real one
    std::function<void()> on_sync_data;

    int open(const char* path, int flags) override {
        ++opened;
        if (const int e = next(call::open)) return -e;
        return linux_files::open(path, flags);
    }
    std::ptrdiff_t read_at(int fd, void* to, std::size_t n, std::uint64_t at) override {
        if (const int e = next(call::read)) return -e;
        return linux_files::read_at(fd, to, n < most ? n : most, at);
    }
    std::ptrdiff_t write_at(int fd, const void* from, std::size_t n, std::uint64_t at) override {
        if (const int e = next(call::write)) return -e;
        return linux_files::write_at(fd, from, n < most ? n : most, at);
    }
    int truncate(int fd, std::uint64_t bytes) override {
        if (const int e = next(call::truncate)) return -e;
        return linux_files::truncate(fd, bytes);
    }
    int allocate(int fd, std::uint64_t bytes) override {
        if (const int e = next(call::allocate)) return -e;
        return linux_files::allocate(fd, bytes);
    }
    int sync(int fd) override {
        if (const int e = next(call::sync)) return -e;
        return real_syncs ? linux_files::sync(fd) : 0;
    }
    int sync_data(int fd) override {
        ++synced;
        if (on_sync_data) on_sync_data();
        if (const int e = next(call::sync_data)) return -e;
        return real_syncs ? linux_files::sync_data(fd) : 0;
    }
    int rename(const char* from, const char* to) override {
        if (const int e = next(call::rename)) return -e;
        return linux_files::rename(from, to);
    }
    int list(const char* path, std::vector<std::string>& names) override {
        if (const int e = next(call::list)) return -e;
        return linux_files::list(path, names);
    }
    void* map(int fd, std::size_t bytes, bool writable) override {
        if (const int e = next(call::map)) {
            errno = e;
            return nullptr;
        }
        return linux_files::map(fd, bytes, writable);
    }
    std::int64_t wall_time() noexcept override {
        return time != 0 ? time : linux_files::wall_time();
    }
    std::uint64_t random() override {
        return chance != 0 ? chance * ++drawn_ : linux_files::random();
    }

    std::uint64_t boot() override { return boot_id != 0 ? boot_id : linux_files::boot(); }

private:
    int next(call c) {
        if (which_ != c) return 0;
        if (left_.fetch_sub(1) > 0) return 0;
        return times_.fetch_sub(1) > 0 ? error_.load() : 0;
    }

    std::atomic<call> which_{call::none};
    std::atomic<int> error_{0};
    std::atomic<int> left_{0};
    std::atomic<int> times_{0};
    std::uint64_t drawn_ = 0;
};
