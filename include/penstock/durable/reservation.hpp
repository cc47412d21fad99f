// SPDX-License-Identifier: BSL-1.0
// Room in a journal for one message, filled in where it will stay: no copy.
//
//   if (auto r = frames.reserve(1500)) {
//       const std::size_t n = read(socket, r->bytes().data(), 1500);
//       if (!r->commit(n)) return;
//   }
//
// Dropped without a commit, it leaves nothing: no message, no gap.
//
// Cost      An append without its copy.
// Threads   One: it is committed or dropped by the thread that reserved it.
// Progress  While it is held the journal is its own: all other appends, accepts and syncs wait. Those
//           of the same thread answer would_block_self instead.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include <penstock/durable/detail/journal_core.hpp>

namespace penstock::inline PENSTOCK_ABI {

class durable_reservation {
public:
    durable_reservation(durable_reservation&& other) noexcept
        : journal_{std::move(other.journal_)}, stream_{other.stream_}, room_{other.room_} {}
    durable_reservation& operator=(durable_reservation&&) = delete;
    ~durable_reservation() {
        if (journal_) journal_->abandon(room_);
    }

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return room_; }

    /// Sends the first n bytes, or all; as send answers.
    status commit(std::size_t n) {
        PENSTOCK_ASSERT(
            journal_ && n <= room_.size(), "commit once, and at most what was reserved");
        const auto journal = std::move(journal_);
        return journal->commit(*stream_, room_, n);
    }
    status commit() { return commit(room_.size()); }

private:
    template <class>
    friend class durable_queue;
    durable_reservation(std::shared_ptr<detail::journal_core> journal,
                        const detail::stream_state& stream, std::span<std::byte> room) noexcept
        : journal_{std::move(journal)}, stream_{&stream}, room_{room} {}

    std::shared_ptr<detail::journal_core> journal_;
    const detail::stream_state* stream_;
    std::span<std::byte> room_;
};

}  // namespace penstock::inline PENSTOCK_ABI
