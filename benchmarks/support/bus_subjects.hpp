// SPDX-License-Identifier: BSL-1.0
// What hands an event to listeners, under one interface.
//
//   template <class Handler> struct direct {    // called here and now
//       explicit direct(const std::vector<Handler>&);
//       void publish(const event&);
//   };
//   template <class Handler> struct queued;     // the same, called by another thread
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include <penstock/bus/broadcast.hpp>
#include <penstock/bus/bus.hpp>
#include <penstock/bus/thread_pool.hpp>

#if BENCH_BOOST
#include <boost/signals2.hpp>
#endif
#if BENCH_SIGCPP
#include <sigc++/sigc++.h>
#endif
#if BENCH_EVENTPP
#include <eventpp/callbacklist.h>
#include <eventpp/eventqueue.h>
#endif
#if BENCH_SIGSLOT
#include <sigslot/signal.hpp>
#endif
#if BENCH_ENTT
#include <entt/signal/sigh.hpp>
#endif

namespace bench {

struct event {  // 24 bytes
    std::uint64_t value;
    double price, size;
};

/// The floor: what calling costs, without any safety.
template <class Handler>
struct plain_loop {
    explicit plain_loop(const std::vector<Handler>& handlers)
        : all(handlers.begin(), handlers.end()) {}
    void publish(const event& e) {
        for (auto& f : all) f(e);
    }
    std::vector<std::function<void(const event&)>> all;
};

template <class Handler>
struct our_direct {
    explicit our_direct(const std::vector<Handler>& handlers)
        : topic{bus.topic<event>("market.us.trade")} {
        for (auto& h : handlers) all.push_back(bus.subscribe<event>("market.us.trade", h));
    }
    void publish(const event& e) { (void)topic.publish(e); }
    penstock::bus bus;
    penstock::topic<event> topic;
    std::vector<penstock::subscription> all;
};

template <class Handler>
struct shared_mutex_vector {
    explicit shared_mutex_vector(const std::vector<Handler>& handlers)
        : all(handlers.begin(), handlers.end()) {}
    void publish(const event& e) {
        std::shared_lock lock{mutex};
        for (auto& f : all) f(e);
    }
    std::shared_mutex mutex;
    std::vector<std::function<void(const event&)>> all;
};

#if BENCH_BOOST
template <class Handler>
struct boost_signals2 {
    explicit boost_signals2(const std::vector<Handler>& handlers) {
        for (auto& h : handlers) signal.connect(h);
    }
    void publish(const event& e) { signal(e); }
    boost::signals2::signal<void(const event&)> signal;
};
#endif

#if BENCH_SIGCPP
template <class Handler>
struct sigcpp {
    explicit sigcpp(const std::vector<Handler>& handlers) {
        for (auto& h : handlers) signal.connect(h);
    }
    void publish(const event& e) { signal.emit(e); }
    sigc::signal<void(const event&)> signal;
};
#endif

#if BENCH_EVENTPP
template <class Handler>
struct eventpp_list {
    explicit eventpp_list(const std::vector<Handler>& handlers) {
        for (auto& h : handlers) list.append(h);
    }
    void publish(const event& e) { list(e); }
    eventpp::CallbackList<void(const event&)> list;
};
#endif

#if BENCH_SIGSLOT
template <class Handler>
struct sigslot_signal {
    explicit sigslot_signal(const std::vector<Handler>& handlers) {
        for (auto& h : handlers) signal.connect(h);
    }
    void publish(const event& e) { signal(e); }
    sigslot::signal<const event&> signal;
};
#endif

#if BENCH_ENTT
template <class Handler>
struct entt_signal {
    explicit entt_signal(const std::vector<Handler>& its_handlers) : handlers{its_handlers} {
        entt::sink sink{signal};
        for (auto& h : handlers) sink.template connect<&Handler::operator()>(h);
    }
    void publish(const event& e) { signal.publish(e); }
    std::vector<Handler> handlers;
    entt::sigh<void(const event&)> signal;
};
#endif

// ---- Called by another thread -------------------------------------------------------------------

template <class Handler>
struct our_queued {
    explicit our_queued(const std::vector<Handler>& handlers)
        : topic{bus.topic<event>("market.us.trade")} {
        for (auto& h : handlers)
            all.push_back(bus.subscribe<event>("market.us.trade", {.executor = pool}, h));
    }
    void publish(const event& e) { (void)topic.publish(e); }
    penstock::thread_pool pool{1};
    penstock::bus bus;
    penstock::topic<event> topic;
    std::vector<penstock::subscription> all;
};

/// The same, with one ring for all of them.
template <class Handler>
struct our_ring {
    explicit our_ring(const std::vector<Handler>& handlers)
        : topic{bus.topic<event>("market.us.trade")} {
        for (auto& h : handlers)
            all.push_back(bus.subscribe<event>(
                "market.us.trade", penstock::broadcast_options<event>{.executor = pool}, h));
    }
    void publish(const event& e) { (void)topic.publish(e); }
    penstock::thread_pool pool{1};
    penstock::bus bus;
    penstock::topic<event> topic;
    std::vector<penstock::subscription> all;
};

/// What people write: a deque under a mutex, a condition variable, and a thread that calls.
template <class Handler>
struct mutex_queued {
    explicit mutex_queued(const std::vector<Handler>& handlers)
        : all(handlers.begin(), handlers.end()), worker{[this] { work(); }} {}
    ~mutex_queued() {
        {
            std::lock_guard lock{mutex};
            ends = true;
        }
        changed.notify_one();
    }
    void publish(const event& e) {
        {
            std::lock_guard lock{mutex};
            events.push_back(e);
        }
        changed.notify_one();
    }
    void work() {
        for (std::deque<event> some;; some.clear()) {
            {
                std::unique_lock lock{mutex};
                changed.wait(lock, [this] { return ends || !events.empty(); });
                if (events.empty()) return;
                some.swap(events);
            }
            for (auto& e : some)
                for (auto& f : all) f(e);
        }
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<event> events;
    bool ends = false;
    std::vector<std::function<void(const event&)>> all;
    std::jthread worker;
};

#if BENCH_EVENTPP
template <class Handler>
struct eventpp_queued {
    explicit eventpp_queued(const std::vector<Handler>& handlers) {
        for (auto& h : handlers) queue.appendListener(1, [h](const event& e) { h(e); });
        queue.appendListener(2, [this](const event&) { ends = true; });
        worker = std::jthread{[this] {
            while (!ends) {
                queue.wait();
                queue.process();
            }
        }};
    }
    ~eventpp_queued() { queue.enqueue(2, event{}); }
    void publish(const event& e) { queue.enqueue(1, e); }
    eventpp::EventQueue<int, void(const event&)> queue;
    bool ends = false;
    std::jthread worker;
};
#endif

}  // namespace bench
