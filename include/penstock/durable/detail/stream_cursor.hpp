// SPDX-License-Identifier: BSL-1.0
// Where a group reads in its stream: finds the next message that the group has not accepted, over
// segments, other streams' records, transactions and damage.
//
// Threads   One at a time: the group's mutex.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <penstock/durable/detail/journal_core.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class stream_cursor {
public:
    stream_cursor(journal_core& journal, const group_entry& from)
        : journal_{journal}, reads_{from.stream}, start_{from.low}, accepted_{from.accepted} {}

    /// Goes on at that offset, with nothing accepted behind it.
    void seek(std::uint64_t offset) {
        begin(0);
        start_ = offset;
        started_ = false;
        accepted_.clear();
    }

    /// Stands before the next message when ok: empty, failed.
    status next(format::record& found) {
        for (;;) {
            if (at() >= journal_.visible()) return status::empty;
            if (!started_ && !start()) return status::failed;
            if (!scan_.in() && !open()) return status::failed;
            if (!scan_.in()) continue;  // stepped over a whole segment
            if (scan_.look(found) != format::found::record) {
                if (!damage()) return status::failed;
                continue;
            }
            if (found.header.type == format::record_type::seal) {
                begin(segment_ + 1);
                continue;
            }
            if (found.header.type == format::record_type::message &&
                found.header.stream == reads_ && !accepted(at()))
                return status::ok;
            scan_.step(found);
        }
    }
    void step(const format::record& over) noexcept { scan_.step(over); }

    /// The offset it stands at; before the first reading, where that will begin.
    [[nodiscard]] std::uint64_t at() const noexcept {
        return started_ ? offset_of(scan_.in() ? scan_.at() : format::records_start) : start_;
    }
    [[nodiscard]] const scanner& scan() const noexcept { return scan_; }

private:
    [[nodiscard]] std::uint64_t offset_of(std::uint64_t byte) const noexcept {
        return segment_ * journal_.segment_bytes() + byte;
    }

    /// Finds the place where the cursor stands, behind which there is something. Epochs are followed
    /// from the segment's beginning; damage before the cursor does not matter any more.
    bool start() {
        const std::uint64_t oldest = journal_.segments().oldest() * journal_.segment_bytes();
        const std::uint64_t from = std::max(start_, oldest);
        const std::uint64_t byte = from % journal_.segment_bytes();
        begin(from / journal_.segment_bytes());
        if (!open()) return false;
        while (scan_.in() && scan_.at() < byte) {
            format::record passed;
            if (scan_.look(passed) == format::found::record) {
                scan_.step(passed);
                if (passed.header.type == format::record_type::seal) begin(segment_ + 1);
            } else {
                scanner behind = scan_;
                // The cursor stands in it, or behind the end of a file cut short: reading reports it.
                if (!behind.skip_damage() || behind.at() > byte) break;
                scan_ = std::move(behind);
            }
        }
        started_ = true;
        return true;
    }

    void begin(std::uint64_t number) {
        segment_ = number;
        scan_ = scanner{};
    }

    /// False: can't be opened. A damaged one may be stepped over: then scan_ stays without it.
    bool open() {
        std::shared_ptr<const segment> in;
        if (auto fault = journal_.segments().find(segment_, in)) {
            if (fault.trouble) return false;
            journal_.found().damage({segment_, 0}, journal_.segment_bytes(), fault.damage);
            if (!journal_.options().skip_damage) return false;
            begin(segment_ + 1);
            return true;
        }
        scan_ = scanner{std::move(in)};
        return true;
    }

    /// What stands here was committed, and does not hold. True: stepped over.
    bool damage() {
        scanner behind = scan_;
        const bool more = behind.skip_damage();
        const std::uint64_t end = more ? behind.at() : journal_.segment_bytes();
        journal_.found().damage({segment_, scan_.at()}, end - scan_.at(), "records do not hold");
        if (!journal_.options().skip_damage) return false;
        if (more) {
            scan_ = std::move(behind);
        } else {
            begin(segment_ + 1);
        }
        return true;
    }

    [[nodiscard]] bool accepted(std::uint64_t offset) const noexcept {
        return std::binary_search(accepted_.begin(), accepted_.end(), offset);
    }

    journal_core& journal_;
    const std::uint16_t reads_;
    std::uint64_t start_;
    bool started_ = false;
    std::uint64_t segment_ = 0;  // where reading is; without scan_.in(): at its beginning
    scanner scan_;
    std::vector<std::uint64_t> accepted_;  // by a former process, above its low water; sorted
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
