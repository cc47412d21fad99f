// SPDX-License-Identifier: BSL-1.0
// One file of a journal, mapped. It comes to life as: created under another name, filled with
// zeros, synced, renamed, its directory synced; only then used. So a name never promises more than
// there is, and no mapped store can meet a full disk.
//
// Zeros are written in pieces of 64 KiB. On ext4 the page cache takes larger ones as large folios,
// and a sync after 100 new bytes then sends a mebibyte to the disk instead of a page.
//
// Threads   scanner: one at a time. segment: any number may read; who writes is the journal's matter.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <penstock/core/os_file.hpp>
#include <penstock/durable/format.hpp>
#include <penstock/durable/record.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// Why a segment can't be used: the system said no, or its bytes are not what they should be.
struct [[nodiscard]] segment_fault {
    os::trouble trouble;
    const char* damage = nullptr;

    explicit operator bool() const noexcept { return trouble || damage; }
};

class segment {
public:
    /// Makes the file of a new segment. On trouble nothing of it is left.
    static os::trouble create(os::directory& in, const format::segment_header& header) {
        const std::string name = format::file_name(header.number);
        const std::string temporary = name + ".tmp";
        os::trouble t = fill(in, temporary, header);
        if (!t) t = in.rename(temporary, name);
        if (t) {
            (void)in.remove(temporary);  // a leftover would be removed at the next opening
            return t;
        }
        return in.sync();
    }

    /// Makes the file of a new segment out of one that is needed no more, `spare` by name. Its
    /// bytes stay: they hold nowhere but where they were written.
    static os::trouble reuse(os::directory& in, const std::string& spare,
                             format::segment_header header) {
        os::file out{in.files()};
        if (auto t = out.open(in.path_of(spare), O_RDWR)) return t;
        if (auto t = out.lock()) return t;  // somebody reads it
        std::uint64_t bytes = 0;
        if (auto t = out.size(bytes)) return t;
        if (bytes != header.segment_bytes) return {EINVAL, "use again"};
        header.flags |= format::segment_header::used_before;
        header.crc = header.sum();
        if (auto t = out.write(&header, sizeof header, 0)) return t;
        if (auto t = out.sync_data()) return t;
        if (auto t = in.rename(spare, format::file_name(header.number))) return t;
        return in.sync();
    }
    /// Whether no other process reads the segment of that number.
    static bool unread(os::directory& in, std::uint64_t number) {
        os::file f{in.files()};
        return !f.open(in.path_of(format::file_name(number)), O_RDWR) && !f.lock();
    }

    /// Opens number `number`, of a journal that is `like` this header; of any if like.number is 0.
    segment_fault open(os::directory& in, std::uint64_t number, const format::segment_header& like,
                       bool writable) {
        if (auto fault = open_file(in, number, like, writable)) return fault;
        if (auto t = file_.size(file_bytes_)) return {t};
        if (writable) {
            if (auto t = complete()) return {t};
        }
        // What is beyond the end of the file must not be touched.
        const std::uint64_t bytes =
            std::min(std::max<std::uint64_t>(file_bytes_, sizeof header_), header_.segment_bytes);
        const auto mapped = static_cast<std::size_t>(writable ? header_.segment_bytes : bytes);
        if (auto t = map_.map(file_, mapped, writable)) return {t};
        return {};
    }

    /// Opens it for one who reads beside its writer: as a copy in memory, which no truncation by
    /// somebody else can take away, and locked, so that it is not used again meanwhile. What is in the
    /// copy comes by refresh().
    segment_fault open_copy(os::directory& in, std::uint64_t number,
                            const format::segment_header& like) {
        file_ = os::file{in.files()};
        const std::string path = in.path_of(format::file_name(number));
        if (auto t = file_.open(path, O_RDONLY)) return {t};
        if (auto t = file_.lock(true)) return {t};
        if (auto fault = check_header(number, like)) return fault;
        if (auto t = file_.size(file_bytes_)) return {t};
        copy_.resize(static_cast<std::size_t>(header_.segment_bytes));
        return {};
    }
    /// Copies n bytes from `at` on, as they are now: a record under way does not hold yet.
    os::trouble refresh(std::uint64_t at, std::uint64_t n) {
        if (at >= copy_.size()) return {};
        auto most = static_cast<std::size_t>(std::min<std::uint64_t>(n, copy_.size() - at));
        return file_.read(copy_.data() + at, most, at);
    }

    [[nodiscard]] static bool size_makes_sense(std::uint64_t bytes) noexcept {
        return bytes >= 16 * 1024 && bytes <= std::uint64_t{1} << 30 && bytes % 4096 == 0;
    }

    [[nodiscard]] const format::segment_header& header() const noexcept { return header_; }
    [[nodiscard]] std::uint64_t number() const noexcept { return header_.number; }
    /// What the file had when it was opened: less than the header says after a truncation.
    [[nodiscard]] std::uint64_t file_bytes() const noexcept { return file_bytes_; }
    [[nodiscard]] format::page page() const noexcept {
        if (!copy_.empty()) return {copy_.data(), copy_.size(), header_.number};
        return {map_.data(), map_.size() & ~std::size_t{7}, header_.number};
    }

    /// Takes the page faults of stores to come.
    void populate() noexcept { map_.populate(); }
    /// Zeroes what an earlier use of the file left.
    void scrub() noexcept {
        const format::page p = page();
        std::memset(p.data + format::records_start, 0,
                    static_cast<std::size_t>(p.size - format::records_start));
    }
    [[nodiscard]] bool used_before() const noexcept {
        return (header_.flags & format::segment_header::used_before) != 0;
    }

    /// When it returns without trouble, all that was stored before is on disk.
    os::trouble sync() { return file_.sync_data(); }
    /// The same, when nobody stores any more.
    os::trouble sync_full() {
        map_.unload();
        return sync();
    }

    /// The byte behind the last one from `at` on that is not zero; `at` when all are.
    [[nodiscard]] std::uint64_t used_from(std::uint64_t at) const noexcept {
        const format::page p = page();
        for (std::uint64_t end = p.size; end > at; end -= 8) {
            if (detail::load_word(p.data + end - 8) != 0) return end;
        }
        return at;
    }

private:
    segment_fault open_file(os::directory& in, std::uint64_t number,
                            const format::segment_header& like, bool writable) {
        file_ = os::file{in.files()};
        if (auto t =
                file_.open(in.path_of(format::file_name(number)), writable ? O_RDWR : O_RDONLY))
            return {t};
        return check_header(number, like);
    }
    segment_fault check_header(std::uint64_t number, const format::segment_header& like) {
        std::size_t n = sizeof header_;
        if (auto t = file_.read(&header_, n, 0)) return {t};
        if (n < sizeof header_ || !header_.holds())
            return {{}, "the segment's header does not hold"};
        if (header_.version != format::version) return {{}, "the format is of another version"};
        if (header_.number != number) return {{}, "the segment's name is not its number"};
        if (like.number != 0 &&
            (header_.journal_id != like.journal_id || header_.segment_bytes != like.segment_bytes))
            return {{}, "the segment is of another journal"};
        if (!size_makes_sense(header_.segment_bytes) ||
            header_.records_start != format::records_start)
            return {{}, "the segment's header makes no sense"};
        return {};
    }

    static os::trouble fill(os::directory& in, const std::string& name,
                            const format::segment_header& header) {
        os::file out{in.files()};
        if (auto t = out.open(in.path_of(name), O_RDWR | O_CREAT | O_TRUNC)) return t;
        std::vector<std::byte> piece(64 * 1024);
        std::memcpy(piece.data(), &header, sizeof header);
        for (std::uint64_t at = 0; at < header.segment_bytes; at += piece.size()) {
            const auto n = std::min<std::uint64_t>(piece.size(), header.segment_bytes - at);
            if (auto t = out.write(piece.data(), static_cast<std::size_t>(n), at)) return t;
            if (at == 0) std::memset(piece.data(), 0, sizeof header);
        }
        return out.sync();
    }

    /// Before a mapped store: a file cut short gets its size back, a hole (a copy made by a tool that
    /// saves space) its blocks.
    os::trouble complete() {
        const std::vector<std::byte> zeros(64 * 1024);
        for (std::uint64_t at = file_bytes_; at < header_.segment_bytes;) {
            const auto n = std::min<std::uint64_t>(zeros.size(), header_.segment_bytes - at);
            if (auto t = file_.write(zeros.data(), static_cast<std::size_t>(n), at)) return t;
            at += n;
        }
        return file_.allocate(header_.segment_bytes);
    }

    os::file file_;
    os::mapping map_;
    mutable std::vector<std::byte> copy_;  // instead of map_; mutable as a mapping's bytes are
    format::segment_header header_;
    std::uint64_t file_bytes_ = 0;
};

namespace format {
/// The segments among these names of files, in order.
inline std::vector<std::uint64_t> numbers_of(const std::vector<std::string>& names) {
    std::vector<std::uint64_t> numbers;
    for (const std::string& name : names) {
        if (name.size() != file_name(0).size() || !name.ends_with(".segment")) continue;
        std::uint64_t n = 0;
        const bool digits = std::all_of(name.begin(), name.begin() + 20, [&](char c) {
            n = n * 10 + static_cast<std::uint64_t>(c - '0');
            return c >= '0' && c <= '9';
        });
        if (digits && n > 0) numbers.push_back(n);
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}
}  // namespace format

/// Walks the records of one segment and follows its epochs. After one of type several it comes to
/// those inside.
class scanner {
public:
    scanner() = default;
    explicit scanner(std::shared_ptr<const segment> in)
        : segment_{std::move(in)}, epoch_{segment_->header().epoch} {}

    /// Looks at the record here without stepping over it.
    [[nodiscard]] format::found look(format::record& out) const noexcept {
        if (at_ < inside_until_) {
            format::read_inside(segment_->page(), at_, time_, out);
            return format::found::record;
        }
        return format::read(segment_->page(), at_, epoch_, out);
    }
    void step(const format::record& seen) noexcept {
        if (seen.header.type == format::record_type::opening) {
            format::opening_payload change;
            std::memcpy(&change, seen.payload.data(), sizeof change);
            epoch_ = change.after;
        }
        if (seen.header.type == format::record_type::several && at_ >= inside_until_) {
            outer_ = at_;
            time_ = seen.header.time;
            inside_until_ = seen.end();
            at_ += sizeof(format::record_header);
        } else {
            at_ = seen.end();
        }
    }
    /// Steps over what does not hold, to the next record that does, or to the end.
    bool skip_damage() noexcept {
        const format::page p = segment_->page();
        format::record ignored;
        inside_until_ = 0;
        for (at_ += 8; at_ < p.size; at_ += 8) {
            if (format::read(p, at_, epoch_, ignored) == format::found::record) return true;
        }
        at_ = p.size;
        return false;
    }

    [[nodiscard]] const std::shared_ptr<const segment>& in() const noexcept { return segment_; }
    [[nodiscard]] std::uint64_t at() const noexcept { return at_; }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    /// The record that has the CRC over this place: itself, or the one it is inside of.
    [[nodiscard]] std::uint64_t summed_at() const noexcept {
        return at_ < inside_until_ ? outer_ : at_;
    }

private:
    std::shared_ptr<const segment> segment_;
    std::uint64_t at_ = format::records_start;
    std::uint64_t epoch_ = 0;
    std::uint64_t inside_until_ = 0;  // beyond at_: inside a record of type several
    std::uint64_t outer_ = 0;
    std::int64_t time_ = 0;
};

}  // namespace penstock::inline PENSTOCK_ABI
