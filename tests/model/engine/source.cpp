// SPDX-License-Identifier: BSL-1.0
#include "source.hpp"

#include <fstream>
#include <map>
#include <vector>

namespace model {

const std::string& source_line(place p) {
    static std::map<std::string, std::vector<std::string>> files;
    static const std::string nothing;
    auto [file, is_new] = files.try_emplace(p.file);
    if (is_new) {
        std::ifstream in{p.file};
        for (std::string line; std::getline(in, line);) file->second.push_back(line);
    }
    const auto n = static_cast<std::size_t>(p.line);
    return n >= 1 && n <= file->second.size() ? file->second[n - 1] : nothing;
}

}  // namespace model
