// SPDX-License-Identifier: BSL-1.0
// An mpmc_ring for one publisher and one task, as nearly always: no exchange on either side until another
// publisher comes, or another than the task takes something out (detail/lone_side.hpp).
//
//   one publisher ──► [ ring ] ──► the task          plain stores
//   several       ──► [ ring ] ──► the task          exchanges where they push
//   places kept for all or none, and closed          exchanges
//
// Storage for a channel. Who pushes is known by the visit that he is in (detail/visitors.hpp).
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include <penstock/bus/detail/lone_side.hpp>
#include <penstock/bus/detail/visitor.hpp>
#include <penstock/core/cache_line.hpp>
#include <penstock/queue/mpmc_ring.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
class lone_ring : private mpmc_ring<T> {
    using base = mpmc_ring<T>;

public:
    using base::base, base::capacity, base::closed, base::drained, base::pushed_approx,
        base::single_consumer, base::single_producer, base::size_approx;
    using typename base::value_type;

    /// In a visit.
    template <class... Args>
    [[nodiscard, gnu::always_inline]] bool try_emplace(Args&&... args) noexcept {
        if (producers_.enter(visitor::top())) [[likely]] {
            const bool done = base::try_emplace_alone(std::forward<Args>(args)...);
            producers_.leave();
            if (done) [[likely]]
                return true;
        }
        return emplace_shared(std::forward<Args>(args)...);
    }
    [[nodiscard]] bool try_push(T&& value) noexcept { return try_emplace(std::move(value)); }
    [[nodiscard]] reservation<base> reserve() noexcept {
        producers_.end();
        return base::reserve();
    }
    /// By one at a time, until it is closed.
    [[nodiscard]] bool try_pop(T& value) noexcept {
        if (consumers_.enter(this)) [[likely]] {
            const bool done = base::try_pop_alone(value);
            consumers_.leave();
            if (done) return true;
        }
        return base::try_pop(value);
    }
    [[nodiscard]] std::optional<T> try_pop() noexcept {
        T value;
        if (!try_pop(value)) return std::nullopt;
        return value;
    }
    bool skip_abandoned() noexcept {
        consumers_.end();
        return base::skip_abandoned();
    }
    void close() noexcept {
        producers_.end();
        consumers_.end();
        base::close();
    }

private:
    template <class... Args>
    [[gnu::noinline]] bool emplace_shared(Args&&... args) noexcept {
        if (!producers_.is(visitor::top())) producers_.end();
        auto found = base::reserve();
        if (!found) return false;
        found.emplace(std::forward<Args>(args)...);
        found.commit();
        return true;
    }

    alignas(cache_line) lone_side producers_;
    alignas(cache_line) lone_side consumers_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
