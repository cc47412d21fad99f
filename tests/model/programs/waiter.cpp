// SPDX-License-Identifier: BSL-1.0
// core/waiter.hpp: a change is never missed, a wake never lost, a wait ends by stop, by time, by a
// clock; with the process barrier and with read-modify-writes.
#include <chrono>
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
