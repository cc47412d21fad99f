// SPDX-License-Identifier: BSL-1.0
// Records in a segment's bytes: written, committed, found. What they are stands in format.hpp.
//
// Threads   One writes at a place; any number read, while it is written too: (W).
//
//   (W) commit stores the commit word with release -> read loads it with acquire: all of the record,
//       or none of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <penstock/core/sync.hpp>
#include <penstock/durable/crc32c.hpp>
#include <penstock/durable/format.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace format {

/// Where a segment's bytes are.
struct page {
    std::byte* data = nullptr;
    std::uint64_t size = 0;
    std::uint64_t number = 0;
};

namespace detail {
/// What all sums of records under one epoch in one segment begin with.
[[nodiscard]] inline crc32c_state sum_in(std::uint64_t epoch, std::uint64_t segment) noexcept {
    const std::uint64_t first[]{epoch, segment};
    return crc32c_state{}.add(first, sizeof first);
}

/// What is summed of a header: its place and its words, the CRC taken as 0. In registers: eight bytes
/// read back from smaller stores would wait for those.
struct header_words {
    std::uint64_t all[5];

    header_words(std::uint64_t at, const record_header& h) noexcept
        : all{at,
              std::uint64_t{static_cast<std::uint8_t>(h.type)} << 32 |
                  std::uint64_t{h.flags} << 40 | std::uint64_t{h.stream} << 48,
              h.bytes | std::uint64_t{h.topic} << 32, static_cast<std::uint64_t>(h.time),
              h.synced} {}

    /// Stores all; the sum is 0, as in records inside of one.
    void store_without_sum(std::byte* p) const noexcept {
        std::memcpy(p, &all[1], 8);
        store(p);
    }
    /// Stores all but the commit word.
    void store(std::byte* p) const noexcept {
        for (std::size_t i = 1; i < 4; ++i) std::memcpy(p + 8 * i, &all[i + 1], 8);
    }
    [[nodiscard]] std::uint64_t commit_word(const crc32c_state& sum) const noexcept {
        return all[1] | sum.value();
    }
};
inline void end_record(std::byte* p, std::uint64_t word) noexcept {
    sys::wrote(p);
    sys::atomic_ref<std::uint64_t>{*reinterpret_cast<std::uint64_t*>(p)}.store(
        word, std::memory_order_release);  // (W)
}
}  // namespace detail

/// Writes a record into prepared space and commits it. The payload is in place already. `sum` is
/// sum_in(epoch, segment).
inline void commit(const page& in, std::uint64_t at, const crc32c_state& sum,
                   const record_header& header) noexcept {
    std::byte* const p = in.data + at;
    const std::uint64_t n = record_bytes(header.bytes);
    for (std::byte* pad = p + sizeof header + header.bytes; pad != p + n; ++pad) *pad = {};
    const detail::header_words words{at, header};
    words.store(p);
    detail::end_record(
        p, words.commit_word(
               sum.add(words.all, sizeof words.all).add(p + sizeof header, n - sizeof header)));
}
inline void commit(const page& in, std::uint64_t at, std::uint64_t epoch,
                   const record_header& header) noexcept {
    commit(in, at, detail::sum_in(epoch, in.number), header);
}
/// The same with a payload from elsewhere, which is copied and summed in one go.
inline void put(const page& in, std::uint64_t at, const crc32c_state& sum,
                const record_header& header, const std::byte* payload) noexcept {
    std::byte* const p = in.data + at;
    const detail::header_words words{at, header};
    words.store(p);
    detail::end_record(
        p,
        words.commit_word(sum.add_copying(words.all, 5, p + sizeof header, payload, header.bytes)));
}

/// A record that holds, in place.
struct record {
    record_header header;
    std::uint64_t at = 0;  ///< byte in the segment
    std::span<const std::byte> payload;

    [[nodiscard]] std::uint64_t end() const noexcept { return at + record_bytes(header.bytes); }
};

enum class found : std::uint8_t {
    record,
    space,   ///< nothing was ever committed here
    damage,  ///< something that does not hold
};

/// Whether these bytes are records one after the other, as those of type several are.
[[nodiscard]] inline bool splits(std::span<const std::byte> bytes) noexcept {
    while (bytes.size() >= sizeof(record_header)) {
        record_header h;
        std::memcpy(static_cast<void*>(&h), bytes.data(), sizeof h);
        const std::uint64_t n = record_bytes(h.bytes);
        if (n > bytes.size()) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return bytes.empty();
}

/// Looks for a record at byte `at`.
[[nodiscard]] inline found read(const page& in, std::uint64_t at, std::uint64_t epoch,
                                record& out) noexcept {
    if (at >= in.size) return found::space;
    if (in.size - at < sizeof(record_header)) return found::damage;
    std::byte* const p = in.data + at;
    const std::uint64_t word =
        sys::atomic_ref<std::uint64_t>{*reinterpret_cast<std::uint64_t*>(p)}.load(
            std::memory_order_acquire);  // (W)
    if (word == 0) return found::space;
    sys::read(p);
    record_header h;
    std::memcpy(static_cast<void*>(&h), &word, sizeof word);
    std::memcpy(reinterpret_cast<std::byte*>(&h) + 8, p + 8, sizeof h - 8);
    // Most of what is no record ends here, before a sum over what it would take for its length.
    if (h.type == record_type::none || static_cast<std::uint8_t>(h.type) > last_type ||
        h.flags != 0 || h.reserved != 0 || h.synced > at || (h.synced & 7) != 0)
        return found::damage;
    const std::uint64_t n = record_bytes(h.bytes);
    if (n > in.size - at) return found::damage;
    if (h.type == record_type::opening) {
        if (h.bytes != sizeof(opening_payload)) return found::damage;
        opening_payload change;
        std::memcpy(&change, p + sizeof h, sizeof change);
        // The second copy comes when the epoch has changed already.
        if (change.before != epoch && change.after != epoch) return found::damage;
        epoch = change.before;
    }
    const std::uint64_t where[]{epoch, in.number, at, word & ~std::uint64_t{0xFFFFFFFF}};
    if (crc32c_state{}.add(where, 4, p + 8, n - 8).value() != h.crc) return found::damage;
    // As h was: a copy of h, in larger pieces than it was written in, would wait for those.
    std::memcpy(static_cast<void*>(&out.header), &word, sizeof word);
    std::memcpy(reinterpret_cast<std::byte*>(&out.header) + 8, p + 8, sizeof h - 8);
    out.at = at;
    out.payload = {p + sizeof h, h.bytes};
    return h.type == record_type::several && !splits(out.payload) ? found::damage : found::record;
}

/// The record at byte `at`, inside the one of type several that holds there. Written where it
/// stays, for the same reason: 5 ns a message.
inline void read_inside(const page& in, std::uint64_t at, std::int64_t time, record& out) noexcept {
    out.at = at;
    std::memcpy(static_cast<void*>(&out.header), in.data + at, sizeof out.header);
    out.payload = {in.data + at + sizeof out.header, out.header.bytes};
    out.header.time = time;
}

}  // namespace format
}  // namespace penstock::inline PENSTOCK_ABI
