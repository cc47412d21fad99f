// SPDX-License-Identifier: BSL-1.0
// The segments that are sealed and not known to be on disk yet, the oldest first, and what a sync
// takes of them.
//
// Threads   One at a time: the journal's append mutex.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <penstock/durable/segment.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// What a sync takes to disk, the oldest first, and the offset it reaches.
struct unsynced {
    static constexpr std::size_t most = 4;  // sealed ones, beside the tail
    std::array<std::shared_ptr<segment>, most + 1> segments;
    std::size_t count = 0;
    std::uint64_t end = 0;
};

class unsynced_segments {
public:
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    [[nodiscard]] bool full() const noexcept { return count_ == unsynced::most; }

    void add(std::shared_ptr<segment> sealed) noexcept {
        PENSTOCK_ASSERT(!full(), "a segment must be synced before this one");
        sealed_[count_++] = std::move(sealed);
    }
    /// Those up to that number are on disk.
    void synced_up_to(std::uint64_t number) noexcept {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < count_; ++i) {
            auto s = std::move(sealed_[i]);
            if (s->number() > number) sealed_[kept++] = std::move(s);
        }
        count_ = kept;
    }
    /// All of them, and the tail up to `end`.
    [[nodiscard]] unsynced with(const std::shared_ptr<segment>& tail,
                                std::uint64_t end) const noexcept {
        unsynced u;
        for (std::size_t i = 0; i < count_; ++i) u.segments[u.count++] = sealed_[i];
        u.segments[u.count++] = tail;
        u.end = end;
        return u;
    }

private:
    std::array<std::shared_ptr<segment>, unsynced::most> sealed_;
    std::size_t count_ = 0;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
