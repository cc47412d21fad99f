// SPDX-License-Identifier: BSL-1.0
// What a journal knows besides its messages: its streams, and how far each group has got. Built by
// replaying a snapshot and the records behind it, and written out as the next segment's snapshot.
//
// Threads   Not safe by itself: the journal's append mutex guards it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <penstock/durable/detail/bytes.hpp>
#include <penstock/durable/record.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// What a stream holds, as its codec says (durable/codec.hpp).
struct stream_type {
    std::string name;
    std::uint32_t version = 0;
    std::uint32_t size = 0;  // 0: not fixed

    friend bool operator==(const stream_type&, const stream_type&) = default;
    [[nodiscard]] std::string spelled() const {
        return name + " version " + std::to_string(version) +
               (size > 0 ? " of " + std::to_string(size) + " bytes" : std::string{});
    }
};

struct stream_entry {
    std::uint16_t id = 0;
    std::uint64_t first = 0;  // no message is before this offset
    std::string name;
    stream_type type{};

    void write(byte_writer& to) const {
        to.put(id).put(std::uint16_t{0}).put(type.version).put(type.size);
        to.put(static_cast<std::uint16_t>(name.size()));
        to.put(static_cast<std::uint16_t>(type.name.size())).put(first).put(name).put(type.name);
    }
    void read(byte_reader& from) {
        id = from.get<std::uint16_t>();
        from.get<std::uint16_t>();
        type.version = from.get<std::uint32_t>();
        type.size = from.get<std::uint32_t>();
        const auto name_bytes = from.get<std::uint16_t>();
        const auto type_bytes = from.get<std::uint16_t>();
        first = from.get<std::uint64_t>();
        name = from.get_text(name_bytes);
        type.name = from.get_text(type_bytes);
    }
};

struct group_entry {
    std::uint32_t id = 0;
    std::uint16_t stream = 0;
    std::uint64_t low = 0;  // every message of the stream before this offset is accepted
    std::vector<std::uint64_t> accepted{};  // and these, sorted, all at or above `low`
    std::string name;
    std::uint64_t lost = 0;  // messages that a limit has taken from it
    std::size_t most = 0;    // accepted out of order, in this process; not written

    /// How many more offsets there may be with that prefetch.
    [[nodiscard]] std::uint64_t more_for(std::size_t prefetch) const noexcept {
        return std::max(most, accepted.size() + prefetch) - std::max(most, accepted.size());
    }
    /// So that accept() doesn't allocate.
    void allow(std::size_t prefetch) {
        most = std::max(most, accepted.size() + prefetch);
        accepted.reserve(most);
    }

    void accept(std::uint64_t offset, std::uint64_t new_low) {
        low = std::max(low, new_low);
        if (offset >= low) {
            const auto at = std::lower_bound(accepted.begin(), accepted.end(), offset);
            if (at == accepted.end() || *at != offset) accepted.insert(at, offset);
        }
        accepted.erase(accepted.begin(), std::lower_bound(accepted.begin(), accepted.end(), low));
    }

    void seek(std::uint64_t to) noexcept {
        low = to;
        accepted.clear();
    }
    void lose(std::uint64_t before, std::uint64_t all) {
        accept(0, before);
        lost = all;
    }

    void write(byte_writer& to) const {
        to.put(id).put(stream).put(static_cast<std::uint16_t>(name.size())).put(low);
        to.put(static_cast<std::uint32_t>(accepted.size())).put(std::uint32_t{0});
        for (const std::uint64_t offset : accepted) to.put(offset);
        to.put(name);
    }
    void read(byte_reader& from) {
        id = from.get<std::uint32_t>();
        stream = from.get<std::uint16_t>();
        const auto name_bytes = from.get<std::uint16_t>();
        low = from.get<std::uint64_t>();
        const auto n = from.get<std::uint32_t>();
        from.get<std::uint32_t>();
        accepted.clear();
        for (std::uint32_t i = 0; i < n && from; ++i) accepted.push_back(from.get<std::uint64_t>());
        name = from.get_text(name_bytes);
    }
};

struct topic_entry {
    std::uint32_t id = 0;
    std::string name{};

    [[nodiscard]] std::uint64_t bytes() const noexcept { return 8 + name.size(); }
    void write(byte_writer& to) const {
        to.put(id).put(static_cast<std::uint16_t>(name.size())).put(std::uint16_t{0}).put(name);
    }
    void read(byte_reader& from) {
        id = from.get<std::uint32_t>();
        const auto name_bytes = from.get<std::uint16_t>();
        from.get<std::uint16_t>();
        name = from.get_text(name_bytes);
    }
};

class catalog {
public:
    static constexpr std::size_t longest_name = 1024;

    std::vector<stream_entry> streams;
    std::vector<group_entry> groups;
    std::vector<std::string> topics;  // number n at n - 1

    [[nodiscard]] stream_entry* stream(std::string_view name) noexcept {
        const auto at = std::find_if(
            streams.begin(), streams.end(), [&](const stream_entry& s) { return s.name == name; });
        return at != streams.end() ? &*at : nullptr;
    }
    [[nodiscard]] group_entry* group(std::uint32_t id) noexcept {  // ids count from 1
        return id > 0 && id <= groups.size() ? &groups[id - 1] : nullptr;
    }

    /// Bytes of a snapshot in which every group has as many messages accepted out of order as it
    /// may: a snapshot has to fit whenever a segment begins.
    [[nodiscard]] std::uint64_t largest_snapshot() const {
        std::uint64_t n = 16;
        for (const auto& s : streams) n += 24 + s.name.size() + s.type.name.size();
        for (const auto& g : groups)
            n += 32 + g.name.size() + 8 * std::max<std::uint64_t>(g.most, g.accepted.size());
        for (const auto& t : topics) n += 8 + t.size();
        return format::record_bytes(n);
    }

    [[nodiscard]] byte_writer snapshot() const {
        byte_writer to;
        to.put(static_cast<std::uint32_t>(streams.size()));
        to.put(static_cast<std::uint32_t>(groups.size()));
        for (const auto& s : streams) s.write(to);
        for (const auto& g : groups) g.write(to);
        const bool losses = std::any_of(
            groups.begin(), groups.end(), [](const group_entry& g) { return g.lost > 0; });
        if (!topics.empty() || losses)
            to.put(static_cast<std::uint32_t>(topics.size())).put(std::uint32_t{0});
        for (std::uint32_t i = 0; i < topics.size(); ++i) topic_entry{i + 1, topics[i]}.write(to);
        for (std::size_t i = 0; losses && i < groups.size(); ++i) to.put(groups[i].lost);
        return to;
    }

    /// Takes a record in. False: it makes no sense here, which a checksum can't see.
    [[nodiscard]] bool apply(const format::record& r) {
        byte_reader from{r.payload};
        switch (r.header.type) {
            case format::record_type::snapshot: return read_snapshot(from);
            case format::record_type::stream: {
                stream_entry s;
                s.read(from);
                return from && add(std::move(s));
            }
            case format::record_type::group: {
                group_entry g;
                g.read(from);
                return from && add(std::move(g));
            }
            case format::record_type::accept: {
                group_entry* const g = group(from.get<std::uint32_t>());
                from.get<std::uint32_t>();
                const auto offset = from.get<std::uint64_t>();
                const auto low = from.get<std::uint64_t>();
                if (!from || !g) return false;
                g->accept(offset, low);
                return true;
            }
            case format::record_type::seek: {
                group_entry* const g = group(from.get<std::uint32_t>());
                from.get<std::uint32_t>();
                const auto low = from.get<std::uint64_t>();
                if (!from || !g) return false;
                g->seek(low);
                return true;
            }
            case format::record_type::lost: {
                group_entry* const g = group(from.get<std::uint32_t>());
                from.get<std::uint32_t>();
                const auto low = from.get<std::uint64_t>();
                const auto lost = from.get<std::uint64_t>();
                if (!from || !g) return false;
                g->lose(low, lost);
                return true;
            }
            case format::record_type::topic: {
                topic_entry t;
                t.read(from);
                return from && add(std::move(t));
            }
            default: return true;
        }
    }

private:
    bool read_snapshot(byte_reader& from) {
        catalog read;
        const auto stream_count = from.get<std::uint32_t>();
        const auto group_count = from.get<std::uint32_t>();
        for (std::uint32_t i = 0; i < stream_count && from; ++i) {
            stream_entry s;
            s.read(from);
            if (!from || !read.add(std::move(s))) return false;
        }
        for (std::uint32_t i = 0; i < group_count && from; ++i) {
            group_entry g;
            g.read(from);
            if (!from || !read.add(std::move(g))) return false;
        }
        if (!from) return false;
        const auto topic_count = from.left() > 0 ? from.get<std::uint32_t>() : 0;
        if (from.left() > 0) from.get<std::uint32_t>();
        for (std::uint32_t i = 0; i < topic_count && from; ++i) {
            topic_entry t;
            t.read(from);
            if (!from || !read.add(std::move(t))) return false;
        }
        if (from.left() > 0)
            for (auto& g : read.groups) g.lost = from.get<std::uint64_t>();
        if (!from) return false;
        *this = std::move(read);
        return true;
    }
    bool add(stream_entry&& s) {
        if (s.id == 0 || s.id > streams.size() + 1) return false;
        if (s.id <= streams.size()) return streams[s.id - 1u].name == s.name;  // known already
        streams.push_back(std::move(s));
        return true;
    }
    bool add(group_entry&& g) {
        if (g.id == 0 || g.id > groups.size() + 1 || g.stream > streams.size()) return false;
        if (g.id <= groups.size()) return groups[g.id - 1u].name == g.name;
        groups.push_back(std::move(g));
        return true;
    }
    bool add(topic_entry&& t) {
        if (t.id == 0 || t.id > topics.size() + 1) return false;
        if (t.id <= topics.size()) return topics[t.id - 1u] == t.name;
        topics.push_back(std::move(t.name));
        return true;
    }
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
