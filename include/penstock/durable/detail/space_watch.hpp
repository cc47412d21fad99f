// SPDX-License-Identifier: BSL-1.0
// Where senders wait while a journal is at its limit (detail/retention.hpp). An accept wakes them only
// when it is the one that lets the oldest segment go, so that a reader who is behind doesn't pay a wake
// for each message.
//
// Threads   expect, passed, changed: by the journal's append mutex. Others: any number at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include <penstock/core/waiter.hpp>
#include <penstock/durable/detail/readers.hpp>
#include <penstock/durable/options.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// Who asks for room: a message waits at the limit or is refused, another record goes on in any case;
/// for nobody, nothing is taken that isn't too old already.
enum class space_for : unsigned char { message, record, nobody };

/// Whether there are limits that who asks must keep to.
inline bool limits(const retention& limit, space_for who) noexcept {
    return who != space_for::nobody && (limit.bytes > 0 || limit.age.count() > 0);
}

/// So many segments may there be for a message to begin or fill one. The last one is the accepts', which
/// may be more all the same: then messages don't use what room theirs leave.
inline std::uint64_t segments_for_messages(const retention& limit, std::uint64_t bytes) noexcept {
    return std::max<std::uint64_t>(limit.bytes / bytes, 3) - 1;
}

class space_watch final : public stream_reader {
public:
    space_watch() noexcept : stream_reader{every_stream, no_group} {}

    static space_watch& in(reader_list& readers) {
        return static_cast<space_watch&>(
            readers.find(no_group, [] { return std::make_unique<space_watch>(); }));
    }

    /// The segment can go once that group has accepted all before `low`. Answers what to wait with.
    [[nodiscard]] std::uint32_t expect(std::uint32_t group, std::uint64_t low) noexcept {
        group_ = group;
        low_ = low;
        return turn_.load(std::memory_order_relaxed);  // changed by the append mutex
    }
    void passed(std::uint32_t group, std::uint64_t low) noexcept {
        if (group == group_ && low >= low_) changed();
    }
    /// Something else that may let it go.
    void changed() noexcept {
        group_ = no_group;
        turn_.fetch_add(1, std::memory_order_relaxed);  // who wakes looks by the append mutex
        waiting_.notify_all();
    }

    template <class Over>
    void wait(std::uint32_t turn, Over&& over) {
        (void)waiting_.wait(
            [&] { return turn_.load(std::memory_order_relaxed) != turn || over(); },  // as above
            [] { return false; });
    }

    /// Of ends it is told, and of new groups; of what is appended it need not be.
    void notify(bool all) noexcept override {
        if (!all) return;
        turn_.fetch_add(1, std::memory_order_relaxed);  // as above
        waiting_.notify_all();
    }

private:
    static constexpr std::uint32_t no_group = 0xFFFFFFFF;

    std::uint32_t group_ = no_group;
    std::uint64_t low_ = 0;
    sys::atomic<std::uint32_t> turn_{0};
    waiter waiting_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
