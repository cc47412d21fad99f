// SPDX-License-Identifier: BSL-1.0
// The end of a journal, where records are added: writes them, and goes on in a new segment when one
// is full. The old one is sealed first and synced later, by whoever syncs next; a few may wait for
// that, in order.
//
//   ... records ... │ spare, for accepts │ closing room │     at the end of a segment
//
// Messages leave the spare room alone, so that on a full disk accepts, which let segments be
// trimmed, still find some; everybody leaves the closing room: a seal and a pair of openings.
//
// Threads   One at a time: the journal's append mutex.
#pragma once

#include <algorithm>
#include <array>
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
#include <penstock/durable/detail/segment_supply.hpp>
#include <penstock/durable/segment.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// What a sync takes to disk, the oldest first, and the offset it reaches.
struct unsynced {
    static constexpr std::size_t most = 4;  // sealed ones, beside the tail
    std::array<std::shared_ptr<segment>, most + 1> segments;
    std::size_t count = 0;
    std::uint64_t end = 0;
};

class writer {
public:
    writer(os::directory& in, segment_cache& segments, segment_supply& supply, progress& done,
           const catalog& known) noexcept
        : in_{in}, segments_{segments}, supply_{supply}, done_{done}, known_{known} {}

    /// The file of segment 1 of a journal that doesn't exist yet.
    void create(std::uint64_t segment_bytes) {
        format::segment_header first;
        first.number = 1;
        first.segment_bytes = segment_bytes;
        first.journal_id = in_.files()->random();
        first.epoch = in_.files()->random();
        first.boot = in_.files()->boot();
        first.crc = first.sum();
        segment::create(in_, first).raise_if_any(in_.path());
    }

    /// Goes on where recovery ended, under an epoch that no earlier opening used.
    void open(recovered&& from, bool created) {
        segments_.set_like(from.tail->header());
        segments_.add(from.tail);
        begin_in(from.tail, from.at, from.epoch);
        sealed_ = from.sealed;
        // What was found may be in the page cache only; from now on it is relied on.
        sync_tail();
        if (at_ == format::records_start && !sealed_) {
            write_snapshot(known_.snapshot().bytes());
        } else if (!sealed_ && (!from.snapshot_holds || !fits(0))) {
            seal();  // the next segment will begin with a snapshot
        }
        if (!created) {
            const format::opening_payload change{
                from.epoch, in_.files()->random(), in_.files()->boot()};
            const auto bytes = std::as_bytes(std::span{&change, 1});
            if (!sealed_) {
                put({.type = format::record_type::opening}, bytes);
                put({.type = format::record_type::opening}, bytes);
            }
            begin_in(tail_, at_, change.after);  // of a sealed one: its successor's header names it
        }
        sync_tail();
        format::segment_header like = tail_->header();
        like.epoch = epoch_;
        supply_.begin(like);
        for (auto& spare : from.spares) supply_.add_spare(std::move(spare));
    }

    /// Whether any record of that payload has room here, the spare left alone.
    [[nodiscard]] bool takes(std::uint64_t payload) const noexcept {
        return payload <= most_ && at_ + format::record_bytes(payload) <= room_until_ && !sealed_;
    }
    [[nodiscard]] bool has_room(std::uint64_t payload) const noexcept {
        return fits(format::record_bytes(payload) + spare_room());
    }
    /// Then takes() answers no.
    void hold_messages(bool held) noexcept {
        room_until_ = held ? 0 : page_.size - format::closing_room - spare_room();
    }
    /// Whether a record with that payload needs a new segment while as many wait for their sync as
    /// may: then one has to sync first.
    [[nodiscard]] bool crowded(std::uint64_t payload) const noexcept {
        return sealed_count_ == unsynced::most && !has_room(payload);
    }

    /// Room for a record of that payload: ok, no_space (nothing has changed), failed (for good).
    status make_room(format::record_type type, std::uint64_t payload) {
        if (done_.failed()) return status::failed;
        const std::uint64_t n = format::record_bytes(payload);
        if (fits(n + spare_room())) return status::ok;
        const os::trouble t = roll();
        if (!t || (t.no_space() && type == format::record_type::accept && fits(n)))
            return status::ok;
        if (t.no_space()) return status::no_space;
        done_.fail(t);
        return status::failed;
    }
    /// Where the payload of the next record goes, once there is room.
    [[nodiscard]] std::byte* room() const noexcept {
        std::byte* const to = page_.data + at_ + sizeof(format::record_header);
        sys::wrote(to);
        return to;
    }
    /// Appends the record whose payload is in place.
    void commit(format::record_header h) noexcept {
        stamp(h);
        format::commit(page_, at_, sum_, h);
        pass(h.bytes);
    }
    /// Appends a record, once there is room. By its parts: a header that is put together in memory
    /// and copied waits for its own stores.
    void put(format::record_type type, std::uint16_t stream, std::uint32_t topic,
             std::span<const std::byte> payload) noexcept {
        format::record_header h{.type = type,
                                .stream = stream,
                                .bytes = static_cast<std::uint32_t>(payload.size()),
                                .topic = topic};
        stamp(h);
        format::put(page_, at_, sum_, h, payload.data());
        pass(h.bytes);
    }
    void put(const format::record_header& h, std::span<const std::byte> payload) noexcept {
        put(h.type, h.stream, h.topic, payload);
    }

    /// What is not known to be on disk.
    [[nodiscard]] unsynced to_sync() const noexcept {
        unsynced u;
        for (std::size_t i = 0; i < sealed_count_; ++i) u.segments[u.count++] = sealed_segments_[i];
        u.segments[u.count++] = tail_;
        u.end = end();
        return u;
    }
    /// The sealed segments up to this number are.
    void synced_up_to(std::uint64_t number) noexcept {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < sealed_count_; ++i) {
            auto s = std::move(sealed_segments_[i]);
            if (s->number() > number) sealed_segments_[kept++] = std::move(s);
        }
        sealed_count_ = kept;
    }
    /// The offset of the segment that is written to.
    [[nodiscard]] std::uint64_t tail_begins() const noexcept { return begins_; }
    [[nodiscard]] bool anything_sealed() const noexcept { return sealed_count_ > 0; }

    [[nodiscard]] const std::shared_ptr<segment>& tail() const noexcept { return tail_; }
    [[nodiscard]] std::uint64_t end() const noexcept { return begins_ + at_; }
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
    /// What an append would look up each time.
    void begin_in(std::shared_ptr<segment> s, std::uint64_t at, std::uint64_t epoch) noexcept {
        tail_ = std::move(s);
        at_ = at;
        epoch_ = epoch;
        page_ = tail_->page();
        begins_ = tail_->number() * segment_bytes();
        sum_ = format::detail::sum_in(epoch, page_.number);
        most_ = largest_payload();
        hold_messages(false);
    }
    void stamp(format::record_header& h) const noexcept {
        const std::uint64_t synced = done_.synced();
        h.time = in_.files()->wall_time();
        // The header was on disk before the segment had its name.
        h.synced = synced < begins_ ? 0
                                    : static_cast<std::uint32_t>(std::max<std::uint64_t>(
                                          synced - begins_, format::records_start));
    }
    void pass(std::uint32_t payload) noexcept {
        at_ += format::record_bytes(payload);
        done_.set_appended(end());
    }
    [[nodiscard]] std::uint64_t spare_room() const noexcept {
        return std::min<std::uint64_t>(page_.size / 64, 64 * 1024);
    }
    [[nodiscard]] bool fits(std::uint64_t n) const noexcept {
        return !sealed_ && at_ + n + format::closing_room <= page_.size;
    }

    void write_snapshot(std::span<const std::byte> payload) noexcept {
        put({.type = format::record_type::snapshot}, payload);
    }
    void seal() noexcept {
        put({.type = format::record_type::seal}, {});
        sealed_ = true;
    }
    void sync_tail() {
        tail_->sync().raise_if_any(in_.path_of(format::file_name(tail_->number())));
        done_.set_appended(end());
        done_.raise_synced(end());
    }

    /// No space: nothing has changed. Other trouble: the journal is broken.
    os::trouble roll() noexcept try {
        // What may throw comes before what may not be half done.
        const byte_writer first = known_.snapshot();
        std::shared_ptr<segment> next;
        if (auto t = supply_.take(next)) return t;
        segments_.add(next);
        if (!sealed_) seal();
        PENSTOCK_ASSERT(sealed_count_ < unsynced::most, "a segment must be synced before this one");
        sealed_segments_[sealed_count_++] = std::move(tail_);
        begin_in(std::move(next), format::records_start, epoch_);
        sealed_ = false;
        write_snapshot(first.bytes());
        return {};
    } catch (const std::bad_alloc&) {
        return {ENOMEM, "begin a segment in"};
    }

    os::directory& in_;
    segment_cache& segments_;
    segment_supply& supply_;
    progress& done_;
    const catalog& known_;

    std::shared_ptr<segment> tail_;
    format::page page_;         // its bytes
    std::uint64_t begins_ = 0;  // its offset
    std::uint64_t at_ = 0;
    std::uint64_t room_until_ = 0, most_ = 0;  // for messages
    std::uint64_t epoch_ = 0;
    crc32c_state sum_;  // what all sums here begin with
    bool sealed_ = false;
    std::array<std::shared_ptr<segment>, unsynced::most> sealed_segments_;  // not synced yet
    std::size_t sealed_count_ = 0;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
