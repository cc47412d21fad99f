// SPDX-License-Identifier: BSL-1.0
// When an append is safe from what: the policy of a journal.
//
//                    a send that returned survives           cost of a send
//   every_append     the process, the kernel, the power      one fdatasync, shared by all who wait
//   interval         the process; everything else, once      a copy and a checksum
//                    sync_interval has passed
//   process_crash    the process                             a copy and a checksum
//   manual           the process; all before a sync()        a copy and a checksum
//                    that returned ok: everything
//
// `accept` is an append too and is safe from the same. Under every_append a receiver is handed only
// what is synced, else what is appended, unless journal_options::visible says otherwise.
#pragma once

#include <chrono>
#include <cstdint>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {

enum class sync : unsigned char { every_append, process_crash, manual, interval };

/// What sync::interval allows to be lost to power: so long, or so much, whichever ends first. Kept by
/// the helper or by who calls maintain(); without either by appends, which then wait for the disk.
struct sync_interval {
    std::chrono::nanoseconds time = std::chrono::milliseconds{10};
    std::uint64_t bytes = 1 << 20;
};

/// What a receiver is handed.
enum class visible : unsigned char { by_policy, appended, synced };

}  // namespace penstock::inline PENSTOCK_ABI
