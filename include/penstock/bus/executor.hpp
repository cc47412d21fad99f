// SPDX-License-Identifier: BSL-1.0
// Where handlers run. An executor is anything with one function, post(task), that runs the task
// once, some time, in some thread.
//
//   struct my_loop { void post(penstock::task t) { queue.push_back(std::move(t)); } };
//   my_loop loop;
//   auto s = events.subscribe<quake>("quake.#", {.executor = loop}, count);
//
//   direct       in the publisher's thread, inside publish: no queue; the default
//   own_thread   one thread for this subscription, which ends with it
//   a pool       bus/thread_pool.hpp
//
// Threads   post is called by any thread, possibly by several at once, and never while the bus
//           holds a lock. It may throw if it can't take the task; it must not run it before it
//           returns if it is called from a task.
// Lifetime  An executor_ref refers: the executor outlives the subscriptions that name it, and runs
//           or destroys what was posted.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <penstock/core/config.hpp>
#include <penstock/core/function.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// Run once, then destroyed. The bus's own fit without an allocation and never throw.
using task = unique_function<void()>;

template <class E>
concept executor = requires(E& e, task t) { e.post(std::move(t)); };

struct direct_t {
    explicit direct_t() = default;
};
inline constexpr direct_t direct{};

struct own_thread_t {
    explicit own_thread_t() = default;
};
inline constexpr own_thread_t own_thread{};

/// A thread is about to wait for the executor's work to be done.
enum class before_wait : unsigned char {
    elsewhere,  ///< it is none of the executor's
    counted,    ///< it is, and others are left to do the work: after_wait() when it is over
    refused,    ///< it is the last that could
};

/// An executor that knows its threads can answer `would_block_self` instead of a deadlock.
template <class E>
concept counts_waits = requires(E& e) {
    { e.begin_wait() } noexcept -> std::same_as<before_wait>;
    { e.end_wait() } noexcept;
};

/// An executor that may say that it runs one task at a time: then several subscriptions share a queue.
template <class E>
concept says_if_serial = requires(const E& e) {
    { e.serial() } noexcept -> std::same_as<bool>;
};

class executor_ref {
public:
    executor_ref() noexcept = default;
    executor_ref(direct_t) noexcept {}
    executor_ref(own_thread_t) noexcept : kind_{kind::in_its_thread} {}
    template <executor E>
        requires(!std::is_same_v<E, executor_ref>)
    executor_ref(E& e) noexcept : kind_{kind::posted}, at_{&e}, calls_{&calls_of<E>} {}

    [[nodiscard]] bool is_direct() const noexcept { return kind_ == kind::in_publish; }
    [[nodiscard]] bool is_own_thread() const noexcept { return kind_ == kind::in_its_thread; }
    [[nodiscard]] bool posts() const noexcept { return kind_ == kind::posted; }

    [[nodiscard]] bool serial() const noexcept { return posts() && calls_->serial(at_); }
    [[nodiscard]] bool is(const executor_ref& other) const noexcept { return at_ == other.at_; }

    void post(task t) const { calls_->post(at_, std::move(t)); }
    [[nodiscard]] before_wait begin_wait() const noexcept {
        return posts() ? calls_->begin_wait(at_) : before_wait::elsewhere;
    }
    void end_wait() const noexcept { calls_->end_wait(at_); }

private:
    enum class kind : unsigned char { in_publish, in_its_thread, posted };
    struct calls {
        void (*post)(void*, task&&);
        before_wait (*begin_wait)(void*) noexcept;
        void (*end_wait)(void*) noexcept;
        bool (*serial)(const void*) noexcept;
    };
    template <class E>
    static constexpr calls calls_of{
        [](void* e, task&& t) { static_cast<E*>(e)->post(std::move(t)); },
        [](void* e) noexcept {
            if constexpr (counts_waits<E>) {
                return static_cast<E*>(e)->begin_wait();
            } else {
                return static_cast<void>(e), before_wait::elsewhere;
            }
        },
        [](void* e) noexcept {
            if constexpr (counts_waits<E>) {
                static_cast<E*>(e)->end_wait();
            } else {
                static_cast<void>(e);
            }
        },
        [](const void* e) noexcept {
            if constexpr (says_if_serial<E>) {
                return static_cast<const E*>(e)->serial();
            } else {
                return static_cast<void>(e), false;
            }
        }};

    kind kind_ = kind::in_publish;
    void* at_ = nullptr;
    const calls* calls_ = nullptr;
};

}  // namespace penstock::inline PENSTOCK_ABI
