// SPDX-License-Identifier: BSL-1.0
// Moving elements into and out of a queue as it can: several at once, or one by one. What is pushed is
// constructed from *first, which must not throw; what is popped in a batch is assigned to *out,
// likewise. Batches answer how many, which may be fewer than would go: try the rest.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>

#include <penstock/channel/batch.hpp>
#include <penstock/queue/concepts.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// A queue that moves several at once.
template <class Q>
concept batch_queue = queue<Q> && requires(Q& q, std::move_iterator<typename Q::value_type*> first,
                                           typename Q::value_type* out, std::size_t n) {
    { q.try_push_n(first, n) } -> std::same_as<std::size_t>;
    { q.try_pop_n(out, n) } -> std::same_as<std::size_t>;
};

template <queue Storage, class Iterator>
std::size_t push_some(Storage& into, Iterator first, std::size_t n) {
    if constexpr (batch_queue<Storage>) {
        return into.try_push_n(first, n);
    } else {
        std::size_t pushed = 0;
        for (; pushed < n; ++pushed, ++first) {
            auto&& next = to_send<typename Storage::value_type>(first);
            if (!into.try_push(std::move(next))) break;
        }
        return pushed;
    }
}
template <queue Storage, class Iterator>
std::size_t pop_some(Storage& from, Iterator out, std::size_t n) {
    if constexpr (batch_queue<Storage>) {
        return from.try_pop_n(out, n);
    } else {
        std::size_t popped = 0;
        for (; popped < n; ++popped, ++out) {
            auto value = from.try_pop();
            if (!value) break;
            *out = std::move(*value);
        }
        return popped;
    }
}

/// Into an empty optional: T need not be assignable. Small elements don't pass through the optional
/// that try_pop() returns in registers: compilers put that together in memory from a byte and a
/// word, and the processor can't forward these to the load before both stores have left its buffer,
/// behind all that go to the other core. That took 3 to 14 ns a message.
template <queue Storage>
bool pop_one(Storage& from, std::optional<typename Storage::value_type>& empty) {
    using T = typename Storage::value_type;
    if constexpr (std::is_trivially_copyable_v<T> && std::is_trivially_default_constructible_v<T>) {
        T value;
        if (!from.try_pop(value)) return false;
        empty.emplace(value);
    } else {
        auto value = from.try_pop();
        if (!value) return false;
        empty.emplace(std::move(*value));
    }
    return true;
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
