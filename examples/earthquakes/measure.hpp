// SPDX-License-Identifier: BSL-1.0
// What a run measures: who got which event how often, and how long somebody waited.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "feed.hpp"

using steady = std::chrono::steady_clock;

/// One subscriber's list of events, to be ticked off. Threads: got() by any number at once.
class tally {
public:
    explicit tally(const feed& week) : times_(week.quakes.size()) {}

    void got(const quake& q) { times_[q.number].fetch_add(1, std::memory_order_relaxed); }

    struct sums {
        std::uint64_t expected = 0, got = 0, lost = 0, twice = 0;

        void add(const sums& s) {
            expected += s.expected;
            got += s.got;
            lost += s.lost;
            twice += s.twice;
        }
    };
    /// `times` each of those that `wants` says yes to, and none of the others.
    template <class Wants>
    sums compare(const feed& week, std::uint64_t times, Wants wants) const {
        sums s;
        for (const quake& q : week.quakes) {
            const std::uint64_t due = wants(q) ? times : 0, got = times_[q.number];
            s.expected += due;
            s.got += got;
            s.lost += due > got ? due - got : 0;
            s.twice += got > due ? got - due : 0;
        }
        return s;
    }

private:
    std::vector<std::atomic<std::uint64_t>> times_;
};

class wait_times {
public:
    void add(std::chrono::nanoseconds wait) { sorted_ = waits_.empty(), waits_.push_back(wait); }

    /// The wait that a share of them, from 0 to 1, didn't exceed.
    std::chrono::nanoseconds at_most(double share) {
        if (waits_.empty()) return {};
        if (!sorted_) std::sort(waits_.begin(), waits_.end());
        sorted_ = true;
        const auto rank = static_cast<std::size_t>(share * static_cast<double>(waits_.size()));
        return waits_[std::min(rank, waits_.size() - 1)];
    }

private:
    std::vector<std::chrono::nanoseconds> waits_;
    bool sorted_ = true;
};

/// What the statistics workers work out. Each has its own; they are added up at the end.
struct statistics {
    std::array<std::uint64_t, magnitude_classes.size()> by_class{};
    double strongest = -100;
    std::string where;

    void add(const quake& q) {
        ++by_class[magnitude_class(q.magnitude)];
        // Of equally strong ones the same one, whoever saw which first.
        if (q.magnitude < strongest || (q.magnitude == strongest && q.place >= where)) return;
        strongest = q.magnitude;
        where = q.place;
    }
    void add(const statistics& other) {
        for (std::size_t i = 0; i < by_class.size(); ++i) by_class[i] += other.by_class[i];
        if (other.strongest > strongest || (other.strongest == strongest && other.where < where)) {
            strongest = other.strongest;
            where = other.where;
        }
    }
    friend bool operator==(const statistics&, const statistics&) = default;
};
