// SPDX-License-Identifier: BSL-1.0
// What a queue is: storage that never waits. Channels, buses and tests are written against this.
//
//   template <queue Q> void fill(Q& q) { while (q.try_push(typename Q::value_type{})) {} }
//
// `single_producer` / `single_consumer` say that the role belongs to one thread at a time.
// `size_approx` may be stale when it returns; `capacity` is exact.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class Q>
concept queue = requires(Q& q, const Q& seen, typename Q::value_type value) {
    { q.try_push(std::move(value)) } -> std::same_as<bool>;
    { q.try_pop(value) } -> std::same_as<bool>;
    { q.try_pop() } -> std::same_as<std::optional<typename Q::value_type>>;
    { seen.size_approx() } -> std::same_as<std::size_t>;
    { seen.capacity() } -> std::same_as<std::size_t>;
    { Q::single_producer } -> std::convertible_to<bool>;
    { Q::single_consumer } -> std::convertible_to<bool>;
};

/// A queue that can be told to take no more: after close(), every try_push is refused, and
/// drained() is true for good once closed and empty. A refused push tells why by closed().
template <class Q>
concept closable_queue = queue<Q> && requires(Q& q, const Q& seen) {
    q.close();
    { seen.closed() } -> std::same_as<bool>;
    { seen.drained() } -> std::same_as<bool>;
};

/// A queue that knows how many elements were ever pushed, exactly while nobody pushes.
template <class Q>
concept counting_queue = queue<Q> && requires(const Q& seen) {
    { seen.pushed_approx() } -> std::same_as<std::uint64_t>;
};

/// A ring whose elements are shared: every reader that has joined sees each, as const T&.
template <class B>
concept broadcast =
    requires(B& b, const B& seen, typename B::value_type value, typename B::reader& reader,
             void (*use)(const typename B::value_type&)) {
        { b.try_push(std::move(value)) } -> std::same_as<bool>;
        { b.join() } -> std::same_as<typename B::reader>;
        { reader.for_each(use, std::size_t{}) } -> std::same_as<std::size_t>;
        { reader.drained() } -> std::same_as<bool>;
        { seen.capacity() } -> std::same_as<std::size_t>;
        b.close();
        { seen.closed() } -> std::same_as<bool>;
    };

/// The last value only: `read` answers something that tests false before the first write.
template <class L>
concept latest_value =
    requires(L& l, const L& seen, typename L::value_type value, std::uint64_t& version) {
        l.write(std::move(value));
        { seen.read() } -> std::same_as<typename L::element>;
        { seen.read_newer(version) } -> std::same_as<typename L::element>;
        { seen.version() } -> std::same_as<std::uint64_t>;
    };

/// Never says full, whatever it costs.
inline constexpr std::size_t no_limit = static_cast<std::size_t>(-1);

}  // namespace penstock::inline PENSTOCK_ABI
