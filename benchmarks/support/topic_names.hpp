// SPDX-License-Identifier: BSL-1.0
// Names, patterns, and the matcher that a program without a tree would have.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

inline std::string name_of(std::uint64_t i) {
    return "w" + std::to_string(i % 61) + ".v" + std::to_string(i / 61 % 59) + ".n" +
           std::to_string(i);
}

/// 10 % with a *, 1 % with a #, the others are names.
inline std::vector<std::string> patterns_of(std::size_t count) {
    std::mt19937_64 random{1};
    std::vector<std::string> all;
    for (std::size_t k = 0; k < count; ++k) {
        const std::uint64_t i = random() % 1'000'000;
        const std::string w = "w" + std::to_string(i % 61), v = "v" + std::to_string(i / 61 % 59),
                          last = "n" + std::to_string(i);
        const std::uint64_t dice = random() % 100;
        if (dice == 0)
            all.push_back(random() % 2 ? w + ".#" : w + "." + v + ".#");
        else if (dice <= 10)
            all.push_back(dice % 3 == 0   ? "*." + v + "." + last
                          : dice % 3 == 1 ? w + ".*." + last
                                          : w + "." + v + ".*");
        else
            all.push_back(w + "." + v + "." + last);
    }
    return all;
}

inline std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    for (std::size_t at = 0;;) {
        const std::size_t dot = text.find('.', at);
        words.push_back(text.substr(at, dot - at));
        if (dot == text.npos) return words;
        at = dot + 1;
    }
}

using word = std::vector<std::string_view>::const_iterator;
inline bool matches(word p, word p_end, word n, word n_end) {
    for (; p != p_end; ++p, ++n) {
        if (*p == "#") {
            for (;; ++n) {
                if (matches(p + 1, p_end, n, n_end)) return true;
                if (n == n_end) return false;
            }
        }
        if (n == n_end || (*p != "*" && *p != *n)) return false;
    }
    return n == n_end;
}

/// What a program without a tree does: compares with every pattern.
struct linear_scan {
    explicit linear_scan(std::size_t count) : texts{patterns_of(count)} {
        for (auto& t : texts) patterns.push_back(words_of(t));
    }
    std::size_t match(const std::string& name) const {
        const auto words = words_of(name);
        std::size_t found = 0;
        for (auto& p : patterns) found += matches(p.begin(), p.end(), words.begin(), words.end());
        return found;
    }
    std::vector<std::string> texts;
    std::vector<std::vector<std::string_view>> patterns;
};

}  // namespace bench
