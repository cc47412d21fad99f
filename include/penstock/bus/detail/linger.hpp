// SPDX-License-Identifier: BSL-1.0
// What the task that empties a queue does when it has caught up with publishers that are at it: it stays
// for as long as going idle would cost (7 us). They get ahead, lines move in blocks, and nobody is
// woken. Not for a few messages, and not on one CPU.
//
// Threads   One task after the other.
#pragma once

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
        if (streak_ >= busy && pays_)
            for (int i = 0; i < 8; ++i) {
                for (int k = 0; k < 32; ++k) sys::pause();
                if (found()) return true;
            }
        streak_ = 0;
        return false;
    }

private:
    static constexpr std::uint32_t busy = 8;
    std::uint32_t streak_ = 0;
    const bool pays_ = sys::usable_cpus() > 1;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
