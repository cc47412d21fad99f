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
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

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
        if (tasks_.empty()) return std::nullopt;
        std::optional<task> first{std::move(tasks_.front())};
        tasks_.pop_front();
        return first;
    }
    bool try_pop(task& t) {
        auto first = try_pop();
        if (first) t = std::move(*first);
        return first.has_value();
    }
    [[nodiscard]] std::size_t size_approx() const {
        std::lock_guard lock{mutex_};
        return tasks_.size();
    }
    [[nodiscard]] std::size_t capacity() const noexcept { return no_limit; }

private:
    mutable sys::mutex mutex_;
    std::deque<task> tasks_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
