// SPDX-License-Identifier: BSL-1.0
// Threads that run what is posted to them: the executor for queued subscriptions.
//
//   thread_pool pool{4};  // starts four threads; the bus starts none
//   bus events;
//   auto s = events.subscribe<quake>("quake.#", {.executor = pool}, count);
//
// Declare it before what uses it. Its destructor runs all that was posted, and what those tasks
// post, and then ends the threads; a task that always posts another one keeps it from ending.
//
// Threads   post by anybody, also by a task. The destructor by none of its own threads.
// Progress  post never waits for a task. An idle pool sleeps.
// Errors    A task that throws ends the program: there is nobody to tell. (Handlers may throw: the
//           bus catches it.) The constructor throws std::invalid_argument for 0, std::system_error.
// Order     Tasks start in the order in which they were posted.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <utility>
#include <vector>

#include <penstock/bus/detail/task_queue.hpp>
#include <penstock/bus/executor.hpp>
#include <penstock/channel/channel.hpp>
#include <penstock/core/sync_wait.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {

class thread_pool {
public:
    explicit thread_pool(std::size_t threads) : tasks_{no_limit} {
        if (threads == 0) throw std::invalid_argument{"penstock: a thread_pool of 0 threads"};
        threads_.reserve(threads);
        try {
            while (threads_.size() < threads) threads_.emplace_back([this] { work(); });
        } catch (...) {
            tasks_.close();  // those that were started end; threads_ joins them
            throw;
        }
    }
    thread_pool(const thread_pool&) = delete;
    thread_pool& operator=(const thread_pool&) = delete;

    ~thread_pool() {
        PENSTOCK_ASSERT(here() != this, "a pool can't be destroyed by one of its own tasks");
        const auto done = [this] {
            return unfinished_.load(std::memory_order_relaxed) == 0;  // joining orders the rest
        };
        (void)finished_.wait(done, [] { return false; });
        tasks_.close();
    }

    void post(task t) {
        unfinished_.fetch_add(1, std::memory_order_relaxed);  // the poster keeps it above 0
        try {
            const status answer = tasks_.send(std::move(t));
            PENSTOCK_ASSERT(answer, "posted to a pool that has ended: it must outlive its users");
            if (!answer) finish();
        } catch (...) {
            finish();
            throw;
        }
    }

    [[nodiscard]] std::size_t size() const noexcept { return threads_.size(); }
    /// Tasks that are posted and not yet finished; stale when it returns. Where it says 0, what they
    /// did is visible.
    [[nodiscard]] std::size_t unfinished_approx() const noexcept {
        return unfinished_.load(std::memory_order_acquire);  // pairs with finish
    }

    /// Whether it runs one task at a time.
    [[nodiscard]] bool serial() const noexcept { return size() == 1; }

    // For the bus: a task of this pool is about to wait for other tasks of it (before_wait).
    [[nodiscard]] before_wait begin_wait() noexcept {
        if (here() != this) return before_wait::elsewhere;
        if (waiting_.fetch_add(1, std::memory_order_relaxed) + 1 < size())  // a count decides alone
            return before_wait::counted;
        end_wait();
        return before_wait::refused;
    }
    void end_wait() noexcept { waiting_.fetch_sub(1, std::memory_order_relaxed); }  // as above

private:
    /// The pool whose thread this is.
    static thread_pool*& here() noexcept { return sys::per_thread<thread_pool, thread_pool*>(); }

    void work() noexcept {
        here() = this;
        while (auto t = tasks_.receive()) {
            (*t)();
            *t = nullptr;  // what it owns goes before it counts as finished
            finish();
        }
    }

    void finish() noexcept {
        if (unfinished_.fetch_sub(1, std::memory_order_release) == 1)  // pairs with ~thread_pool
            finished_.notify_all();
    }

    channel<task, detail::task_queue> tasks_;
    waiter finished_;
    sys::atomic<std::size_t> unfinished_{0};
    sys::atomic<std::size_t> waiting_{0};  // its threads that wait for its other threads
    std::vector<sys::thread> threads_;     // last: they go first
};

}  // namespace penstock::inline PENSTOCK_ABI
