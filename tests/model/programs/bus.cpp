// SPDX-License-Identifier: BSL-1.0
// The bus: a subscription's end and its callbacks, the route table under change, members that go idle
// while a message comes, messages and their last reader. Lists of shared_ptr are kept alive by the
// program, because the model doesn't see what shared_ptr counts.
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/detail/all_or_none.hpp>
#include <penstock/bus/detail/answer.hpp>
#include <penstock/bus/detail/block_pool.hpp>
#include <penstock/bus/detail/envelope.hpp>
#include <penstock/bus/detail/gate.hpp>
#include <penstock/bus/detail/keyed_lane.hpp>
#include <penstock/bus/detail/lane.hpp>
#include <penstock/bus/detail/members.hpp>
#include <penstock/bus/detail/retired.hpp>
#include <penstock/bus/detail/route.hpp>
#include <penstock/bus/detail/topic_state.hpp>
#include <penstock/bus/detail/tracker.hpp>
#include <penstock/bus/message.hpp>
#include <penstock/bus/thread_pool.hpp>

#include "../program.hpp"
#include "../support.hpp"

namespace {

using model::barriers;
using model::payload;
using penstock::message;
namespace detail = penstock::detail;
namespace sys = penstock::sys;

// ---- The gate ----

struct watched_gate final : detail::gate {
    explicit watched_gate(detail::visitors& all) : gate{all} {}
    ~watched_gate() = default;
    void call() {
        const detail::inside here{*this, nullptr};
        if (!here) return;
        sys::read(&callback);
        MODEL_CHECK(callback == 1);
    }
    void last_out() noexcept override {
        sys::wrote(&callback);
        callback = 0;
    }
    int callback = 1;
};
MODEL_PROGRAM("bus: closing a gate waits for who is inside, the last one out ends the callback",
              {.barriers = barriers::both}) {
    auto all = std::make_shared<detail::visitors>();
    watched_gate g{*all};
    model::threads([&] { g.call(); },
                   [&] {
                       MODEL_CHECK(g.close());
                       sys::wrote(&g.callback);  // nobody else is in there
                       MODEL_CHECK(g.callback == 0);
                   });
}
MODEL_PROGRAM("bus: two callers and a close", {.barriers = barriers::both, .departures = 5}) {
    auto all = std::make_shared<detail::visitors>();
    watched_gate g{*all};
    model::threads([&] { g.call(); }, [&] { g.call(); }, [&] { MODEL_CHECK(g.close()); });
    MODEL_CHECK(g.callback == 0);
}
MODEL_PROGRAM("bus: two closes and a caller, the callback ends once",
              {.barriers = barriers::both, .departures = 5}) {
    auto all = std::make_shared<detail::visitors>();
    watched_gate g{*all};
    const auto close = [&] {
        MODEL_CHECK(g.close());
        sys::read(&g.callback);
        MODEL_CHECK(g.callback == 0);
    };
    model::threads(close, close, [&] { g.call(); });
}
MODEL_PROGRAM("bus: two handlers that end each other's subscription, one is told",
              {.barriers = barriers::both, .departures = 10}) {
    auto all = std::make_shared<detail::visitors>();
    watched_gate a{*all}, b{*all};
    const auto ends = [&](watched_gate& mine, watched_gate& other) {
        const detail::inside here{mine, nullptr};
        if (here) (void)other.close();
    };
    model::threads([&] { ends(a, b); }, [&] { ends(b, a); });
}
MODEL_PROGRAM("bus: the same of two buses", {.departures = 8}) {
    auto here = std::make_shared<detail::visitors>(), there = std::make_shared<detail::visitors>();
    watched_gate a{*here}, b{*there};
    const auto ends = [&](watched_gate& mine, watched_gate& other) {
        const detail::inside in{mine, nullptr};
        if (in) (void)other.close();
    };
    model::threads([&] { ends(a, b); }, [&] { ends(b, a); });
}

// ---- The route table ----

struct watched_listener final : detail::listener_base {
    watched_listener() : listener_base{detail::type_of<int>, penstock::pattern{"x"}, ""} {
        sys::wrote(this);
    }
    ~watched_listener() override { sys::wrote(this); }
    void end_intake() override {}
    void finish() override {}
};
void read_all(detail::visitors& all, const detail::route& r) {
    const detail::reading reads{all, r};
    for (const detail::listener_base* seen : reads) sys::read(seen);
}
/// Somebody reads a route while its roster is replaced.
void reads_what_leaves(bool found_before) {
    auto all = std::make_shared<detail::visitors>();
    detail::retired old;
    detail::route r;
    auto first = std::make_shared<watched_listener>();
    std::shared_ptr<watched_listener> second;
    (void)r.exchange(detail::roster::with(nullptr, *first), found_before);
    model::threads([&] { read_all(*all, r); },
                   [&] {
                       second = std::make_shared<watched_listener>();
                       old.add(r.exchange(detail::roster::with(nullptr, *second)));
                       old.add(first);
                       first = nullptr;  // if nobody found it, it goes here
                       detail::retired::let_go(old.sweep(*all));
                   });
    detail::retired::let_go(old.sweep(*all));
    MODEL_CHECK(old.size() == 0);
}
MODEL_PROGRAM("bus: what left a route is freed after all have read it",
              {.barriers = barriers::both}) {
    reads_what_leaves(true);
}
MODEL_PROGRAM("bus: what was in a route that nobody has read is freed at once, or is read first",
              {.barriers = barriers::both}) {
    reads_what_leaves(false);
}
MODEL_PROGRAM("bus: two readers of a fresh roster, and who takes it away",
              {.barriers = barriers::both, .departures = 5}) {
    auto all = std::make_shared<detail::visitors>();
    detail::retired old;
    detail::route r;
    auto l = std::make_shared<watched_listener>();
    (void)r.exchange(detail::roster::with(nullptr, *l));
    const auto reads = [&] { read_all(*all, r); };
    model::threads(reads, reads, [&] {
        old.add(r.exchange(nullptr));
        old.add(l);
        l = nullptr;
        detail::retired::let_go(old.sweep(*all));
    });
}
MODEL_PROGRAM("bus: who reads a later roster keeps no earlier one",
              {.barriers = barriers::both, .departures = 8}) {
    auto all = std::make_shared<detail::visitors>();
    detail::retired old;
    detail::route r;
    auto first = std::make_shared<watched_listener>();
    std::shared_ptr<watched_listener> second;
    (void)r.exchange(detail::roster::with(nullptr, *first), true);
    model::threads(
        [&] {
            for (int i = 0; i < 2; ++i) read_all(*all, r);
        },
        [&] {
            second = std::make_shared<watched_listener>();
            old.add(r.exchange(detail::roster::with(nullptr, *second)));
            old.add(first);
            first = nullptr;
            detail::retired::let_go(old.sweep(*all));
        });
}
MODEL_PROGRAM("bus: a topic that was found by name is complete, in a table that grows",
              {.barriers = barriers::both, .departures = 8}) {
    detail::topic_table table;
    const detail::hashed_text name{"x"};
    detail::topic_state x{detail::type_of<int>, name};
    int built = 0;
    model::threads(
        [&] {
            if (table.find(name)) sys::read(&built);
        },
        [&] {
            sys::wrote(&built);
            built = 1;
            table.reserve();
            table.add(x, name.hash());
        });
}
MODEL_PROGRAM("bus: a thread that begins uses the records of one that has ended", {}) {
    auto all = std::make_shared<detail::visitors>();
    model::threads([&] { all->put(all->take()); }, [&] { all->put(all->take()); });
    std::size_t callers = 0;
    all->readers([&](const void*) { ++callers; });
    MODEL_CHECK(callers == 0);
}

// ---- Members ----

struct test_executor {
    void post(penstock::task) {}
};
struct test_member final : detail::member_base, std::enable_shared_from_this<test_member> {
    explicit test_member(penstock::executor_ref e) : member_base{e} {}
    std::shared_ptr<member_base> self() override { return shared_from_this(); }
    void wake() override {
        sys::wrote(&woken);
        ++woken;
    }
    bool cancel() override { return true; }
    int woken = 0;
};

MODEL_PROGRAM("bus: no message and idle member miss each other", {}) {
    test_executor pool;
    detail::members all;
    const auto m = std::make_shared<test_member>(pool);
    all.join(m);
    MODEL_CHECK(all.take_idle() == m);  // it runs
    sys::atomic<int> queue{0};
    bool handled = false;
    model::threads(
        [&] {
            queue.store(1, std::memory_order_relaxed);
            if (const auto idle = all.take_idle()) idle->wake();
        },
        [&] {
            const auto look = [&]() -> std::optional<int> {
                if (queue.load(std::memory_order_relaxed) == 0) return std::nullopt;
                queue.store(0, std::memory_order_relaxed);
                return 1;
            };
            auto found = look();
            if (!found) found = all.rest_unless(*m, look);
            handled = found.has_value();
        });
    MODEL_CHECK(handled || m->woken == 1);
}
MODEL_PROGRAM("bus: two publishers wake an idle member once", {}) {
    test_executor pool;
    detail::members all;
    const auto m = std::make_shared<test_member>(pool);
    all.join(m);
    const auto publish = [&] {
        if (const auto idle = all.take_idle()) idle->wake();
    };
    model::threads(publish, publish);
    MODEL_CHECK(m->woken == 1);
}
MODEL_PROGRAM("bus: who joins idle is seen by the next publisher", {}) {
    test_executor pool;
    detail::members all;
    const auto m = std::make_shared<test_member>(pool);
    sys::atomic<int> queue{0};
    bool caught_up = false;
    model::threads(
        [&] {
            queue.store(1, std::memory_order_relaxed);
            if (const auto idle = all.take_idle()) idle->wake();
        },
        [&] {
            all.join(m);
            caught_up = queue.load(std::memory_order_relaxed) == 1;
        });
    MODEL_CHECK(caught_up || m->woken == 1);
}

MODEL_PROGRAM("bus: whoever ends, the next active member finds what came meanwhile", {}) {
    test_executor pool;
    detail::members all{true};
    const auto a = std::make_shared<test_member>(pool), b = std::make_shared<test_member>(pool);
    all.join(a);
    all.join(b);
    MODEL_CHECK(all.take_idle() == a);  // it runs
    sys::atomic<int> queue{0};
    const auto wake = [&] {
        if (const auto idle = all.take_idle()) idle->wake();
    };
    model::threads(
        [&] {
            queue.store(1, std::memory_order_relaxed);
            wake();
        },
        [&] {
            all.remove(*a);
            MODEL_CHECK(all.activate_next(*a));
            if (queue.load(std::memory_order_relaxed) == 1) wake();
        });
    MODEL_CHECK(a->woken == 0);
    MODEL_CHECK(b->woken == 1);
}

MODEL_PROGRAM("bus: a member leaves while a message wakes it, and another takes over", {}) {
    test_executor pool;
    detail::members all;
    const auto a = std::make_shared<test_member>(pool), b = std::make_shared<test_member>(pool);
    all.join(a);
    all.join(b);
    sys::atomic<int> queue{0};
    const auto wake = [&] {
        if (const auto idle = all.take_idle()) idle->wake();
    };
    model::threads(
        [&] {
            queue.store(1, std::memory_order_relaxed);
            wake();
        },
        [&] {
            MODEL_CHECK(all.remove(*a));  // from here on it takes nothing any more
            if (queue.load(std::memory_order_relaxed) == 1) wake();
        });
    MODEL_CHECK(b->woken == 1);
}

// ---- Keys ----

struct by_parity {
    int operator()(const int& v) const { return v % 2; }
};
MODEL_PROGRAM("bus: of one key one message is in work, and the next is not forgotten",
              {.departures = 8}) {
    detail::keyed_lane<int, by_parity> lane{
        by_parity{}, {2, 0, penstock::overflow::block, [](message<int>&&) {}}};
    const detail::shared_name name{"x"};
    int in_work = 0, handled = 0;
    for (const int v : {1, 3}) {
        detail::envelope<int> e{v, name};
        message<int> m = e.share();
        MODEL_CHECK(lane.try_send(std::move(m)));
    }
    const auto work = [&] {
        while (auto t = lane.take()) {
            sys::wrote(&in_work);
            ++in_work;
            handled = 10 * handled + *t->what;
            (void)lane.done(t->claim, true);
        }
    };
    model::threads(work, work);
    work();
    MODEL_CHECK(in_work == 2);
    MODEL_CHECK(handled == 13);
}

// ---- All or none ----

/// A queue, as an all-or-none publish sees it.
struct test_queue final : detail::admitting {
    using lane_type = detail::lane<int>;
    explicit test_queue(lane_type& l) : lane{l} {}
    ~test_queue() = default;
    static detail::envelope<int>& opened(detail::envelope_base& e) {
        return static_cast<detail::envelope<int>&>(e);
    }
    penstock::status ask(detail::envelope_base& e, detail::tally&, detail::held& h) override {
        lane.prepare(opened(e).view(), h);
        (void)opened(e).share();
        return penstock::status::ok;
    }
    penstock::status hold(detail::held& h) override { return lane.hold(h); }
    penstock::status wait_and_hold(detail::held& h, const detail::patience& p) override {
        return p.may_wait ? lane.wait_and_hold(h, p.stop) : penstock::status::full;
    }
    bool fill(detail::envelope_base& e, detail::held& h) noexcept override {
        return lane.fill(h, message<int>{opened(e).share()});
    }
    void let_go(detail::held& h) noexcept override { lane.let_go(h); }
    void settle(detail::envelope_base&, detail::tally&, detail::held&) override {}
    void settle_refused() override {}
    /// What is in, one after the other, as one number.
    int all() {
        int n = 0;
        while (auto t = lane.take()) {
            n = 10 * n + *t->what;
            (void)lane.done(t->claim, true);
        }
        return n;
    }
    lane_type& lane;
};
using channel_lane = detail::channel_lane<int>;
channel_lane lane_of_one() {
    return channel_lane{penstock::channel_options<message<int>>{.capacity = 1}};
}
bool sent_to_all(const detail::named& name, int value, std::initializer_list<test_queue*> queues,
                 bool waits) {
    detail::tally t;
    detail::envelope<int> e{value, name};
    auto* const memory = new detail::block_pool;
    const struct ending {
        ~ending() { of->orphan(); }
        detail::block_pool* of;
    } at_the_end{memory};
    detail::admission all{*memory};
    for (test_queue* q : queues) MODEL_CHECK(all.ask(*q, e, t));
    if (!all.hold({waits, {}})) return false;
    all.fill(e);
    return true;
}

MODEL_PROGRAM("bus: two publishers to three queues of capacity 1, all or none", {.departures = 7}) {
    auto x = lane_of_one(), y = lane_of_one(), z = lane_of_one();
    const detail::shared_name name{"x"};
    test_queue a{x}, b{y}, c{z};
    bool first = false, second = false;
    model::threads(
        [&] {
            first = sent_to_all(name, 1, {&a, &b, &c}, false);
        },
        [&] {
            second = sent_to_all(name, 2, {&a, &b, &c}, false);
        });
    MODEL_CHECK(!(first && second));
    const int expected = first ? 1 : second ? 2 : 0;
    MODEL_CHECK(a.all() == expected);
    MODEL_CHECK(b.all() == expected);
    MODEL_CHECK(c.all() == expected);
    MODEL_CHECK(sent_to_all(name, 3, {&a, &b, &c}, false));  // no place is lost
}
MODEL_PROGRAM("bus: two publishers that share two of three queues, one goes by key",
              {.departures = 6}) {
    auto x = lane_of_one(), z = lane_of_one();
    detail::keyed_lane<int, by_parity> y{
        by_parity{}, {1, 1, penstock::overflow::block, [](message<int>&&) {}}};
    const detail::shared_name name{"x"};
    test_queue a{x}, b{y}, c{z};
    bool first = false, second = false;
    model::threads(
        [&] {
            first = sent_to_all(name, 1, {&a, &b}, false);
        },
        [&] {
            second = sent_to_all(name, 2, {&b, &c}, false);
        });
    MODEL_CHECK(!(first && second));
    MODEL_CHECK(a.all() == (first ? 1 : 0));
    MODEL_CHECK(b.all() == (first ? 1 : second ? 2 : 0));
    MODEL_CHECK(c.all() == (second ? 2 : 0));
}
MODEL_PROGRAM(
    "bus: who waits for room in all of its queues gets it, in whatever order they are read",
    {.departures = 4}) {
    auto x = lane_of_one(), y = lane_of_one();
    const detail::shared_name name{"x"};
    test_queue a{x}, b{y};
    MODEL_CHECK(sent_to_all(name, 1, {&b}, false));
    const auto receives = [](channel_lane& from, int value) {
        const auto m = from.shared().pipe.receive();
        MODEL_CHECK(m);
        MODEL_CHECK(**m == value);
    };
    model::threads(
        [&] {
            MODEL_CHECK(sent_to_all(name, 2, {&a, &b}, true));
        },
        [&] {
            receives(y, 1);
            receives(x, 2);
            receives(y, 2);
        });
}
MODEL_PROGRAM("bus: two who wait for the same two queues both get them", {.departures = 4}) {
    auto x = lane_of_one(), y = lane_of_one();
    const detail::shared_name name{"x"};
    test_queue a{x}, b{y};
    const auto publishes = [&] { MODEL_CHECK(sent_to_all(name, 2, {&a, &b}, true)); };
    model::threads(publishes, publishes, [&] {
        for (int i = 0; i < 2; ++i) {
            MODEL_CHECK(x.shared().pipe.receive());
            MODEL_CHECK(y.shared().pipe.receive());
        }
    });
}

// ---- Late subscribers ----

MODEL_PROGRAM("bus: who comes while a message is published gets it once, replayed or live",
              {.departures = 8}) {
    penstock::bus events;
    auto x = events.topic<int>("x", {.retain = 1});
    (void)x.publish(1);
    penstock::receiver<message<int>> late;
    model::threads([&] { (void)x.publish(2); },
                   [&] { late = events.subscribe<int>("x", {.replay = 1, .capacity = 2}); });
    int got = 0;
    while (auto m = late.try_receive()) got = 10 * got + **m;
    MODEL_CHECK(got == 12 || got == 2);
}

MODEL_PROGRAM("bus: what is replayed by key is taken before what comes", {.departures = 6}) {
    detail::keyed_lane<int, by_parity> lane{
        by_parity{}, {3, 0, penstock::overflow::block, [](message<int>&&) {}}};
    const detail::shared_name name{"x"};
    const auto made = [&](int v) {
        detail::envelope<int> e{v, name};
        return e.share();
    };
    detail::retained<int> kept;
    kept.keep_up_to(2);
    (void)kept.add(made(1));
    (void)kept.add(made(3));
    lane.keep_places(kept, 2);
    const detail::wish<int> any = [](const message<int>&) { return true; };
    int handled = 0;
    const auto work = [&] {
        while (auto t = lane.take()) {
            sys::wrote(&handled);
            handled = 10 * handled + *t->what;
            (void)lane.done(t->claim, true);
        }
    };
    model::threads(
        [&] {
            while (lane.fill_place(any) != penstock::status::empty) {
            }
        },
        [&] { MODEL_CHECK(lane.try_send(made(5))); }, work);
    work();
    MODEL_CHECK(handled == 135);
}

// ---- Messages ----

MODEL_PROGRAM("bus: the last reader frees a message after all others have read", {}) {
    penstock::bus events;
    auto feed = events.subscribe<payload>("x", penstock::subscribe_options<payload>{.capacity = 4});
    auto x = events.topic<payload>("x");
    MODEL_CHECK(x.publish(payload{7}));
    auto got = feed.try_receive();
    MODEL_CHECK(got);
    message<payload> first = *got, second = first;
    got = penstock::status::empty;
    model::threads(
        [&] {
            auto mine = std::move(first);
            MODEL_CHECK(mine->value() == 7);
        },
        [&] {
            auto mine = std::move(second);
            MODEL_CHECK(mine->value() == 7);
        });
}

MODEL_PROGRAM("bus: a refused value comes back after the others have let go of it", {}) {
    const detail::shared_name name{"x"};
    payload mine{7};
    detail::envelope<payload> e{std::move(mine), name};
    message<payload> copy = e.share();
    model::threads(
        [&] {
            auto other = std::move(copy);
            MODEL_CHECK(other->value() == 7);
        },
        [&] {
            e.give_back();
            const payload taken = std::move(mine);  // and frees it, if it is his
        });
}

MODEL_PROGRAM("bus: a message's memory is used again after its last reader", {}) {
    auto* pool = new detail::block_pool;
    void* const raw = pool->take(64);
    sys::wrote(raw);
    void* mine[2] = {};
    model::threads(
        [&] {
            sys::read(raw);
            pool->put(raw, 64);
        },
        [&] {
            for (void*& p : mine) {
                p = pool->take(64);
                sys::wrote(p);
            }
            pool->orphan();
        });
    for (void* p : mine) pool->put(p, 64);
}
MODEL_PROGRAM("bus: a pool of memory goes with its last block, whoever brings that", {}) {
    auto* pool = new detail::block_pool;
    void *const a = pool->take(64), *const b = pool->take(64);
    model::threads([&] { pool->put(a, 64); }, [&] { pool->put(b, 64); }, [&] { pool->orphan(); });
}
MODEL_PROGRAM("bus: a pool goes with its last message, also with one that is too big for a block",
              {}) {
    struct big {
        char bytes[2000];
    };
    auto* pool = new detail::block_pool;
    void *const a = pool->take<big>(), *const b = pool->take(64);
    model::threads([&] { pool->put<big>(a); }, [&] { pool->put(b, 64); }, [&] { pool->orphan(); });
}

// ---- Receipts ----

MODEL_PROGRAM("bus: who finds a message settled sees what its handlers did", {}) {
    detail::tracker t;
    int done = 0;
    model::threads(
        [&] {
            sys::wrote(&done);
            done = 1;
            t.settle(detail::outcome::handled);
        },
        [&] { t.expect(1); },
        [&] {
            if (!t.settled()) return;
            sys::read(&done);
            MODEL_CHECK(done == 1);
            MODEL_CHECK(t.count(detail::outcome::handled) == 1);
        });
    MODEL_CHECK(t.settled());
}
MODEL_PROGRAM("bus: who waits for a receipt is woken",
              {.barriers = barriers::both, .departures = 8}) {
    detail::tracker t;
    model::threads([&] { t.settle(detail::outcome::handled); }, [&] { t.expect(1); },
                   [&] { MODEL_CHECK(t.wait({}, {})); });
}
MODEL_PROGRAM("bus: an answer reaches who asked, once",
              {.barriers = barriers::both, .departures = 8}) {
    detail::answer_slot<int> slot;
    model::threads([&] { slot.give(7); }, [&] { slot.nobody_will(); },
                   [&] {
                       const auto a = slot.wait({}, {});
                       MODEL_CHECK(a ? *a == 7 : a.status() == penstock::status::failed);
                   });
}

// ---- The pool ----

MODEL_PROGRAM("bus: a pool that goes has finished its tasks, also those that tasks posted",
              {.barriers = barriers::both, .departures = 8}) {
    int done = 0;
    {
        penstock::thread_pool pool{1};
        pool.post([&] {
            sys::wrote(&done);
            ++done;
            pool.post([&] {
                sys::wrote(&done);
                ++done;
            });
        });
    }
    sys::read(&done);
    MODEL_CHECK(done == 2);
}
MODEL_PROGRAM("bus: where nothing is unfinished, what the tasks did is visible",
              {.departures = 8}) {
    penstock::thread_pool pool{1};
    int done = 0;
    pool.post([&] {
        sys::wrote(&done);
        done = 1;
    });
    if (pool.unfinished_approx() == 0) {
        sys::read(&done);
        MODEL_CHECK(done == 1);
    }
}

// ---- The bus itself ----

MODEL_PROGRAM("bus: when a direct subscription has ended, its handler runs no more",
              {.barriers = barriers::both, .departures = 10}) {
    penstock::bus events;
    int handled = 0;
    auto s = events.subscribe<int>("x", [&](const int&) {
        sys::wrote(&handled);
        ++handled;
    });
    auto x = events.topic<int>("x");
    model::threads([&] { (void)x.publish(1); },
                   [&] {
                       MODEL_CHECK(s.cancel());
                       sys::wrote(&handled);
                   });
}
MODEL_PROGRAM("bus: of two direct handlers the one that has ended runs no more, the other does",
              {.barriers = barriers::both, .departures = 8}) {
    penstock::bus events;
    int first = 0, second = 0;
    const auto counts = [](int& n) {
        return [&n](const int&) {
            sys::wrote(&n);
            ++n;
        };
    };
    auto a = events.subscribe<int>("x", counts(first)),
         b = events.subscribe<int>("x", counts(second));
    auto x = events.topic<int>("x");
    model::threads([&] { MODEL_CHECK(x.publish(1).handled() >= 1); },
                   [&] {
                       MODEL_CHECK(a.cancel());
                       sys::wrote(&first);
                   });
    MODEL_CHECK(second == 1);
    MODEL_CHECK(b.cancel());
}
MODEL_PROGRAM("bus: a subscription that comes while others publish", {.departures = 10}) {
    penstock::bus events;
    auto x = events.topic<int>("x");
    model::flag subscribed;
    int got = 0;
    penstock::subscription s;
    model::threads(
        [&] {
            s = events.subscribe<int>("x", [&](const int&) {
                sys::wrote(&got);
                ++got;
            });
            subscribed.set();
        },
        [&] {
            const bool before = subscribed.is_set();
            const auto p = x.publish(1);
            if (before) MODEL_CHECK(p.matched() == 1);
        });
}

}  // namespace
