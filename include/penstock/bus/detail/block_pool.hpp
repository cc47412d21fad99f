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
// A message that is bigger than the biggest kind is a piece of memory of its own, counted here.
//
// Orphans. A message may outlive its bus. Who ends the pool counts what is still out; from then on a
// block that comes back is freed, and the last one takes the pool along.
//   (R) put's release -> (T) the acquire of who takes: a message ended before its memory is used.
//
// Progress  take: wait-free, but for an allocation (bus/memory_ref.hpp); put: lock-free.
// Errors    take throws what that throws, and has then changed nothing.
// Threads   take and orphan by the one who has the record; put by any number.
#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include <penstock/bus/memory_ref.hpp>
#include <penstock/core/cache_line.hpp>
#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class block_pool {
public:
    explicit block_pool(memory_ref from = {}) noexcept : memory_{from} {}
    block_pool(const block_pool&) = delete;
    block_pool& operator=(const block_pool&) = delete;

    [[nodiscard]] static constexpr bool serves(std::size_t size, std::size_t of) noexcept {
        return size <= kinds * step && of <= alignment;
    }

    template <class T>
    [[nodiscard]] void* take() {
        if constexpr (serves(sizeof(T), alignof(T))) {
            return take(sizeof(T));
        } else {
            void* const raw = memory_.allocate(sizeof(T), alignof(T));
            left_.fetch_add(
                1, std::memory_order_relaxed);  // back by settle, a read-modify-write too
            return raw;
        }
    }
    template <class T>
    void put(void* raw) noexcept {
        if constexpr (serves(sizeof(T), alignof(T))) {
            put(raw, sizeof(T));
        } else {
            memory_.deallocate(raw, sizeof(T), alignof(T));
            settle(-1);
        }
    }

    [[nodiscard]] void* take(std::size_t size) {
        const std::size_t kind = (size - 1) / step;
        if (!mine_[kind]) collect();
        void* raw = nullptr;
        if (mine_[kind] && !scarce_) {
            raw = std::exchange(mine_[kind], mine_[kind]->next);
        } else {
            raw = memory_.allocate((kind + 1) * step, alignment);
            scarce_ = false;
        }
        ++out_;
        return raw;
    }

    void put(void* raw, std::size_t size) noexcept {
        block* const b = ::new (raw) block{nullptr, (size - 1) / step};
        b->next = returned_.load(std::memory_order_relaxed);  // the exchange decides
        for (;;) {
            if (b->next == &ended_) {
                deallocate(b);
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
        settle(out_ - free(back) - alive);
    }

private:
    struct block {
        block* next;
        std::size_t kind;
    };
    using count = std::ptrdiff_t;
    static constexpr std::size_t step = 64, kinds = 16;
    static constexpr std::size_t alignment = __STDCPP_DEFAULT_NEW_ALIGNMENT__;
    static constexpr count spare = 32;
    static constexpr count alive = count{1} << (sizeof(count) * 8 - 2);  // more than can be out

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
    void deallocate(block* b) noexcept { memory_.deallocate(b, (b->kind + 1) * step, alignment); }
    count free(block* all) noexcept {
        count n = 0;
        for (; all; ++n) deallocate(std::exchange(all, all->next));
        return n;
    }
    /// By who ends the pool: so many are out. By who frees one of them: one less.
    void settle(count change) noexcept {
        // Release, then acquire: the last one, who deletes, comes after all.
        if (left_.fetch_add(change, std::memory_order_acq_rel) + change == 0) delete this;
    }

    const memory_ref memory_;
    block* mine_[kinds] = {};
    count out_ = 0;        // handed out and not collected
    bool scarce_ = false;  // the last time too few had come back
    alignas(cache_line) sys::atomic<block*> returned_{nullptr};
    sys::atomic<count> left_{alive};  // once it has ended; before: big ones, and `alive`
    static inline block ended_{nullptr, 0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
