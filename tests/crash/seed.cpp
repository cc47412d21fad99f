// SPDX-License-Identifier: BSL-1.0
// Copies headers and plants the mistakes of seeds.txt in the copies, each asleep until crash::seed names
// it. A text that is not found exactly once is an error: the seed has to follow the header.
//
//   seed seeds.txt include OUT
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>

namespace {

std::string load(const std::filesystem::path& path) {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

int replace(std::string& in, const std::string& what, const std::string& by,
            const std::string& file) {
    const auto at = in.find(what);
    if (at == std::string::npos || in.find(what, at + 1) != std::string::npos) {
        std::cerr << file << " must have this once:\n" << what;
        return 1;
    }
    in.replace(at, what.size(), by);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    namespace fs = std::filesystem;
    if (argc != 4) return 2;
    const fs::path from{argv[2]}, to{argv[3]};
    std::map<std::string, std::string> files;
    for (const auto& e : fs::recursive_directory_iterator{from})
        if (e.path().extension() == ".hpp")
            files[fs::relative(e.path(), from).string()] = load(e.path());

    int bad = replace(files["penstock/core/config.hpp"], "#pragma once\n",
                      "#pragma once\nnamespace crash {\ninline int seed = 0;\n}\n", "config.hpp");
    std::ifstream seeds{argv[1]};
    std::string file, what, by;
    const auto plant = [&] {
        if (!what.empty()) bad |= replace(files["penstock/" + file], what, by, file);
        what.clear();
        by.clear();
    };
    for (std::string line; std::getline(seeds, line);) {
        if (line.starts_with('-')) {
            if (!by.empty()) plant();
            what += line.substr(1) + '\n';
        } else if (line.starts_with('+')) {
            by += line.substr(1) + '\n';
        } else {
            plant();
            if (line.starts_with("in ")) file = line.substr(3);
        }
    }
    plant();
    for (const auto& [name, content] : files) {
        const fs::path path = to / name;
        if (fs::exists(path) && load(path) == content) continue;
        fs::create_directories(path.parent_path());
        std::ofstream{path, std::ios::binary} << content;
    }
    return bad;
}
