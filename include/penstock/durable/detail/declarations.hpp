// SPDX-License-Identifier: BSL-1.0
// What a journal has by name: streams, their groups, and topics. Declared once, found ever after: a
// record says so, and the snapshot at the beginning of each later segment.
//
// Threads   Everything but construction and destruction may be called by any number of threads at
//           once. What is declared never goes.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <penstock/durable/detail/journal_end.hpp>
#include <penstock/durable/detail/topic_names.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class declarations : public journal_end {
public:
    declarations(std::string path, const journal_options& options)
        : journal_end{std::move(path), options} {
        for (const auto& s : known_.streams)
            streams_.push_back(std::make_unique<stream_state>(s.id));
        for (const auto& name : known_.topics) topics_.add(topics_.prepare(name));
    }

    stream_state& declare(const std::string& name, const stream_type& type) {
        check_name(name);
        if (usable()) {
            std::lock_guard lock{append_mutex_};
            if (stream_state* const there = find(name, type)) return *there;
        }
        stream_entry s{.name = name, .type = type};
        s.id = 1;  // for its size
        byte_writer payload;
        s.write(payload);
        std::unique_lock lock{appends_, std::defer_lock};
        declared(enter(lock, format::record_type::stream, payload.bytes().size()));
        if (stream_state* const there = find(name, type)) return *there;
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
        readers().notify(0, false);
        return made;
    }

    /// By value: the entry moves on with every accept.
    group_entry declare(const stream_state& stream, const std::string& name,
                        std::uint32_t prefetch) {
        check_name(name);
        if (usable()) {
            std::lock_guard lock{append_mutex_};
            if (const group_entry* const there = find(stream, name, prefetch)) return *there;
        }
        group_entry g{.stream = stream.id, .name = name};
        byte_writer payload;
        g.write(payload);
        std::unique_lock lock{appends_, std::defer_lock};
        declared(enter(lock, format::record_type::group, payload.bytes().size()));
        if (const group_entry* const there = find(stream, name, prefetch)) return *there;
        g.id = static_cast<std::uint32_t>(known_.groups.size() + 1);
        g.low = known_.streams[stream.id - 1u].first;
        check_snapshot(32 + name.size() + 8 * std::uint64_t{prefetch});
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
        readers().notify(0, true);  // also those who wait for their stream to get a group
        return made;
    }

    /// The number of that topic, for messages that belong to it: too_large when the names no longer
    /// fit at the beginning of a segment; no_space, closed, failed.
    status declare_topic(std::string_view name, std::uint32_t& number) {
        if ((number = topics_.find(name)) != 0) return status::ok;
        if (name.empty() || name.size() > catalog::longest_name) return status::too_large;
        const std::uint64_t bytes = topic_entry{0, std::string{name}}.bytes();
        std::unique_lock lock{appends_, std::defer_lock};
        if (const status s = enter(lock, format::record_type::topic, bytes); !s) return s;
        if ((number = topics_.find(name)) != 0) return status::ok;
        if (!fits_snapshot(bytes)) return status::too_large;
        auto found = topics_.prepare(name);  // what may throw comes first
        const topic_entry t{found.mapped(), found.key()};
        byte_writer payload;
        t.write(payload);
        known_.topics.push_back(t.name);
        writer_.put({.type = format::record_type::topic}, payload.bytes());
        number = t.id;
        topics_.add(std::move(found));
        return status::ok;  // safe when the message is that names it
    }
    [[nodiscard]] std::string_view topic_name(std::uint32_t number) const {
        return topics_.name_of(number);
    }

protected:
    ~declarations() = default;

    // By append_mutex_:
    std::vector<std::unique_ptr<stream_state>> streams_;
    std::uint64_t cursors_set_ = 0;  // seeks and new groups

private:
    /// What is declared already needs no space: on a full disk a journal opens, so that its messages
    /// can be taken and trimmed.
    [[nodiscard]] bool usable() const noexcept {
        return !closed() && !done().failed() && !reserved_by_me();
    }
    // With append_mutex_ held:
    stream_state* find(const std::string& name, const stream_type& type) {
        const stream_entry* const there = known_.stream(name);
        if (!there) return nullptr;
        if (there->type != type)
            throw std::invalid_argument{
                "penstock: stream \"" + name + "\" of " + path() + " holds " +
                there->type.spelled() + ", not " + type.spelled() +
                ": open it with that type, or give the new one a stream of its own"};
        return streams_[there->id - 1u].get();
    }
    const group_entry* find(const stream_state& stream, const std::string& name,
                            std::uint32_t prefetch) {
        for (group_entry& there : known_.groups) {
            if (there.stream != stream.id || there.name != name) continue;
            check_snapshot(8 * there.more_for(prefetch));
            there.allow(prefetch);
            return &there;
        }
        return nullptr;
    }
    [[nodiscard]] bool fits_snapshot(std::uint64_t more) const {
        return known_.largest_snapshot() + more <= writer_.largest_snapshot();
    }
    void check_snapshot(std::uint64_t more) const {
        if (!fits_snapshot(more))
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

    topic_names topics_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
