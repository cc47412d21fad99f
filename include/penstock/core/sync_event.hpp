// SPDX-License-Identifier: BSL-1.0
// The last part of the seam (see core/sync.hpp): what an event loop waits for.
#pragma once

#include <penstock/core/sync.hpp>

#ifndef PENSTOCK_SYNC_HEADER
#include <penstock/core/os_event.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace sys {
using os::event;
}  // namespace sys
}  // namespace penstock::inline PENSTOCK_ABI
#endif
