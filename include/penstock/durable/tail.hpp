// SPDX-License-Identifier: BSL-1.0
// Reads one stream of a journal beside its writer, in this process or another, and changes nothing.
//
//   journal_tail<order> orders{"books", "orders"};   // from the oldest message
//   while (auto o = orders.try_receive()) show(o->value);
//
// It sees what is appended, whether it is synced or not. It has no cursor in the journal: keep the
// offset of the last message and seek() there. It can't accept.
//
// Cost      A message: a read of 128 KiB serves all in it; a copy and a checksum each. Nothing wakes
//           it: who reads decides how often to look.
// Threads   One at a time.
// Errors    The constructor throws std::system_error, journal_damaged, std::invalid_argument (no such
//           stream, or of another type). Then: empty, or failed for what does not hold and is not
//           about to be written; seek() behind it goes on. Throws what the codec throws.
// Lag       The writer doesn't wait for it: segments that were trimmed before it came are skipped and
//           counted by lagged(), and so is one that was used again between its opening and its lock.
//           The one it reads is locked, so that trim removes its name, not its content. A file cut
//           short by somebody else is no SIGBUS: bytes are copied by read().
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <penstock/core/result.hpp>
#include <penstock/durable/codec.hpp>
#include <penstock/durable/detail/catalog.hpp>
#include <penstock/durable/report.hpp>
#include <penstock/durable/segment.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T>
struct tailed {
    T value;
    std::uint64_t id = 0;  ///< as message_info::id
    std::chrono::sys_time<std::chrono::nanoseconds> time{};
    std::string topic{};  ///< as message_info::topic
};

template <class T>
class journal_tail {
    static_assert(durable_message<T>, "a message needs bytes: see durable/codec.hpp");
    static_assert(!std::is_same_v<T, std::string_view> &&
                      !std::is_same_v<T, std::span<const std::byte>>,
                  "a tail copies what it reads: take std::string or std::vector<std::byte>");

public:
    journal_tail(std::string path, std::string stream, os::file_system_ref files = {})
        : in_{files, std::move(path)}, stream_{std::move(stream)} {
        const auto numbers = list();
        if (numbers.empty())
            throw std::system_error{
                ENOENT, std::generic_category(), "penstock: no journal in " + in_.path()};
        // The beginning of the last segment in use says which streams there are.
        for (auto n = numbers.rbegin(); n != numbers.rend(); ++n) {
            if (const status s = enter(*n); s == status::failed)
                throw journal_damaged{in_.path(), {*n, 0}, "can't be read"};
            if (segment_ && look() == format::found::record) break;  // else only made ahead
        }
        while (segment_ && look() == format::found::record &&
               record_.header.type != format::record_type::seal)
            step();
        check();
        (void)enter(numbers.front());
        lagged_ = 0;
    }

    /// The next message: empty, failed.
    result<tailed<T>> try_receive() {
        for (;;) {
            if (!segment_) {
                if (const status s = enter(number_); !s) return s;
            }
            switch (look()) {
                case format::found::space: return status::empty;
                case format::found::damage:
                    if (under_way()) return status::empty;
                    if (listed(number_)) return status::failed;
                    segment_.reset();  // used again while this one came
                    continue;
                case format::found::record: break;
            }
            const format::record r = record_;
            const std::uint64_t id = number_ * segment_->header().segment_bytes + walk_.at();
            if (r.header.type == format::record_type::seal) {
                segment_.reset();
                ++number_;
                continue;
            }
            if (r.header.type == format::record_type::message && id >= from_ && mine(r)) {
                tailed<T> found{codec<T>::decode(r.payload), id,
                                std::chrono::sys_time<std::chrono::nanoseconds>{
                                    std::chrono::nanoseconds{r.header.time}},
                                topic_of(r)};
                step();
                return found;
            }
            step();
        }
    }

    /// Goes on with the first message at or behind that offset.
    status seek(std::uint64_t offset) {
        from_ = offset;
        return enter(std::max<std::uint64_t>(1, offset / segment_bytes_));
    }

    /// Segments that were gone before they were read.
    [[nodiscard]] std::uint64_t lagged() const noexcept { return lagged_; }

private:
    static constexpr std::uint64_t piece = 128 * 1024;

    std::vector<std::uint64_t> list() {
        std::vector<std::string> names;
        in_.list(names).raise_if_any(in_.path());
        return format::numbers_of(names);
    }

    bool listed(std::uint64_t number) {
        const auto numbers = list();
        return std::binary_search(numbers.begin(), numbers.end(), number);
    }

    /// Opens that segment, or the next one there is.
    status enter(std::uint64_t number) {
        for (;;) {
            const auto numbers = list();
            const auto at = std::lower_bound(numbers.begin(), numbers.end(), number);
            if (at == numbers.end()) {
                segment_.reset();
                number_ = number;
                return status::empty;
            }
            lagged_ += *at - number;
            number = *at;
            auto s = std::make_shared<segment>();
            const segment_fault fault = s->open_copy(in_, number, {.number = 0});
            // Trimmed between the list and the opening, or the lock: look again.
            if (fault.trouble.code == ENOENT || fault.trouble.code == EAGAIN) continue;
            if (fault && !listed(number)) continue;
            if (fault) return status::failed;
            segment_bytes_ = s->header().segment_bytes;
            segment_ = std::move(s);
            number_ = number;
            walk_ = scanner{segment_};
            return status::ok;
        }
    }

    /// At the record here, read once more if it does not hold as it was copied.
    format::found look() {
        format::found f = walk_.look(record_);
        if (f == format::found::record) return f;
        if (segment_->refresh(walk_.at(), piece)) return format::found::damage;
        f = walk_.look(record_);
        if (f != format::found::damage) return f;
        format::record_header h;
        const format::page p = segment_->page();
        if (p.size - walk_.at() < sizeof h) return f;
        std::memcpy(static_cast<void*>(&h), p.data + walk_.at(), sizeof h);
        if (h.bytes > p.size || segment_->refresh(walk_.at(), format::record_bytes(h.bytes)))
            return f;
        return walk_.look(record_);
    }
    void step() {
        (void)known_.apply(record_);
        walk_.step(record_);
    }
    /// What does not hold may be half copied: the commit word before the rest.
    bool under_way() { return look() == format::found::record; }

    [[nodiscard]] bool mine(const format::record& r) {
        if (!id_) {
            if (const detail::stream_entry* const s = known_.stream(stream_)) id_ = s->id;
        }
        return id_ && r.header.stream == *id_;
    }
    [[nodiscard]] std::string topic_of(const format::record& r) const {
        const std::uint32_t n = r.header.topic;
        return n > 0 && n <= known_.topics.size() ? known_.topics[n - 1] : std::string{};
    }
    void check() {
        const detail::stream_entry* const s = known_.stream(stream_);
        if (!s)
            throw std::invalid_argument{
                "penstock: " + in_.path() + " has no stream \"" + stream_ + "\""};
        const detail::stream_type type{
            detail::stream_type_name<T>(), detail::type_version<T>(), detail::type_size<T>()};
        if (s->type != type)
            throw std::invalid_argument{"penstock: stream \"" + stream_ + "\" of " + in_.path() +
                                        " holds " + s->type.spelled() + ", not " + type.spelled()};
        id_ = s->id;
    }

    os::directory in_;
    const std::string stream_;
    std::optional<std::uint16_t> id_;
    detail::catalog known_;
    std::uint64_t segment_bytes_ = 1;
    std::uint64_t number_ = 0;
    std::uint64_t from_ = 0;
    std::uint64_t lagged_ = 0;
    std::shared_ptr<segment> segment_;
    scanner walk_;
    format::record record_;
};

}  // namespace penstock::inline PENSTOCK_ABI
