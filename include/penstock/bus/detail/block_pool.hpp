// SPDX-License-Identifier: BSL-1.0
// Memory for messages, used again: one pool for each visit record (detail/visitors.hpp), so that a
// publisher takes from a list that nobody else touches. Who lets go of a message last, in whichever
// thread, pushes its block on a stack from which the publisher takes all at once.
//
//   publisher: take ◄── mine ◄── (when empty: all of) returned ◄── put: last readers
//
// As long as fewer than `spare` come back at once, one more is made: so a publisher that is a few
// messages ahead of its readers meets their line once in `spare` messages. What was made stays: the
// most that were ever under way, and `spare`.
//
// Orphans. A message may outlive its bus. Who ends the pool counts what is still out; from then on a
// block that comes back is freed, and the last one takes the pool along.
//   (R) put's release -> (T) the acquire of who takes: a message ended before its memory is used.
//
// Progress  take: wait-free, but for operator new; put: lock-free.
// Errors    take throws std::bad_alloc.
// Threads   take and orphan by the one who has the record; put by any number.
#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include <penstock/core/cache_line.hpp>
#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class block_pool {
public:
    block_pool() = default;
    block_pool(const block_pool&) = delete;
    block_pool& operator=(const block_pool&) = delete;

    [[nodiscard]] static constexpr bool serves(std::size_t size, std::size_t alignment) noexcept {
        return size <= kinds * step && alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__;
    }

    [[nodiscard]] void* take(std::size_t size) {
        const std::size_t kind = (size - 1) / step;
        if (!mine_[kind]) collect();
        void* raw = nullptr;
        if (mine_[kind] && !scarce_) {
            raw = std::exchange(mine_[kind], mine_[kind]->next);
        } else {
            scarce_ = false;
            raw = ::operator new((kind + 1) * step);
        }
        ++out_;
        return raw;
    }

    void put(void* raw, std::size_t size) noexcept {
        block* const b = ::new (raw) block{nullptr, (size - 1) / step};
        b->next = returned_.load(std::memory_order_relaxed);  // the exchange decides
        for (;;) {
            if (b->next == &ended_) {
                ::operator delete(raw);
                return settle(-1);
            }
            if (returned_.compare_exchange_weak(b->next, b, std::memory_order_release,  // (R), (T)
                                                std::memory_order_relaxed))  // tried again
                return;
        }
    }

    /// Nobody takes any more. Deletes the pool, now or with the last block.
    void orphan() noexcept {
        for (block*& all : mine_) free(std::exchange(all, nullptr));
        block* const back =
            returned_.exchange(&ended_, std::memory_order_acquire);  // (T), as collect
        settle(out_ - free(back));
    }

private:
    struct block {
        block* next;
        std::size_t kind;
    };
    using count = std::ptrdiff_t;
    static constexpr std::size_t step = 64, kinds = 16;
    static constexpr count spare = 32;

    ~block_pool() = default;

    void collect() noexcept {
        count n = 0;
        block* b = returned_.exchange(nullptr, std::memory_order_acquire);  // (T), pairs with (R)
        for (; b; ++n) {
            block* const next = std::exchange(b->next, mine_[b->kind]);
            mine_[b->kind] = b;
            b = next;
        }
        out_ -= n;
        scarce_ = n < spare;
    }
    static count free(block* all) noexcept {
        count n = 0;
        for (; all; ++n) ::operator delete(std::exchange(all, all->next));
        return n;
    }
    /// By who ends the pool: so many are out. By who frees one of them: one less.
    void settle(count change) noexcept {
        // Release, then acquire: the last one, who deletes, comes after all.
        if (left_.fetch_add(change, std::memory_order_acq_rel) + change == 0) delete this;
    }

    block* mine_[kinds] = {};
    count out_ = 0;        // handed out and not collected
    bool scarce_ = false;  // the last time too few had come back
    alignas(cache_line) sys::atomic<block*> returned_{nullptr};
    sys::atomic<count> left_{0};  // once it has ended
    static inline block ended_{nullptr, 0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
