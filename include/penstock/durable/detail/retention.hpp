// SPDX-License-Identifier: BSL-1.0
// How a journal keeps to its limits (options.hpp, retention): called before an append begins a segment,
// and by maintain().
//
//   oldest     cut                                   appended
//   ──┼─────────┼───────────┼───────────┼────────────┼─▶
//     │  to go  │  groups' low waters ...
//
// What all groups have accepted goes by trim. Else, by unread: the sender waits for the slowest group to
// get past the cut, is refused, or the group is put there. That comes before the segment's file goes, by
// the group's mutex, so that nobody begins to read a file that is used again; and so does the record of
// how many it has lost.
//
// A waiting sender has to know which accept lets him on: the group's last message before the cut. To find
// it he reads ahead of the group, once a segment, with nothing locked.
//
// Threads   Any number at once; no lock is held when it is called.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>

#include <penstock/durable/detail/group_state.hpp>
#include <penstock/durable/detail/journal_core.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class retention_steps {
public:
    static status make_space(journal_core& in, space_for who, std::uint64_t excess) {
        const unread policy = in.options().retention.unread;
        const std::uint64_t oldest = in.segments().oldest(), bytes = in.segment_bytes();
        const std::uint64_t expired = end_of_expired(in, oldest);
        const std::uint64_t cut = std::max(expired, oldest + excess);
        if (cut == oldest) return status::ok;
        // For the room's sake only a message may take what is unread.
        const bool drops = policy == unread::drop_oldest && who == space_for::message;
        const std::uint64_t drop_until =
            policy != unread::drop_oldest ? 0 : (drops ? cut : expired) * bytes;

        std::uint64_t cursors_set = 0, needed = std::numeric_limits<std::uint64_t>::max();
        std::uint32_t slowest = 0;
        const auto groups = in.groups(cursors_set);
        for (const group_entry& g : groups) {
            const std::uint64_t low = group_of(in, g).low_water();
            if (low < needed) {
                needed = low;
                slowest = g.id;
            }
        }
        if (needed < drop_until) {
            if (const status s = in.sync_to(drop_until); !s)
                return s;  // so that all can be counted
            for (const group_entry& g : groups)
                if (const status s = overtake(in, group_of(in, g), drop_until); !s) return s;
            needed = drop_until;
        }
        std::uint64_t removed = 0;
        const std::uint64_t end = std::min(needed, cut * bytes);
        if (const status s = in.trim(end, cursors_set, removed, end <= drop_until); !s) return s;
        if (removed > 0 || who != space_for::message || drops || excess == 0) return status::ok;
        if (policy == unread::reject) return status::full;
        if (needed >= cut * bytes)  // for a stream's first group
            return in.wait_for_space(cut, 0, 0, cursors_set);
        return in.wait_for_space(
            cut, slowest, end_of_last(group_of(in, groups[slowest - 1u]), (oldest + 1) * bytes),
            cursors_set);
    }

private:
    /// Segments before the answer hold nothing that is young.
    static std::uint64_t end_of_expired(journal_core& in, std::uint64_t oldest) {
        const std::int64_t age = in.options().retention.age.count();
        if (age <= 0) return oldest;
        const std::int64_t from = in.directory().files()->wall_time() - age;
        std::uint64_t end = oldest;
        for (; end < in.done().appended() / in.segment_bytes(); ++end) {
            std::shared_ptr<const segment> next;
            format::record first;
            if (in.segments().find(end + 1, next)) break;  // whoever reads there reports it
            if (format::read(next->page(), format::records_start, next->header().epoch, first) !=
                    format::found::record ||
                first.header.time >= from)
                break;
        }
        return end;
    }

    /// Puts a group where the cut is, if it is behind that, and counts what it has not accepted.
    static status overtake(journal_core& in, group_state& g, std::uint64_t cut) {
        if (g.low_water() >= cut) return status::ok;
        const auto move = [&] {
            std::lock_guard lock{g.mutex_};
            for (; g.first_ != g.last_ && g.at(g.first_).offset < cut; ++g.first_) {
                const auto now = g.at(g.first_).now;
                if (now == group_state::state::released) --g.released_;
                if (now != group_state::state::accepted) ++g.lagged_;
            }
            g.pass_accepted();
            format::record r;
            while (g.cursor_.at() < cut) {
                if (!g.cursor_.next(r)) {
                    if (g.cursor_.at() < cut)
                        g.cursor_.seek(cut);  // damage: how many, nobody knows
                    break;
                }
                if (g.cursor_.at() >= cut) break;
                ++g.lagged_;
                g.cursor_.step(r);
            }
            return g.lagged_;
        };
        const status s = in.lose(g.id_, cut, move);
        g.waiting_.notify_all();
        return s;
    }

    /// What the group's low water will be once it has accepted its last message before the cut.
    static std::uint64_t end_of_last(group_state& g, std::uint64_t cut) {
        std::unique_lock lock{g.mutex_};
        stream_cursor ahead = g.cursor_;
        lock.unlock();
        std::uint64_t end = ahead.at();
        format::record r;
        while (end < cut) {
            const status s = ahead.next(r);
            if (s == status::failed) return cut;
            if (!s || ahead.at() >= cut) break;
            ahead.step(r);
            end = ahead.at();
        }
        return std::min(end, cut);
    }
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
