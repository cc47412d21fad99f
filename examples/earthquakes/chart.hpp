// SPDX-License-Identifier: BSL-1.0
// A number over time as a picture of 80 columns: each column shows the most there was in its time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "text.hpp"

struct sample {
    double at;  // seconds
    std::size_t value;
};

/// Of samples in order of time, from second 0 to `seconds`.
inline std::string chart(const std::vector<sample>& samples, double seconds) {
    constexpr std::size_t width = 72, height = 8, ticks = 4;
    static constexpr std::array<const char*, 9> eighths{
        " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

    // A value stays until the next sample, so a column without one shows what was before.
    std::vector<std::size_t> columns(width, 0);
    std::size_t now = 0, filled = 0;
    for (const sample& s : samples) {
        const double share = std::clamp(s.at / seconds, 0.0, 1.0);
        const auto column = std::min(static_cast<std::size_t>(share * width), width - 1);
        while (filled < column) columns[++filled] = now;
        now = s.value;
        columns[column] = std::max(columns[column], now);
    }
    const std::size_t top =
        std::max<std::size_t>(*std::max_element(columns.begin(), columns.end()), 1);

    std::string picture;
    for (std::size_t row = height; row-- > 0;) {
        const bool labelled = row == height - 1 || (row == height / 2 - 1 && top > 1);
        picture += right(labelled ? grouped(top * (row + 1) / height) : "", 5) +
                   (labelled ? " ┤" : " │");
        for (const std::size_t value : columns) {
            const std::size_t level = (value * height * 8 + top - 1) / top;  // what is, shows
            picture += eighths[std::clamp<std::size_t>(level, row * 8, row * 8 + 8) - row * 8];
        }
        while (picture.back() == ' ') picture.pop_back();
        picture += '\n';
    }
    picture += "    0 └";
    for (std::size_t c = 1; c <= width; ++c) picture += c % (width / ticks) == 0 ? "┴" : "─";
    picture += "\n      0 s";
    for (std::size_t tick = 1; tick <= ticks; ++tick)
        picture += right(text("%.*f s", seconds < 10 ? 1 : 0,
                              seconds * static_cast<double>(tick) / static_cast<double>(ticks)),
                         width / ticks - (tick == 1 ? 2 : 0));
    return picture + '\n';
}
