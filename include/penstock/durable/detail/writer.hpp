// SPDX-License-Identifier: BSL-1.0
// The end of a journal, where records are added: writes them, and goes on in a new segment when one
// is full. Of the new segment only the file exists until the old one is sealed and synced; so
// what was never synced is in the last segment in use, and nowhere else.
//
//   ... records ... │ spare, for accepts │ closing room │     at the end of a segment
//
// Messages leave the spare room alone, so that on a full disk accepts, which let segments be
// trimmed, still find some; everybody leaves the closing room: a seal and a pair of openings.
//
// Threads   One at a time: the journal's append mutex.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>

#include <penstock/core/status.hpp>
#include <penstock/durable/detail/catalog.hpp>
#include <penstock/durable/detail/progress.hpp>
#include <penstock/durable/detail/recover.hpp>
#include <penstock/durable/detail/segment_cache.hpp>
#include <penstock/durable/segment.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class writer {
public:
    writer(os::directory& in, segment_cache& segments, progress& done,
           const catalog& known) noexcept
        : in_{in}, segments_{segments}, done_{done}, known_{known} {}

    /// The file of segment 1 of a journal that doesn't exist yet.
    void create(std::uint64_t segment_bytes) {
        format::segment_header like{.number = 0};
        like.segment_bytes = segment_bytes;
        like.journal_id = in_.files()->random();
        segments_.set_like(like);
        epoch_ = in_.files()->random();
        segment::create(in_, header_of(1)).raise_if_any(in_.path());
    }

    /// Goes on where recovery ended, under an epoch that no earlier opening used.
    void open(const recovered& from, bool created) {
        segments_.set_like(from.tail->header());
        segments_.add(from.tail);
        tail_ = from.tail;
        at_ = from.at;
        sealed_ = from.sealed;
        epoch_ = from.epoch;
        // What was found may be in the page cache only; from now on it is relied on.
        sync_tail();
        if (at_ == format::records_start && !sealed_) {
            write_snapshot(known_.snapshot().bytes());
        } else if (!sealed_ && (!from.snapshot_holds || !fits(0))) {
            seal();  // the next segment will begin with a snapshot
        }
        if (!created) {
            const format::opening_payload change{from.epoch, in_.files()->random()};
            const auto bytes = std::as_bytes(std::span{&change, 1});
            if (!sealed_) {
                write({.type = format::record_type::opening}, bytes);
                write({.type = format::record_type::opening}, bytes);
            }
            epoch_ = change.after;  // of a sealed segment: its successor's header names it
        }
        sync_tail();
    }

    /// ok, no_space (nothing has changed), failed (for good).
    status append(const format::record_header& h, std::span<const std::byte> payload) {
        if (done_.failed()) return status::failed;
        const std::uint64_t n = format::record_bytes(payload.size());
        const bool is_accept = h.type == format::record_type::accept;
        if (!fits(n + spare_room())) {
            const os::trouble t = roll();
            if (t && !(t.no_space() && is_accept && fits(n))) {
                if (t.no_space()) return status::no_space;
                done_.fail(t);
                return status::failed;
            }
        }
        write(h, payload);
        return status::ok;
    }

    [[nodiscard]] std::uint64_t end() const noexcept { return offset_of(at_); }
    [[nodiscard]] const std::shared_ptr<segment>& tail() const noexcept { return tail_; }
    [[nodiscard]] std::uint64_t segment_bytes() const noexcept {
        return segments_.like().segment_bytes;
    }
    /// Half a segment: leaves room for the largest snapshot, which check_snapshot limits.
    [[nodiscard]] std::uint64_t largest_payload() const noexcept {
        return segment_bytes() / 2 - sizeof(format::record_header);
    }
    [[nodiscard]] std::uint64_t largest_snapshot() const noexcept {
        return segment_bytes() / 8 * 3;
    }

private:
    [[nodiscard]] std::uint64_t offset_of(std::uint64_t byte) const noexcept {
        return tail_->number() * segment_bytes() + byte;
    }
    [[nodiscard]] std::uint64_t spare_room() const noexcept {
        return std::min<std::uint64_t>(segment_bytes() / 64, 64 * 1024);
    }
    [[nodiscard]] bool fits(std::uint64_t n) const noexcept {
        return !sealed_ && at_ + n + format::closing_room <= segment_bytes();
    }

    void write(format::record_header h, std::span<const std::byte> payload) noexcept {
        const std::uint64_t synced = done_.synced();
        const std::uint64_t here = offset_of(0);
        h.bytes = static_cast<std::uint32_t>(payload.size());
        h.time = in_.files()->wall_time();
        h.synced = synced > here ? static_cast<std::uint32_t>(synced - here) : 0;
        const format::page p = tail_->page();
        std::byte* const to = p.data + at_ + sizeof h;
        sys::wrote(to);
        if (!payload.empty()) std::memcpy(to, payload.data(), payload.size());
        format::commit(p, at_, epoch_, h);
        at_ += format::record_bytes(payload.size());
        done_.set_appended(end());
    }
    void write_snapshot(std::span<const std::byte> payload) noexcept {
        write({.type = format::record_type::snapshot}, payload);
    }
    void seal() noexcept {
        write({.type = format::record_type::seal}, {});
        sealed_ = true;
    }
    void sync_tail() {
        tail_->sync().raise_if_any(in_.path_of(format::file_name(tail_->number())));
        done_.set_appended(end());
        done_.raise_synced(end());
    }

    [[nodiscard]] format::segment_header header_of(std::uint64_t number) const {
        format::segment_header h;
        h.number = number;
        h.segment_bytes = segments_.like().segment_bytes;
        h.journal_id = segments_.like().journal_id;
        h.epoch = epoch_;
        h.created = in_.files()->wall_time();
        h.crc = h.sum();
        return h;
    }

    /// No space: nothing has changed. Other trouble: the journal is broken. Takes as long as writing
    /// and syncing a segment of zeros.
    os::trouble roll() noexcept try {
        const std::uint64_t number = tail_->number() + 1;
        if (auto t = segment::create(in_, header_of(number))) return t;
        auto next = std::make_shared<segment>();
        if (auto fault = next->open(in_, number, segments_.like(), true))
            return fault.trouble ? fault.trouble : os::trouble{EIO, "open"};
        // What may throw comes before what may not be half done.
        const byte_writer first = known_.snapshot();
        segments_.add(next);
        if (!sealed_) seal();
        if (auto t = tail_->sync()) return t;
        tail_ = std::move(next);
        at_ = format::records_start;
        sealed_ = false;
        done_.raise_synced(offset_of(0));
        write_snapshot(first.bytes());
        return {};
    } catch (const std::bad_alloc&) {
        return {ENOMEM, "begin a segment in"};
    }

    os::directory& in_;
    segment_cache& segments_;
    progress& done_;
    const catalog& known_;

    std::shared_ptr<segment> tail_;
    std::uint64_t at_ = 0;
    std::uint64_t epoch_ = 0;
    bool sealed_ = false;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
