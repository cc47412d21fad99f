// SPDX-License-Identifier: BSL-1.0
// A directory of a test's own, gone when the test is.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <unistd.h>

class scratch {
public:
    scratch() : scratch{std::filesystem::temp_directory_path()} {}
    explicit scratch(const std::filesystem::path& in) {
        std::string name = (in / "penstock.XXXXXX").string();
        if (!::mkdtemp(name.data())) throw std::runtime_error{"no scratch directory: " + name};
        root_ = name;
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    ~scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(root_, ignored);
    }
    /// Where syncs take no time, for tests of what is no disk's business.
    static std::filesystem::path in_memory() {
        const char* const shm = "/dev/shm";
        return ::access(shm, R_OK | W_OK | X_OK) == 0
                   ? shm
                   : std::filesystem::temp_directory_path();
    }
    [[nodiscard]] std::string path(const std::string& name) const { return root_ + "/" + name; }

private:
    std::string root_;
};
