// SPDX-License-Identifier: BSL-1.0
// What Penstock asks of Linux about files. The journal reaches the kernel only through
// `os::file_system`, so that a test can put a layer under it that records or fails any call.
//
//   struct full_disk final : os::linux_files {
//       std::ptrdiff_t write_at(int, const void*, std::size_t, std::uint64_t) override {
//           return -ENOSPC;
//       }
//   };
//
// Cost      One indirect call beside a system call. Stores into a mapping go straight to memory: a
//           recording layer, which learns of every mapping, compares it with what it last saw.
// Threads   Everything may be called by any number of threads at once.
// Errors    Calls answer like the kernel, a negative errno; core/os_file.hpp makes them comfortable.
#pragma once

#if !defined(__linux__)
#error "Penstock runs on Linux so far; other systems are planned (README, Platforms)"
#endif

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace os {

/// The calls, as the kernel names and answers them.
class file_system {
public:
    virtual int open(const char* path, int flags) = 0;
    virtual void close(int fd) noexcept = 0;
    virtual std::int64_t size(int fd) = 0;
    virtual std::ptrdiff_t read_at(int fd, void* to, std::size_t n, std::uint64_t at) = 0;
    virtual std::ptrdiff_t write_at(int fd, const void* from, std::size_t n, std::uint64_t at) = 0;
    virtual int truncate(int fd, std::uint64_t bytes) = 0;
    virtual int allocate(int fd, std::uint64_t bytes) = 0;  ///< disk space for what is a hole
    virtual int sync(int fd) = 0;                           ///< contents, size and times: fsync
    virtual int sync_data(int fd) = 0;  ///< contents, mapped stores included, and size: fdatasync
    virtual int lock(int fd, bool shared) = 0;  ///< of this opening; never waits
    virtual int rename(const char* from, const char* to) = 0;
    virtual int remove(const char* path) = 0;
    virtual int make_directory(const char* path) = 0;
    virtual int list(const char* path, std::vector<std::string>& names) = 0;
    /// Maps the first `bytes`; nullptr and errno on failure.
    virtual void* map(int fd, std::size_t bytes, bool writable) = 0;
    virtual void unmap(void* at, std::size_t bytes) noexcept = 0;
    /// Takes the page faults of stores to come; where that can't be done, they come later.
    virtual void populate(void* at, std::size_t bytes) noexcept = 0;
    /// Nobody stores there any more: its pages leave the mapping, and come back when they are read. A
    /// sync of pages that are mapped to be written interrupts every core of the process for each.
    virtual void unload(void* at, std::size_t bytes) noexcept = 0;

    // Not files, but what a test of files has to hold still.
    virtual std::int64_t process_id() noexcept = 0;
    virtual std::int64_t wall_time() noexcept = 0;  ///< ns since 1970, UTC, to a few milliseconds
    virtual std::uint64_t random() = 0;
    virtual std::uint64_t boot() = 0;  ///< the same until the machine starts again; 0: unknown

protected:
    ~file_system() = default;
};

class linux_files : public file_system {
public:
    int open(const char* path, int flags) override {
        return answer(::open(path, flags | O_CLOEXEC, 0666));
    }
    void close(int fd) noexcept override { ::close(fd); }
    std::int64_t size(int fd) override {
        struct stat s {};
        return ::fstat(fd, &s) == 0 ? std::int64_t{s.st_size} : -errno;
    }
    std::ptrdiff_t read_at(int fd, void* to, std::size_t n, std::uint64_t at) override {
        const auto done = ::pread(fd, to, n, static_cast<off_t>(at));
        return done >= 0 ? done : -errno;
    }
    std::ptrdiff_t write_at(int fd, const void* from, std::size_t n, std::uint64_t at) override {
        const auto done = ::pwrite(fd, from, n, static_cast<off_t>(at));
        return done >= 0 ? done : -errno;
    }
    int truncate(int fd, std::uint64_t bytes) override {
        return answer(::ftruncate(fd, static_cast<off_t>(bytes)));
    }
    int allocate(int fd, std::uint64_t bytes) override {
        return answer(::fallocate(fd, 0, 0, static_cast<off_t>(bytes)));
    }
    int sync(int fd) override { return answer(::fsync(fd)); }
    int sync_data(int fd) override { return answer(::fdatasync(fd)); }
    // Of the open file description: another opening in this very process is refused as well, and
    // closing some other descriptor of the file does not give it up.
    int lock(int fd, bool shared) override {
        struct flock whole {};
        whole.l_type = shared ? F_RDLCK : F_WRLCK;
        whole.l_whence = SEEK_SET;
        return answer(::fcntl(fd, F_OFD_SETLK, &whole));
    }
    int rename(const char* from, const char* to) override { return answer(::rename(from, to)); }
    int remove(const char* path) override { return answer(::unlink(path)); }
    int make_directory(const char* path) override { return answer(::mkdir(path, 0777)); }
    int list(const char* path, std::vector<std::string>& names) override {
        DIR* const d = ::opendir(path);
        if (!d) return -errno;
        errno = 0;
        while (const dirent* e = ::readdir(d)) names.emplace_back(e->d_name);
        const int error = errno;
        ::closedir(d);
        return -error;
    }
    void* map(int fd, std::size_t bytes, bool writable) override {
        const int access = writable ? PROT_READ | PROT_WRITE : PROT_READ;
        void* const at = ::mmap(nullptr, bytes, access, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) return nullptr;
        ::madvise(at, bytes, MADV_DONTFORK);  // a child must not write into the parent's journal
        return at;
    }
    void unmap(void* at, std::size_t bytes) noexcept override { ::munmap(at, bytes); }
    void populate(void* at, std::size_t bytes) noexcept override {
        constexpr int populate_write = 23;  // MADV_POPULATE_WRITE, Linux 5.14
        (void)::madvise(at, bytes, populate_write);
    }
    void unload(void* at, std::size_t bytes) noexcept override {
        (void)::madvise(at, bytes, MADV_DONTNEED);  // of a shared mapping: the file keeps all
    }

    std::int64_t process_id() noexcept override { return ::getpid(); }
    std::int64_t wall_time() noexcept override {
        timespec t{};
        ::clock_gettime(CLOCK_REALTIME_COARSE, &t);  // 2 ns; the other takes 22
        return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
    }
    std::uint64_t random() override {
        std::uint64_t bits = 0;
        while (::getrandom(&bits, sizeof bits, 0) != sizeof bits) {
        }
        return bits;
    }

    std::uint64_t boot() override {
        char id[64] = {};  // a random UUID
        const int fd = ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        if (fd < 0) return 0;
        const auto n = ::read(fd, id, sizeof id);
        ::close(fd);
        std::uint64_t hash = 0xCBF29CE484222325;  // FNV-1a
        for (std::ptrdiff_t i = 0; i < n; ++i)
            hash = (hash ^ static_cast<unsigned char>(id[i])) * 0x100000001B3;
        return n > 0 ? hash : 0;
    }

private:
    static int answer(int returned) noexcept { return returned >= 0 ? returned : -errno; }
};

namespace detail {
inline linux_files real_files;
}  // namespace detail

/// The file system an option names; the kernel's unless told otherwise. It must outlive its users.
class file_system_ref {
public:
    file_system_ref() noexcept : files_{&detail::real_files} {}
    file_system_ref(file_system& f) noexcept : files_{&f} {}
    file_system* operator->() const noexcept { return files_; }

private:
    file_system* files_;
};

}  // namespace os
}  // namespace penstock::inline PENSTOCK_ABI
