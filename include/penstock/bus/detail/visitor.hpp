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

#include <penstock/core/cache_line.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class gate;
class visitors;

/// A line of its own: only its thread writes it, with few exceptions.
class alignas(cache_line) visitor {
public:
    visitor() = default;
    visitor(const visitor&) = delete;
    visitor& operator=(const visitor&) = delete;

    [[nodiscard]] static visitor* top() noexcept { return mine().top; }

    /// How often `g` stands on the stack from `from` down. The stack's thread asks, or waits.
    [[nodiscard]] static std::size_t count(const visitor* from, const gate& g) noexcept {
        std::size_t n = 0;
        for (; from; from = from->below_) n += from->calls() == &g;
        return n;
    }
    /// Whether the calling thread is inside a callback of that inbox.
    [[nodiscard]] static bool serves(const void* queue) noexcept {
        for (const visitor* v = top(); v; v = v->below_)
            if (v->queue == queue) return true;
        return false;
    }

    /// Whose callbacks run.
    [[nodiscard]] const gate* calls() const noexcept {
        return calling.load(std::memory_order_relaxed);  // its own thread's, or (see count) resting
    }
    [[nodiscard]] const visitor* below() const noexcept { return below_; }
    /// No two that are in use have the same.
    [[nodiscard]] unsigned number() const noexcept { return number_; }

    sys::atomic<const void*> reading{nullptr};
    sys::atomic<const gate*> calling{nullptr};
    const void* queue = nullptr;  ///< the inbox whose callback this is, if any
    std::size_t dropped = 0;      ///< messages that a send inside this visit had to drop

private:
    friend class visitors;

    /// What a thread has at hand: trivial, so that the compiler needs no guard for it.
    struct at_hand {
        visitors* of;    // whose spare ones these are
        visitor* spare;  // not in use
        visitor* top;    // in use, of all buses
        bool ended;      // the thread gives its records back
    };
    static at_hand& mine() noexcept { return sys::per_thread<visitor, at_hand>(); }

    visitor* below_ = nullptr;
    visitor* spare_ = nullptr;
    visitor* next_ = nullptr;  // of the bus, all there are
    unsigned number_ = 0;
    sys::atomic<bool> taken_{true};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
