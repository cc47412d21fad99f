// SPDX-License-Identifier: BSL-1.0
// Files in the program's own memory, so that a journal can be run thousands of times, and at the same
// addresses each time. A mapping is the file itself. Nothing fails but a lock that another opening holds,
// nothing is lost; time and chance stand still.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <penstock/core/os_files.hpp>

namespace model {

class memory_files : public penstock::os::file_system {
public:
    static constexpr std::size_t room = 64 * 1024;  // of a file

    int open(const char* path, int flags) override {
        auto& f = files_[path];
        if (!f) {
            if ((flags & O_CREAT) == 0 && (flags & O_DIRECTORY) == 0)
                return files_.erase(path), -ENOENT;
            f = std::make_shared<content>();
        } else if ((flags & O_EXCL) != 0) {
            return -EEXIST;
        }
        open_.push_back({f});
        return static_cast<int>(open_.size() - 1);
    }
    void close(int fd) noexcept override { (void)lock(fd, unlocked); }  // mappings live on
    std::int64_t size(int fd) override { return static_cast<std::int64_t>(at(fd).size); }
    std::ptrdiff_t read_at(int fd, void* to, std::size_t n, std::uint64_t from) override {
        content& f = at(fd);
        if (from >= f.size) return 0;
        n = std::min<std::size_t>(n, f.size - from);
        std::memcpy(to, f.bytes.get() + from, n);
        return static_cast<std::ptrdiff_t>(n);
    }
    std::ptrdiff_t write_at(int fd, const void* bytes, std::size_t n, std::uint64_t to) override {
        content& f = at(fd);
        if (to + n > room) return -ENOSPC;
        std::memcpy(f.bytes.get() + to, bytes, n);
        f.size = std::max<std::size_t>(f.size, to + n);
        return static_cast<std::ptrdiff_t>(n);
    }
    int truncate(int fd, std::uint64_t bytes) override { return at(fd).size = bytes, 0; }
    int allocate(int, std::uint64_t) override { return 0; }
    int sync(int) override { return 0; }
    int sync_data(int) override { return 0; }
    int lock(int fd, bool shared) override {
        return lock(fd, shared ? locked_by_some : locked_by_one) ? 0 : -EAGAIN;
    }
    int rename(const char* from, const char* to) override {
        files_[to] = files_[from];
        files_.erase(from);
        return 0;
    }
    int remove(const char* path) override { return files_.erase(path) > 0 ? 0 : -ENOENT; }
    int make_directory(const char*) override { return 0; }
    int list(const char* path, std::vector<std::string>& names) override {
        const std::string in = std::string{path} + "/";
        for (auto& [name, f] : files_)
            if (name.starts_with(in)) names.push_back(name.substr(in.size()));
        return 0;
    }
    void* map(int fd, std::size_t, bool) override { return at(fd).bytes.get(); }
    void unmap(void*, std::size_t) noexcept override {}
    void populate(void*, std::size_t) noexcept override {}
    void unload(void*, std::size_t) noexcept override {}

    std::int64_t process_id() noexcept override { return 1; }
    std::int64_t wall_time() noexcept override { return 1; }
    std::uint64_t boot() override { return 1; }
    std::uint64_t random() override { return ++drawn_ * 0x9e3779b97f4a7c15u; }

private:
    enum held : unsigned char { unlocked, locked_by_some, locked_by_one };
    struct content {
        std::unique_ptr<std::byte[]> bytes = std::make_unique<std::byte[]>(room);
        std::size_t size = 0;
        int some = 0;  // of the locks on it
        int one = 0;
    };
    struct opening {
        std::shared_ptr<content> file;
        held has = unlocked;
    };
    content& at(int fd) { return *open_[static_cast<std::size_t>(fd)].file; }

    bool lock(int fd, held wanted) noexcept {
        opening& o = open_[static_cast<std::size_t>(fd)];
        content& f = *o.file;
        const int some = f.some - (o.has == locked_by_some), one = f.one - (o.has == locked_by_one);
        if ((wanted == locked_by_one && some > 0) || (wanted != unlocked && one > 0)) return false;
        f.some = some + (wanted == locked_by_some);
        f.one = one + (wanted == locked_by_one);
        o.has = wanted;
        return true;
    }

    std::map<std::string, std::shared_ptr<content>> files_;
    std::vector<opening> open_;
    std::uint64_t drawn_ = 0;
};

}  // namespace model
