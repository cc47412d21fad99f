// SPDX-License-Identifier: BSL-1.0
// The smallest coroutine type that tests need: it starts at once, and its frame can be destroyed
// while it is suspended. How many frames there are is counted: none may leak.
//
//   coroutine c = [](receiver<int>& rx) -> coroutine { co_await rx.async_receive(); }(rx);
//   c.destroy();  CHECK(c.done());
//   manual_executor later;  later.run();  // what was posted, in this thread
#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include <penstock/core/function.hpp>

class coroutine {
public:
    struct promise_type {
        promise_type() { ++frames(); }
        ~promise_type() { --frames(); }
        coroutine get_return_object() {
            return coroutine{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_never initial_suspend() noexcept { return {}; }
        struct at_end {
            static constexpr bool await_ready() noexcept { return false; }
            // From here on the frame may be destroyed by another thread.
            [[gnu::noinline]] void await_suspend(std::coroutine_handle<promise_type> h) noexcept {
                h.promise().ended.store(true);
            }
            static constexpr void await_resume() noexcept {}
        };
        at_end final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() { std::terminate(); }
        std::atomic<bool> ended{false};
    };

    static std::atomic<int>& frames() {
        static std::atomic<int> n{0};
        return n;
    }

    coroutine() = default;
    explicit coroutine(std::coroutine_handle<promise_type> h) : handle_{h} {}
    coroutine(coroutine&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
    coroutine& operator=(coroutine&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~coroutine() { destroy(); }

    void destroy() {
        if (handle_) std::exchange(handle_, nullptr).destroy();
    }
    /// It has run to its end, and may be destroyed.
    [[nodiscard]] bool done() const { return handle_.promise().ended.load(); }

private:
    std::coroutine_handle<promise_type> handle_{};
};

/// Runs what is posted when it is told to.
class manual_executor {
public:
    void post(penstock::unique_function<void()> task) {
        std::lock_guard lock{mutex_};
        tasks_.push_back(std::move(task));
    }
    std::size_t run() {
        std::vector<penstock::unique_function<void()>> now;
        {
            std::lock_guard lock{mutex_};
            now.swap(tasks_);
        }
        for (auto& task : now) task();
        return now.size();
    }
    [[nodiscard]] std::size_t waiting() {
        std::lock_guard lock{mutex_};
        return tasks_.size();
    }

private:
    std::mutex mutex_;
    std::vector<penstock::unique_function<void()>> tasks_;
};
