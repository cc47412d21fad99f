// SPDX-License-Identifier: BSL-1.0
// Any bytes in place of a journal's: opening and reading it never crashes, and hands out what was sent
// or nothing. An input is a row of edits to a journal that is whole; half of the inputs have their sums
// put right afterwards, so that what lies behind the sums is tried as well.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include <penstock/durable/tail.hpp>

#include "crash/damage.hpp"

namespace crash {

class edits {
public:
    explicit edits(std::span<const std::uint8_t> input) : left_{input} {}
    [[nodiscard]] bool more() const { return !left_.empty(); }
    std::size_t byte() {
        if (left_.empty()) return 0;
        const std::size_t b = left_[0];
        left_ = left_.subspan(1);
        return b;
    }
    std::size_t word() {
        const std::size_t low = byte();
        return low | byte() << 8;
    }

private:
    std::span<const std::uint8_t> left_;
};

/// Sums that hold for whatever is there.
inline void put_sums_right(bytes& file) {
    namespace format = penstock::format;
    format::segment_header header;
    if (file.size() < sizeof header) return;
    std::memcpy(static_cast<void*>(&header), file.data(), sizeof header);
    header.crc = header.sum();
    std::memcpy(file.data(), &header, sizeof header);
    std::uint64_t epoch = header.epoch;
    for (std::uint64_t at = format::records_start; at + 32 <= file.size();) {
        std::byte* const p = file.data() + at;
        format::record_header h;
        std::memcpy(static_cast<void*>(&h), p, sizeof h);
        const std::uint64_t n = format::record_bytes(h.bytes);
        if (h.type == format::record_type::none || n > file.size() - at) return;
        format::opening_payload change{epoch, epoch, 0};
        if (h.type == format::record_type::opening && h.bytes == sizeof change)
            std::memcpy(&change, p + sizeof h, sizeof change);
        std::uint64_t word = 0;
        std::memcpy(&word, p, sizeof word);
        word &= ~std::uint64_t{0xFFFFFFFF};
        const std::uint64_t where[]{change.before, header.number, at, word};
        const std::uint32_t sum =
            penstock::crc32c_state{}
                .add(where, sizeof where)
                .add(p + 8, static_cast<std::size_t>(n) - 8)
                .value();
        std::memcpy(p, &sum, sizeof sum);
        epoch = change.after;
        at += n;
    }
}

inline void open_edited(std::span<const std::uint8_t> input) {
    static history h;
    static const image whole = written_journal(h, "sibaotxRSSSsbtRSsaxrt");
    edits e{input};
    const std::size_t how = e.byte();
    const bool sums = (how & 1) != 0;
    image left = whole;
    std::vector<std::string> paths;
    for (const auto& [path, content] : left.files)
        if (path.ends_with(".segment")) paths.push_back(path);
    while (e.more()) {
        const std::size_t kind = e.byte();
        bytes& file = left.files[paths[e.byte() % paths.size()]];
        const std::size_t at = e.word() % room;
        switch (kind % 4) {
            case 0:  // other bytes
                for (std::size_t n = 0, all = e.byte() % 64 + 1; n < all; ++n) {
                    const auto b = static_cast<std::byte>(e.byte());
                    if (at + n < file.size()) file[at + n] = b;
                }
                break;
            case 1: file.resize(std::min(file.size(), at)); break;
            case 2: {  // another's, from there on
                const bytes& from = left.files[paths[e.byte() % paths.size()]];
                for (std::size_t n = at; n < std::min(file.size(), from.size()); ++n)
                    file[n] = from[n];
                break;
            }
            case 3:  // a bit
                if (at < file.size()) file[at] ^= static_cast<std::byte>(1u << e.byte() % 8);
                break;
        }
    }
    for (const auto& path : paths)
        if (sums) put_sums_right(left.files[path]);
    disk files{std::move(left), (how & 2) != 0 ? 1u : 2u, false};
    try {
        (void)penstock::verify("j", files);
        penstock::journal_tail<std::string> tail{"j", stream_names[0], files};
        while (tail.try_receive()) {
        }
    } catch (const std::exception&) {  // an answer
    }
    try {
        shop s{files, sync::process_crash, (how & 4) != 0};
        const content whole_content = h.after(h.units.size());
        const content found = s.read();
        (void)s.queues[0]->send(message(1, 24));
        (void)s.books.trim();
        for (int i = 0; i < streams && !sums; ++i) {
            for (const std::uint64_t id : found.messages[i]) {
                const auto& sent = whole_content.messages[i];
                if (id != ~std::uint64_t{0} && std::count(sent.begin(), sent.end(), id) != 1) {
                    std::fprintf(
                        stderr, "handed out what was not sent: %s\n", found.spelled().c_str());
                    std::abort();
                }
            }
        }
    } catch (const std::exception&) {
    }
}

}  // namespace crash
