// SPDX-License-Identifier: BSL-1.0
// Who may write where at the end of a journal: many at once, each in room of its own, or one alone.
//
//   begins                             appended              at
//   ──┬──────────┬──────────┬─────────────┬──────────┬────────┬──────────────────────▶ segment
//     │ committed│ committed│  committed  │ claimed  │ claimed│  free
//     └──────────┴──────────┴─────────────┴──────────┴────────┘
//
// Claiming is one compare-exchange of `word_`: the byte up to which room is claimed, a bit that says
// that somebody is alone, and a number that each who was alone leaves one higher. So an exchange
// that succeeds proves that nobody was alone since the word was read (33 bits of it, in which as many
// would have to be alone, and leave the journal at the same byte, within one claim): what was read
// in between holds.
//
// Completing is in order: a claim waits until all before it is committed, then moves `appended` over
// itself. So appended has no holes, and who was told ok has nothing before it that could be missing
// after a kill. Who wants to be alone stops new claims by the bit, and waits until appended has
// come to the last one.
//
//   (T) thaw store-release word_ -> claim load-acquire: what one changed alone before who claims next
//   (A) of detail/progress.hpp: a claim's use of the segment before whoever is alone next
//
// Threads   claim and complete by any number of threads at once; freeze, thaw and end by one, who has
//           the append mutex.
// Progress  claim is lock-free. complete waits for those before it: a thread that is stopped between
//           the two delays all appends behind it, by the time it takes to copy one message.
#pragma once

#include <cstdint>

#include <penstock/core/waiter.hpp>
#include <penstock/durable/detail/progress.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class claims {
public:
    explicit claims(progress& done) noexcept : done_{done} {}

    /// Room of n bytes for a message of a stream that may be `closed`, from byte `at` on. False:
    /// somebody is or has to be alone.
    [[nodiscard]] bool claim(std::uint64_t n, const sys::atomic<bool>& closed,
                             std::uint64_t& at) noexcept {
        std::uint64_t seen = 0;
        do {
            seen = word_.load(std::memory_order_acquire);  // (T)
            at = seen & place;
            if ((seen & frozen) != 0 ||
                at + n > room_until_.load(std::memory_order_relaxed) ||  // the exchange decides
                closed.load(std::memory_order_relaxed))                  // likewise
                return false;
        } while (!word_.compare_exchange_weak(seen, seen + n,
                                              std::memory_order_relaxed,    // read by (T)
                                              std::memory_order_relaxed));  // read again
        return true;
    }
    /// The record that was claimed, by its offsets, is committed. Returns when all before it is.
    void complete(std::uint64_t begin, std::uint64_t end) noexcept {
        if (done_.appended() != begin) wait_for(begin);  // (A)
        done_.set_appended(end);
        turns_.notify_all();
    }

    /// No claims from now on, and those there were are complete: answers the byte they came to, in
    /// the segment that begins at that offset.
    std::uint64_t freeze(std::uint64_t begins) noexcept {
        const std::uint64_t at =
            word_.fetch_or(frozen, std::memory_order_relaxed) & place;  // (A) orders
        if (done_.appended() != begins + at) wait_for(begins + at);
        return at;
    }
    /// Claims go on at that byte, for messages that end at `room_until` at most.
    void thaw(std::uint64_t at, std::uint64_t room_until) noexcept {
        if (ended_) return;
        room_until_.store(room_until, std::memory_order_relaxed);  // (T)
        ++turn_;
        word_.store(turn_ * one_turn | at, std::memory_order_release);  // (T)
    }
    /// While frozen: for good.
    void end() noexcept { ended_ = true; }

private:
    // A record's place is a multiple of 8, of at most 2^30.
    static constexpr std::uint64_t frozen = 1, one_turn = std::uint64_t{1} << 31;
    static constexpr std::uint64_t place = one_turn - 8;

    [[gnu::noinline]] void wait_for(std::uint64_t offset) noexcept {
        (void)turns_.wait([&] { return done_.appended() == offset; }, [] { return false; });
    }

    progress& done_;
    alignas(cache_line) sys::atomic<std::uint64_t> word_{frozen};
    sys::atomic<std::uint64_t> room_until_{0};
    std::uint64_t turn_ = 0;  // by who is alone, as the next
    bool ended_ = false;
    waiter turns_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
