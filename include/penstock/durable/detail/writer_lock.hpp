// SPDX-License-Identifier: BSL-1.0
// One writer for a directory: a kernel lock on its file `lock`, which holds the writer's process id
// for whoever is refused. It goes with the process, however that ends, and never times out: a
// stopped writer keeps it. The file stays.
#pragma once

#include <cstddef>
#include <string>
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
        const std::string pid = std::to_string(in.files()->process_id());
        file_.truncate(0).raise_if_any(path);
        file_.write(pid.data(), pid.size(), 0).raise_if_any(path);
    }
    void release() noexcept { file_.close(); }

private:
    [[noreturn]] void refuse(const std::string& path) const {
        char pid[24] = {};
        std::size_t n = sizeof pid - 1;
        // Empty for the moment between its lock and its write.
        const bool named = !file_.read(pid, n, 0) && n > 0;
        throw std::system_error{
            std::make_error_code(std::errc::device_or_resource_busy),
            "penstock: " + path + " is written by " +
                (named ? "process " + std::string{pid} : std::string{"another process"}) +
                ", and a journal has one writer"};
    }

    os::file file_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
