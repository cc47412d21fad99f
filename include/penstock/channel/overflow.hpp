// SPDX-License-Identifier: BSL-1.0
// What happens to an element that finds no room.
#pragma once

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {

enum class overflow : unsigned char {
    block,        ///< the sender waits for room
    reject,       ///< the sender is told `full` and keeps the element
    drop_newest,  ///< the element goes to on_drop; the sender is told `dropped`
    drop_oldest,  ///< the oldest goes to on_drop and makes room: only where a producer may pop
};

}  // namespace penstock::inline PENSTOCK_ABI
