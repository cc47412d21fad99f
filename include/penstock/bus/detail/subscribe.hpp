// SPDX-License-Identifier: BSL-1.0
// How a subscription comes to be: bus::subscribe in its three ways. The order matters. Whatever may
// throw or call user code is outside of the lock; a member is in its inbox before the inbox is in
// the routes; and the locals that own user code are declared before the lock, to be destroyed after.
#pragma once

#include <memory>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

#include <penstock/bus/bus.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T, class F>
subscription bus::call_directly(std::string_view by, subscribe_options<T>&& options, F&& f,
                                bool counts) {
    if (!options.group.empty() || options.on_drop || options.overflow != overflow::block ||
        options.key || options.per_key > 0 || options.single_active || options.prefetch != 1 ||
        options.latest || options.replay > 0 || options.capacity != subscribe_options<T>{}.capacity)
        throw std::invalid_argument{
            "penstock: group, key, prefetch, latest, replay, capacity, overflow and on_drop need a "
            "queue, which a direct handler has not: name an .executor"};
    auto made = std::make_shared<detail::direct_listener<T, std::decay_t<F>>>(
        *home_, pattern{by}, std::move(options), std::forward<F>(f), counts);
    const auto lock = home_->lock();
    if (home_->closed()) return {};
    home_->attach(made);
    return subscription{home_, std::move(made)};
}

template <class T, class F>
subscription bus::fan_in(std::string_view by, subscribe_options<T>&& options, F&& f) {
    using queue = detail::fan_out<T>;
    const pattern checked{by};
    const subscribe_options<T> asked{
        .executor = options.executor, .capacity = options.capacity, .overflow = options.overflow};
    auto member = std::make_unique<detail::direct_listener<T, std::decay_t<F>>>(
        *home_, checked, std::move(options), std::forward<F>(f), true);
    std::shared_ptr<queue> into;
    const auto lock = home_->lock();
    if (home_->closed()) return {};
    if (auto* const known =
            asked.executor.serial() ? home_->find_trie(detail::type_of<T>) : nullptr) {
        auto* const found = known->newest(checked, [&](const detail::listener_base& l) {
            return l.fans_out(asked.executor, asked.capacity, asked.overflow);
        });
        if (found) into = static_cast<queue*>(found)->shared_from_this();
    }
    if (into) return subscription{home_, into->join(std::move(member))};
    into = std::make_shared<queue>(home_, checked, asked);
    home_->attach(into);
    return subscription{home_, into->join(std::move(member))};
}

template <class T, class Make>
auto bus::join(std::string_view by, subscribe_options<T>&& options, Make&& member_of) {
    using inbox = detail::inbox<T>;
    const pattern checked{by};
    if (options.latest) {
        if (!options.group.empty() || options.key || options.overflow != overflow::block ||
            options.capacity != subscribe_options<T>{}.capacity)
            throw std::invalid_argument{
                "penstock: latest keeps one message, the newest, for one subscription: without group, "
                "key, capacity and overflow"};
        options.capacity = 1;
        options.overflow = overflow::drop_oldest;
    }
    if (options.single_active && options.group.empty())
        throw std::invalid_argument{"penstock: single_active is about the members of a .group"};
    if (options.per_key > 0 && !options.key)
        throw std::invalid_argument{"penstock: per_key limits the messages of a .key"};
    if (options.capacity == 0)
        throw std::invalid_argument{"penstock: a subscription's queue needs a capacity above 0"};

    std::shared_ptr<detail::keeper<T>> keeper;
    auto kept = kept_lane_for(checked, options, keeper);
    std::shared_ptr<inbox> box;
    decltype(member_of(box)) member;
    const auto lock = home_->lock();
    if (home_->closed()) return member;
    if (!options.group.empty() && home_->keeper_of(detail::type_of<T>, checked) != keeper)
        throw std::runtime_error{
            "penstock: persist began or ended while a group of its topics subscribed"};
    if (!options.group.empty()) {
        box = std::static_pointer_cast<inbox>(
            home_->find_group(detail::type_of<T>, checked, options.group));
        if (box && box->closed()) box = nullptr;  // a receiver of it closed the old one
    }
    const bool fresh = !box;
    if (fresh) {
        const bool is_kept = kept != nullptr;
        box = std::make_shared<inbox>(*home_, checked, std::move(options), std::move(kept));
        if (is_kept) box->serve(box);
    } else {
        box->admit(options);
    }
    member = member_of(box);
    box->join(member);
    try {
        if (fresh) home_->attach(box);
        member->start();
    } catch (...) {
        box->remove(*member);
        box->take_over(*member);
        if (fresh) home_->detach(*box);
        throw;
    }
    return member;
}

template <class T>
std::unique_ptr<detail::lane<T>> bus::kept_lane_for(
    const pattern& by, const subscribe_options<T>& o, std::shared_ptr<detail::keeper<T>>& found) {
    if (o.group.empty()) return nullptr;
    {
        const auto lock = home_->lock();
        found =
            std::static_pointer_cast<detail::keeper<T>>(home_->keeper_of(detail::type_of<T>, by));
    }
    if (!found) return nullptr;
    if (o.key || o.latest || o.on_drop || o.overflow != overflow::block)
        throw std::invalid_argument{
            "penstock: the topics of this group are kept by persist: it has no queue in memory that key, "
            "latest, on_drop or overflow could be about"};
    return found->lane_for(o.group, by);
}

template <class T>
subscription bus::queue_for(std::string_view by, subscribe_options<T>&& options, handler<T> h) {
    const executor_ref on = options.executor;
    const std::size_t at_once = options.prefetch;
    if (at_once == 0 || (at_once > 1 && on.is_own_thread()))
        throw std::invalid_argument{
            "penstock: prefetch is how many messages a member handles at once: 1 for own_thread, 1 or "
            "more for an executor"};
    auto member =
        join<T>(by, std::move(options), [&](const std::shared_ptr<detail::inbox<T>>& box) {
            return std::make_shared<detail::worker<T>>(home_, box, on, at_once, std::move(h));
        });
    if (member) member->catch_up();
    return subscription{home_, std::move(member)};
}

template <class T>
receiver<message<T>> bus::subscribe(std::string_view by, subscribe_options<T> options) {
    if (!options.executor.is_direct())
        throw std::invalid_argument{
            "penstock: an .executor needs a handler to run, and there is none: pass it last"};
    if (options.key || options.single_active || options.prefetch != 1)
        throw std::invalid_argument{
            "penstock: key, single_active and prefetch need to know when a message is done: pass a "
            "handler"};
    if (!options.group.empty()) {
        const pattern checked{by};
        const auto lock = home_->lock();
        if (home_->keeper_of(detail::type_of<T>, checked))
            throw std::invalid_argument{
                "penstock: the topics of this group are kept by persist: pass a handler, or receive "
                "from the store's own group"};
    }
    auto member =
        join<T>(by, std::move(options), [&](const std::shared_ptr<detail::inbox<T>>& box) {
            return std::make_shared<detail::puller<T>>(home_, box);
        });
    if (!member) {
        auto ends = make_channel<message<T>>(1);
        return std::move(ends.rx);  // its only sender ends here
    }
    return detail::puller<T>::receiver_of(std::move(member));
}

}  // namespace penstock::inline PENSTOCK_ABI
