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
// Threads   claim and what ends in _claimed: any number at once (detail/claims.hpp). The rest: one, who
//           has the append mutex; to append or make room, between begin_alone and end_alone.
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

#include <penstock/core/cache_line.hpp>
#include <penstock/core/status.hpp>
#include <penstock/durable/detail/catalog.hpp>
#include <penstock/durable/detail/claims.hpp>
#include <penstock/durable/detail/progress.hpp>
#include <penstock/durable/detail/recover.hpp>
#include <penstock/durable/detail/segment_cache.hpp>
#include <penstock/durable/detail/segment_supply.hpp>
#include <penstock/durable/detail/unsynced.hpp>
#include <penstock/durable/segment.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

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
        most_ = largest_payload();
        segments_.add(from.tail);
        begin_in(from.tail, from.at, from.epoch);
        sealed_ = from.sealed;
        // What was found may be in the page cache only; from now on it is relied on.
        sync_tail();
        if (at_ == format::records_start && !sealed_) {
            write_snapshot(known_.snapshot().bytes());
        } else if (!sealed_ && (!from.snapshot_holds || !fits(0))) {
            if (page_.size - at_ < format::record_bytes(0))
                throw journal_damaged{
                    in_.path(), {page_.number, at_}, "no room is left for a seal"};
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
        end_alone();
    }

    /// Room at that byte for a record of that time, which is asked before: what a load behind the
    /// exchange brings waits for it. The records of several threads may so be out of order by it; a
    /// segment's first one is behind all before.
    struct claimed_room {
        std::uint64_t at = 0;
        std::int64_t time = 0;
    };
    /// As claims::claim, for that payload.
    [[nodiscard]] bool claim(std::uint64_t payload, const sys::atomic<bool>& closed,
                             claimed_room& in) noexcept {
        in.time = now();
        return payload <= most_ && claims_.claim(format::record_bytes(payload), closed, in.at);
    }
    /// Appends the record that room was claimed for; answers the offset behind it.
    std::uint64_t put_claimed(const claimed_room& in, format::record_type type,
                              std::uint16_t stream, std::uint32_t topic,
                              std::span<const std::byte> payload) noexcept {
        format::put(page_, in.at, sum_, header(type, stream, topic, payload.size(), in.time),
                    payload.data());
        return complete(in.at, payload.size());
    }
    /// The same of one whose payload is in place.
    std::uint64_t commit_claimed(const claimed_room& in, format::record_type type,
                                 std::uint16_t stream, std::uint64_t bytes) noexcept {
        format::commit(page_, in.at, sum_, header(type, stream, 0, bytes, in.time));
        return complete(in.at, bytes);
    }

    /// Nobody else appends from here on, and all appends there were are complete; not before
    /// end_alone.
    void begin_alone() noexcept { at_ = claims_.freeze(begins_); }
    void end_alone() noexcept { claims_.thaw(at_, sealed_ ? 0 : room_until_); }
    /// While alone: no claims any more.
    void end_claims() noexcept { claims_.end(); }

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
        return sealed_segments_.full() && !has_room(payload);
    }

    /// Room for a record of that payload: ok, no_space (nothing has changed), failed (for good).
    status make_room(format::record_type type, std::uint64_t payload) {
        if (done_.failed()) return status::failed;
        const std::uint64_t n = format::record_bytes(payload);
        if (fits(n + spare_room())) return status::ok;
        const os::trouble t = roll();
        const bool small = type == format::record_type::accept || type == format::record_type::lost;
        if (!t || (t.no_space() && small && fits(n))) return status::ok;
        if (t.no_space()) return status::no_space;
        done_.fail(t);
        return status::failed;
    }
    /// Where the payload of the next record goes, once there is room; of one that was claimed.
    [[nodiscard]] std::byte* room() const noexcept { return room(at_); }
    [[nodiscard]] std::byte* room(std::uint64_t at) const noexcept {
        std::byte* const to = page_.data + at + sizeof(format::record_header);
        sys::wrote(to);
        return to;
    }
    /// Appends the record whose payload is in place.
    void commit(format::record_type type, std::uint16_t stream, std::uint64_t bytes) noexcept {
        format::commit(page_, at_, sum_, header(type, stream, 0, bytes, now()));
        pass(bytes);
    }
    /// Appends a record, once there is room.
    void put(format::record_type type, std::uint16_t stream, std::uint32_t topic,
             std::span<const std::byte> payload) noexcept {
        format::put(
            page_, at_, sum_, header(type, stream, topic, payload.size(), now()), payload.data());
        pass(payload.size());
    }
    void put(const format::record_header& h, std::span<const std::byte> payload) noexcept {
        put(h.type, h.stream, h.topic, payload);
    }

    /// What is not known to be on disk.
    [[nodiscard]] unsynced to_sync() const noexcept {
        return sealed_segments_.with(tail_, done_.appended());  // others may go on
    }
    /// The sealed segments up to this number are.
    void synced_up_to(std::uint64_t number) noexcept { sealed_segments_.synced_up_to(number); }
    /// The offset of the segment that is written to.
    [[nodiscard]] std::uint64_t tail_begins() const noexcept { return begins_; }
    [[nodiscard]] bool anything_sealed() const noexcept { return !sealed_segments_.empty(); }

    [[nodiscard]] const std::shared_ptr<segment>& tail() const noexcept { return tail_; }
    /// While alone.
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
        hold_messages(false);
    }
    /// Inlined, so that it stays in registers: read from memory it would wait for its own stores.
    [[nodiscard, gnu::always_inline]] inline format::record_header header(
        format::record_type type, std::uint16_t stream, std::uint32_t topic, std::uint64_t bytes,
        std::int64_t time) const noexcept {
        const std::uint64_t synced = done_.synced();
        // The header was on disk before the segment had its name.
        const std::uint64_t here =
            synced < begins_ ? 0 : std::max<std::uint64_t>(synced - begins_, format::records_start);
        return {.type = type,
                .stream = stream,
                .bytes = static_cast<std::uint32_t>(bytes),
                .topic = topic,
                .time = time,
                .synced = static_cast<std::uint32_t>(here)};
    }
    [[nodiscard]] std::int64_t now() const noexcept { return in_.files()->wall_time(); }
    void pass(std::uint64_t payload) noexcept {
        at_ += format::record_bytes(payload);
        done_.set_appended(end());
    }
    std::uint64_t complete(std::uint64_t at, std::uint64_t payload) noexcept {
        const std::uint64_t begin = begins_ + at;
        const std::uint64_t end = begin + format::record_bytes(payload);
        claims_.complete(begin, end);
        return end;
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
        sealed_segments_.add(std::move(tail_));
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

    claims claims_{done_};
    std::shared_ptr<segment> tail_;
    format::page page_;         // its bytes
    std::uint64_t begins_ = 0;  // its offset
    std::uint64_t most_ = 0;    // of a message; the same in all segments: read before a claim
    crc32c_state sum_;          // what all sums here begin with

    // Written by each who is alone: apart from what claims read.
    alignas(cache_line) std::uint64_t at_ = 0;  // while alone
    std::uint64_t room_until_ = 0;              // for messages
    std::uint64_t epoch_ = 0;
    bool sealed_ = false;
    unsynced_segments sealed_segments_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
