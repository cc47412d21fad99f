// SPDX-License-Identifier: BSL-1.0
// Waiting a moment for another thread that is about to finish: pauses that double, then yields.
// For the few places where somebody is known to be between two steps; who may wait long uses
// core/waiter.hpp.
#pragma once

#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {

class backoff {
public:
    void operator()() noexcept {
        if (round_ < 6) {
            for (int i = 0; i < (1 << round_); ++i) sys::pause();
            ++round_;
        } else {
            sys::yield();  // the other one may need this very CPU
        }
    }

private:
    int round_ = 0;
};

}  // namespace penstock::inline PENSTOCK_ABI
