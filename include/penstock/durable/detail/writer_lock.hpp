// SPDX-License-Identifier: BSL-1.0
// One writer for a directory: a kernel lock on its file `lock`, which holds the writer's process id
// for whoever is refused. It goes with the process, however that ends, and never times out: a
// stopped writer keeps it. The file stays; a writer that has synced all leaves the word "closed" in it,
// and its successor need not.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

#include <penstock/core/os_file.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class writer_lock {
public:
    void take(const os::directory& in) {
        file_ = os::file{in.files()};
        const std::string path = in.path_of("lock");
        file_.open(path, O_RDWR | O_CREAT).raise_if_any(path);
        if (const auto t = file_.lock()) {
            if (t.code != EAGAIN && t.code != EACCES) t.raise(path);
            refuse(in.path());
        }
        char left[24] = {};
        std::size_t n = sizeof left - 1;
        file_.read(left, n, 0).raise_if_any(path);
        left_clean_ = left == std::string{closed};
        write(std::to_string(in.files()->process_id())).raise_if_any(path);
    }
    /// `clean`: all that was written is on disk.
    void release(bool clean = false) noexcept {
        if (clean) (void)write(closed);
        file_.close();
    }
    /// Whether the last writer said so. Worth something as long as the machine has not started again.
    [[nodiscard]] bool left_clean() const noexcept { return left_clean_; }

private:
    static constexpr const char* closed = "closed";

    os::trouble write(std::string_view s) {
        if (auto t = file_.truncate(0)) return t;
        return file_.write(s.data(), s.size(), 0);
    }
    [[noreturn]] void refuse(const std::string& path) const {
        char pid[24] = {};
        std::size_t n = sizeof pid - 1;
        // Not yet for the moment between its lock and its write.
        const bool named = !file_.read(pid, n, 0) && n > 0 && pid != std::string{closed};
        throw std::system_error{
            std::make_error_code(std::errc::device_or_resource_busy),
            "penstock: " + path + " is written by " +
                (named ? "process " + std::string{pid} : std::string{"another process"}) +
                ", and a journal has one writer"};
    }

    os::file file_;
    bool left_clean_ = false;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
