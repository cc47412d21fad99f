// SPDX-License-Identifier: BSL-1.0
// What a benchmark prints and writes when its rounds are over.
#pragma once

#include <cstdio>
#include <fstream>
#include <list>
#include <regex>
#include <string>

#include "record.hpp"
#include "statistics.hpp"

namespace bench {

using cell_list = std::list<cell>;

inline double median_of(const subject& s) { return estimate_of(s.values).median; }

inline void print_cells(const cell_list& cells) {
    for (auto& c : cells) {
        const subject* own = nullptr;
        for (auto& s : c.subjects)
            if (s.owner == whose::ours && !own) own = &s;
        std::printf("\n%-50s %11s %26s %25s", (c.name + ", " + c.unit).c_str(), "median", "[95 %]",
                    "least .. most");
        if (own) std::printf("  %s / this", own->name.c_str());
        std::printf("\n");
        for (auto& s : c.subjects) {
            const estimate e = estimate_of(s.values);
            std::printf("  %s %-46s %11.2f [%11.2f, %11.2f] %11.2f ..%11.2f",
                        s.owner == whose::ours ? "*" : " ", s.name.c_str(), e.median, e.low, e.high,
                        e.least, e.most);
            if (own && &s != own) {
                const estimate r = estimate_of(ratios(own->values, s.values));
                std::printf("  %6.2f [%.2f, %.2f]", r.median, r.low, r.high);
            }
            std::printf("\n");
        }
    }
}

/// Of the subjects whose whole name matches, the one with the least median.
template <class Accept>
const subject* best_of(const cell_list& cells, const std::string& cell_name,
                       const std::string& names, Accept accept) {
    const std::regex wanted{names};
    const subject* best = nullptr;
    for (auto& c : cells) {
        if (c.name != cell_name) continue;
        for (auto& s : c.subjects)
            if (accept(s) && !s.values.empty() && std::regex_match(s.name, wanted) &&
                (!best || median_of(s) < median_of(*best)))
                best = &s;
    }
    return best;
}

/// As Markdown. A goal is reached when the interval's lower end is at its bar or below; "surely" when
/// the upper end is too.
inline void print_goals(const cell_list& cells, const std::vector<goal>& goals) {
    std::printf(
        "\n| cell | best beside it | its median | ours | our median | ours to it [95 %%] | bar | "
        "|\n|---|---|---|---|---|---|---|---|\n");
    for (auto& g : goals) {
        const std::string title = g.title.empty() ? g.cell : g.title;
        const subject* own =
            best_of(cells, g.cell, g.ours, [](const subject& s) { return s.owner == whose::ours; });
        const subject* best =
            best_of(cells, g.beside.empty() ? g.cell : g.beside, g.others, [&](const subject& s) {
                return &s != own && (g.any_owner || s.owner == whose::peers);
            });
        if (!own || (!best && g.what != goal::kind::value)) {
            std::printf("| %s | not in this run | | | | | | |\n", title.c_str());
            continue;
        }
        std::vector<double> values = own->values;
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (g.what == goal::kind::ratio) values[i] /= best->values[i];
            if (g.what == goal::kind::difference) values[i] -= best->values[i];
        }
        const estimate e = estimate_of(values);
        const char* sign = g.what == goal::kind::difference ? "+" : "";
        const int digits = g.what == goal::kind::ratio ? 2 : 1;
        std::printf(
            "| %s | %s | %.4g | %s | %.4g | %s%.*f [%.*f, %.*f] | <= %s%g | %s |\n", title.c_str(),
            best ? best->name.c_str() : "", best ? median_of(*best) : 0, own->name.c_str(),
            median_of(*own), sign, digits, e.median, digits, e.low, digits, e.high, sign, g.bar,
            e.high <= g.bar  ? "reached"
            : e.low <= g.bar ? "reached by the interval's lower end"
                             : "missed");
    }
}

inline void write_csv(std::ofstream& csv, const cell_list& cells) {
    auto quoted = [](const std::string& s) { return '"' + s + '"'; };
    csv << "cell,subject,run,value,unit\n";
    for (auto& c : cells)
        for (auto& s : c.subjects)
            for (std::size_t i = 0; i < s.values.size(); ++i)
                csv << quoted(c.name) << ',' << quoted(s.name) << ',' << i + 1 << ',' << s.values[i]
                    << ',' << c.unit << '\n';
}

/// What write_csv wrote, into the cells and subjects that are here.
inline void read_csv(std::istream& csv, cell_list& cells) {
    const std::regex row{"\"(.*)\",\"(.*)\",[0-9]+,([^,]+),.*"};
    std::smatch found;
    for (std::string line; std::getline(csv, line);) {
        if (!std::regex_match(line, found, row)) continue;
        for (auto& c : cells)
            for (auto& s : c.subjects)
                if (c.name == found[1] && s.name == found[2])
                    s.values.push_back(std::stod(found[3]));
    }
}

}  // namespace bench
