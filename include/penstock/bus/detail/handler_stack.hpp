// SPDX-License-Identifier: BSL-1.0
// Which callbacks of a bus the calling thread is inside of, innermost first. A subscription that
// is destroyed by its own handler is found here, and a publish that would wait for its publisher.
//
//   top ──► {handler of B} ──► {handler of A} ──► nothing      A's handler published to B
//
// Cost      A callback pays for two stores to its own stack and one thread-local pointer. Nothing
//           is registered anywhere and nothing outlives a callback.
#pragma once

#include <cstddef>
#include <cstdint>

#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class gate;

class frame {
public:
    /// `queue` is the inbox whose callback this is, if any. Not on the stack before push().
    frame(const gate& of, const void* queue) noexcept : of_{of}, queue_{queue} {}
    frame(const frame&) = delete;
    frame& operator=(const frame&) = delete;

    void push() noexcept {
        below_ = top();
        innermost() = reinterpret_cast<std::uintptr_t>(this);
    }
    void pop() noexcept { innermost() = reinterpret_cast<std::uintptr_t>(below_); }

    [[nodiscard]] static frame* top() noexcept { return reinterpret_cast<frame*>(innermost()); }

    /// How often `g` stands on the stack from `from` down.
    [[nodiscard]] static std::size_t count(const frame* from, const gate& g) noexcept {
        std::size_t n = 0;
        for (; from; from = from->below_) n += &from->of_ == &g;
        return n;
    }
    /// Whether the calling thread is inside a callback of that inbox.
    [[nodiscard]] static bool serves(const void* queue) noexcept {
        for (const frame* f = top(); f; f = f->below_)
            if (f->queue_ == queue) return true;
        return false;
    }

    [[nodiscard]] const gate& of() const noexcept { return of_; }
    [[nodiscard]] const frame* below() const noexcept { return below_; }

    std::size_t dropped = 0;  ///< messages that a send inside this frame had to drop

private:
    /// As a number: g++ 12 warns its users of the address of a local where it doesn't see the pop.
    static std::uintptr_t& innermost() noexcept { return sys::per_thread<frame, std::uintptr_t>(); }

    const gate& of_;
    const void* queue_;
    frame* below_ = nullptr;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
