// SPDX-License-Identifier: BSL-1.0
// Where in a journal a time begins. Records carry the time of their append; a clock that was set back
// makes it begin at the first of those that say so, in a segment that begins before it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include <penstock/durable/detail/journal_core.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// The offset of the first message, of any stream, of that time or later, or the end. failed: a segment can't be
/// opened.
inline status find_time(journal_core& in, std::int64_t time, std::uint64_t& offset) {
    offset = in.done().appended();
    std::uint64_t low = in.segments().oldest();
    std::uint64_t high = offset / in.segment_bytes();
    const auto begins = [&](std::uint64_t number, std::int64_t& at) {
        std::shared_ptr<const segment> s;
        if (in.segments().find(number, s)) return status::failed;
        format::record first;
        const bool holds = format::read(s->page(), format::records_start, s->header().epoch,
                                        first) == format::found::record;
        at = holds ? first.header.time : std::int64_t{0};
        return status::ok;
    };
    while (low < high) {  // the last segment that begins before it
        const std::uint64_t middle = high - (high - low) / 2;
        std::int64_t at = 0;
        if (const status s = begins(middle, at); !s) return s;
        if (at < time)
            low = middle;
        else
            high = middle - 1;
    }
    std::shared_ptr<const segment> s;
    if (in.segments().find(low, s)) return status::failed;
    scanner walk{s};
    const std::uint64_t begin = low * in.segment_bytes();
    for (format::record r; begin + walk.at() < offset;) {
        if (walk.look(r) != format::found::record) {
            if (!walk.skip_damage()) break;
            continue;
        }
        if (r.header.type == format::record_type::message && r.header.time >= time) {
            offset = begin + walk.at();
            return status::ok;
        }
        if (r.header.type == format::record_type::seal) break;
        walk.step(r);
    }
    offset = std::min(offset, begin + in.segment_bytes());
    return status::ok;
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
