// SPDX-License-Identifier: BSL-1.0
// Earthquakes, and how to read them from the CSV of a USGS feed: any of theirs, by column names.
//
//   const feed week = read_feed(read_text("all_week.csv"));
//
// Lines that can't be used are kept by number and reason. A file that can't be read, or that isn't
// such a feed, throws input_error.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "csv.hpp"

using utc_time = std::chrono::sys_time<std::chrono::milliseconds>;

struct quake {
    std::uint32_t number = 0;  // in its feed, by time, from 0
    utc_time at;
    double magnitude = 0;
    std::string network;
    std::string id;
    std::string place;
    friend bool operator==(const quake&, const quake&) = default;
};

/// The words that seismologists use, from the weakest on.
inline constexpr std::array<std::string_view, 7> magnitude_classes{
    "micro", "minor", "light", "moderate", "strong", "major", "great"};  // < 3, 4, 5, 6, 7, 8

inline std::size_t magnitude_class(double magnitude) {
    return static_cast<std::size_t>(std::clamp(std::floor(magnitude) - 2, 0.0, 6.0));
}
inline bool is_strong(const quake& q) { return q.magnitude >= 6; }

struct feed {
    struct bad_line {
        std::size_t number;
        std::string why;
    };
    std::vector<quake> quakes;          // by time
    std::vector<std::string> networks;  // by name
    std::vector<bad_line> bad;          // by number
};

struct input_error : std::runtime_error {
    using runtime_error::runtime_error;
};

/// "2018-01-31T01:49:59.650Z"; seconds may have no fraction.
inline std::optional<utc_time> parse_time(std::string_view text) {
    namespace c = std::chrono;
    int year, month, day, hour, minute, second, milli = 0;
    const auto digits = [&](std::size_t from, std::size_t n, int& into) {
        const char* end = text.data() + from + n;
        return text[from] != '-' && std::from_chars(text.data() + from, end, into).ptr == end;
    };
    const bool fraction = text.size() == 24;
    if ((!fraction && text.size() != 20) || text[4] != '-' || text[7] != '-' || text[10] != 'T' ||
        text[13] != ':' || text[16] != ':' || text.back() != 'Z' || (fraction && text[19] != '.'))
        return std::nullopt;
    if (!digits(0, 4, year) || !digits(5, 2, month) || !digits(8, 2, day) || !digits(11, 2, hour) ||
        !digits(14, 2, minute) || !digits(17, 2, second) || (fraction && !digits(20, 3, milli)))
        return std::nullopt;
    const c::year_month_day date{
        c::year{year}, c::month{static_cast<unsigned>(month)}, c::day{static_cast<unsigned>(day)}};
    if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
    return utc_time{c::sys_days{date} + c::hours{hour} + c::minutes{minute} + c::seconds{second} +
                    c::milliseconds{milli}};
}

/// No earthquake was ever stronger than 9.5; the smallest ones that are located are about -2.
inline std::optional<double> parse_magnitude(std::string_view text) {
    double value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end || !(value > -5 && value < 12)) return std::nullopt;
    return value;
}

/// What a message shows of somebody's input: not too much, and nothing a terminal would obey.
inline std::string quoted(std::string_view text) {
    std::string shown = "\"";
    for (const char c : text.substr(0, 40)) shown += static_cast<unsigned char>(c) < ' ' ? '?' : c;
    return shown + (text.size() > 40 ? "…\"" : "\"");
}

/// A word of a topic's name.
inline bool is_word(std::string_view text) {
    return !text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    });
}

/// The whole file; "-" is standard input.
inline std::string read_text(const std::string& path) {
    const auto failed = [&](const char* what) {
        return input_error{
            path + ": " + what + ": " + std::error_code{errno, std::generic_category()}.message()};
    };
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{
        path == "-" ? stdin : std::fopen(path.c_str(), "rb"),
        path == "-" ? [](std::FILE*) { return 0; } : &std::fclose};
    if (!file) throw failed("can't be opened");
    std::string text;
    std::array<char, 65536> part;
    while (const auto n = std::fread(part.data(), 1, part.size(), file.get()))
        text.append(part.data(), n);
    if (std::ferror(file.get())) throw failed("can't be read");
    return text;
}

/// `name` is for messages.
inline feed read_feed(std::string_view text, const std::string& name) {
    csv_reader csv{text};
    csv_record row;
    if (!csv.next(row)) throw input_error{name + ": is empty"};
    if (!row.error.empty()) throw input_error{name + ": line 1: " + row.error};

    std::string missing;
    const auto column = [&, header = row.fields](const char* wanted) {
        const auto found = std::find(header.begin(), header.end(), wanted);
        if (found == header.end()) missing += std::string{missing.empty() ? "" : ", "} + wanted;
        return static_cast<std::size_t>(found - header.begin());
    };
    const auto time = column("time"), mag = column("mag"), net = column("net"), id = column("id"),
               place = column("place");
    if (!missing.empty())
        throw input_error{
            name + ": not a USGS feed in CSV format: no column " + missing + " in its first line"};

    feed result;
    while (csv.next(row)) {
        const auto at = row.error.empty() ? parse_time(row.fields[time]) : std::nullopt;
        const auto magnitude = row.error.empty() ? parse_magnitude(row.fields[mag]) : std::nullopt;
        std::string why = row.error;
        if (!why.empty()) {
        } else if (!at) {
            why = "time " + quoted(row.fields[time]) + " isn't like 2018-01-31T01:49:59.650Z";
        } else if (!magnitude) {
            why = "magnitude " + quoted(row.fields[mag]) + " isn't a number of that scale";
        } else if (!is_word(row.fields[net])) {
            why = "network " + quoted(row.fields[net]) + " isn't a word";
        }
        if (!why.empty()) {
            result.bad.push_back({row.line, why});
        } else {
            result.quakes.push_back({0, *at, *magnitude, std::move(row.fields[net]),
                                     std::move(row.fields[id]), std::move(row.fields[place])});
        }
    }
    if (result.quakes.empty()) throw input_error{name + ": has no earthquakes in it"};

    std::stable_sort(result.quakes.begin(), result.quakes.end(),
                     [](const quake& a, const quake& b) { return a.at < b.at; });
    for (std::uint32_t number = 0; quake & q : result.quakes) {
        q.number = number++;
        result.networks.push_back(q.network);
    }
    std::sort(result.networks.begin(), result.networks.end());
    result.networks.erase(
        std::unique(result.networks.begin(), result.networks.end()), result.networks.end());
    return result;
}
