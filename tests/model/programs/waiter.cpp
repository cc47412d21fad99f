// SPDX-License-Identifier: BSL-1.0
// core/waiter.hpp: a change is never missed, a wake never lost, a wait ends by stop, by time, by a
// clock; with the process barrier and with read-modify-writes.
#include <chrono>
#include <memory>
#include <optional>

#include <penstock/core/manual_clock.hpp>
#include <penstock/core/waiter.hpp>
#include <penstock/queue/mpmc_ring.hpp>

#include "../program.hpp"
#include "../support.hpp"

namespace {

using namespace std::chrono_literals;
using model::barriers;
using penstock::status;
using penstock::waiter;
namespace sys = penstock::sys;

// A counter of things to take; relaxed, so that the waiter's own orders have to carry it.
struct tokens {
    sys::atomic<int> left{0};
    waiter waiting;

    void give() {
        left.fetch_add(1, std::memory_order_relaxed);
        waiting.notify_one();
    }
    bool take() {
        int n = left.load(std::memory_order_relaxed);
        while (n > 0)
            if (left.compare_exchange_weak(
                    n, n - 1, std::memory_order_relaxed, std::memory_order_relaxed))
                return true;
        return false;
    }
    bool any() const { return left.load(std::memory_order_relaxed) > 0; }
    status wait(const penstock::deadline& until = {}, const sys::stop_token& stop = {}) {
        return waiting.wait([&] { return take(); }, [&] { return any(); }, until, stop);
    }
};

MODEL_PROGRAM("waiter: one gives, one waits", {.barriers = barriers::both, .spurious_wakes = 1}) {
    tokens t;
    model::threads([&] { t.give(); }, [&] { MODEL_CHECK(t.wait() == status::ok); });
    MODEL_CHECK(!t.any());
    MODEL_CHECK(t.waiting.waiting_approx() == 0);
}
MODEL_PROGRAM("waiter: two are given, one waits twice", {.barriers = barriers::both}) {
    tokens t;
    model::threads(
        [&] {
            t.give();
            t.give();
        },
        [&] {
            (void)t.wait();
            (void)t.wait();
        });
    MODEL_CHECK(!t.any());
}
MODEL_PROGRAM("waiter: one gives two, two wait", {.barriers = barriers::both, .departures = 14}) {
    tokens t;
    model::threads(
        [&] {
            t.give();
            t.give();
        },
        [&] { (void)t.wait(); }, [&] { (void)t.wait(); });
    MODEL_CHECK(!t.any());
}
MODEL_PROGRAM("waiter: two give, one waits for both", {.barriers = barriers::both}) {
    tokens t;
    model::threads([&] { t.give(); }, [&] { t.give(); },
                   [&] {
                       (void)t.wait();
                       (void)t.wait();
                   });
    MODEL_CHECK(!t.any());
}
MODEL_PROGRAM("waiter: notify_all wakes both", {.barriers = barriers::both}) {
    sys::atomic<bool> open{false};
    waiter w;
    const auto wait = [&] {
        MODEL_CHECK(
            w.wait([&] { return open.load(std::memory_order_relaxed); }, [] { return false; }));
    };
    model::threads(
        [&] {
            open.store(true, std::memory_order_relaxed);
            w.notify_all();
        },
        wait, wait);
}
MODEL_PROGRAM("waiter: what was written before the change is seen after the wait",
              {.barriers = barriers::both}) {
    model::flag ready;
    int data = 0;
    waiter w;
    model::threads(
        [&] {
            sys::wrote(&data);
            data = 7;
            ready.set();
            w.notify_one();
        },
        [&] {
            (void)w.wait([&] { return ready.is_set(); }, [] { return false; });
            sys::read(&data);
            MODEL_CHECK(data == 7);
        });
}
MODEL_PROGRAM(
    "waiter: without a process barrier, the wait itself orders what was done before the notify",
    {}) {
    sys::atomic<int> done{0};
    waiter w;
    model::threads(
        [&] {
            done.store(1, std::memory_order_relaxed);
            w.notify_one();
        },
        [&] {
            (void)w.wait(
                [&] { return done.load(std::memory_order_relaxed) == 1; }, [] { return false; });
        });
}

// ---- Entries of several kinds: one without a thread is owned by whoever wakes it. ----

/// Waits at up to two token counters; takes one token, in the thread that wakes it.
struct errand {
    explicit errand(tokens& one)
        : target{resume, this},
          places{{one.waiting, target}, {one.waiting, target}},
          from{&one},
          n{1} {}
    errand(tokens& one, tokens& two)
        : target{resume, this},
          places{{one.waiting, target}, {two.waiting, target}},
          from{&one},
          n{2} {
        other = &two;
    }
    static void resume(void* self) noexcept {
        auto& me = *static_cast<errand*>(self);
        waiter::delist(me.places, me.n);  // an interrupt leaves it there
        if (me.done() || !me.suspend()) me.finish();
    }
    void start() {
        if (done() || !suspend()) finish();
    }
    bool done() {
        sys::wrote(&looks);
        ++looks;  // of its owner's alone
        return from->take() || (other && other->take());
    }
    /// False: it has something, and is its own again.
    bool suspend() {
        for (;;) {
            target.look();
            waiter::enlist(places, n);
            const bool got = done();
            if (!got && target.arm()) return true;
            waiter::delist(places, n);
            if (got || done()) return false;
        }
    }
    void finish() {
        waiter::delist(places, n);
        ended.store(ended.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        if (from->any()) from->waiting.notify_one();
        if (other && other->any()) other->waiting.notify_one();
    }
    penstock::wake_target target;
    waiter::entry places[2];
    tokens* from;
    tokens* other = nullptr;
    std::size_t n;
    int looks = 0;
    sys::atomic<int> ended{0};
};

MODEL_PROGRAM("waiter: one who waits without a thread is resumed by the one who gives",
              {.barriers = barriers::both}) {
    tokens t;
    errand e{t};
    model::threads([&] { t.give(); }, [&] { e.start(); });
    MODEL_CHECK(e.ended.load() == 1 && !t.any());
    MODEL_CHECK(t.waiting.waiting_approx() == 0);
}
MODEL_PROGRAM("waiter: a thread and one without, two are given",
              {.barriers = barriers::both, .departures = 10}) {
    tokens t;
    errand e{t};
    model::threads(
        [&] {
            t.give();
            t.give();
        },
        [&] { e.start(); }, [&] { MODEL_CHECK(t.wait()); });
    MODEL_CHECK(e.ended.load() == 1 && !t.any());
}
MODEL_PROGRAM("waiter: who waits at two places takes from one and passes the other's wake on",
              {.barriers = barriers::both, .departures = 8}) {
    tokens t, u;
    errand e{t, u};
    int waited = 0;
    model::threads([&] { t.give(); }, [&] { u.give(); },
                   [&] {
                       e.start();
                       if (u.wait(penstock::deadline::after({}, 5ms))) waited = 1;
                   });
    MODEL_CHECK(e.ended.load() == 1);
    MODEL_CHECK(t.left.load() + u.left.load() + waited == 1);
}
MODEL_PROGRAM("waiter: a target that is taken back is resumed by nobody, and its wake is not lost",
              {.barriers = barriers::both, .departures = 10}) {
    tokens t;
    auto e = std::make_unique<errand>(t);
    model::threads([&] { t.give(); },
                   [&] {
                       if (e->done() || !e->suspend()) return e->finish();
                       // As an owner whose wakers run in his own thread would: here, only if nobody has it.
                       if (!e->target.disarm()) return;
                       waiter::delist(e->places, 1);
                       e.reset();
                       if (t.any()) t.waiting.notify_one();
                   },
                   [&] { (void)t.wait(penstock::deadline::after({}, 5ms)); });
    if (e) waiter::delist(e->places, 1);
}

MODEL_PROGRAM("waiter: a target without a thread is interrupted, and resumed by who does it",
              {.barriers = barriers::both}) {
    tokens t;
    errand e{t};
    model::threads([&] { e.target.interrupt(); }, [&] { e.start(); });
    MODEL_CHECK(e.ended.load() == 0 && e.looks >= 2);
    waiter::delist(e.places, 1);
}

// ---- The list turns symmetric: one thread has waited and woken so often that it pays no barrier. ----

void turn_symmetric(tokens& t, int times = 9) {
    for (int i = 0; i < times; ++i) {
        errand e{t};
        e.start();
        t.give();
        MODEL_CHECK(e.ended.load() == 1);
    }
}
MODEL_PROGRAM("waiter: the list is symmetric when another thread gives",
              {.barriers = barriers::both}) {
    tokens t;
    turn_symmetric(t);
    errand e{t};
    model::threads([&] { t.give(); }, [&] { e.start(); });
    MODEL_CHECK(e.ended.load() == 1 && !t.any());
}
MODEL_PROGRAM("waiter: the list turns symmetric while another thread gives",
              {.barriers = barriers::both, .departures = 8}) {
    tokens t;
    turn_symmetric(t, 8);
    errand e{t}, f{t};
    model::threads(
        [&] {
            t.give();
            t.give();
        },
        [&] {
            e.start();
            f.start();
        });
    MODEL_CHECK(e.ended.load() + f.ended.load() == 2 && !t.any());
}

// ---- Stop ----

MODEL_PROGRAM("waiter: a stop ends the wait", {.barriers = barriers::both}) {
    tokens t;
    sys::stop_source stop;
    model::threads([&] { stop.request_stop(); },
                   [&] { MODEL_CHECK(t.wait({}, stop.get_token()) == status::stopped); });
    MODEL_CHECK(t.waiting.waiting_approx() == 0);
}
MODEL_PROGRAM("waiter: a stop and a change, the change is taken or left for others",
              {.barriers = barriers::both}) {
    tokens t;
    sys::stop_source stop;
    status a = status::failed;
    model::threads(
        [&] { stop.request_stop(); }, [&] { t.give(); }, [&] { a = t.wait({}, stop.get_token()); });
    MODEL_CHECK(a == status::ok ? !t.any() : a == status::stopped && t.any());
}
MODEL_PROGRAM("waiter: a stopped waiter passes its wake on",
              {.barriers = barriers::both, .departures = 14}) {
    tokens t;
    sys::stop_source stop;
    status a = status::failed;
    model::threads([&] { stop.request_stop(); },
                   [&] {
                       t.give();
                       t.give();
                   },
                   [&] { a = t.wait({}, stop.get_token()); }, [&] { MODEL_CHECK(t.wait()); });
    MODEL_CHECK(a == status::ok ? !t.any() : t.any());
}

// ---- Time ----

MODEL_PROGRAM("waiter: a deadline of the system's clock ends the wait",
              {.barriers = barriers::both}) {
    tokens t;
    status a = status::failed;
    model::threads([&] { t.give(); }, [&] { a = t.wait(penstock::deadline::after({}, 5ms)); });
    MODEL_CHECK(a == status::ok ? !t.any() : a == status::timed_out && t.any());
}
MODEL_PROGRAM("waiter: who times out passes his wake on", {.barriers = barriers::both}) {
    tokens t;
    status a = status::failed;
    model::threads([&] { t.give(); }, [&] { a = t.wait(penstock::deadline::after({}, 5ms)); },
                   [&] {
                       if (a == status::failed) (void)t.take();
                   });
    MODEL_CHECK(a == status::ok || a == status::timed_out);
}
MODEL_PROGRAM("waiter: a moved clock ends the wait", {.barriers = barriers::both}) {
    tokens t;
    penstock::manual_clock time;
    model::threads(
        [&] { time.advance(1h); },
        [&] {
            MODEL_CHECK(t.wait(penstock::deadline{time, penstock::clock::time_point{} + 1h}) ==
                        status::timed_out);
        });
    MODEL_CHECK(time.sleepers() == 0);
}

MODEL_PROGRAM("manual_clock: who sees the new time sees what was done before it came", {}) {
    penstock::manual_clock time;
    int data = 0;
    model::threads(
        [&] {
            sys::wrote(&data);
            data = 1;
            time.advance(1s);
        },
        [&] {
            if (time.now() == penstock::clock::time_point{}) return;
            sys::read(&data);
            MODEL_CHECK(data == 1);
        });
}

// ---- The claimed slot: P1 claims a slot and stalls; P2 fills the next one, its wake finds nothing to
// take and its receiver sleeps again; when P1 has written, both must be received. ----

struct pipe {
    penstock::mpmc_ring<model::payload> ring{2};
    waiter receivers;
    void send(int value) {
        MODEL_CHECK(ring.try_push(model::payload{value}));
        receivers.notify_one();
    }
    int receive() {
        std::optional<model::payload> got;
        (void)receivers.wait([&] { return (got = ring.try_pop()).has_value(); },
                             [&] { return ring.size_approx() > 0; });
        return got->value();
    }
};
MODEL_PROGRAM("waiter: two senders and a receiver over sequenced slots",
              {.barriers = barriers::both}) {
    pipe p;
    int sum = 0;
    model::threads(
        [&] { p.send(1); }, [&] { p.send(2); }, [&] { sum = p.receive() + p.receive(); });
    MODEL_CHECK(sum == 3);
}
MODEL_PROGRAM("waiter: two senders and two receivers over sequenced slots",
              {.barriers = barriers::both, .departures = 12}) {
    pipe p;
    int a = 0, b = 0;
    model::threads(
        [&] { p.send(1); }, [&] { p.send(2); }, [&] { a = p.receive(); }, [&] { b = p.receive(); });
    MODEL_CHECK(a + b == 3 && a != b);
}

}  // namespace
