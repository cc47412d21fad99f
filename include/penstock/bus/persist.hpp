// SPDX-License-Identifier: BSL-1.0
// Topics whose messages outlive the program: what is published goes into a store first, and groups
// read it from there, after a restart from where they had got to.
//
//   journal books{"books"};
//   durable_queue<order> orders{books, "orders"};          // any store with the calls below
//   bus shop;
//   auto kept = shop.persist<order>("order.#", orders);     // before the groups subscribe
//   auto billing = shop.subscribe<order>("order.new", {.group = "billing", .executor = pool}, bill);
//   shop.publish("order.new", o);                           // true: it is in the journal
//
//   publish ──► keeper ──► store ─┬─► group "billing" ──► its members, one message each
//                 │               └─► group "audit" ...
//                 └─► subscriptions without a group: in memory, here and now, as ever
//
// A subscription with a .group whose pattern selects nothing but kept topics is a group of the store:
// of that name where the patterns are equal, else with its pattern behind it ("billing order.new").
// One whose pattern is wider, or that has no group, gets messages in memory, once they are in the store.
//
// publish   First the store. If it refuses, nobody gets the message, and that is the answer:
//           no_space, too_large, closed, failed. In `published` the store counts as one that handled it;
//           its groups are not counted. It waits for the disk as the store's policy says, try_publish
//           too.
// Handlers  Returning accepts the message; throwing releases it: it comes again, at once, as often as
//           it takes: catch what will never succeed. At least once: what was in work when the program
//           died comes again. Several members share a group as in memory.
// Options   where, single_active, prefetch, executor: as in memory. There is no queue in memory: capacity
//           means nothing, and key, latest, on_drop and an overflow other than block are refused.
// From outside  What is sent to the store by others wakes the groups as well. A message without a topic
//           goes to the groups of the whole pattern, and its message's topic() is empty.
// Errors    Throws std::invalid_argument when a group that it would keep has subscribed already. What
//           stops a group (the journal broke, a message can't be decoded) is told to on_error; it goes
//           on when its subscriptions have ended and somebody subscribes again.
// Threads   As the bus. Persisting and subscribing to a group open groups of the store, which may sync.
// Lifetime  The store outlives `kept` and the groups' subscriptions. When `kept` goes, its topics are
//           published in memory again, and its groups, which no longer get them, answer closed.
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/detail/keeper.hpp>
#include <penstock/core/delivery.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// What groups of a store can do. durable_group has it.
template <class G, class T>
concept store_group = requires(G& group) {
    { group.try_receive() } -> std::same_as<delivery<T>>;
    { group.ready() } -> std::convertible_to<bool>;
    { group.receivers() } -> std::same_as<waiter&>;
};

/// What a store can do. durable_queue has it.
template <class S, class T>
concept message_store =
    requires(S& store, const T& value, std::string_view topic, const std::string& name) {
        { store.send(value, topic) } -> std::same_as<status>;
        { store.group(name) } -> store_group<T>;
    };

namespace detail {

template <class T, class Store>
struct persistence {
    static_assert(message_store<Store, T>,
                  "persist<T> needs a store of T, as durable_queue<T> is one: see bus/persist.hpp");

    static subscription of(std::shared_ptr<registry> home, std::string_view by, Store& in) {
        auto made = std::make_shared<store_keeper<T, Store>>(*home, pattern{by}, in);
        const auto lock = home->lock();
        if (home->closed()) return {};
        if (const listener_base* g = home->groups().within(*made)) {
            std::string text{"penstock: the group \""};
            text.append(g->group()).append("\" on \"").append(g->by().text());
            throw std::invalid_argument{
                text.append("\" has subscribed in memory already: persist first, then subscribe")};
        }
        home->attach(made);
        return subscription{std::move(home), std::move(made)};
    }
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
