// SPDX-License-Identifier: BSL-1.0
#include "orders.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

namespace model {
namespace {

// Comments become blanks; lines stay where they are.
std::string without_comments(std::string text) {
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
        if (text[i] == '"') {
            for (++i; i < text.size() && text[i] != '"' && text[i] != '\n'; ++i)
                if (text[i] == '\\') ++i;
        } else if (text[i] == '/' && text[i + 1] == '/') {
            for (; i < text.size() && text[i] != '\n'; ++i) text[i] = ' ';
        } else if (text[i] == '/' && text[i + 1] == '*') {
            for (; i + 1 < text.size() && !(text[i] == '*' && text[i + 1] == '/'); ++i)
                if (text[i] != '\n') text[i] = ' ';
            text[i] = text[i + 1] = ' ';
        }
    }
    return text;
}

std::memory_order parse(const std::string& name) {
    if (name == "acquire") return std::memory_order_acquire;
    if (name == "release") return std::memory_order_release;
    if (name == "acq_rel") return std::memory_order_acq_rel;
    if (name == "seq_cst") return std::memory_order_seq_cst;
    return std::memory_order_relaxed;
}

std::string read_all(const std::filesystem::path& path) {
    std::ifstream in{path};
    std::stringstream whole;
    whole << in.rdbuf();
    return whole.str();
}

/// Names that this text declares as atomics.
std::set<std::string> atomics_in(const std::string& text) {
    static const std::regex declaration{R"(sys::atomic(_ref)?<[^;{}]*>&?\s+(\w+))"};
    std::set<std::string> names;
    for (std::sregex_iterator d{text.begin(), text.end(), declaration}, end; d != end; ++d)
        names.insert((*d)[2]);
    return names;
}

void scan(const std::filesystem::path& path, const std::string& name, std::vector<order_use>& all) {
    std::stringstream whole{read_all(path)};
    const std::string text = without_comments(whole.str());
    const auto atomics = atomics_in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(whole, line);) lines.push_back(line);
    const auto line_at = [&](std::size_t offset) {
        return static_cast<int>(std::count(
                   text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n')) +
               1;
    };

    static const std::regex call{
        R"((\w*)(\.|->)(load|store|exchange|fetch_\w+|compare_exchange_\w+)\s*\()"};
    static const std::regex order{
        R"(memory_order(_|::)(relaxed|consume|acquire|release|acq_rel|seq_cst)\b)"};
    for (std::sregex_iterator c{text.begin(), text.end(), call}, end; c != end; ++c) {
        const auto open = static_cast<std::size_t>(c->position() + c->length() - 1);
        std::size_t close = open;
        int commas = 0;
        for (int depth = 0; close < text.size(); ++close) {
            if (text[close] == '(') ++depth;
            if (text[close] == ')' && --depth == 0) break;
            if (text[close] == ',' && depth == 1) ++commas;
        }
        const std::string arguments = text.substr(open + 1, close - open - 1);
        const std::string method = (*c)[3];
        order_use use;
        use.file = name;
        use.call_first = line_at(static_cast<std::size_t>(c->position()));
        use.call_last = line_at(close);
        use.operation = method == "load" ? 'l' : method == "store" ? 's' : 'x';
        int argument = 0;
        for (std::sregex_iterator o{arguments.begin(), arguments.end(), order}; o != end;
             ++o, ++argument) {
            use.order = parse((*o)[2]);
            if (use.order == std::memory_order_relaxed) continue;
            use.argument = argument;
            use.line = line_at(open + 1 + static_cast<std::size_t>(o->position()));
            use.source = lines[static_cast<std::size_t>(use.line) - 1];
            all.push_back(use);
        }
        const bool blank = arguments.find_first_not_of(" \n") == std::string::npos;
        const bool complete = method == "load"                ? blank
                              : method.starts_with("compare") ? commas == 1
                                                              : !blank && commas == 0;
        if (argument == 0 && complete && atomics.contains((*c)[1])) {
            use.order = std::memory_order_seq_cst;
            use.defaulted = true;
            use.line = use.call_first;
            use.source = lines[static_cast<std::size_t>(use.line) - 1];
            all.push_back(use);
        }
    }
}

}  // namespace

std::vector<order_use> orders_in(const std::string& include_folder) {
    std::vector<std::filesystem::path> headers;
    for (auto& entry : std::filesystem::recursive_directory_iterator{include_folder})
        if (entry.path().extension() == ".hpp") headers.push_back(entry.path());
    std::sort(headers.begin(), headers.end());
    std::vector<order_use> all;
    for (auto& h : headers)
        scan(h, "include/" + std::filesystem::relative(h, include_folder).string(), all);
    return all;
}

std::vector<std::memory_order> weaker(std::memory_order order, char operation) {
    switch (order) {
        case std::memory_order_seq_cst:
            if (operation == 'l') return {std::memory_order_acquire};
            if (operation == 's') return {std::memory_order_release};
            return {std::memory_order_acq_rel};
        case std::memory_order_acq_rel:
            return {std::memory_order_acquire, std::memory_order_release};
        case std::memory_order_acquire:
        case std::memory_order_release:
        case std::memory_order_consume: return {std::memory_order_relaxed};
        case std::memory_order_relaxed: break;
    }
    return {};
}

}  // namespace model
