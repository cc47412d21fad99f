// SPDX-License-Identifier: BSL-1.0
// Reads a whole journal and says what does not hold, changing nothing.
//
//   const journal_report r = verify("books");
//   for (const auto& d : r.damage) std::cerr << d.what << " at " << d.at.segment << ':' << d.at.byte;
//
// Cost      The journal is read once, a segment at a time into memory.
// Threads   Any. It may run beside the writer: what is being appended may then look torn.
// Errors    std::system_error where the directory or a file can't be read. Files cut short meanwhile
//           are damage, never a SIGBUS.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <penstock/durable/detail/recover.hpp>
#include <penstock/durable/report.hpp>
#include <penstock/durable/segment.hpp>

namespace penstock::inline PENSTOCK_ABI {

namespace detail {
/// The last of these segments that is not one made ahead.
inline std::uint64_t last_in_use(os::directory& in, const std::vector<std::uint64_t>& numbers) {
    for (auto n = numbers.rbegin(); n != numbers.rend(); ++n) {
        auto s = std::make_shared<segment>();
        if (s->open_copy(in, *n, {.number = 0}) || s->refresh(0, s->header().segment_bytes) ||
            !is_blank(s))
            return *n;
    }
    return 0;
}
}  // namespace detail

[[nodiscard]] inline journal_report verify(std::string path, os::file_system_ref files = {}) {
    os::directory in{files, std::move(path)};
    std::vector<std::string> names;
    in.list(names).raise_if_any(in.path());
    const auto numbers = format::numbers_of(names);
    journal_report report;
    report.segments = numbers.size();
    format::segment_header like{.number = 0};
    const std::uint64_t in_use = detail::last_in_use(in, numbers);
    std::uint64_t expected = numbers.empty() ? 0 : numbers.front();
    for (const std::uint64_t number : numbers) {
        for (; expected < number; ++expected)
            report.damage.push_back({{expected, 0}, like.segment_bytes, "the segment is missing"});
        ++expected;
        auto s = std::make_shared<segment>();
        if (auto fault = s->open_copy(in, number, like)) {
            // Used again under its new number: it was trimmed while this went on.
            if (fault.trouble.code == EAGAIN || fault.trouble.code == ENOENT) continue;
            fault.trouble.raise_if_any(in.path_of(format::file_name(number)));
            report.damage.push_back({{number, 0}, like.segment_bytes, fault.damage});
            continue;
        }
        if (like.number == 0) like = s->header();
        s->refresh(0, like.segment_bytes).raise_if_any(in.path_of(format::file_name(number)));
        ++report.segments_read;
        const bool is_last = number == in_use;
        if (number > in_use) continue;  // made ahead
        scanner walk{s};
        for (format::record r;;) {
            if (walk.look(r) == format::found::record) {
                ++report.records_read;
                if (r.header.type == format::record_type::seal) break;
                walk.step(r);
                continue;
            }
            const std::uint64_t p = walk.at(), used = s->used_from(p);
            if (used == p && is_last) break;
            if (is_last && !detail::recovery::promised(walk, p, {})) {
                report.torn_bytes = used - p;
                report.torn_at = {number, p};
                break;
            }
            const bool more = walk.skip_damage();
            const std::uint64_t end = more ? walk.at() : like.segment_bytes;
            report.damage.push_back(
                {{number, p}, end - p, used == p ? "records are missing" : "records do not hold"});
            if (!more) break;
        }
    }
    return report;
}

}  // namespace penstock::inline PENSTOCK_ABI
