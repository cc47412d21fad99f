// SPDX-License-Identifier: BSL-1.0
// Our bus beside signal libraries, and what it costs by listeners, topics and patterns
//
//   benchmarks/run bus [--only REGEX] [--reps N] [--csv FILE] [--table] [--list]
//
// README.md here says how it measures and how to read it.
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include <malloc.h>

#include "support/bench.hpp"
#include "support/bus_subjects.hpp"
#include "support/channel_cells.hpp"
#include "support/topic_names.hpp"

namespace {

using bench::event;
using bench::linear_scan;
using bench::name_of;
using bench::patterns_of;
using u64 = std::uint64_t;

// ---- Events to listeners ------------------------------------------------------------------------

struct alignas(64) counter {
    std::atomic<u64> sum{0}, seen{0};
};

/// Has one thread that calls it.
struct counting {
    counter* c;
    void operator()(const event& e) const {
        c->sum.store(c->sum.load(std::memory_order_relaxed) + e.value,
                     std::memory_order_relaxed);  // published by seen's store
        c->seen.store(c->seen.load(std::memory_order_relaxed) + 1,
                      std::memory_order_release);  // pairs with whoever waits for the last
    }
};

/// Called by the publishers, each of which counts for itself.
thread_local u64 sum_of_this_thread = 0;
struct counting_by_thread {
    void operator()(const event& e) const { sum_of_this_thread += e.value; }
};

template <class Subject>
double direct(std::size_t n, std::size_t listeners) {
    std::vector<counter> counters(listeners);
    std::vector<counting> handlers;
    for (auto& c : counters) handlers.push_back({&c});
    Subject s{handlers};
    const double ns = bench::timed(
        1,
        [&](std::size_t) {
            for (u64 i = 0; i < n; ++i) s.publish({i, 1, 2});
        },
        [](std::size_t i) { return i; });
    for (auto& c : counters) bench::verify(c.sum == bench::sum_below(n), "a listener missed some");
    return ns;
}

template <class Subject>
double by_publishers(std::size_t n, std::size_t publishers) {
    Subject s{std::vector<counting_by_thread>(1)};
    std::atomic<u64> sum{0};
    const u64 each = std::max<u64>(n / publishers, 1);
    const double ns = bench::timed(
        publishers,
        [&](std::size_t) {
            sum_of_this_thread = 0;
            for (u64 i = 0; i < each; ++i) s.publish({i, 1, 2});
            sum += sum_of_this_thread;
        },
        [](std::size_t i) { return i; });
    bench::verify(sum == publishers * bench::sum_below(each), "a listener missed some");
    return ns;
}

template <class Subject>
double queued(std::size_t n, std::size_t listeners) {
    std::vector<counter> counters(listeners);
    std::vector<counting> handlers;
    for (auto& c : counters) handlers.push_back({&c});
    std::optional<Subject> s;
    std::jthread{[&] {
        bench::pin(1);  // and so is the thread that the subject starts
        s.emplace(handlers);
    }}.join();
    const double ns = bench::timed(
        1,
        [&](std::size_t) {
            for (u64 i = 0; i < n; ++i) s->publish({i, 1, 2});
            bench::patience wait{2};
            for (auto& c : counters)
                while (c.seen.load(std::memory_order_acquire) < n) wait();  // pairs with the store
        },
        [](std::size_t i) { return i; });
    for (auto& c : counters) bench::verify(c.sum == bench::sum_below(n), "a listener missed some");
    return ns;
}

template <template <class> class Subject>
struct type {
    template <class Handler>
    using of = Subject<Handler>;
};

template <class Add>
void each_direct(Add add) {
    add("topic", bench::ours, type<bench::our_direct>{});
    add("floor: a loop over std::function", bench::hardware, type<bench::plain_loop>{});
    add("shared_mutex + vector", bench::peers, type<bench::shared_mutex_vector>{});
#if BENCH_BOOST
    add("boost signals2", bench::peers, type<bench::boost_signals2>{});
#endif
#if BENCH_SIGCPP
    add("sigc++, one thread only", bench::peers, type<bench::sigcpp>{});
#endif
#if BENCH_EVENTPP
    add("eventpp CallbackList", bench::peers, type<bench::eventpp_list>{});
#endif
#if BENCH_SIGSLOT
    add("sigslot", bench::peers, type<bench::sigslot_signal>{});
#endif
#if BENCH_ENTT
    add("EnTT, one thread only", bench::peers, type<bench::entt_signal>{});
#endif
}

void add_events(bench::suite& s) {
    for (std::size_t n : std::array<std::size_t, 5>{1, 3, 10, 30, 100}) {
        auto& c = s.cell("direct by listeners: " + std::to_string(n));
        each_direct([&](const char* name, bench::whose owner, auto subject) {
            using S = typename decltype(subject)::template of<counting>;
            c.add(name, owner, [n](std::size_t k) { return direct<S>(k, n); });
        });
    }
    for (std::size_t n : std::array<std::size_t, 3>{1, 3, 10}) {
        auto& c = s.cell("queued by listeners: " + std::to_string(n));
        c.add("topic", bench::ours,
              [n](std::size_t k) { return queued<bench::our_queued<counting>>(k, n); });
        c.add("one ring", bench::ours,
              [n](std::size_t k) { return queued<bench::our_ring<counting>>(k, n); });
        c.add("std::mutex, condition variable, vector", bench::peers,
              [n](std::size_t k) { return queued<bench::mutex_queued<counting>>(k, n); });
#if BENCH_EVENTPP
        c.add("eventpp EventQueue", bench::peers,
              [n](std::size_t k) { return queued<bench::eventpp_queued<counting>>(k, n); });
#endif
    }
    for (std::size_t n : std::array<std::size_t, 2>{1, 2}) {
        auto& c = s.cell("direct by publishers: " + std::to_string(n));
        auto add = [&](const char* name, bench::whose owner, auto subject) {
            using S = typename decltype(subject)::template of<counting_by_thread>;
            c.add(name, owner, [n](std::size_t k) { return by_publishers<S>(k, n); });
        };
        add("topic", bench::ours, type<bench::our_direct>{});
        add("shared_mutex + vector", bench::peers, type<bench::shared_mutex_vector>{});
#if BENCH_BOOST
        add("boost signals2", bench::peers, type<bench::boost_signals2>{});
#endif
    }
}

// ---- Names and patterns -------------------------------------------------------------------------

struct bus_with_patterns {
    explicit bus_with_patterns(std::size_t count) {
        for (auto& p : patterns_of(count))
            all.push_back(bus.subscribe<event>(p, [](const event&) {}));
    }
    penstock::bus bus;
    std::vector<penstock::subscription> all;
    u64 next = 2'000'000;  // the name that was never seen
};

/// What finds out who listens to a new topic, alone.
struct tree_alone {
    struct listener final : penstock::detail::listener_base {
        explicit listener(const std::string& by)
            : listener_base{penstock::detail::type_of<event>, penstock::pattern{by}, ""} {}
        void end_intake() override {}
        void finish() override {}
    };
    explicit tree_alone(std::size_t count) {
        for (auto& p : patterns_of(count)) {
            all.push_back(std::make_unique<listener>(p));
            tree.insert(*all.back());
        }
    }
    std::size_t match(const std::string& name) {
        std::size_t found = 0;
        tree.match(name, [&](const penstock::detail::ranked&) { ++found; });
        return found;
    }
    penstock::detail::pattern_trie tree;
    std::vector<std::unique_ptr<listener>> all;
    u64 next = 2'000'000;
};

/// Made when first asked for, once for all runs, and never destroyed, which would take long.
template <class Made>
Made& once(std::size_t count) {
    static auto& made = *new std::map<std::size_t, std::unique_ptr<Made>>;
    auto& m = made[count];
    if (!m) m = std::make_unique<Made>(count);
    return *m;
}

/// ns that n calls of f take, each with a name that was never seen. To make the names is not measured.
template <class F>
double with_new_names(std::size_t n, u64& next, F f) {
    std::vector<std::string> names(64);
    double ns = 0;
    for (std::size_t i = 0; i < n;) {
        const std::size_t some = std::min(n - i, names.size());
        for (std::size_t k = 0; k < some; ++k) names[k] = name_of(next++);
        const double start = bench::now_ns();
        for (std::size_t k = 0; k < some; ++k) f(names[k]);
        ns += bench::now_ns() - start;
        i += some;
    }
    return ns;
}

void add_patterns(bench::suite& s) {
    for (std::size_t count : std::array<std::size_t, 3>{2000, 20000, 200000}) {
        auto& c = s.cell("cold match by patterns: " + std::to_string(count));
        c.add("topic made", bench::ours, [count](std::size_t n) {
            auto& b = once<bus_with_patterns>(count);
            return with_new_names(
                n, b.next, [&](const std::string& name) { (void)b.bus.topic<event>(name); });
        });
        c.add("match alone", bench::ours, [count](std::size_t n) {
            auto& t = once<tree_alone>(count);
            std::size_t found = 0;
            const double ns =
                with_new_names(n, t.next, [&](const std::string& name) { found += t.match(name); });
            bench::verify(n < 1000 || found > 0, "nothing matches");
            return ns;
        });
        c.add("linear scan", bench::peers, [count](std::size_t n) {
            auto& l = once<linear_scan>(count);
            n = std::max<std::size_t>(n, 1);
            // Scans take ms: 50 of them stand for all.
            const std::size_t scans = std::min<std::size_t>(n, 50);
            std::size_t found = 0;
            u64 next = 2'000'000;
            const double ns = with_new_names(
                scans, next, [&](const std::string& name) { found += l.match(name); });
            bench::verify(found > 0, "nothing matches");
            return ns * static_cast<double>(n) / static_cast<double>(scans);
        });
    }

    for (std::size_t count : std::array<std::size_t, 3>{2000, 20000, 200000})
        s.cell("subscribe and end by patterns: " + std::to_string(count))
            .add_value("bus", bench::ours, [count] {
                auto& b = once<bus_with_patterns>(count);
                while (b.next < 2'100'000) (void)b.bus.topic<event>(name_of(b.next++));
                std::vector<double> ns;
                for (int i = 0; i < 200; ++i) {
                    const double start = bench::now_ns();
                    {
                        auto one = b.bus.subscribe<event>("w1.*.n123", [](const event&) {});
                    }
                    ns.push_back(bench::now_ns() - start);
                }
                return bench::quantile(std::move(ns), 0.5);
            });

    constexpr std::size_t million = 1'000'000;
    s.cell("1,000,000 topics against 2,000 patterns", "ms").add_value("topic", bench::ours, [] {
        bus_with_patterns b{2000};
        const double start = bench::now_ns();
        for (std::size_t i = 0; i < million; ++i) (void)b.bus.topic<event>(name_of(i));
        return (bench::now_ns() - start) / 1e6;
    });
    s.cell("a topic among 1,000,000", "bytes").add_value("topic", bench::ours, [] {
        bus_with_patterns b{2000};
        auto in_use = [] {
            const auto info = mallinfo2();
            return info.uordblks + info.hblkhd;
        };
        const std::size_t before = in_use();
        for (std::size_t i = 0; i < million; ++i) (void)b.bus.topic<event>(name_of(i));
        return static_cast<double>(in_use() - before) / million;
    });
}

struct map_and_vectors {
    std::shared_mutex mutex;
    std::unordered_map<std::string, std::vector<std::function<void(const event&)>>> topics;
    void publish(const std::string& name, const event& e) {
        std::shared_lock lock{mutex};
        const auto found = topics.find(name);
        if (found == topics.end()) return;
        for (auto& f : found->second) f(e);
    }
};

void add_names(bench::suite& s) {
    for (std::size_t count : std::array<std::size_t, 4>{100, 1000, 10000, 100000}) {
        auto names = std::make_shared<std::vector<std::string>>();
        std::mt19937_64 random{2};
        for (std::size_t i = 0; i < count; ++i) names->push_back(name_of(i));
        std::shuffle(names->begin(), names->end(), random);
        auto& c = s.cell("publish by name by topics: " + std::to_string(count));
        auto run = [names](std::size_t n, auto publish) {
            return bench::timed(
                1,
                [&](std::size_t) {
                    for (std::size_t i = 0, k = 0; i < n; ++i) {
                        publish((*names)[k], event{i, 1, 2});
                        if (++k == names->size()) k = 0;
                    }
                },
                [](std::size_t i) { return i; });
        };
        c.add("bus", bench::ours, [=](std::size_t n) {
            counter seen;
            penstock::bus b;
            std::vector<penstock::subscription> all;
            for (auto& name : *names) all.push_back(b.subscribe<event>(name, counting{&seen}));
            for (auto& name : *names) (void)b.publish(name, event{});  // warm
            const double ns = run(n, [&](const std::string& name, event&& e) {
                (void)b.publish(name, std::move(e));
            });
            bench::verify(seen.sum == bench::sum_below(n), "a listener missed some");
            return ns;
        });
        c.add("unordered_map + shared_mutex", bench::peers, [=](std::size_t n) {
            counter seen;
            map_and_vectors m;
            for (auto& name : *names) m.topics[name].push_back(counting{&seen});
            const double ns =
                run(n, [&](const std::string& name, const event& e) { m.publish(name, e); });
            bench::verify(seen.sum == bench::sum_below(n), "a listener missed some");
            return ns;
        });
    }
}

// ---- Subscribing --------------------------------------------------------------------------------

/// p50 ns of a subscribe and its end among `count` others, with a publisher beside it or without.
double subscribing(std::size_t count, bool publisher) {
    penstock::bus b;
    std::vector<penstock::subscription> all;
    for (std::size_t i = 0; i < count; ++i)
        all.push_back(b.subscribe<event>(name_of(i), [](const event&) {}));
    auto topic = b.topic<event>("elsewhere.trade");
    auto listener = b.subscribe<event>("elsewhere.trade", [](const event&) {});
    std::vector<double> ns;
    std::atomic<bool> done{false};
    (void)bench::timed(
        publisher ? 2 : 1,
        [&](std::size_t who) {
            if (who == 1) {
                while (!done.load(std::memory_order_relaxed)) (void)topic.publish(event{});
                return;
            }
            for (std::size_t i = 0; i < 2000; ++i) {
                const std::string name = name_of(i % count);
                const double start = bench::now_ns();
                {
                    auto one = b.subscribe<event>(name, [](const event&) {});
                }
                ns.push_back(bench::now_ns() - start);
            }
            done = true;
        },
        [](std::size_t i) { return i; });
    return bench::quantile(std::move(ns), 0.5);
}

enum class change { none, elsewhere, here };

/// p99 ns a publish, of batches of 100, while another thread subscribes all the time.
double publishing_beside(change what) {
    penstock::bus b;
    auto topic = b.topic<event>("market.us.trade");
    auto listener = b.subscribe<event>("market.us.trade", [](const event&) {});
    auto elsewhere = b.topic<event>("weather.us.rain");  // it has seen messages, too
    auto another = b.subscribe<event>("weather.us.#", [](const event&) {});
    (void)elsewhere.publish(event{});
    std::vector<double> ns;
    std::atomic<bool> done{false};
    (void)bench::timed(
        what == change::none ? 1 : 2,
        [&](std::size_t who) {
            if (who == 1) {
                const char* pattern = what == change::here ? "market.us.*" : "weather.us.*";
                while (!done.load(std::memory_order_relaxed))
                    auto one = b.subscribe<event>(pattern, [](const event&) {});
                return;
            }
            for (int i = 0; i < 5000; ++i) {
                const double start = bench::now_ns();
                for (int k = 0; k < 100; ++k) (void)topic.publish(event{});
                ns.push_back((bench::now_ns() - start) / 100);
            }
            done = true;
        },
        [](std::size_t i) { return i; });
    return bench::quantile(std::move(ns), 0.99);
}

void add_changes(bench::suite& s) {
    for (std::size_t count : std::array<std::size_t, 3>{1000, 10000, 100000}) {
        auto& c = s.cell("subscribe and end by subscriptions: " + std::to_string(count));
        c.add_value("bus", bench::ours, [count] { return subscribing(count, false); });
        c.add_value(
            "bus, a publisher runs", bench::ours, [count] { return subscribing(count, true); });
    }
    auto& c = s.cell("a publish, p99");
    c.add_value("topic", bench::ours, [] { return publishing_beside(change::none); });
    c.add_value("topic, somebody subscribes elsewhere", bench::ours,
                [] { return publishing_beside(change::elsewhere); });
    c.add_value("topic, somebody subscribes here", bench::ours,
                [] { return publishing_beside(change::here); });
}

void say_what_is_missing([[maybe_unused]] bench::suite& s) {
#if !BENCH_BOOST
    s.missing("boost signals2", "libboost-dev");
#endif
#if !BENCH_SIGCPP
    s.missing("sigc++", "libsigc++-3.0-dev");
#endif
#if !BENCH_EVENTPP
    s.missing("eventpp", "none: benchmarks/run --peers PATH");
#endif
#if !BENCH_SIGSLOT
    s.missing("sigslot", "none: benchmarks/run --peers PATH");
#endif
#if !BENCH_ENTT
    s.missing("EnTT", "none: benchmarks/run --peers PATH");
#endif
}

void add_goals(bench::suite& s) {
    using kind = bench::goal::kind;
    for (const char* n : {"1", "3", "10"})
        s.expect({.cell = std::string{"direct by listeners: "} + n,
                  .ours = "topic",
                  .others = "floor.*",
                  .bar = 4,
                  .what = kind::difference,
                  .any_owner = true});
    s.expect({.cell = "direct by listeners: 10",
              .ours = "topic",
              .others = "(?!.*one thread only).*",
              .bar = 0.9,
              .title = "direct by listeners: 10, thread-safe peers"});
    for (const char* n : {"1", "3", "10"})
        s.expect({.cell = std::string{"queued by listeners: "} + n,
                  .ours = "topic",
                  .others = "eventpp.*",
                  .bar = *n == '1' && n[1] == '0' ? 0.25 : 0.15});
    s.expect({.cell = "direct by publishers: 2",
              .ours = "topic",
              .others = "topic",
              .bar = 1 / 1.8,
              .beside = "direct by publishers: 1",
              .any_owner = true});
    s.expect({.cell = "publish by name by topics: 1000", .ours = "bus", .bar = 0.4});
    for (const char* n : {"1000", "100000"})
        s.expect({.cell = std::string{"subscribe and end by subscriptions: "} + n,
                  .ours = "bus",
                  .bar = 2000,
                  .what = kind::value});
    s.expect({.cell = "cold match by patterns: 2000", .ours = "topic.*", .bar = 0.03});
    s.expect({.cell = "cold match by patterns: 200000", .ours = "topic.*", .bar = 0.001});
    s.expect({.cell = "1,000,000 topics against 2,000 patterns",
              .ours = "topic",
              .bar = 1000,
              .what = kind::value});
    s.expect({.cell = "a topic among 1,000,000", .ours = "topic", .bar = 200, .what = kind::value});
    s.expect({.cell = "a publish, p99",
              .ours = "topic, somebody subscribes elsewhere",
              .others = "topic",
              .bar = 1.2,
              .any_owner = true});
}

}  // namespace

int main(int argc, char** argv) {
    bench::suite s{argc, argv};
    add_events(s);
    add_names(s);
    add_changes(s);
    add_patterns(s);
    add_goals(s);
    say_what_is_missing(s);
    return s.run();
}
