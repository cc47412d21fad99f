// SPDX-License-Identifier: BSL-1.0
// What is known of a run over the bus once it is over, and whether it adds up.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <penstock/core/status.hpp>

#include "archive.hpp"
#include "feed.hpp"
#include "measure.hpp"

struct bus_run {
    explicit bus_run(const feed& week) : alerts{week}, counted{week}, archived{week} {}

    steady::time_point begin, produced, mailed, end;
    std::atomic<std::uint64_t> published = 0, matched = 0, not_taken = 0;  // by the producers
    tally alerts, counted, archived;                                       // `archived`: read back
    std::array<std::uint64_t, 2> counted_by{};
    statistics worked_out;
    wait_times archive_waits;
    std::vector<std::pair<steady::time_point, std::size_t>> backlog;  // as the mailer saw it
    penstock::status archive_answer = penstock::status::ok;           // the last one that wasn't
    std::uint64_t damaged = 0;  // in the archive, with another content than was published
};

/// What the archive holds in the end.
inline void read_back(bus_run& run, const feed& week, const std::string& path) {
    const auto answer = read_archive(path, [&](const quake& q) {
        if (q.number < week.quakes.size() && q == week.quakes[q.number]) {
            run.archived.got(q);
        } else {
            ++run.damaged;
        }
    });
    if (!answer) run.archive_answer = answer;
}

struct verdict {
    std::uint64_t lost = 0, twice = 0;
    bool adds_up = true;

    friend verdict operator+(const verdict& a, const verdict& b) {
        return {a.lost + b.lost, a.twice + b.twice, a.adds_up && b.adds_up};
    }
    [[nodiscard]] bool fine() const { return lost == 0 && twice == 0 && adds_up; }
};

/// Each subscriber's events, counted one by one, against the feed `times` times.
struct counts {
    counts(const feed& week, const bus_run& run, const tally& mails, std::uint64_t times)
        : alerts{run.alerts.compare(week, times, is_strong)},
          counted{run.counted.compare(week, times, everything)},
          mailed{mails.compare(week, times, everything)},
          archived{run.archived.compare(week, times, everything)} {
        for (const auto* s : {&alerts, &counted, &mailed, &archived}) together.add(*s);
        statistics expected;
        for (std::uint64_t t = 0; t < times; ++t)
            for (const quake& q : week.quakes) expected.add(q);
        result = {
            together.lost, together.twice,
            run.published == times * week.quakes.size() && run.matched == together.expected &&
                run.not_taken == 0 && run.damaged == 0 && run.archive_answer &&
                run.counted_by[0] + run.counted_by[1] == counted.got && run.worked_out == expected};
    }
    static bool everything(const quake&) { return true; }

    tally::sums alerts, counted, mailed, archived, together;
    verdict result;
};

inline verdict of_mails(const feed& week, const tally& mails) {
    const auto s = mails.compare(week, 1, counts::everything);
    return {s.lost, s.twice};
}
