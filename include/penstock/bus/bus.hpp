// SPDX-License-Identifier: BSL-1.0
// Publish and subscribe inside one program: typed topics by dotted name, patterns, queues with an
// answer to "what if it is full?", groups of competing workers.
//
//   thread_pool pool{4};  // four threads; the bus starts none of its own
//   bus events;
//   auto alert = events.subscribe<quake>("quake.*.strong", [](const quake& q) { page(q); });
//   auto stats = events.subscribe<quake>("quake.#", {.group = "stats", .executor = pool}, count);
//   auto feed = events.subscribe<quake>("quake.#");  // no handler: a receiver<message<quake>>
//   auto strong = events.topic<quake>("quake.us.strong");
//   strong.publish(quake{"us", 6.1});
//
//   handler, executor direct   called inside publish; no queue            bus/detail/direct.hpp
//   handler, any executor      a queue of its own, handled one at a time  bus/detail/inbox.hpp
//   the same with a group      one queue for all members, who compete     (the same)
//   no handler                 a queue to receive from; copies compete    channel/ends.hpp
//
// A pattern covers the topics of its type that exist and those to come. A topic's name belongs to
// one type; a pattern that meets topics of other types does not get them (subscription::reach).
//
// Threads   Everything by any number of threads, also from handlers: a handler may publish,
//           subscribe, and end any subscription. Each subscription's handler runs once at a time,
//           or `prefetch` times; direct ones run in their publishers' threads.
// Cost      publish by topic: bus/topic.hpp. By name: a hash and a look-up on top, without a lock; a
//           name that was never seen stays in memory. subscribe: the topics that share the first
//           words of its pattern, or its last one, and touches those that match.
// Progress  Publishers never wait for a subscribe or its end: who listens is read wait-free
//           (bus/detail/route.hpp). Subscribing takes a mutex of the whole bus.
// Errors    std::invalid_argument: a bad name or pattern (bus/pattern.hpp), a name of another type,
//           options that contradict each other or the group's. A handler that throws has failed:
//           counted, told to on_error, and nobody else notices.
// Order     bus/topic.hpp. A queue hands out in the order in which messages went in; with several
//           members they may finish in another.
// Lifetime  Topics and subscriptions may outlive the bus. Executors and clocks outlive the
//           subscriptions that name them.
#pragma once

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

#include <penstock/bus/detail/answer.hpp>
#include <penstock/bus/detail/direct.hpp>
#include <penstock/bus/detail/fan_out.hpp>
#include <penstock/bus/detail/inbox.hpp>
#include <penstock/bus/detail/registry.hpp>
#include <penstock/bus/detail/worker.hpp>
#include <penstock/bus/message.hpp>
#include <penstock/bus/options.hpp>
#include <penstock/bus/published.hpp>
#include <penstock/bus/subscription.hpp>
#include <penstock/bus/topic.hpp>
#include <penstock/channel/ends.hpp>
#include <penstock/core/clock.hpp>
#include <penstock/core/result.hpp>

namespace penstock::inline PENSTOCK_ABI {

namespace detail {
template <class T, class Store>
struct persistence;  // bus/persist.hpp
template <class T>
struct broadcasting;  // bus/broadcast.hpp
}  // namespace detail

class bus {
public:
    bus() : bus{bus_options{}} {}
    explicit bus(bus_options options)
        : home_{std::make_shared<detail::registry>(std::move(options))} {}
    bus(const bus&) = delete;
    bus& operator=(const bus&) = delete;
    ~bus() { close(); }

    /// The topic of that name, made if it is new. The options are this handle's and its copies'.
    template <class T>
    [[nodiscard]] penstock::topic<T> topic(std::string_view name, topic_options options = {}) {
        detail::check_message<T>();
        const detail::topic_state& is = home_->resolve<T>(name);
        if (options.retain > 0) home_->retain<T>(is, options.retain);
        if (!options.mandatory && !options.all_or_none && options.unrouted.empty())
            return {home_, is, nullptr};
        return {home_, is,
                std::make_shared<const detail::publish_options>(
                    options.mandatory, options.all_or_none,
                    options.unrouted.empty() ? nullptr : &home_->resolve<T>(options.unrouted))};
    }

    /// As topic<T>(name).publish(value), for a name that is only known when it is published.
    template <class T>
    published publish(std::string_view name, T&& value,
                      const sys::stop_token& stop = detail::never_stops) {
        return detail::publish_by_name(*home_, name, std::forward<T>(value), &stop);
    }
    template <class T>
    published try_publish(std::string_view name, T&& value) {
        return detail::publish_by_name(*home_, name, std::forward<T>(value), detail::no_waiting);
    }

    /// Direct: called inside publish, in the publisher's thread.
    template <class T, class Handler>
        requires(!std::is_convertible_v<Handler, subscribe_options<T>>)
    subscription subscribe(std::string_view pattern, Handler&& h) {
        return subscribe<T>(pattern, subscribe_options<T>{}, std::forward<Handler>(h));
    }
    /// As the options say. On a closed bus: a subscription that is not active.
    template <class T, class Handler>
    subscription subscribe(std::string_view pattern, subscribe_options<T> options, Handler&& h) {
        static_assert(is_handler<std::decay_t<Handler>, T>,
                      "a handler of T is called with a const T& or a const message<T>&");
        if (options.executor.is_direct())
            return call_directly<T>(pattern, std::move(options), std::forward<Handler>(h));
        if constexpr (detail::takes_value<std::decay_t<Handler>, T>::value)
            if (detail::may_fan_out(options))
                return fan_in<T>(pattern, std::move(options), std::forward<Handler>(h));
        return queue_for<T>(pattern, std::move(options), std::forward<Handler>(h));
    }

    /// A share of one ring for all who ask like this, with broadcast_options<T>: include bus/broadcast.hpp.
    template <class T, class Options, class Handler>
        requires(Options::one_ring_for_all)
    subscription subscribe(std::string_view pattern, Options options, Handler&& h) {
        return detail::broadcasting<T>::of(
            home_, pattern, std::move(options), std::forward<Handler>(h));
    }

    /// Pulled: what is published waits in a queue to be received. A publish waits when it is full, so
    /// take it out or choose another overflow. On a closed bus: a receiver that is closed.
    template <class T>
    [[nodiscard]] receiver<message<T>> subscribe(std::string_view pattern,
                                                 subscribe_options<T> options = {});

    /// Direct, and not seen by the publisher: what only taps get, nobody got.
    template <class T, class Handler>
    subscription tap(std::string_view pattern, Handler&& h) {
        return call_directly<T>(pattern, subscribe_options<T>{}, std::forward<Handler>(h), false);
    }

    /// What matches is published to that topic as well: the same message, which keeps its own topic's
    /// name. Throws std::invalid_argument if the pattern matches `to`: it would feed itself. (So would
    /// a circle of several pipes, which is not found.)
    template <class T>
    subscription pipe(std::string_view pattern, std::string_view to);

    /// Keeps what is published to the topics that match in a store, a durable_queue<T> say, from which
    /// their groups take it, after a restart too: include bus/persist.hpp, which has it all.
    template <class T, class Store>
    subscription persist(std::string_view pattern, Store& store) {
        return detail::persistence<T, Store>::of(home_, pattern, store);
    }

    /// Answers requests to that topic. Several who reply compete, where their options name a group;
    /// else each is asked, and the first answer counts.
    template <class Question, class Handler>
    subscription reply(std::string_view name, Handler&& h) {
        return reply<Question>(name, reply_options{}, std::forward<Handler>(h));
    }
    template <class Question, class Handler>
    subscription reply(std::string_view name, const reply_options& options, Handler&& h);

    /// Asks, and waits for the answer: its own status when there is none (no_subscribers, full, closed,
    /// timed_out, stopped; failed: the handler threw, or nobody will answer any more).
    template <class Answer, class Question, class Rep, class Period>
    result<Answer> request(std::string_view name, Question q, std::chrono::duration<Rep, Period> d,
                           const sys::stop_token& stop = {}, clock_ref by = {});

    /// Waits until nothing is queued for handlers and none of them runs: ok, or timed_out. It says
    /// nothing about direct handlers, receivers, and publishers that go on.
    template <class Rep, class Period>
    status quiesce_for(std::chrono::duration<Rep, Period> d, clock_ref by = {}) {
        return home_->quiesce(deadline::after(by, d));
    }

    /// No more messages are published (closed); handlers finish what is queued, and then end. What
    /// waits for a receiver stays for it. False: called by a handler of this bus; then it waits for
    /// nobody.
    bool close() { return home_->close(); }
    [[nodiscard]] bool closed() const noexcept { return home_->closed(); }

private:
    template <class T, class F>
    subscription call_directly(std::string_view pattern, subscribe_options<T>&& options, F&& f,
                               bool counts = true);
    template <class T, class F>
    subscription fan_in(std::string_view pattern, subscribe_options<T>&& options, F&& f);
    template <class T>
    subscription queue_for(std::string_view pattern, subscribe_options<T>&& options, handler<T> h);

    template <class T>
    std::unique_ptr<detail::lane<T>> kept_lane_for(const pattern& by, const subscribe_options<T>& o,
                                                   std::shared_ptr<detail::keeper<T>>& found);

    /// The inbox that `options` ask for, with that member in it. With the lock held; null: closed.
    template <class T, class Make>
    auto join(std::string_view pattern, subscribe_options<T>&& options, Make&& member_of);

    const std::shared_ptr<detail::registry> home_;
};

}  // namespace penstock::inline PENSTOCK_ABI

#include <penstock/bus/detail/request.hpp>
#include <penstock/bus/detail/subscribe.hpp>
