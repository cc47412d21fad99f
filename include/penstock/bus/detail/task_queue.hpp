// SPDX-License-Identifier: BSL-1.0
// Storage for a channel of tasks: a FIFO that is never full, because a task that posts must not
// wait for its own thread to make room. It is bounded by its use: a bus posts at most one task for
// each member of a queued subscription.
//
// Cost      A mutex. A post happens once per wake of a subscription and once per batch of messages,
//           not once per message.
// Errors    try_push throws std::bad_alloc, and then the task is still the caller's.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <penstock/bus/executor.hpp>
#include <penstock/core/sync_wait.hpp>
#include <penstock/queue/concepts.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class task_queue {
public:
    using value_type = task;
    static constexpr bool single_producer = false;
    static constexpr bool single_consumer = false;

    explicit task_queue(std::size_t) {}

    bool try_push(task&& t) {
        std::lock_guard lock{mutex_};
        tasks_.push_back(std::move(t));
        return true;
    }
    std::optional<task> try_pop() {
        std::lock_guard lock{mutex_};
        if (first_ == tasks_.size()) return std::nullopt;
        std::optional<task> t{std::move(tasks_[first_++])};
        if (2 * first_ >= tasks_.size()) {  // moves fewer than were taken: constant on average
            tasks_.erase(tasks_.begin(), tasks_.begin() + static_cast<std::ptrdiff_t>(first_));
            first_ = 0;
        }
        return t;
    }
    bool try_pop(task& t) {
        auto first = try_pop();
        if (first) t = std::move(*first);
        return first.has_value();
    }
    [[nodiscard]] std::size_t size_approx() const {
        std::lock_guard lock{mutex_};
        return tasks_.size() - first_;
    }
    [[nodiscard]] std::size_t capacity() const noexcept { return no_limit; }

private:
    mutable sys::mutex mutex_;
    // Those in front of first_ have been taken. A vector keeps its room: no allocation once it has
    // found its size.
    std::vector<task> tasks_;
    std::size_t first_ = 0;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
