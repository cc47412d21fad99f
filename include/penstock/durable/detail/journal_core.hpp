// SPDX-License-Identifier: BSL-1.0
// What all handles of one journal share: streams and groups by name, what is appended to them, and
// what no group needs any more.
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

#include <penstock/durable/detail/journal_end.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// What a group's accept is, as a payload.
struct accept_payload {
    std::uint32_t group, zero;
    std::uint64_t offset, low;
};

class journal_core final : public journal_end {
public:
    journal_core(std::string path, const journal_options& options)
        : journal_end{std::move(path), options} {
        for (const auto& s : known_.streams)
            streams_.push_back(std::make_unique<stream_state>(s.id));
        start_helper();
    }
    ~journal_core() { close(); }

    // Appends ------------------------------------------------------------------------------------

    /// ok: safe from what the policy says.
    status send(const stream_state& stream, std::uint32_t topic,
                std::span<const std::byte> payload) {
        return send_in_place(
            stream, format::record_type::message, topic, payload.size(), [&](std::byte* to) {
                if (!payload.empty()) std::memcpy(to, payload.data(), payload.size());
            });
    }

    /// `fill` writes the payload where it will stay, and must not throw.
    template <class Fill>
    status send_in_place(const stream_state& stream, format::record_type type, std::uint32_t topic,
                         std::uint64_t bytes, Fill&& fill) {
        std::uint64_t end = 0;
        {
            std::unique_lock lock{append_mutex_, std::defer_lock};
            if (const status s = enter(lock, format::record_type::message, bytes); !s) return s;
            if (stream.closed.load(std::memory_order_relaxed))
                return status::closed;  // by the mutex
            fill(writer_.room());
            writer_.commit({.type = type,
                            .stream = stream.id,
                            .bytes = static_cast<std::uint32_t>(bytes),
                            .topic = topic});
            end = writer_.end();
        }
        const status s = make_safe(end);
        readers_of(stream.id);
        return s;
    }

    /// Appends that a group has accepted something: `settle(payload)` says what, or refuses. `end` is
    /// what to make_safe.
    template <class Settle>
    status accept(Settle&& settle, std::uint64_t& end) {
        accept_payload payload{};
        std::unique_lock lock{append_mutex_, std::defer_lock};
        if (const status s = enter(lock, format::record_type::accept, sizeof payload); !s) return s;
        if (const status s = settle(payload); !s) return s;
        writer_.put({.type = format::record_type::accept}, std::as_bytes(std::span{&payload, 1}));
        known_.group(payload.group)->accept(payload.offset, payload.low);
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
        std::unique_lock lock{append_mutex_, std::defer_lock};
        const format::record_header h{.type = format::record_type::several};
        if (const status s = enter(lock, h.type, records.size()); !s) return s;
        for (const stream_state* const s : sent_to) {
            if (s->closed.load(std::memory_order_relaxed)) return status::closed;  // by the mutex
        }
        if (const status s = settle(); !s) return s;
        writer_.put(h, records);
        for (const accept_payload& a : accepts) known_.group(a.group)->accept(a.offset, a.low);
        end = writer_.end();
        return status::ok;
    }

    /// Moves a group's cursor, at the earliest to the oldest segment; `move` is told where to.
    template <class Move>
    status seek(std::uint32_t group, std::uint64_t to, Move&& move, std::uint64_t& end) {
        std::unique_lock lock{append_mutex_, std::defer_lock};
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
        end = writer_.end();
        return status::ok;
    }

    /// Room for a message that the calling thread fills in; the journal is its own until it commits
    /// or gives up.
    status reserve(const stream_state& stream, std::uint64_t bytes, std::span<std::byte>& room) {
        std::unique_lock lock{append_mutex_, std::defer_lock};
        if (const status s = enter(lock, format::record_type::message, bytes); !s) return s;
        if (stream.closed.load(std::memory_order_relaxed)) return status::closed;  // by the mutex
        room = {writer_.room(), static_cast<std::size_t>(bytes)};
        reserved_by_.store(me(), std::memory_order_relaxed);  // read as equal by this thread only
        (void)lock.release();
        return status::ok;
    }
    /// Ends a reservation. `bytes` of the room are the message.
    status commit(const stream_state& stream, std::span<std::byte> room, std::uint64_t bytes) {
        std::memset(room.data() + bytes, 0, room.size() - bytes);
        writer_.commit({.type = format::record_type::message,
                        .stream = stream.id,
                        .bytes = static_cast<std::uint32_t>(bytes)});
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

    void readers_of(std::uint16_t stream) noexcept { readers().notify(stream, false); }

    // Streams and groups -------------------------------------------------------------------------

    stream_state& declare(const std::string& name, const stream_type& type) {
        check_name(name);
        stream_entry s{.name = name, .type = type};
        s.id = 1;  // for its size
        byte_writer payload;
        s.write(payload);
        std::unique_lock lock{append_mutex_, std::defer_lock};
        declared(enter(lock, format::record_type::stream, payload.bytes().size()));
        if (const stream_entry* there = known_.stream(name)) {
            if (there->type != type)
                throw std::invalid_argument{
                    "penstock: stream \"" + name + "\" of " + path() + " holds " +
                    there->type.spelled() + ", not " + type.spelled() +
                    ": open it with that type, or give the new one a stream of its own"};
            return *streams_[there->id - 1u];
        }
        if (known_.streams.size() >= 0xFFFF) throw std::length_error{"penstock: too many streams"};
        s.id = static_cast<std::uint16_t>(known_.streams.size() + 1);
        s.first = writer_.end();
        check_snapshot(24 + name.size() + type.name.size());
        known_.streams.reserve(s.id);  // what may throw comes first
        streams_.push_back(std::make_unique<stream_state>(s.id));
        stream_state& made = *streams_.back();
        payload = {};
        s.write(payload);
        writer_.put({.type = format::record_type::stream, .stream = s.id}, payload.bytes());
        known_.streams.push_back(std::move(s));
        const auto end = writer_.end();
        lock.unlock();
        declared(make_safe(end));
        return made;
    }

    /// By value: the entry moves on with every accept.
    group_entry declare(const stream_state& stream, const std::string& name,
                        std::uint32_t prefetch) {
        check_name(name);
        group_entry g{.stream = stream.id, .name = name};
        byte_writer payload;
        g.write(payload);
        std::unique_lock lock{append_mutex_, std::defer_lock};
        declared(enter(lock, format::record_type::group, payload.bytes().size()));
        for (group_entry& there : known_.groups) {
            if (there.stream == stream.id && there.name == name) {
                check_snapshot(8 * there.more_for(prefetch));
                there.allow(prefetch);
                return there;
            }
        }
        g.id = static_cast<std::uint32_t>(known_.groups.size() + 1);
        g.low = known_.streams[stream.id - 1u].first;
        check_snapshot(24 + name.size() + 8 * std::uint64_t{prefetch});
        known_.groups.reserve(g.id);
        payload = {};
        g.write(payload);
        g.allow(prefetch);
        ++cursors_set_;
        writer_.put({.type = format::record_type::group, .stream = stream.id}, payload.bytes());
        const group_entry made = g;
        known_.groups.push_back(std::move(g));
        const auto end = writer_.end();
        lock.unlock();
        declared(make_safe(end));
        return made;
    }

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
            std::lock_guard lock{append_mutex_};
            stream.closed.store(true, std::memory_order_release);  // pairs with group_state's reads
        }
        readers().notify(stream.id, true);
    }
    using journal_end::close;

    /// Gives up segments before the one that holds `needed`, which was found out when `cursors_set`
    /// was as groups() said: since then nobody may have gone back.
    status trim(std::uint64_t needed, std::uint64_t cursors_set, std::uint64_t& removed) {
        // Before a segment goes, the snapshot and the accepts that replace it are on disk.
        std::unique_lock lock{append_mutex_};
        const auto end_of_accepts = writer_.end();
        lock.unlock();
        if (const status s = sync_to(end_of_accepts); !s) return s;
        lock.lock();
        if (closed()) return status::closed;
        if (cursors_set != cursors_set_) return status::ok;
        for (const stream_entry& s : known_.streams) {  // without a group it keeps all it has
            const bool read = std::any_of(known_.groups.begin(), known_.groups.end(),
                                          [&](const group_entry& g) { return g.stream == s.id; });
            if (!read) needed = std::min(needed, s.first);
        }
        const auto end = std::min(needed / segment_bytes(), done().synced() / segment_bytes());
        return give_up_segments(end, removed) ? status::failed : status::ok;
    }

private:
    void unreserve() noexcept {
        reserved_by_.store(nullptr, std::memory_order_relaxed);  // read as equal by nobody
        append_mutex_.unlock();
    }

    void check_snapshot(std::uint64_t more) const {
        if (known_.largest_snapshot() + more > writer_.largest_snapshot())
            throw std::length_error{
                "penstock: the streams and groups of " + path() +
                " no longer fit at the beginning of a segment: use larger segments, or a smaller "
                "prefetch"};
    }
    static void check_name(const std::string& name) {
        if (name.empty() || name.size() > catalog::longest_name)
            throw std::invalid_argument{
                "penstock: a stream or group needs a name of 1 to 1024 bytes"};
    }
    /// Declaring happens in constructors, where a refusal is an exception.
    void declared(status s) const {
        if (s) return;
        const int code = s == status::no_space ? ENOSPC : s == status::closed ? EBADF : EIO;
        os::trouble{code, "declare a stream or group in"}.raise(path());
    }

    // By append_mutex_:
    std::vector<std::unique_ptr<stream_state>> streams_;
    std::uint64_t cursors_set_ = 0;  // seeks and new groups
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
