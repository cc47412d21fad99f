// SPDX-License-Identifier: BSL-1.0
// The way into a channel for those who wait in their own way: coroutines, select, event loops, and
// the ends, which outlive nobody who waits through them.
#pragma once

#include <penstock/channel/channel.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

struct channel_access {
    template <class T, class Storage>
    static conduit<T, Storage>& core(channel<T, Storage>& c) noexcept {
        return c.core_;
    }
    template <class End>  // a sender or a receiver
        requires requires(const End& end) { end.end_; }
    static auto& core(const End& end) noexcept {
        return core(*end.end_);
    }
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
