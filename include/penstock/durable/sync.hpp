// SPDX-License-Identifier: BSL-1.0
// When an append is safe from what: the policy of a journal.
//
//                    a send that returned survives           cost of a send
//   every_append     the process, the kernel, the power      one fdatasync, shared by all who wait
//   process_crash    the process                             a copy and a checksum
//   manual           the process; all before a sync()        a copy and a checksum
//                    that returned ok: everything
//
// `accept` is an append too and is safe from the same. Under every_append a receiver is handed only
// what is synced, else what is appended.
#pragma once

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {

enum class sync : unsigned char { every_append, process_crash, manual };

}  // namespace penstock::inline PENSTOCK_ABI
