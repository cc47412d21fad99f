// SPDX-License-Identifier: BSL-1.0
// How the two sides of a busy queue keep out of each other's lines. The task that has caught up stays for
// as long as going idle would cost (7 us), and looks once: publishers get ahead, lines move in blocks, and
// nobody is woken. Not for a few messages. A publisher who finds it full stays away for as long, at most:
// he comes back to room for many. Neither on one CPU.
//
// Threads   One task after the other; stand_back by any.
#pragma once

#include <cstddef>
#include <cstdint>

#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class linger {
public:
    void one_more() noexcept { ++streak_; }
    /// True: found() has said so, now.
    template <class Found>
    [[nodiscard]] bool until(Found&& found) {
        if (streak_ >= busy && pays_) {
            stay(longest);
            if (found()) return true;
        }
        streak_ = 0;
        return false;
    }
    /// Before waiting for room in a queue that holds so many.
    void stand_back(std::size_t capacity) const noexcept {
        if (pays_) stay(capacity / 4 < longest ? capacity / 4 : longest);
    }

private:
    static void stay(std::size_t pauses) noexcept {
        for (; pauses > 0; --pauses) sys::pause();
    }
    static constexpr std::size_t longest = 256;
    static constexpr std::uint32_t busy = 8;
    std::uint32_t streak_ = 0;
    const bool pays_ = sys::usable_cpus() > 1;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
