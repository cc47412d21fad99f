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
#include <penstock/bus/memory_ref.hpp>
#include <penstock/bus/message_key.hpp>
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
    /// Where the messages' memory comes from; it outlives them (bus/memory_ref.hpp).
    memory_ref memory{};
};

template <class T>
struct subscribe_options {
    /// Only messages for which it says true. Runs in the publishers' threads, by several at once.
    unique_function<bool(const T&)> where{};
    /// Subscriptions of one pattern and one group share its messages: each goes to one of them.
    std::string group{};
    /// Of messages with equal keys one is handled at a time, in the order in which they came: a
    /// member of the message or a function of it, hashed by std::hash. In a group, or on its own.
    message_key<T> key{};
    /// Most messages of one key that may wait; 0: only `capacity` limits them.
    std::size_t per_key = 0;
    /// Of a group's members one at a time gets messages; when it goes, the next takes over.
    bool single_active = false;
    /// How many messages this member handles at once, on its executor; never two of one key.
    std::size_t prefetch = 1;
    /// Only the newest message matters: one that comes takes the place of one that waits, which
    /// counts as dropped. For a queue of its own, without capacity and overflow.
    bool latest = false;
    /// The newest n messages that each topic retains (topic_options::retain) are queued before all
    /// later ones; as far as there is room. For a queue; a group's first member asks.
    std::size_t replay = 0;
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

/// What publishing through this handle means.
struct topic_options {
    /// A message is in all queues that it is meant for, or in none, and nobody has it.
    bool all_or_none = false;
    /// The topic keeps its last n messages, for those who come later and ask for a replay: the most
    /// that any of its handles has asked for, as long as the bus lasts.
    std::size_t retain = 0;
    /// If nobody listens, publish throws no_subscribers_error.
    bool mandatory = false;
    /// If nobody listens, it is published to that topic instead, which is of the same type.
    std::string unrouted{};
};

/// Of one who replies; each as in subscribe_options.
struct reply_options {
    std::string group{};
    executor_ref executor{};
    std::size_t capacity = 1024;
};

}  // namespace penstock::inline PENSTOCK_ABI
