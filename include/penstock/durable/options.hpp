// SPDX-License-Identifier: BSL-1.0
// What can be chosen about a journal and about a group of one of its streams.
#pragma once

#include <chrono>
#include <cstdint>

#include <penstock/core/clock.hpp>
#include <penstock/core/os_files.hpp>
#include <penstock/durable/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// What a journal at its limit does with a send while the oldest messages are still needed: by a group that
/// has not accepted them, or because no group reads their stream yet.
enum class unread : unsigned char {
    block,        ///< the send waits until they are accepted
    reject,       ///< it answers full
    drop_oldest,  ///< they go; each group counts what it lost: durable_group::lagged
};

/// How much a journal keeps. What all groups have accepted goes without further ado, a segment at a time,
/// when a new one begins; what a group has not is up to `unread`.
struct retention {
    /// Of all segments together, three of them at least; 0: as much as there is space. The disk holds one
    /// more where one is made ahead. What lets messages go is never held up: messages leave a segment
    /// of these to accepts, transactions that accept, and declarations, which go beyond the limit
    /// where that is not enough.
    std::uint64_t bytes = 0;
    /// What is older goes, also in maintain(). It holds up no send: by block and reject it takes
    /// only what is accepted. 0: none.
    std::chrono::nanoseconds age{};
    penstock::unread unread = penstock::unread::block;
};

struct journal_options {
    penstock::sync sync = penstock::sync::every_append;
    penstock::sync_interval interval{};  ///< for sync::interval
    penstock::visible visible = penstock::visible::by_policy;
    /// Size of a segment's file, from 16 KiB to 1 GiB in steps of 4 KiB; the largest message is a
    /// little less than half of it. A journal keeps the size that it was created with.
    std::uint64_t segment_bytes = 64 << 20;
    penstock::retention retention{};
    /// Starts a thread that prepares segments ahead and syncs full ones, and the interval's. Without
    /// it that is done by who calls maintain(), or by the append that needs it.
    bool helper = false;
    /// Reading steps over damage (reported all the same) instead of answering failed.
    bool skip_damage = false;
    clock_ref clock{};  ///< for receive_for, receive_until and the interval
    os::file_system_ref files{};
};

/// What trim() leaves although all groups have accepted it, for replay: what is younger, and the last so
/// many bytes.
struct keep {
    std::chrono::nanoseconds age{};
    std::uint64_t bytes = 0;
};

struct group_options {
    /// Messages handed out and not settled, or settled behind one that is not: further ones wait.
    std::uint32_t prefetch = 256;
};

}  // namespace penstock::inline PENSTOCK_ABI
