// SPDX-License-Identifier: BSL-1.0
// Where messages of one type are published: a name, resolved once.
//
//   auto strong = events.topic<quake>("quake.us.strong");
//   published p = strong.publish(quake{"us", 6.1});
//   if (!p) std::puts(p.status().name());
//   strong.emplace("us", 6.1);  // made in place, never moved
//
// publish hands the value to every subscription that matches, in the order in which they came:
// direct handlers run here and now, queues take it. It looks nothing up.
//
// Cost      No lock, and no line that two publishers write: a few stores to the thread's own record
//           (detail/visitors.hpp), about 4 ns. For each direct handler a store, two loads, a count and
//           the call (detail/direct_calls.hpp; two stores and two loads more where others listen too);
//           for each queue a send and a look for an idle member. One piece of memory, of those used
//           before (detail/block_pool.hpp), if anybody keeps it (queues, handlers that take a
//           message); none otherwise: a direct handler sees the publisher's own object.
// Threads   Everything by any number of threads; also from handlers. A topic is a handle: copies
//           publish to the same topic.
// Progress  publish waits for room in full queues whose overflow is block: forever if nobody takes
//           anything out, which `stop` ends. It never waits for itself: where it is called by a handler
//           of that queue, or by the last thread of its pool that is not waiting already, such a
//           queue answers would_block_self and counts it as rejected. (A circle over several
//           blocking queues on several executors is not found: two handlers that publish into each
//           other's full queue wait for each other.) try_publish never waits.
// Errors    Handlers' throws are counted, never thrown here. Throws what T's move or copy does, and
//           std::bad_alloc: those before have got it, those behind have not.
// Refused   If nobody got it and T can be move-assigned without a throw, the value is still yours.
//           A value that somebody got may have been moved from.
// All or none, if its options say so: no queue gets what another one refuses (for the queues' side of
//           it: detail/all_or_none.hpp). Direct handlers run when all queues have it. It may be
//           refused although there was room, where two such publishes meet; publish then waits, as
//           its queues' overflow says, try_publish answers full.
// Order     Two publishes of one thread reach every queue in that order.
// Lifetime  A topic may outlive the bus: publish then answers closed.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <penstock/bus/detail/direct_calls.hpp>
#include <penstock/bus/detail/envelope.hpp>
#include <penstock/bus/detail/publish_whole.hpp>
#include <penstock/bus/detail/registry.hpp>
#include <penstock/bus/detail/route.hpp>
#include <penstock/bus/published.hpp>
#include <penstock/bus/receipt.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
constexpr void check_message() {
    constexpr bool text =
        std::is_array_v<T> || std::is_same_v<T, const char*> || std::is_same_v<T, char*>;
    static_assert(!text, "a string literal is an array of char: publish a std::string");
    static_assert(text || (std::is_object_v<T> && !std::is_const_v<T> && !std::is_volatile_v<T>),
                  "a message's type is a plain value: no reference, const or volatile");
    static_assert(
        text || std::is_nothrow_destructible_v<T>, "a message's destructor doesn't throw");
}

/// To each in its own way, but for the first ones that have it.
template <class T>
[[gnu::noinline]] published publish_in(const registry& home, visitor& v, const roster* who,
                                       envelope<T>& e, const patience& p, copied have_it = {}) {
    published answer{tally{.queued = have_it.queued}};
    tally& t = answer.tally();
    if (who)
        for (listener_base** at = who->begin() + have_it.listeners; at != who->end(); ++at) {
            t.handled +=
                static_cast<listener<T>*>(*at)->deliver(e, p, t, v);  // its type was compared
            if (t.halted) break;
        }
    if (!answer) [[unlikely]] {
        e.give_back();
        t = refused(home, t).tally();
    }
    return answer;
}

template <class T>
published publish_as(const publish_options* how, const registry& home, visitor& v,
                     const roster* who, envelope<T>& e, const patience& p, copied have_it = {}) {
    e.use(v.memory());
    return how && how->all_or_none ? publish_whole(home, v, who, e, p)
                                   : publish_in(home, v, who, e, p, have_it);
}

/// While a publish waits for room: where nobody ends that, and where it doesn't wait.
inline const sys::stop_token never_stops{};
inline constexpr const sys::stop_token* no_waiting = nullptr;

/// Those may listen too who want to keep it. T may be const: then it is copied, else moved.
template <class T>
[[gnu::noinline]] published publish_shared(
    const registry& home, visitor& v, const roster* who, T& value, const named& topic,
    const sys::stop_token* stop, const publish_options* how = nullptr, copied have_it = {}) {
    const patience p{stop != no_waiting, stop ? *stop : never_stops};
    if constexpr (std::is_const_v<T>) {
        envelope<std::remove_const_t<T>> e{value, topic};
        return publish_as(how, home, v, who, e, p, have_it);
    } else {
        envelope<T> e{std::move(value), topic};
        return publish_as(how, home, v, who, e, p, have_it);
    }
}

template <class T>
published publish_to(const registry& home, const topic_state& to, envelope<T>& e, const patience& p,
                     const publish_options* how = nullptr) {
    if (to.listeners.empty()) return refused(home, {});
    const reading r{home.visits(), to.listeners};
    return publish_as(how, home, r.visit(), r.who(), e, p);
}

template <class T>
[[gnu::noinline]] published publish_rest(const registry& home, const named& topic,
                                         direct_calls begun, T& value, const sys::stop_token* stop,
                                         const publish_options* how) {
    if (!begun.begun) return refused(home, {});
    const reading r{home.visits(), *begun.begun};
    return publish_shared(home, r.visit(), r.who(), value, topic, stop, how, begun.so_far());
}
/// To those who listen there, as a message of that topic.
template <class T>
[[gnu::always_inline]] inline published publish_value(
    const registry& home, const route& to, const named& topic, T& value,
    const sys::stop_token* stop, const publish_options* how = nullptr) {
    if (to.empty()) return refused(home, {});
    const direct_calls done = call_all(home.visits(), to, &value, topic.name, how);
    if (done.counted > 0 || (done.counted < 0 && !done.begun)) [[likely]]
        return done.told();
    return publish_rest(home, topic, done, value, stop, how);
}

/// Made where it is seen: in the message, or, where it is only looked at, here. If nobody listens,
/// nowhere. T need not be movable.
template <class T, class... Args>
published emplace_to(const registry& home, const topic_state& to, const sys::stop_token* stop,
                     Args&&... args) {
    if (to.listeners.empty()) return refused(home, {});
    const reading r{home.visits(), to.listeners};
    visitor& v = r.visit();
    if (!r.who()) return refused(home, {});
    if (r.who()->plain()) {
        const T here = built<T>(std::forward<Args>(args)...);
        const auto done = call_all(home.visits(), v, *r.who(), &here, to.name);
        return done.counted > 0 ? done.told() : refused(home, {});
    }
    envelope<T> e{std::in_place, v.memory(), to, std::forward<Args>(args)...};
    return publish_in(home, v, r.who(), e, {stop != no_waiting, stop ? *stop : never_stops});
}

/// By a name that is only known now: no lock, if it was seen before.
template <class T>
published publish_by_name(registry& home, std::string_view name, T&& value,
                          const sys::stop_token* stop) {
    using value_type = std::remove_cvref_t<T>;
    check_message<value_type>();
    // What is given as an lvalue stays as it is.
    std::conditional_t<std::is_lvalue_reference_v<T>, const value_type, value_type>& seen = value;
    const topic_state* to = home.find<value_type>(name);
    if (!to) [[unlikely]]
        to = &home.resolve<value_type>(name);
    return publish_value(home, to->listeners, *to, seen, stop);
}

}  // namespace detail

/// A message to a mandatory topic, and nobody who listens.
class no_subscribers_error : public std::runtime_error {
public:
    explicit no_subscribers_error(const std::string& topic)
        : runtime_error{
              "penstock: nobody listens to the topic \"" + topic + "\", which is mandatory"} {}
};

template <class T>
class topic {
public:
    using value_type = T;

    /// May wait for room where a queue's overflow is block, until `stop`.
    published publish(T&& value) const { return routed(value, &detail::never_stops); }
    published publish(const T& value) const { return routed(value, &detail::never_stops); }
    published publish(T&& value, const sys::stop_token& stop) const { return routed(value, &stop); }
    published publish(const T& value, const sys::stop_token& stop) const {
        return routed(value, &stop);
    }
    /// Never waits: a full queue rejects it, whatever its overflow, unless that drops.
    published try_publish(T&& value) const { return routed(value, detail::no_waiting); }
    published try_publish(const T& value) const { return routed(value, detail::no_waiting); }

    /// As publish and try_publish of a T(args...), which is made in place, in the message's own memory,
    /// and never moved. What its constructor throws is thrown here, and nobody has got it.
    template <class... Args>
    published emplace(Args&&... args) const {
        return made_in_place(&detail::never_stops, std::forward<Args>(args)...);
    }
    template <class... Args>
    published try_emplace(Args&&... args) const {
        return made_in_place(detail::no_waiting, std::forward<Args>(args)...);
    }

    /// As publish, and says what becomes of it at each subscriber.
    [[nodiscard]] receipt publish_tracked(T value, const sys::stop_token& stop = {}) const {
        auto by = std::make_shared<detail::tracker>();
        detail::envelope<T> e{std::move(value), to()};
        e.track(by);
        const detail::patience until{true, stop};
        const auto publish = [&](const detail::topic_state& where) {
            return detail::publish_to(*home_, where, e, until, options_.get());
        };
        published p = publish(to());
        if (unheard(p)) p = elsewhere(publish);
        by->expect(p.queued());
        return {std::move(by), p};
    }

    [[nodiscard]] const std::string& name() const noexcept { return to().name; }

private:
    friend class bus;
    topic(std::shared_ptr<detail::registry> home, const detail::topic_state& state,
          std::shared_ptr<const detail::publish_options> options) noexcept
        : home_{std::move(home)}, state_{&state}, options_{std::move(options)} {}

    template <class... Args>
    published made_in_place(const sys::stop_token* stop, Args&&... args) const {
        if (!options_)
            return detail::emplace_to<T>(*home_, to(), stop, std::forward<Args>(args)...);
        // It may have to go elsewhere: made before anybody is asked.
        const detail::reading here{home_->visits()};
        detail::route::leave(here.visit());  // it is for its memory alone
        detail::envelope<T> e{
            std::in_place, here.visit().memory(), to(), std::forward<Args>(args)...};
        const auto publish = [&](const detail::topic_state& where) {
            return detail::publish_to(
                *home_, where, e, {stop != detail::no_waiting, stop ? *stop : detail::never_stops},
                options_.get());
        };
        const published p = publish(to());
        return unheard(p) ? elsewhere(publish) : p;
    }
    template <class V>
    [[gnu::always_inline]] published routed(V& value, const sys::stop_token* stop) const {
        const auto* const how = options_.get();  // looked at where nobody is called directly
        published answer = detail::publish_value(*home_, to().listeners, to(), value, stop, how);
        if (unheard(answer)) [[unlikely]]
            answer = elsewhere([=, this, &value](auto& t) {  // else all would stand in memory
                return detail::publish_value(*home_, t.listeners, to(), value, stop, how);
            });
        return answer;
    }
    [[nodiscard]] bool unheard(const published& p) const noexcept {
        return !p && options_ && p.status() == status::no_subscribers;
    }
    template <class Publish>
    [[gnu::noinline, gnu::cold]] published elsewhere(Publish&& publish) const {
        if (options_->unrouted) {
            const published answer = publish(*options_->unrouted);
            if (answer.status() != status::no_subscribers) return answer;
        }
        if (options_->mandatory) throw no_subscribers_error{name()};
        return published{detail::tally{}};
    }

    [[nodiscard]] const detail::topic_state& to() const noexcept {
        PENSTOCK_ASSERT(home_, "this topic was moved from: copy it instead");
        return *state_;
    }

    std::shared_ptr<detail::registry> home_;
    const detail::topic_state* state_;  // lives as long as home
    std::shared_ptr<const detail::publish_options> options_;
};

}  // namespace penstock::inline PENSTOCK_ABI
