// SPDX-License-Identifier: BSL-1.0
// What can be said about a bus and about a subscription: plain structs, used with designated
// initialisers, in this order.
//
//   bus events{{.on_error = [](const failure& f) { log(f.topic, f.error); }}};
//   auto s = events.subscribe<quake>("quake.#",
//       {.where = [](auto& q) { return q.mag > 6; }, .group = "alerts", .executor = pool,
//        .capacity = 4096, .overflow = overflow::drop_oldest, .on_drop = [](auto& q) { missed(q); }},
//       wake_up);
#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <string_view>

#include <penstock/bus/executor.hpp>
#include <penstock/bus/handler.hpp>
#include <penstock/channel/overflow.hpp>
#include <penstock/core/clock.hpp>
#include <penstock/core/function.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// A callback that threw. The views are valid during the call.
struct failure {
    std::string_view topic;
    std::string_view pattern;
    std::exception_ptr error;
};

struct bus_options {
    /// Told of every callback that throws, in the thread where it did, by several at once. What it
    /// throws itself is ignored.
    unique_function<void(const failure&)> on_error{};
};

template <class T>
struct subscribe_options {
    /// Only messages for which it says true. Runs in the publishers' threads, by several at once.
    unique_function<bool(const T&)> where{};
    /// Subscriptions of one pattern and one group share its messages: each goes to one of them.
    std::string group{};
    /// Where the handler runs: direct, own_thread, or an executor, which must outlive it.
    executor_ref executor{};
    /// Of the queue; exact.
    std::size_t capacity = 1024;
    /// What a publish does when the queue is full.
    penstock::overflow overflow = penstock::overflow::block;
    /// Gets what is dropped: by overflow, or still queued when the subscription goes. Must not throw.
    handler<T> on_drop{};
    /// For receive_for and receive_until of a pulled subscription.
    clock_ref clock{};
};

}  // namespace penstock::inline PENSTOCK_ABI
