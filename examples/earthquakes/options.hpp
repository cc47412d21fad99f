// SPDX-License-Identifier: BSL-1.0
// What can be said on the command line.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

struct options {
    std::string file = PENSTOCK_EXAMPLES_DATA "/usgs-all-week-2018-02.csv";
    double seconds = 20;
    double mailer_us = 0;
    std::size_t capacity = 512;
    std::uint64_t weeks = 200;
    std::uint64_t crash_after = 1000;
    std::string archive;
    std::string child;  // the folder of the child that is to be killed; empty: this is the parent
};

/// Nothing: say goodbye with `exit_code`.
inline std::optional<options> parse(int argc, char** argv, int& exit_code) {
    options o;
    CLI::App app{
        "Replays a week of earthquakes in compressed time through every layer of Penstock: one\n"
        "producer for each seismic network, topics, an alert, a group of workers, a slow mailer\n"
        "behind a bounded queue, and a durable archive whose process is killed at the end.\n",
        "earthquakes"};
    app.add_option("file", o.file,
                   "a feed in the USGS's CSV format, - for standard input (default: the week of\n"
                   "2018-02 that comes with the example)");
    app.add_option("--seconds", o.seconds, "how long a replay of the feed takes")
        ->capture_default_str()
        ->check(CLI::Range(0.1, 86400.0));
    app.add_option("--mailer-us", o.mailer_us,
                   "microseconds a mail takes (default: 3 % faster than the feed's mean)")
        ->check(CLI::Range(1.0, 1e9));
    app.add_option("--capacity", o.capacity, "of the mailer's queue")
        ->capture_default_str()
        ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 24));
    app.add_option("--weeks", o.weeks, "how often the fast run goes through the feed")
        ->capture_default_str()
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 24));
    app.add_option("--crash-after", o.crash_after, "sends after which the child is killed")
        ->capture_default_str()
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 24));
    app.add_option("--archive", o.archive, "an empty or new folder for the archive, which stays");
    app.add_option("--child", o.child)->group("");  // not for people
    app.footer(
        "Exit codes: 0 all is well, 1 an event was lost or something failed, 2 wrong usage\nor input.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        exit_code = app.exit(e) == 0 ? 0 : 2;
        return std::nullopt;
    }
    return o;
}
