// SPDX-License-Identifier: BSL-1.0
// What the runs measured, in words and numbers. Nothing here is known before the run.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bus_run.hpp"
#include "chart.hpp"
#include "crash.hpp"
#include "feed.hpp"
#include "measure.hpp"
#include "options.hpp"
#include "replay.hpp"
#include "text.hpp"

using seconds = std::chrono::duration<double>;

template <class... Parts>
void say(const Parts&... parts) {
    (std::cout << ... << parts) << std::endl;  // seen at once: the next one may take a while
    if (!std::cout) throw std::runtime_error{"standard output can't be written"};
}

/// The most events in any second of a replay.
inline std::size_t busiest_second(const feed& week, double length) {
    const auto first = week.quakes.front().at;
    const seconds span = week.quakes.back().at - first;
    const seconds window{span.count() / length};
    std::size_t most = 0;
    for (std::size_t from = 0, to = 0; to < week.quakes.size(); ++to) {
        while (week.quakes[to].at - week.quakes[from].at > window) ++from;
        most = std::max(most, to - from + 1);
    }
    return most;
}

inline void report_input(const feed& week, const options& o, seconds mean, seconds each) {
    say("Feed     ", o.file == "-" ? "standard input" : o.file);
    say("         ", counted(week.quakes.size(), "event"), " of ",
        counted(week.networks.size(), "network"), ", ", readable(week.quakes.front().at), " to ",
        readable(week.quakes.back().at), " UTC, ", counted(week.bad.size(), "bad line"));
    constexpr std::size_t shown = 20;
    for (std::size_t i = 0; i < std::min(shown, week.bad.size()); ++i)
        say("           line ", week.bad[i].number, ": ", week.bad[i].why);
    if (week.bad.size() > shown) say("           and ", grouped(week.bad.size() - shown), " more");
    say("Replay   in ", text("%.4g", o.seconds), " s: ", text("%.1f", 1 / mean.count()),
        " events a second on average, ", busiest_second(week, o.seconds), " in the busiest one");
    const double faster = 100 * (mean / each - 1);
    say("Mailer   ", readable(each), " a mail: ", text("%.1f", 1 / each.count()), " a second, ",
        text("%.1f", std::abs(faster)), " % ", faster < 0 ? "slower" : "faster",
        " than the feed's mean");
    say("\nThe week twice, ", text("%.4g", o.seconds),
        " s each: producers call the mailer, then they publish ...");
}

inline void report_waits(const replayed& direct, const replayed& through, wait_times archive) {
    const auto row = [](const char* what, wait_times& w, const std::string& late) {
        say("  ", left(what, 37), right(readable(w.at_most(0.5)), 9),
            right(readable(w.at_most(0.99)), 10), right(readable(w.at_most(1)), 10),
            right(late, 10));
    };
    const auto replay_row = [&](const char* what, const replayed& r) {
        wait_times waits;
        std::chrono::nanoseconds late{};
        for (const sent& s : r.events) {
            waits.add(s.end - s.begin);
            late = std::max<std::chrono::nanoseconds>(late, s.begin - s.due);
        }
        row(what, waits, readable(late));
    };
    say("\nHanded off: what an event costs      ", "        p50       p99       max      late");
    replay_row("a producer that calls the mailer", direct);
    replay_row("a producer that publishes to all four", through);
    row("the archive's thread, every_append", archive, "");
    say("  late: how long after its time an event was begun, at worst");
}

inline void report_backlog(const bus_run& run, const replayed& r, const options& o) {
    std::vector<sample> samples;
    const auto add = [&](steady::time_point at, std::size_t value) {
        samples.push_back({seconds{at - r.begin}.count(), value});
    };
    for (const sent& s : r.events) add(s.end, s.backlog);
    for (const auto& [at, value] : run.backlog) add(at, value);
    std::sort(samples.begin(), samples.end(),
              [](const sample& a, const sample& b) { return a.at < b.at; });

    if (samples.empty()) return;
    const auto less = [](const sample& a, const sample& b) { return a.value < b.value; };
    const auto empty = [](const sample& s) { return s.value == 0; };
    const auto peak = std::max_element(samples.begin(), samples.end(), less);
    auto drained = std::find_if(peak, samples.end(), empty);
    if (drained == samples.end()) --drained;
    say("\nPeaks shaved: mails that wait in the queue of ", grouped(o.capacity), "\n",
        chart(samples, std::max(o.seconds, samples.back().at)), "  peak ", grouped(peak->value),
        " at ", text("%.1f", peak->at), " s, drained at ", text("%.1f", drained->at),
        " s; the last mail was out ", readable(run.mailed - run.produced),
        " after the last event was in");
}

inline std::string row_of(const tally::sums& s) {
    return right(grouped(s.expected), 11) + right(grouped(s.got), 11) + right(grouped(s.lost), 9) +
           right(grouped(s.twice), 9) + "   ";
}

inline void report_failures(const bus_run& run) {
    if (!run.archive_answer) say("  the archive answered: ", run.archive_answer.name());
    if (run.not_taken > 0) say("  not taken by their queue: ", grouped(run.not_taken));
    if (run.damaged > 0) say("  damaged in the archive: ", grouped(run.damaged));
}

inline void report_counts(const counts& c, const bus_run& run) {
    say("\nDecoupled: who got what    expected        got     lost    twice");
    say("  alert          ", row_of(c.alerts), "direct: quake.*.strong and above");
    say("  statistics     ", row_of(c.counted), "a group: ", grouped(run.counted_by[0]), " + ",
        grouped(run.counted_by[1]));
    say("  mailer         ", row_of(c.mailed), "pulled");
    say("  archive        ", row_of(c.archived), "read back from disk");
    say("  together       ", row_of(c.together), grouped(run.matched), " matched by topics");
    say("  the group worked out: strongest ", text("%.1f", run.worked_out.strongest), ", ",
        run.worked_out.where);
    report_failures(run);
}

inline void report_throughput(const counts& c, const bus_run& run, std::uint64_t times) {
    const seconds took = run.end - run.begin;
    const auto rate = [&](std::uint64_t n) {
        return grouped(static_cast<std::uint64_t>(static_cast<double>(n) / took.count()));
    };
    say("\nAs fast as it can: the week ", grouped(times), " times, a mail takes no time");
    say("  ", grouped(run.published), " events in ", readable(took), ": ", rate(run.published),
        " a second, ", rate(c.together.got), " deliveries a second");
    say("  ", grouped(c.together.got), " of ", grouped(c.together.expected),
        " deliveries arrived, ", grouped(c.together.lost), " lost, ", grouped(c.together.twice),
        " twice");
    say("  the archive's policy here is process_crash: an event survives SIGKILL, not a power cut");
    report_failures(run);
}

inline verdict report_crash(const crash_report& c) {
    const auto row = [](const char* what, std::uint64_t n, const std::string& note) {
        say("  ", left(what, 36), right(grouped(n), 7), note);
    };
    const auto more = [](std::uint64_t now, std::uint64_t then) {
        return now > then ? "   " + grouped(now - then) + " more was on its way" : std::string{};
    };
    say("\nThe crash: a child archives, each event synced, until SIGKILL ends it in mid-archive");
    row("sends that had returned", c.returned, "");
    row("found after reopening", c.found, more(c.found, c.returned));
    row("returned, but lost", c.lost, "");
    row("found, but out of order or changed", c.wrong, "");
    row("accepts that had returned", c.accepted, "");
    row("the group goes on after", c.next,
        c.goes_on ? "   its last accept" + more(c.next, c.accepted) : "   WRONG");
    row("bytes of a torn record cut off", c.torn_bytes, "");
    return {c.lost, 0, c.wrong == 0 && c.goes_on};
}

inline void report_verdict(const feed& week, const verdict& all) {
    say("\n", counted(week.quakes.size(), "event"), ", ", grouped(all.lost), " lost, ",
        grouped(all.twice), " twice", all.adds_up ? "" : ", and something above DOESN'T ADD UP");
}
