// SPDX-License-Identifier: BSL-1.0
// Whether one pattern matches every name that another matches.
//
// The words of `narrow` are read one by one, and with them all places in `wide` where its matcher may
// be. A * stands for a word that `wide` names nowhere. A # may be any number of those: after more of
// them than `wide` has words the places no longer change, so each number up to that is tried.
//
// Cost      For whoever subscribes: words times words for each # of `narrow`, and what was tried from the
//           same places before is not tried again.
#pragma once

#include <cstddef>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <penstock/bus/pattern.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class coverage {
public:
    coverage(const pattern& wide, const pattern& narrow)
        : wide_{split(wide.text())}, narrow_{split(narrow.text())} {}

    [[nodiscard]] bool holds() {
        places start(wide_.size() + 1);
        start[0] = true;
        return holds(0, skipped(std::move(start)), false);
    }

private:
    using places = std::vector<bool>;  // where in `wide` its matcher may be; the last is the end

    static std::vector<std::string_view> split(std::string_view text) {
        std::vector<std::string_view> all;
        for (words w{text}; !w.done(); w.next()) all.push_back(w.word());
        return all;
    }

    /// A # may stand for nothing.
    [[nodiscard]] places skipped(places at) const {
        for (std::size_t i = 0; i < wide_.size(); ++i)
            if (at[i] && wide_[i] == "#") at[i + 1] = true;
        return at;
    }
    /// Behind one more word; empty: one that stands nowhere in `wide`.
    [[nodiscard]] places behind(const places& at, std::string_view word) const {
        places next(at.size());
        for (std::size_t i = 0; i < wide_.size(); ++i) {
            if (!at[i]) continue;
            if (wide_[i] == "#")
                next[i] = true;
            else if (wide_[i] == "*" || wide_[i] == word)
                next[i + 1] = true;
        }
        return skipped(std::move(next));
    }

    /// From the word `i` of `narrow` on; `some`: there were words before.
    bool holds(std::size_t i, const places& at, bool some) {
        if (i == narrow_.size()) return at.back() || !some;  // no name is empty
        if (narrow_[i] != "#")
            return holds(
                i + 1, behind(at, narrow_[i] == "*" ? std::string_view{} : narrow_[i]), true);
        if (!tried_.insert({{i, some}, at}).second) return true;  // it was, and held
        places here = at;
        for (std::size_t n = 0; n <= wide_.size() + 1; ++n) {
            if (!holds(i + 1, here, some || n > 0)) return false;
            here = behind(here, {});
        }
        return true;
    }

    const std::vector<std::string_view> wide_, narrow_;
    std::set<std::pair<std::pair<std::size_t, bool>, places>> tried_;
};

inline bool covers(const pattern& wide, const pattern& narrow) {
    return coverage{wide, narrow}.holds();
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
