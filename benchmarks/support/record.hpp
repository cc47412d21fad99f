// SPDX-License-Identifier: BSL-1.0
// What a benchmark measures, and what it hopes for: cells, their subjects, goals.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace bench {

enum class whose { ours, peers, hardware };
inline constexpr whose ours = whose::ours, peers = whose::peers, hardware = whose::hardware;

struct subject {
    std::string name;
    whose owner;
    std::function<double(std::size_t)> run;  // n elements -> ns for all of them
    std::size_t n = 0;                       // elements a run, found by calibration; 0: no time
    std::vector<double> values{};            // by round, in the cell's unit
};

class cell {
public:
    cell(std::string its_name, std::string its_unit)
        : name{std::move(its_name)}, unit{std::move(its_unit)} {}

    /// `run(n)` passes n elements through and returns the ns that took; it must verify them.
    cell& add(std::string subject_name, whose owner, std::function<double(std::size_t)> run) {
        subjects.push_back({std::move(subject_name), owner, std::move(run), 1});
        return *this;
    }
    /// One whose value is not ns by elements: `value()` is asked once a round, again if disturbed.
    cell& add_value(std::string subject_name, whose owner, std::function<double()> value) {
        subjects.push_back({std::move(subject_name), owner,
                            [value = std::move(value)](std::size_t) { return value(); }, 0});
        return *this;
    }

    std::string name, unit;
    std::vector<subject> subjects;
};

/// A figure to reach, a line of --table: our subject beside the best other one of its cell.
struct goal {
    enum class kind { ratio, difference, value };

    std::string cell{};
    std::string ours{};         // a regular expression for the whole name, as is the next
    std::string others = ".*";  // among peers; "hardware" rows and ours only by `beside`
    double bar = 1;             // of ours / best, ours - best, or ours: at most this
    kind what = kind::ratio;
    std::string beside{};    // another cell of the same unit that has the others
    bool any_owner = false;  // others may be ours or the hardware's
    std::string title{};     // instead of the cell's name
};

}  // namespace bench
