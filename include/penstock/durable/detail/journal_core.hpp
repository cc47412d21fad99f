// SPDX-License-Identifier: BSL-1.0
// What all handles of one journal share: what is appended to its streams and accepted by its groups,
// and what no group needs any more. detail/declarations.hpp has the names.
//
// Threads   Everything but construction and destruction may be called by any number of threads at
//           once.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <penstock/durable/detail/declarations.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// What a group's accept is, as a payload.
struct accept_payload {
    std::uint32_t group, zero;
    std::uint64_t offset, low;
};

class journal_core final : public declarations {
public:
    /// `keep_to_limits`: detail/retention.hpp's, of journals that may have some.
    using space_maker = status (*)(journal_core&, space_for, std::uint64_t);
    journal_core(std::string path, const journal_options& options,
                 space_maker keep_to_limits = nullptr)
        : declarations{std::move(path), options}, keep_to_limits_{keep_to_limits} {
        if (options.retention.bytes > 0) space_ = &space_watch::in(readers());
        start_helper();
    }
    ~journal_core() { close(); }

    // Appends ------------------------------------------------------------------------------------

    /// ok: safe from what the policy says.
    status send(const stream_state& stream, std::uint32_t topic,
                std::span<const std::byte> payload) {
        constexpr auto type = format::record_type::message;
        writer::claimed_room room;
        if (done().failed() || !writer_.claim(payload.size(), stream.closed, room)) {
            return append_alone(
                stream, payload.size(), [&] { writer_.put(type, stream.id, topic, payload); });
        }
        return appended(stream, writer_.put_claimed(room, type, stream.id, topic, payload));
    }

    /// `fill` writes the payload where it will stay; what it throws goes through, and nothing is
    /// appended.
    template <class Fill>
    status send_in_place(const stream_state& stream, format::record_type type, std::uint64_t bytes,
                         Fill&& fill) {
        // What is claimed must be completed: others wait for it.
        if constexpr (noexcept(fill(std::declval<std::byte*>()))) {
            writer::claimed_room room;
            if (!done().failed() && writer_.claim(bytes, stream.closed, room)) {
                fill(writer_.room(room.at));
                return appended(stream, writer_.commit_claimed(room, type, stream.id, bytes));
            }
        }
        return append_alone(stream, bytes, [&] {
            fill(writer_.room());
            writer_.commit(type, stream.id, bytes);
        });
    }

    /// Appends that a group has accepted something: `settle(payload)` says what, or refuses. `end` is
    /// what to make_safe.
    template <class Settle>
    status accept(Settle&& settle, std::uint64_t& end) {
        accept_payload payload{};
        std::unique_lock lock{appends_, std::defer_lock};
        if (const status s = enter(lock, format::record_type::accept, sizeof payload); !s) return s;
        if (const status s = settle(payload); !s) return s;
        writer_.put({.type = format::record_type::accept}, std::as_bytes(std::span{&payload, 1}));
        known_.group(payload.group)->accept(payload.offset, payload.low);
        passed(payload.group, payload.low);
        end = writer_.end();
        return status::ok;
    }

    /// Appends messages and accepts, each a record as in format.hpp, all or none. `settle` fills in
    /// the accepts, whose payloads are these, and drops records that aren't needed, or refuses.
    template <class Settle>
    status several(const std::vector<std::byte>& records,
                   std::span<const stream_state* const> sent_to,
                   const std::vector<accept_payload>& accepts, Settle&& settle,
                   std::uint64_t& end) {
        std::unique_lock lock{appends_, std::defer_lock};
        const format::record_header h{.type = format::record_type::several};
        const space_for who = accepts.empty() ? space_for::message : space_for::record;
        if (const status s = enter(lock, h.type, records.size(), who); !s) return s;
        for (const stream_state* const s : sent_to) {
            if (s->closed.load(std::memory_order_relaxed)) return status::closed;  // by the mutex
        }
        if (const status s = settle(); !s) return s;
        writer_.put(h, records);
        for (const accept_payload& a : accepts) {
            known_.group(a.group)->accept(a.offset, a.low);
            passed(a.group, a.low);
        }
        end = writer_.end();
        return status::ok;
    }

    /// Moves a group's cursor, at the earliest to the oldest segment; `move` is told where to.
    template <class Move>
    status seek(std::uint32_t group, std::uint64_t to, Move&& move, std::uint64_t& end) {
        std::unique_lock lock{appends_, std::defer_lock};
        struct {
            std::uint32_t group, zero;
            std::uint64_t low;
        } payload{group, 0, 0};
        if (const status s = enter(lock, format::record_type::seek, sizeof payload); !s) return s;
        to = std::max(to, segments().oldest() * segment_bytes());
        payload.low = std::min(to, done().appended());
        ++cursors_set_;
        move(payload.low);
        writer_.put({.type = format::record_type::seek}, std::as_bytes(std::span{&payload, 1}));
        known_.group(group)->seek(payload.low);
        if (space_) space_->changed();
        end = writer_.end();
        return status::ok;
    }

    /// Before a limit takes messages from a group: puts it behind them, and on record how many it has lost
    /// so far, as `move` answers. Where there is no room for the record the next snapshot has it.
    template <class Move>
    status lose(std::uint32_t group, std::uint64_t before, Move&& move) {
        struct {
            std::uint32_t group, zero;
            std::uint64_t low, lost;
        } payload{group, 0, before, 0};
        std::unique_lock lock{appends_, std::defer_lock};
        constexpr auto type = format::record_type::lost;
        const status s = enter(lock, type, sizeof payload, space_for::nobody);
        if (!s && s != status::no_space) return s;
        payload.lost = move();
        if (s) writer_.put({.type = type}, std::as_bytes(std::span{&payload, 1}));
        known_.group(group)->lose(before, payload.lost);
        return status::ok;
    }

    /// Room for a message that the calling thread fills in; the journal is its own until it commits
    /// or gives up.
    status reserve(const stream_state& stream, std::uint64_t bytes, std::span<std::byte>& room) {
        std::unique_lock lock{appends_, std::defer_lock};
        if (const status s = enter(lock, format::record_type::message, bytes, space_for::message);
            !s)
            return s;
        if (stream.closed.load(std::memory_order_relaxed)) return status::closed;  // by the mutex
        room = {writer_.room(), static_cast<std::size_t>(bytes)};
        reserved_by_.store(me(), std::memory_order_relaxed);  // read as equal by this thread only
        (void)lock.release();
        return status::ok;
    }
    /// Ends a reservation. `bytes` of the room are the message.
    status commit(const stream_state& stream, std::span<std::byte> room, std::uint64_t bytes) {
        std::memset(room.data() + bytes, 0, room.size() - bytes);
        writer_.commit(format::record_type::message, stream.id, bytes);
        const auto end = writer_.end();
        unreserve();
        const status s = make_safe(end);
        readers_of(stream.id);
        return s;
    }
    void abandon(std::span<std::byte> room) noexcept {
        std::memset(room.data(), 0, room.size());  // prepared space is zero
        unreserve();
    }

    /// After an append to that stream, and after one to none.
    void readers_of(std::uint16_t stream) noexcept { readers().notify(stream, false); }
    void told_of_record() noexcept { readers().notify(0, false); }

    // Groups and trimming ------------------------------------------------------------------------

    /// All groups; `cursors_set` is for trim.
    [[nodiscard]] std::vector<group_entry> groups(std::uint64_t& cursors_set) {
        std::lock_guard lock{append_mutex_};
        cursors_set = cursors_set_;
        return known_.groups;
    }

    /// No more sends to it; what is in stays.
    void close(stream_state& stream) {
        PENSTOCK_ASSERT(!reserved_by_me(), "commit or drop a reservation before closing its queue");
        {
            std::lock_guard lock{appends_};  // so a claim sees it, or is complete
            stream.closed.store(true, std::memory_order_release);  // pairs with group_state's reads
        }
        readers().notify(stream.id, true);
    }
    using journal_end::close;

    /// Gives up segments before the one that holds `needed`, which was found out when `cursors_set`
    /// was as groups() said: since then nobody may have gone back. `unread_too`: also of streams that
    /// no group reads.
    status trim(std::uint64_t needed, std::uint64_t cursors_set, std::uint64_t& removed,
                bool unread_too = false) {
        // Before a segment goes, the snapshot and the accepts that replace it are on disk.
        std::unique_lock lock{append_mutex_};
        const auto end_of_accepts = done().appended();
        lock.unlock();
        if (const status s = sync_to(end_of_accepts); !s) return s;
        lock.lock();
        if (closed()) return status::closed;
        if (cursors_set != cursors_set_) return status::ok;
        for (const stream_entry& s : known_.streams) {  // without a group it keeps all it has
            const bool read = std::any_of(known_.groups.begin(), known_.groups.end(),
                                          [&](const group_entry& g) { return g.stream == s.id; });
            if (!read && !unread_too) needed = std::min(needed, s.first);
        }
        const auto end = std::min(needed / segment_bytes(), done().synced() / segment_bytes());
        const bool trouble = static_cast<bool>(give_up_segments(end, removed));
        if (space_ && removed > 0) space_->changed();
        return trouble ? status::failed : status::ok;
    }

    /// While segments before `cut` are there: waits until that group has accepted all before `low`, or for
    /// another reason to look again; group 0: for that only. `cursors_set` as for trim.
    status wait_for_space(std::uint64_t cut, std::uint32_t group, std::uint64_t low,
                          std::uint64_t cursors_set) {
        std::uint32_t turn = 0;
        {
            std::lock_guard lock{append_mutex_};
            const group_entry* const g = known_.group(group);
            if (cursors_set != cursors_set_ || segments().oldest() >= cut || (g && g->low >= low))
                return status::ok;
            turn = space_->expect(group, low);
        }
        space_->wait(turn, [this] { return closed() || done().failed(); });
        return done().failed() ? status::failed : status::ok;
    }

private:
    status make_space(space_for who, std::uint64_t excess) override {
        return keep_to_limits_ ? keep_to_limits_(*this, who, excess) : status::ok;
    }
    /// By the append mutex.
    void passed(std::uint32_t group, std::uint64_t low) noexcept {
        if (space_) space_->passed(group, low);
    }

    /// For a message that could not claim its room: because of what it will be answered, because the
    /// segment is full, or because somebody is alone.
    template <class Write>
    [[gnu::noinline]] status append_alone(const stream_state& stream, std::uint64_t bytes,
                                          Write&& write) {
        std::uint64_t end = 0;
        {
            std::unique_lock lock{appends_, std::defer_lock};
            if (const status s =
                    enter(lock, format::record_type::message, bytes, space_for::message);
                !s)
                return s;
            if (stream.closed.load(std::memory_order_relaxed))
                return status::closed;  // by the mutex
            write();
            end = writer_.end();
        }
        return appended(stream, end);
    }
    status appended(const stream_state& stream, std::uint64_t end) {
        const status s = make_safe(end);
        readers_of(stream.id);
        return s;
    }

    void unreserve() noexcept {
        reserved_by_.store(nullptr, std::memory_order_relaxed);  // read as equal by nobody
        appends_.unlock();
    }

    const space_maker keep_to_limits_;
    space_watch* space_ = nullptr;  // when there is a limit
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
