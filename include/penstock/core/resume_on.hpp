// SPDX-License-Identifier: BSL-1.0
// Where a coroutine goes on when it has waited.
//
//   co_await rx.async_receive(stop);                   // on the thread that wakes it
//   co_await rx.async_receive(stop, pool);             // by pool.post(job)
//   resume_on here{loop};                              // kept by value; refers to the executor
#pragma once

#include <type_traits>
#include <utility>

#include <penstock/core/function.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// Any executor of the bus, or of yours: post takes a unique_function<void()> and runs it once, some
/// time, not before it returns. The executor outlives the wait.
class resume_on {
public:
    resume_on() noexcept = default;
    template <class Executor>
        requires(!std::is_same_v<std::remove_cv_t<Executor>, resume_on> &&
                 requires(Executor& e, unique_function<void()> job) { e.post(std::move(job)); })
    resume_on(Executor& e) noexcept
        : executor_{&e}, post_{[](void* to, unique_function<void()>&& job) {
              static_cast<Executor*>(to)->post(std::move(job));
          }} {}
    explicit operator bool() const noexcept { return post_ != nullptr; }
    void post(unique_function<void()>&& job) const { post_(executor_, std::move(job)); }

private:
    void* executor_ = nullptr;
    void (*post_)(void*, unique_function<void()>&&) = nullptr;
};

}  // namespace penstock::inline PENSTOCK_ABI
