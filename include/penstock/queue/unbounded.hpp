// SPDX-License-Identifier: BSL-1.0
// Unbounded FIFO per producer, for any number of threads: moodycamel's queue behind our words.
//
//   penstock::unbounded<job> q;
//   q.push(job{7});                        // allocates now and then
//   while (auto j = q.try_pop()) run(*j);
//
// Needs     moodycamel::ConcurrentQueue (Debian: libconcurrentqueue-dev). Nothing else of Penstock
//           does, so this header is included by name and not by penstock.hpp.
// Cost      See moodycamel's documentation; memory grows with the longest backlog and is kept.
// Threads   Everything but construction and destruction may overlap.
// Progress  Lock-free, but for the allocator.
// Errors    try_push answers false, and push throws std::bad_alloc, only when memory is out; the
//           argument is then unmoved. try_pop may answer empty although an element is in while
//           other threads push and pop: a channel over it counts, so that nobody sleeps on that.
// Order     FIFO per producer thread; between producers, none.
// Tools     moodycamel's header uses fences, which ThreadSanitizer doesn't see: its reports from
//           inside are false. Suppress them with "race:moodycamel::ConcurrentQueue".
#pragma once

#if __has_include(<concurrentqueue/moodycamel/concurrentqueue.h>)
#include <concurrentqueue/moodycamel/concurrentqueue.h>  // Conan, upstream's own install
#elif __has_include(<concurrentqueue/concurrentqueue.h>)
#include <concurrentqueue/concurrentqueue.h>  // Debian, vcpkg
#elif __has_include(<concurrentqueue.h>)
#include <concurrentqueue.h>
#else
#error \
    "penstock/queue/unbounded.hpp needs moodycamel's concurrentqueue.h: install libconcurrentqueue-dev"
#endif

#include <cstddef>
#include <new>
#include <optional>
#include <utility>

#include <penstock/core/slot.hpp>
#include <penstock/queue/concepts.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T>
class unbounded {
    static_assert(is_element<T>,
                  "a queue's element must be nothrow move constructible and destructible: declare "
                  "its move constructor noexcept, or queue a std::unique_ptr to it");

public:
    using value_type = T;
    static constexpr bool single_producer = false;
    static constexpr bool single_consumer = false;

    unbounded() = default;
    /// Prepares memory for about that many elements.
    explicit unbounded(std::size_t reserve) : queue_{reserve} {}

    void push(T&& value) {
        if (!try_push(std::move(value))) throw std::bad_alloc{};
    }
    [[nodiscard]] bool try_push(T&& value) { return queue_.enqueue(std::move(value)); }
    [[nodiscard]] bool try_push(const T& value) { return try_emplace(value); }

    template <class... Args>
    [[nodiscard]] bool try_emplace(Args&&... args) {
        T value(std::forward<Args>(args)...);
        return try_push(std::move(value));
    }

    [[nodiscard]] std::optional<T> try_pop() {
        std::optional<T> value;
        into target{value};
        queue_.try_dequeue(target);
        return value;
    }
    [[nodiscard]] bool try_pop(T& value) { return queue_.try_dequeue(value); }

    void clear() {
        while (try_pop()) {
        }
    }

    [[nodiscard]] std::size_t size_approx() const noexcept { return queue_.size_approx(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return no_limit; }

private:
    /// Lets moodycamel "assign" to an optional, so that T needs no default constructor.
    struct into {
        std::optional<T>& target;
        void operator=(T&& value) noexcept { target.emplace(std::move(value)); }
    };

    moodycamel::ConcurrentQueue<T> queue_;
};

}  // namespace penstock::inline PENSTOCK_ABI
