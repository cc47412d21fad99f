// SPDX-License-Identifier: BSL-1.0
// One visit of a thread to a bus, and the stack of them: which callbacks the calling thread is
// inside of, innermost first. A subscription that is destroyed by its own handler is found here,
// and a publish that would wait for its publisher.
//
//   top ──► {handler of B} ──► {handler of A} ──► nothing      A's handler published to B
//
// detail/visitors.hpp says where the records come from, and who else reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <penstock/bus/detail/block_pool.hpp>
#include <penstock/core/cache_line.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class visitors;

/// Lines of its own, of which a publish needs the first: only its thread writes it, with few exceptions.
class alignas(cache_line) visitor {
public:
    explicit visitor(visitors& home) noexcept : home_{&home} {}
    visitor(const visitor&) = delete;
    visitor& operator=(const visitor&) = delete;

    [[nodiscard]] static visitor* top() noexcept { return mine().top; }

    /// How often `who` stands on the stack from `from` down. The stack's thread asks, or waits.
    [[nodiscard]] static std::size_t count(const visitor* from, const void* who) noexcept {
        std::size_t n = 0;
        for (; from; from = from->below_) n += from->calls() == who;
        return n;
    }
    /// Whether the calling thread is inside a callback of that inbox.
    [[nodiscard]] static bool serves(const void* queue) noexcept {
        for (const visitor* v = top(); v; v = v->below_)
            if (v->queue == queue) return true;
        return false;
    }

    /// Whose callbacks run: a gate's id, if any.
    [[nodiscard]] const void* calls() const noexcept {
        return calling.load(std::memory_order_relaxed);  // its own thread's, or (see count) resting
    }
    [[nodiscard]] const visitor* below() const noexcept { return below_; }
    [[nodiscard]] const visitors* home() const noexcept { return home_; }
    /// Where its messages come from.
    [[nodiscard]] block_pool& memory() { return memory_ ? *memory_ : begin_memory(); }
    ~visitor() { end_memory(); }
    void end_memory() noexcept {
        if (memory_) std::exchange(memory_, nullptr)->orphan();
    }
    /// No two that are in use have the same.
    [[nodiscard]] unsigned number() const noexcept { return number_; }

    sys::atomic<const void*> reading{nullptr};
    sys::atomic<const void*> calling{nullptr};
    std::uint64_t less =
        0;  ///< what to take off the count of those called (detail/direct_calls.hpp)

private:
    friend class visitors;

    /// What a thread has at hand: trivial, so that the compiler needs no guard for it.
    struct at_hand {
        visitor* top;    // in use, of all buses
        visitor* first;  // the one to use when none is, if known
        bool ended;      // the thread gives its records back

        /// The one to use next, if known.
        [[nodiscard]] visitor*& next() noexcept { return top ? top->above_ : first; }
    };
    block_pool& begin_memory();
    static at_hand& mine() noexcept { return sys::per_thread<visitor, at_hand>(); }

    visitors* const home_;
    visitor* below_ = nullptr;
    visitor* above_ = nullptr;  // of the same thread, when it was last there; or the next spare one
    std::uint32_t number_ = 0;
    bool lent_ = false;  // for one visit

public:
    const void* queue = nullptr;  ///< the inbox whose callback this is, if any
    std::size_t dropped = 0;      ///< messages that a send inside this visit had to drop

private:
    visitor* next_ = nullptr;  // of the bus, all there are
    sys::atomic<bool> taken_{true};
    block_pool* memory_ = nullptr;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
