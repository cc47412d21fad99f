// SPDX-License-Identifier: BSL-1.0
// Counts the outcomes of one tracked message (bus/receipt.hpp), which carries a reference to this.
// When the message goes, what nobody has said an outcome for was released by whoever pulled it.
//
//   (O) an outcome's release -> (D) the acquire of who finds them all: what handlers did is visible.
#pragma once

#include <cstddef>
#include <cstdint>

#include <penstock/core/clock.hpp>
#include <penstock/core/status.hpp>
#include <penstock/core/sync_wait.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

enum class outcome : std::size_t { handled, failed, dropped, released };

class tracker {
public:
    void settle(outcome o) noexcept {
        counts_[static_cast<std::size_t>(o)].fetch_add(
            1, std::memory_order_relaxed);                 // carried by (O)
        settled_.fetch_add(1, std::memory_order_release);  // (O), pairs with (D)
        all_known_.notify_all();
    }
    /// By the publisher, afterwards: how many outcomes there will be.
    void expect(std::uint32_t outcomes) noexcept {
        expected_.store(outcomes, std::memory_order_relaxed);  // a number alone
        all_known_.notify_all();
    }
    /// The message goes. It was shared by all who took it, so the others have said theirs.
    void message_gone() noexcept {
        // Relaxed: the publisher has let go of the message since.
        const auto all = expected_.load(std::memory_order_relaxed);
        if (all == not_known) return;                           // its publish threw
        while (settled_.load(std::memory_order_relaxed) < all)  // nobody else adds any more
            settle(outcome::released);
    }

    [[nodiscard]] bool settled() const noexcept {
        return settled_.load(std::memory_order_acquire) >=  // (D), pairs with (O)
               expected_.load(std::memory_order_relaxed);   // a number alone
    }
    status wait(const deadline& until, const sys::stop_token& stop) {
        return all_known_.wait([this] { return settled(); }, [] { return false; }, until, stop);
    }
    /// Notified when an outcome is, or how many there will be.
    [[nodiscard]] waiter& known() noexcept { return all_known_; }
    [[nodiscard]] std::uint32_t count(outcome o) const noexcept {
        return counts_[static_cast<std::size_t>(o)].load(
            std::memory_order_relaxed);  // as settled()
    }

private:
    static constexpr std::uint32_t not_known = ~std::uint32_t{0};
    sys::atomic<std::uint32_t> expected_{not_known};
    sys::atomic<std::uint32_t> settled_{0};
    sys::atomic<std::uint32_t> counts_[4] = {};
    waiter all_known_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
