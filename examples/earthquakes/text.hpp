// SPDX-License-Identifier: BSL-1.0
// Numbers as people read them.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "feed.hpp"

template <class... Args>
std::string text(const char* format, Args... args) {
    std::array<char, 256> line;
    std::snprintf(line.data(), line.size(), format, args...);
    return line.data();
}

/// 1707 is "1,707".
inline std::string grouped(std::uint64_t n) {
    std::string digits = std::to_string(n);
    for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
    return digits;
}

/// "1 line", "1,707 lines".
inline std::string counted(std::uint64_t n, const char* what) {
    return grouped(n) + " " + what + (n == 1 ? "" : "s");
}

/// Three digits and a unit.
inline std::string readable(std::chrono::duration<double, std::nano> d) {
    double value = d.count();
    const char* unit = "ns";
    for (const char* larger : {"µs", "ms", "s"}) {
        if (value < 999.5) break;
        value /= 1000;
        unit = larger;
    }
    const int decimals = *unit == 'n' || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    return text("%.*f %s", decimals, value, unit);
}

// printf pads by bytes; these pad by what a terminal shows.
inline std::string padding(const std::string& s, std::size_t width) {
    std::size_t shown = 0;
    for (const char c : s) shown += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    return std::string(shown < width ? width - shown : 0, ' ');
}
inline std::string left(const std::string& s, std::size_t width) { return s + padding(s, width); }
inline std::string right(const std::string& s, std::size_t width) { return padding(s, width) + s; }

inline std::string readable(utc_time t) {
    const auto day = std::chrono::floor<std::chrono::days>(t);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss time{t - day};
    return text("%04d-%02u-%02u %02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()));
}
