// SPDX-License-Identifier: BSL-1.0
// Mistakes that are easy to make and hard to see. Each must be found, or the checker is blind to its
// kind: these programs pass when they fail, and for the reason given.
#include <cstdint>
#include <optional>

#include <penstock/core/slot.hpp>
#include <penstock/core/waiter.hpp>
#include <penstock/queue/mpmc_ring.hpp>

#include "../program.hpp"
#include "../support.hpp"

namespace {

namespace sys = penstock::sys;
using model::barriers;
using model::payload;
constexpr auto rlx = std::memory_order_relaxed;
constexpr auto acq = std::memory_order_acquire;
constexpr auto rel = std::memory_order_release;

// ---- An event count: the sleeper announces itself, then looks; the changer changes, then looks for
// sleepers. Acquire and release order neither side's store before its load. ----

struct event_count {
    explicit event_count(std::memory_order o) : order{o} {}
    const std::memory_order order;
    sys::atomic<int> sleepers{0};
    sys::atomic<int> ready{0};
    sys::atomic<std::uint32_t> word{0};

    std::memory_order for_load() const { return order == std::memory_order_seq_cst ? order : acq; }
    std::memory_order for_store() const { return order == std::memory_order_seq_cst ? order : rel; }

    void change() {
        ready.store(1, for_store());
        if (sleepers.load(for_load()) == 0) return;
        word.store(1, rel);
        sys::futex_wake(&word);
    }
    void wait() {
        sleepers.store(1, for_store());
        while (ready.load(for_load()) == 0) sys::futex_wait(word, 0);
    }
};
MODEL_PROGRAM("known bad: an event count with acquire and release where seq_cst is needed",
              {.red = "sleeps for ever"}) {
    event_count e{std::memory_order_acq_rel};
    model::threads([&] { e.change(); }, [&] { e.wait(); });
}
MODEL_PROGRAM("known bad, mended: an event count with seq_cst", {}) {
    event_count e{std::memory_order_seq_cst};
    model::threads([&] { e.change(); }, [&] { e.wait(); });
}

// ---- A sequenced ring whose slots are published relaxed. ----

template <std::memory_order Publish>
struct sequenced_slot {
    sys::atomic<std::uint64_t> sequence{0};
    penstock::slot<int> value;

    bool try_push(int v) {
        if (sequence.load(acq) % 2 != 0) return false;
        value.put(std::move(v));
        sequence.store(1, Publish);
        return true;
    }
    std::optional<int> try_pop() {
        if (sequence.load(acq) % 2 == 0) return std::nullopt;
        const int v = value.take();
        sequence.store(2, rel);
        return v;
    }
};
MODEL_PROGRAM("known bad: a sequence that is stored relaxed", {.red = "data race"}) {
    sequenced_slot<rlx> s;
    model::threads([&] { (void)s.try_push(1); }, [&] { (void)s.try_pop(); });
}
MODEL_PROGRAM("known bad, mended: a sequence that is stored with release", {}) {
    sequenced_slot<rel> s;
    model::threads(
        [&] {
            (void)s.try_push(1);
            (void)s.try_push(2);
        },
        [&] { (void)s.try_pop(); });
}

// ---- The wake lost over a claimed slot. P1 claims the first slot and stalls, P2 fills the second and
// wakes C1, who finds nothing to take and sleeps again. P1 fills its slot and wakes one of them. Two
// elements are ready now, and who was woken takes one: he must pass the wake on. `left` says whether
// he should; here it always says no. ----

struct forgetful_pipe {
    penstock::mpmc_ring<int> ring{2};
    penstock::waiter receivers;

    void send(int v) {
        MODEL_CHECK(ring.try_push(std::move(v)));
        receivers.notify_one();
    }
    void receive() {
        (void)receivers.wait([&] { return ring.try_pop().has_value(); }, [] { return false; });
    }
};
MODEL_PROGRAM("known bad: the wake lost over a claimed slot",
              {.barriers = barriers::both, .red = "sleeps for ever"}) {
    forgetful_pipe p;
    model::threads(
        [&] { p.receive(); }, [&] { p.receive(); }, [&] { p.send(1); }, [&] { p.send(2); });
}

// ---- Peek, then remove: right with one consumer, wrong with two. ----

struct peeking_ring {
    sys::atomic<std::uint64_t> head{0}, tail{0};
    penstock::slot<int> slots[2];

    void push(int v) {
        const auto t = tail.load(rlx);
        slots[t % 2].put(std::move(v));
        tail.store(t + 1, rel);
    }
    bool pop() {
        const auto h = head.load(acq);
        if (h == tail.load(acq)) return false;
        (void)slots[h % 2].get();  // peek
        slots[h % 2].drop();       // then remove
        head.store(h + 1, rel);
        return true;
    }
};
MODEL_PROGRAM("known bad: peek, then remove, with two consumers", {.red = "data race"}) {
    peeking_ring r;
    r.push(1);
    model::threads([&] { (void)r.pop(); }, [&] { (void)r.pop(); });
}
MODEL_PROGRAM("known bad, mended: peek, then remove, with one", {}) {
    peeking_ring r;
    model::threads(
        [&] {
            r.push(1);
            r.push(2);
        },
        [&] {
            (void)r.pop();
            (void)r.pop();
        });
}

// ---- More of the kind ----

MODEL_PROGRAM("known bad: two locks by load and store, in place of exchange",
              {.red = "data race"}) {
    sys::atomic<int> locked{0};
    int n = 0;
    const auto add = [&] {
        while (locked.load(acq) != 0) sys::pause();
        locked.store(1, rlx);
        sys::wrote(&n);
        ++n;
        locked.store(0, rel);
    };
    model::threads(add, add);
}
MODEL_PROGRAM("known bad: Dekker's lock with acquire and release", {.red = "data race"}) {
    sys::atomic<int> a{0}, b{0};
    int n = 0;
    const auto enter = [&](auto& mine, auto& other) {
        mine.store(1, rel);
        if (other.load(acq) == 0) {
            sys::wrote(&n);
            ++n;
        }
    };
    model::threads([&] { enter(a, b); }, [&] { enter(b, a); });
}
MODEL_PROGRAM("known bad: a notify that is not ordered after the change",
              {.red = "sleeps for ever"}) {
    // process_barrier on the waiting side needs a compiler barrier on the other.
    sys::atomic<int> ready{0}, sleepers{0};
    sys::atomic<std::uint32_t> word{0};
    model::threads(
        [&] {
            ready.store(1, rel);
            if (sleepers.load(rlx) == 0) return;
            word.store(1, rel);
            sys::futex_wake(&word);
        },
        [&] {
            sleepers.store(1, rlx);
            sys::process_barrier();
            while (ready.load(acq) == 0) sys::futex_wait(word, 0);
        });
}
MODEL_PROGRAM("known bad: a reference count that is given back relaxed",
              {.red = "memory goes away"}) {
    struct shared {
        sys::atomic<int> count{2};
        int data = 0;
    };
    auto* s = new shared;
    const auto use = [&](std::memory_order o) {
        sys::read(&s->data);
        if (s->count.fetch_sub(1, o) == 1) delete s;
    };
    model::threads([&] { use(rlx); }, [&] { use(rlx); });
}
MODEL_PROGRAM("known bad: a stop callback that outlives what it uses",
              {.red = "waits for a mutex for ever"}) {
    // The destructor waits for the callback, which waits for a mutex that the destroyer holds.
    sys::mutex m;
    sys::stop_source stop;
    model::threads([&] { stop.request_stop(); },
                   [&] {
                       m.lock();
                       {
                           auto touch = [&m] {
                               m.lock();
                               m.unlock();
                           };
                           sys::stop_callback on_stop{stop.get_token(), touch};
                           m.unlock();
                           m.lock();
                       }
                       m.unlock();
                   });
}
MODEL_PROGRAM("known bad: a waiter that is destroyed while a notify is under way",
              {.red = "memory goes away"}) {
    auto* w = new penstock::waiter;
    sys::atomic<int> ready{0};
    model::threads(
        [&] {
            ready.store(1, rel);
            w->notify_one();
        },
        [&] {
            (void)w->wait([&] { return ready.load(acq) == 1; }, [] { return false; });
            delete w;
        });
}

}  // namespace
