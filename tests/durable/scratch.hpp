// SPDX-License-Identifier: BSL-1.0
// A directory of a test's own, gone when the test is.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

class scratch {
public:
    scratch() {
        std::string name = (std::filesystem::temp_directory_path() / "penstock.XXXXXX").string();
        if (!::mkdtemp(name.data())) throw std::runtime_error{"no scratch directory: " + name};
        root_ = name;
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    ~scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(root_, ignored);
    }
    [[nodiscard]] std::string path(const std::string& name) const { return root_ + "/" + name; }

private:
    std::string root_;
};
