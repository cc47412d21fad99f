// SPDX-License-Identifier: BSL-1.0
// A file, a mapping and a directory, closed when they go, over whatever `os::file_system` is under
// them.
//
//   os::file out{files};
//   if (auto t = out.open(path, O_RDWR | O_CREAT)) t.raise(path);  // std::system_error
//
// Threads   Distinct objects: any. One object: const calls may overlap.
// Errors    What was interrupted or cut short is tried again, except a sync. The answer is a `trouble`:
//           errno and the operation.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <penstock/core/os_files.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace os {

/// What went wrong: an errno and the operation; false when nothing did.
struct [[nodiscard]] trouble {
    int code = 0;
    const char* operation = "";

    explicit operator bool() const noexcept { return code != 0; }
    [[nodiscard]] bool no_space() const noexcept { return code == ENOSPC || code == EDQUOT; }
    [[noreturn]] void raise(const std::string& path) const {
        throw std::system_error{
            code, std::generic_category(), std::string{"penstock: "} + operation + " " + path};
    }
    /// For constructors, where trouble is an exception.
    void raise_if_any(const std::string& path) const {
        if (code != 0) raise(path);
    }
};

namespace detail {
template <class Call>
auto uninterrupted(Call&& call) {
    auto answer = call();
    while (answer == -EINTR) answer = call();
    return answer;
}
template <class Answer>
trouble trouble_of(Answer answer, const char* operation) noexcept {
    return answer >= 0 ? trouble{} : trouble{static_cast<int>(-answer), operation};
}
}  // namespace detail

class file {
public:
    file() = default;
    explicit file(file_system_ref files) noexcept : files_{files} {}
    file(file&& other) noexcept : files_{other.files_}, fd_{std::exchange(other.fd_, -1)} {}
    file& operator=(file&& other) noexcept {
        std::swap(files_, other.files_);
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~file() { close(); }

    trouble open(const std::string& path, int flags) {
        close();
        const int fd = detail::uninterrupted([&] { return files_->open(path.c_str(), flags); });
        if (fd >= 0) fd_ = fd;
        return detail::trouble_of(fd, (flags & O_CREAT) != 0 ? "create" : "open");
    }
    void close() noexcept {
        if (fd_ >= 0) files_->close(std::exchange(fd_, -1));
    }

    trouble size(std::uint64_t& bytes) const {
        const auto n = files_->size(fd_);
        if (n >= 0) bytes = static_cast<std::uint64_t>(n);
        return detail::trouble_of(n, "ask the size of");
    }
    /// Reads up to `n` bytes, fewer only at the end of the file; `n` becomes how many.
    trouble read(void* to, std::size_t& n, std::uint64_t at) const {
        std::size_t done = 0;
        while (done < n) {
            const auto got = detail::uninterrupted([&] {
                return files_->read_at(
                    fd_, static_cast<std::byte*>(to) + done, n - done, at + done);
            });
            if (got < 0) return detail::trouble_of(got, "read");
            if (got == 0) break;
            done += static_cast<std::size_t>(got);
        }
        n = done;
        return {};
    }
    trouble write(const void* from, std::size_t n, std::uint64_t at) {
        for (std::size_t done = 0; done < n;) {
            const auto put = detail::uninterrupted([&] {
                return files_->write_at(
                    fd_, static_cast<const std::byte*>(from) + done, n - done, at + done);
            });
            if (put < 0) return detail::trouble_of(put, "write");
            if (put == 0) return {EIO, "write"};
            done += static_cast<std::size_t>(put);
        }
        return {};
    }
    trouble truncate(std::uint64_t bytes) {
        return detail::trouble_of(
            detail::uninterrupted([&] { return files_->truncate(fd_, bytes); }), "truncate");
    }
    /// Gives the first `bytes` their disk space, so that storing into a mapping of them can't meet a
    /// full disk. A file system that can't says so; nothing is done then.
    trouble allocate(std::uint64_t bytes) {
        const int answer = detail::uninterrupted([&] { return files_->allocate(fd_, bytes); });
        return detail::trouble_of(answer == -EOPNOTSUPP ? 0 : answer, "allocate");
    }
    // Not retried, not even when interrupted: nobody knows what a second one would say of the
    // pages that the first one gave up.
    trouble sync() { return detail::trouble_of(files_->sync(fd_), "sync"); }
    trouble sync_data() { return detail::trouble_of(files_->sync_data(fd_), "sync"); }
    trouble lock(bool shared = false) {
        return detail::trouble_of(files_->lock(fd_, shared), "lock");
    }

private:
    friend class mapping;
    file_system_ref files_;
    int fd_ = -1;
};

/// The first bytes of a file as memory, until destroyed; the file itself may be closed meanwhile.
class mapping {
public:
    mapping() = default;
    mapping(mapping&& other) noexcept
        : files_{other.files_},
          data_{std::exchange(other.data_, nullptr)},
          size_{std::exchange(other.size_, 0)} {}
    mapping& operator=(mapping&& other) noexcept {
        std::swap(files_, other.files_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~mapping() {
        if (data_) files_->unmap(data_, size_);
    }

    trouble map(const file& f, std::size_t bytes, bool writable) {
        *this = mapping{};
        files_ = f.files_;
        void* const at = files_->map(f.fd_, bytes, writable);
        if (!at) return {errno != 0 ? errno : ENOMEM, "map"};
        data_ = static_cast<std::byte*>(at);
        size_ = bytes;
        return {};
    }
    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    void populate() noexcept { files_->populate(data_, size_); }
    void unload() noexcept { files_->unload(data_, size_); }

private:
    file_system_ref files_;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// A directory's names. A name that was made, renamed or removed survives power loss after sync().
class directory {
public:
    directory(file_system_ref files, std::string path) : files_{files}, path_{std::move(path)} {}

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] std::string path_of(const std::string& name) const { return path_ + "/" + name; }
    [[nodiscard]] file_system_ref files() const noexcept { return files_; }

    /// Creates it where it is missing; its parent must be there.
    trouble make() {
        const int answer = files_->make_directory(path_.c_str());
        made_ = answer >= 0;
        return detail::trouble_of(answer == -EEXIST ? 0 : answer, "create the directory");
    }
    /// Its own name survives power loss from then on. A parent that may not be read can't be synced:
    /// whoever made the directory there has to.
    trouble sync_name() {
        const auto slash = path_.find_last_of('/');
        const std::string parent =
            slash == std::string::npos ? "." : path_.substr(0, slash == 0 ? 1 : slash);
        const trouble t = directory{files_, parent}.sync();
        return t.code == EACCES && !made_ ? trouble{} : t;
    }
    trouble list(std::vector<std::string>& names) const {
        return detail::trouble_of(files_->list(path_.c_str(), names), "list");
    }
    trouble rename(const std::string& from, const std::string& to) {
        return detail::trouble_of(
            files_->rename(path_of(from).c_str(), path_of(to).c_str()), "rename");
    }
    trouble remove(const std::string& name) {
        const int answer = files_->remove(path_of(name).c_str());
        return detail::trouble_of(answer == -ENOENT ? 0 : answer, "remove");
    }
    trouble sync() {
        file self{files_};
        if (auto t = self.open(path_, O_RDONLY | O_DIRECTORY)) return t;
        return self.sync();
    }

private:
    file_system_ref files_;
    std::string path_;
    bool made_ = false;
};

}  // namespace os
}  // namespace penstock::inline PENSTOCK_ABI
