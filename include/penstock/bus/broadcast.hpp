// SPDX-License-Identifier: BSL-1.0
// A hot topic with many readers: one ring for all of them. A publish writes its message once, and each
// reader reads it there, in its own time.
//
//   auto a = events.subscribe<tick>("tick.#", broadcast_options<tick>{.executor = pool}, price);
//   auto b = events.subscribe<tick>("tick.#", broadcast_options<tick>{.executor = own_thread}, audit);
//
//   publish ──► ring  m7 m8 m9 ──┬─► a's handler, up to m9
//                                └─► b's handler, still at m7: holds the publishers a capacity later
//
// All who subscribe to one pattern like this share a ring. The first one's capacity and overflow are
// the ring's until its last reader has gone; who asks for others is refused.
//
//   overflow      what a slow reader does
//   block         holds the publishers, who wait when it is a capacity behind
//   reject        the same, but they are told `full`
//   drop_oldest   nothing: it is overtaken. What it missed is counted, as its `dropped`
//
// A reader gets what is published after it has subscribed. Whoever ends leaves what it has not read to
// nobody: the others have it too; its on_drop is told.
//
// Cost      A publish: a push (queue/broadcast_ring.hpp), a read-modify-write of one line, and for each
//           idle reader a post. A message stays in its slot until that is needed again. drop_oldest
//           costs an allocation each (queue/lossy_ring.hpp).
// Threads   As bus.hpp. A handler runs once at a time.
// Errors    std::invalid_argument: no executor, drop_newest, an on_drop with drop_oldest, terms other
//           than the ring's. std::runtime_error: the 65th reader of a ring that doesn't drop.
// Order     Total: the readers of a ring see one sequence.
// Counts    published::queued() counts each reader that was there when it looked; a tracked receipt
//           has each one's outcome, and `released` for who was overtaken, when that slot is needed
//           again or the ring goes.
#pragma once

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/detail/ring_box.hpp>
#include <penstock/bus/detail/ring_reader.hpp>
#include <penstock/bus/executor.hpp>
#include <penstock/bus/handler.hpp>
#include <penstock/channel/overflow.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T>
struct broadcast_options {
    static constexpr bool one_ring_for_all = true;

    /// Where the handler runs: own_thread, or an executor, which must outlive it.
    executor_ref executor{};
    /// Of the ring; exact.
    std::size_t capacity = 1024;
    /// What a publish does when a reader is a capacity behind: block, reject or drop_oldest.
    penstock::overflow overflow = penstock::overflow::block;
    /// Gets what this reader has not read when it ends. Must not throw.
    handler<T> on_drop{};
};

namespace detail {

template <class T>
struct broadcasting {
    static subscription of(const std::shared_ptr<registry>& home, std::string_view by,
                           broadcast_options<T>&& o, handler<T> h) {
        if (o.executor.is_direct())
            throw std::invalid_argument{
                "penstock: a reader of a ring needs an .executor: a direct handler has no queue"};
        if (o.capacity == 0)
            throw std::invalid_argument{"penstock: a ring needs a capacity above 0"};
        if (o.overflow == overflow::drop_newest)
            throw std::invalid_argument{
                "penstock: in a ring all readers have the newest: say reject, or drop_oldest"};
        if (o.overflow != overflow::drop_oldest)
            return join<gated_share<T>>(home, by, std::move(o), std::move(h));
        if (o.on_drop)
            throw std::invalid_argument{
                "penstock: what a reader was too slow for has gone: it is counted, not for on_drop"};
        return join<lossy_share<T>>(home, by, std::move(o), std::move(h));
    }

private:
    template <class Share>
    static subscription join(const std::shared_ptr<registry>& home, std::string_view by,
                             broadcast_options<T>&& o, handler<T> h) {
        using box_type = ring_box<T, Share>;
        const pattern checked{by};
        std::shared_ptr<box_type> box;
        std::shared_ptr<ring_reader<T, Share>> made;  // destroyed after the lock, like what it owns
        const auto lock = home->lock();
        if (home->closed()) return {};
        if (const listener_base* known = home->groups().find_ring(type_of<T>, checked)) {
            if (known->broadcasts() != ring_terms{o.capacity, o.overflow})
                throw std::invalid_argument{
                    "penstock: the ring of this pattern has another capacity or overflow"};
            auto& its = const_cast<listener_base&>(*known);  // one of ours
            box = static_cast<box_type&>(its).shared_from_this();
        }
        const bool fresh = !box;
        if (fresh) box = std::make_shared<box_type>(*home, checked, o.capacity, o.overflow);
        made = std::make_shared<ring_reader<T, Share>>(
            home, box, o.executor, std::move(h), std::move(o.on_drop));
        box->join(made);
        try {
            if (fresh) home->attach(box);
            made->start();
        } catch (...) {
            box->remove(*made);
            if (fresh) home->detach(*box);
            throw;
        }
        return subscription{home, std::move(made)};
    }
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
