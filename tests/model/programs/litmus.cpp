// SPDX-License-Identifier: BSL-1.0
// The model against the memory model: each test shows exactly RC11's outcomes, none missing and none
// too many. Names as in the literature; an outcome lists the reads in the order of the threads.
#include <string>

#include <penstock/core/sync.hpp>

#include "../program.hpp"

namespace {

using penstock::sys::atomic;
constexpr auto rlx = std::memory_order_relaxed;
constexpr auto acq = std::memory_order_acquire;
constexpr auto rel = std::memory_order_release;
constexpr auto ar = std::memory_order_acq_rel;
constexpr auto sc = std::memory_order_seq_cst;

void fence(std::memory_order o) { model::fence(o, {}); }

template <class... N>
void outcome(N... n) {
    std::string text;
    ((text += (text.empty() ? "" : " ") + std::to_string(n)), ...);
    model::outcome(text);
}

// ---- Store buffering ----

void sb(std::memory_order w, std::memory_order r) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            x.store(1, w);
            a = y.load(r);
        },
        [&] {
            y.store(1, w);
            b = x.load(r);
        });
    outcome(a, b);
}
MODEL_PROGRAM("litmus: SB, relaxed", {.outcomes = {"0 0", "0 1", "1 0", "1 1"}}) { sb(rlx, rlx); }
MODEL_PROGRAM("litmus: SB, release and acquire", {.outcomes = {"0 0", "0 1", "1 0", "1 1"}}) {
    sb(rel, acq);
}
MODEL_PROGRAM("litmus: SB, seq_cst", {.outcomes = {"0 1", "1 0", "1 1"}}) { sb(sc, sc); }
MODEL_PROGRAM("litmus: SB, seq_cst stores, acquire loads",
              {.outcomes = {"0 0", "0 1", "1 0", "1 1"}}) {
    sb(sc, acq);
}

void sb_fences(std::memory_order o) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            x.store(1, rlx);
            fence(o);
            a = y.load(rlx);
        },
        [&] {
            y.store(1, rlx);
            fence(o);
            b = x.load(rlx);
        });
    outcome(a, b);
}
MODEL_PROGRAM("litmus: SB, seq_cst fences", {.outcomes = {"0 1", "1 0", "1 1"}}) { sb_fences(sc); }
MODEL_PROGRAM("litmus: SB, acq_rel fences", {.outcomes = {"0 0", "0 1", "1 0", "1 1"}}) {
    sb_fences(ar);
}

MODEL_PROGRAM("litmus: SB, read-modify-writes of one word between",
              {.outcomes = {"0 1", "1 0", "1 1"}}) {
    atomic<int> x{0}, y{0}, z{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            x.store(1, rlx);
            z.fetch_add(0, ar);
            a = y.load(rlx);
        },
        [&] {
            y.store(1, rlx);
            z.fetch_add(0, ar);
            b = x.load(rlx);
        });
    outcome(a, b);
}
MODEL_PROGRAM("litmus: SB, relaxed read-modify-writes between",
              {.outcomes = {"0 0", "0 1", "1 0", "1 1"}}) {
    atomic<int> x{0}, y{0}, z{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            x.store(1, rlx);
            z.fetch_add(0, rlx);
            a = y.load(rlx);
        },
        [&] {
            y.store(1, rlx);
            z.fetch_add(0, rlx);
            b = x.load(rlx);
        });
    outcome(a, b);
}
MODEL_PROGRAM("litmus: SB, process barrier against compiler barrier",
              {.outcomes = {"0 1", "1 0", "1 1"}}) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            x.store(1, rlx);
            penstock::sys::process_barrier();
            a = y.load(rlx);
        },
        [&] {
            y.store(1, rlx);
            penstock::sys::compiler_barrier();
            b = x.load(rlx);
        });
    outcome(a, b);
}
MODEL_PROGRAM("litmus: SB, process barrier against nothing",
              {.outcomes = {"0 0", "0 1", "1 0", "1 1"}}) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            x.store(1, rlx);
            penstock::sys::process_barrier();
            a = y.load(rlx);
        },
        [&] {
            y.store(1, rlx);
            b = x.load(rlx);
        });
    outcome(a, b);
}
MODEL_PROGRAM("litmus: SB, compiler barriers alone", {.outcomes = {"0 0", "0 1", "1 0", "1 1"}}) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            x.store(1, rlx);
            penstock::sys::compiler_barrier();
            a = y.load(rlx);
        },
        [&] {
            y.store(1, rlx);
            penstock::sys::compiler_barrier();
            b = x.load(rlx);
        });
    outcome(a, b);
}

// ---- Message passing ----

void mp(std::memory_order w, std::memory_order r) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            x.store(1, rlx);
            y.store(1, w);
        },
        [&] {
            a = y.load(r);
            b = x.load(rlx);
        });
    outcome(a, b);
}
MODEL_PROGRAM("litmus: MP, relaxed", {.outcomes = {"0 0", "0 1", "1 0", "1 1"}}) { mp(rlx, rlx); }
MODEL_PROGRAM("litmus: MP, release and acquire", {.outcomes = {"0 0", "0 1", "1 1"}}) {
    mp(rel, acq);
}
MODEL_PROGRAM("litmus: MP, release and relaxed", {.outcomes = {"0 0", "0 1", "1 0", "1 1"}}) {
    mp(rel, rlx);
}
MODEL_PROGRAM("litmus: MP, relaxed and acquire", {.outcomes = {"0 0", "0 1", "1 0", "1 1"}}) {
    mp(rlx, acq);
}
MODEL_PROGRAM("litmus: MP, fences", {.outcomes = {"0 0", "0 1", "1 1"}}) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            x.store(1, rlx);
            fence(rel);
            y.store(1, rlx);
        },
        [&] {
            a = y.load(rlx);
            fence(acq);
            b = x.load(rlx);
        });
    outcome(a, b);
}
MODEL_PROGRAM("litmus: MP, release fence only", {.outcomes = {"0 0", "0 1", "1 0", "1 1"}}) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            x.store(1, rlx);
            fence(rel);
            y.store(1, rlx);
        },
        [&] {
            a = y.load(rlx);
            b = x.load(rlx);
        });
    outcome(a, b);
}
MODEL_PROGRAM("litmus: MP, release fence on the wrong side",
              {.outcomes = {"0 0", "0 1", "1 0", "1 1"}}) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            fence(rel);
            x.store(1, rlx);
            y.store(1, rlx);
        },
        [&] {
            a = y.load(rlx);
            fence(acq);
            b = x.load(rlx);
        });
    outcome(a, b);
}
MODEL_PROGRAM("litmus: MP of plain data, released and acquired", {.outcomes = {"0", "1"}}) {
    atomic<int> y{0};
    int data = 0, seen = 0;
    model::threads(
        [&] {
            penstock::sys::wrote(&data);
            data = 1;
            y.store(1, rel);
        },
        [&] {
            if (y.load(acq)) {
                penstock::sys::read(&data);
                seen = data;
            }
        });
    outcome(seen);
}
MODEL_PROGRAM("litmus: MP of plain data, relaxed, is a data race", {.red = "data race"}) {
    atomic<int> y{0};
    int data = 0;
    model::threads(
        [&] {
            penstock::sys::wrote(&data);
            data = 1;
            y.store(1, rlx);
        },
        [&] {
            if (y.load(acq)) penstock::sys::read(&data);
        });
}

// ---- Release sequences ----

MODEL_PROGRAM("litmus: a read-modify-write continues a release sequence",
              {.outcomes = {"0 0", "0 1", "1 0", "1 1", "2 1"}}) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            x.store(1, rlx);
            y.store(1, rel);
        },
        [&] { y.fetch_add(1, rlx); },
        [&] {
            a = y.load(acq);
            b = x.load(rlx);
        });
    // 1 may be the relaxed increment of 0, which knows nothing, or the released store.
    outcome(a, b);
}
MODEL_PROGRAM("litmus: a store of the same thread does not continue one (C++20)",
              {.outcomes = {"0 0", "0 1", "1 1", "2 0", "2 1"}}) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            x.store(1, rlx);
            y.store(1, rel);
            y.store(2, rlx);
        },
        [&] {
            a = y.load(acq);
            b = x.load(rlx);
        });
    outcome(a, b);
}
MODEL_PROGRAM("litmus: a store of another thread breaks one",
              {.outcomes = {"0 0", "0 1", "1 1", "2 0", "2 1"}}) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            x.store(1, rlx);
            y.store(1, rel);
        },
        [&] { y.store(2, rlx); },
        [&] {
            a = y.load(acq);
            b = x.load(rlx);
        });
    outcome(a, b);
}

// ---- Load buffering: RC11 forbids 1 1, though C++ as written does not ----

void lb(std::memory_order r, std::memory_order w) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    model::threads(
        [&] {
            a = x.load(r);
            y.store(1, w);
        },
        [&] {
            b = y.load(r);
            x.store(1, w);
        });
    outcome(a, b);
}
MODEL_PROGRAM("litmus: LB, relaxed", {.outcomes = {"0 0", "0 1", "1 0"}}) { lb(rlx, rlx); }
MODEL_PROGRAM("litmus: LB, acquire and release", {.outcomes = {"0 0", "0 1", "1 0"}}) {
    lb(acq, rel);
}

// ---- Independent reads of independent writes ----

void iriw(std::memory_order w, std::memory_order r) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0, c = 0, d = 0;
    model::threads([&] { x.store(1, w); }, [&] { y.store(1, w); },
                   [&] {
                       a = x.load(r);
                       b = y.load(r);
                   },
                   [&] {
                       c = y.load(r);
                       d = x.load(r);
                   });
    outcome(a, b, c, d);
}
MODEL_PROGRAM("litmus: IRIW, acquire",
              {.outcomes = {"0 0 0 0", "0 0 0 1", "0 0 1 0", "0 0 1 1", "0 1 0 0", "0 1 0 1",
                            "0 1 1 0", "0 1 1 1", "1 0 0 0", "1 0 0 1", "1 0 1 0", "1 0 1 1",
                            "1 1 0 0", "1 1 0 1", "1 1 1 0", "1 1 1 1"}}) {
    iriw(rel, acq);
}
MODEL_PROGRAM("litmus: IRIW, seq_cst",
              {.outcomes = {"0 0 0 0", "0 0 0 1", "0 0 1 0", "0 0 1 1", "0 1 0 0", "0 1 0 1",
                            "0 1 1 0", "0 1 1 1", "1 0 0 0", "1 0 0 1", "1 0 1 1", "1 1 0 0",
                            "1 1 0 1", "1 1 1 0", "1 1 1 1"}}) {
    iriw(sc, sc);
}
MODEL_PROGRAM("litmus: IRIW, seq_cst fences",
              {.outcomes = {"0 0 0 0", "0 0 0 1", "0 0 1 0", "0 0 1 1", "0 1 0 0", "0 1 0 1",
                            "0 1 1 0", "0 1 1 1", "1 0 0 0", "1 0 0 1", "1 0 1 1", "1 1 0 0",
                            "1 1 0 1", "1 1 1 0", "1 1 1 1"}}) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0, c = 0, d = 0;
    model::threads([&] { x.store(1, rlx); }, [&] { y.store(1, rlx); },
                   [&] {
                       a = x.load(rlx);
                       fence(sc);
                       b = y.load(rlx);
                   },
                   [&] {
                       c = y.load(rlx);
                       fence(sc);
                       d = x.load(rlx);
                   });
    outcome(a, b, c, d);
}

// ---- Coherence ----

MODEL_PROGRAM("litmus: CoRR", {.outcomes = {"0 0", "0 1", "1 1"}}) {
    atomic<int> x{0};
    int a = 0, b = 0;
    model::threads([&] { x.store(1, rlx); },
                   [&] {
                       a = x.load(rlx);
                       b = x.load(rlx);
                   });
    outcome(a, b);
}
MODEL_PROGRAM(
    "litmus: CoRR of two stores and two readers",
    {.outcomes = {
         "0 0 0 0", "0 0 0 1", "0 0 0 2", "0 0 1 1", "0 0 1 2", "0 0 2 1", "0 0 2 2", "0 1 0 0",
         "0 1 0 1", "0 1 0 2", "0 1 1 1", "0 1 1 2", "0 1 2 1", "0 1 2 2", "0 2 0 0", "0 2 0 1",
         "0 2 0 2", "0 2 1 1", "0 2 1 2", "0 2 2 1", "0 2 2 2", "1 1 0 0", "1 1 0 1", "1 1 0 2",
         "1 1 1 1", "1 1 1 2", "1 1 2 1", "1 1 2 2", "1 2 0 0", "1 2 0 1", "1 2 0 2", "1 2 1 1",
         "1 2 1 2", "1 2 2 2", "2 1 0 0", "2 1 0 1", "2 1 0 2", "2 1 1 1", "2 1 2 1", "2 1 2 2",
         "2 2 0 0", "2 2 0 1", "2 2 0 2", "2 2 1 1", "2 2 1 2", "2 2 2 1", "2 2 2 2"}}) {
    atomic<int> x{0};
    int a = 0, b = 0, c = 0, d = 0;
    model::threads([&] { x.store(1, rlx); }, [&] { x.store(2, rlx); },
                   [&] {
                       a = x.load(rlx);
                       b = x.load(rlx);
                   },
                   [&] {
                       c = x.load(rlx);
                       d = x.load(rlx);
                   });
    outcome(a, b, c, d);
}
MODEL_PROGRAM("litmus: CoWW", {.outcomes = {"2"}}) {
    atomic<int> x{0};
    model::threads([&] {
        x.store(1, rlx);
        x.store(2, rlx);
    });
    outcome(x.load(rlx));
}
MODEL_PROGRAM("litmus: CoRW, what was read comes before what is written",
              {.outcomes = {"0 1", "0 2", "1 2"}}) {
    atomic<int> x{0};
    int a = 0;
    model::threads(
        [&] {
            a = x.load(rlx);
            x.store(2, rlx);
        },
        [&] { x.store(1, rlx); });
    outcome(a, x.load(rlx));
}
MODEL_PROGRAM("litmus: CoWR, no reading behind one's own store",
              {.outcomes = {"1 1", "1 2", "2 2"}}) {
    atomic<int> x{0};
    int a = 0;
    model::threads(
        [&] {
            x.store(1, rlx);
            a = x.load(rlx);
        },
        [&] { x.store(2, rlx); });
    outcome(a, x.load(rlx));
}

// ---- 2+2W, S, R: where modification order matters ----

void two_plus_two(std::memory_order o) {
    atomic<int> x{0}, y{0};
    model::threads(
        [&] {
            x.store(1, o);
            y.store(2, o);
        },
        [&] {
            y.store(1, o);
            x.store(2, o);
        });
    outcome(x.load(rlx), y.load(rlx));
}
MODEL_PROGRAM("litmus: 2+2W, relaxed", {.outcomes = {"1 1", "1 2", "2 1", "2 2"}}) {
    two_plus_two(rlx);
}
MODEL_PROGRAM("litmus: 2+2W, release", {.outcomes = {"1 1", "1 2", "2 1", "2 2"}}) {
    two_plus_two(rel);
}
MODEL_PROGRAM("litmus: 2+2W, seq_cst", {.outcomes = {"1 2", "2 1", "2 2"}}) { two_plus_two(sc); }

void s_test(std::memory_order w, std::memory_order r) {
    atomic<int> x{0}, y{0};
    int a = 0;
    model::threads(
        [&] {
            x.store(2, rlx);
            y.store(1, w);
        },
        [&] {
            a = y.load(r);
            x.store(1, rlx);
        });
    outcome(a, x.load(rlx));
}
MODEL_PROGRAM("litmus: S, relaxed", {.outcomes = {"0 1", "0 2", "1 1", "1 2"}}) {
    s_test(rlx, rlx);
}
MODEL_PROGRAM("litmus: S, release and acquire", {.outcomes = {"0 1", "0 2", "1 1"}}) {
    s_test(rel, acq);
}

void r_test(std::memory_order o) {
    atomic<int> x{0}, y{0};
    int a = 0;
    model::threads(
        [&] {
            x.store(1, o);
            y.store(1, o);
        },
        [&] {
            y.store(2, o);
            a = x.load(o == rel ? acq : o);
        });
    outcome(a, y.load(rlx));
}
MODEL_PROGRAM("litmus: R, relaxed", {.outcomes = {"0 1", "0 2", "1 1", "1 2"}}) { r_test(rlx); }
MODEL_PROGRAM("litmus: R, release and acquire", {.outcomes = {"0 1", "0 2", "1 1", "1 2"}}) {
    r_test(rel);
}
MODEL_PROGRAM("litmus: R, seq_cst", {.outcomes = {"0 1", "1 1", "1 2"}}) { r_test(sc); }

// ---- Causality over three threads ----

void wrc(std::memory_order w, std::memory_order r) {
    atomic<int> x{0}, y{0};
    int a = 0, b = 0, c = 0;
    model::threads([&] { x.store(1, rlx); },
                   [&] {
                       a = x.load(rlx);
                       y.store(1, w);
                   },
                   [&] {
                       b = y.load(r);
                       c = x.load(rlx);
                   });
    outcome(a, b, c);
}
MODEL_PROGRAM("litmus: WRC, relaxed", {.outcomes = {"0 0 0", "0 0 1", "0 1 0", "0 1 1", "1 0 0",
                                                    "1 0 1", "1 1 0", "1 1 1"}}) {
    wrc(rlx, rlx);
}
MODEL_PROGRAM("litmus: WRC, release and acquire",
              {.outcomes = {"0 0 0", "0 0 1", "0 1 0", "0 1 1", "1 0 0", "1 0 1", "1 1 1"}}) {
    wrc(rel, acq);
}

void isa2(std::memory_order w, std::memory_order r) {
    atomic<int> x{0}, y{0}, z{0};
    int a = 0, b = 0, c = 0;
    model::threads(
        [&] {
            x.store(1, rlx);
            y.store(1, w);
        },
        [&] {
            a = y.load(r);
            z.store(1, w);
        },
        [&] {
            b = z.load(r);
            c = x.load(rlx);
        });
    outcome(a, b, c);
}
MODEL_PROGRAM("litmus: ISA2, release and acquire",
              {.outcomes = {"0 0 0", "0 0 1", "0 1 0", "0 1 1", "1 0 0", "1 0 1", "1 1 1"}}) {
    isa2(rel, acq);
}
MODEL_PROGRAM("litmus: ISA2, relaxed", {.outcomes = {"0 0 0", "0 0 1", "0 1 0", "0 1 1", "1 0 0",
                                                     "1 0 1", "1 1 0", "1 1 1"}}) {
    isa2(rlx, rlx);
}

// ---- Read-modify-writes ----

MODEL_PROGRAM("litmus: increments are never lost",
              {.outcomes = {"0 1 2 3", "0 2 1 3", "1 0 2 3", "1 2 0 3", "2 0 1 3", "2 1 0 3"}}) {
    atomic<int> x{0};
    int a = 0, b = 0, c = 0;
    model::threads([&] { a = x.fetch_add(1, rlx); }, [&] { b = x.fetch_add(1, rlx); },
                   [&] { c = x.fetch_add(1, rlx); });
    outcome(a, b, c, x.load(rlx));
}
MODEL_PROGRAM("litmus: one of two compare-exchanges wins", {.outcomes = {"0 1 2", "1 0 1"}}) {
    atomic<int> x{0};
    bool a = false, b = false;
    model::threads(
        [&] {
            int e = 0;
            a = x.compare_exchange_strong(e, 1, rlx, rlx);
        },
        [&] {
            int e = 0;
            b = x.compare_exchange_strong(e, 2, rlx, rlx);
        });
    outcome(a, b, x.load(rlx));
}
MODEL_PROGRAM("litmus: a store never falls between read and write", {.outcomes = {"0 5", "5 6"}}) {
    atomic<int> x{0};
    int a = 0;
    model::threads([&] { a = x.fetch_add(1, rlx); }, [&] { x.store(5, rlx); });
    outcome(a, x.load(rlx));
}

// ---- seq_cst in mixed company ----

MODEL_PROGRAM("litmus: Z6.U, where RC11 lets go of a total order", {.outcomes = {"0", "1"}}) {
    // Lahav et al., section 1: b = 1, c = 3, a = 0 happens on POWER, and C++11 forbade it.
    atomic<int> x{0}, y{0};
    int a = 0, b = 0, c = 0;
    model::threads(
        [&] {
            x.store(1, sc);
            y.store(1, rel);
        },
        [&] {
            b = y.fetch_add(1, sc);
            c = y.load(rlx);
        },
        [&] {
            y.store(3, sc);
            a = x.load(sc);
        });
    outcome(b == 1 && c == 3 && a == 0);
}

// ---- The model's own things ----

MODEL_PROGRAM("litmus: a mutex excludes, and hands over", {.outcomes = {"2"}}) {
    penstock::sys::mutex m;
    int n = 0;
    const auto add = [&] {
        m.lock();
        penstock::sys::wrote(&n);
        ++n;
        m.unlock();
    };
    model::threads(add, add);
    outcome(n);
}
MODEL_PROGRAM("litmus: three threads and a mutex, all six orders",
              {.outcomes = {"012", "021", "102", "120", "201", "210"}}) {
    penstock::sys::mutex m;
    std::string order;
    const auto add = [&](char c) {
        m.lock();
        penstock::sys::wrote(&order);
        order += c;
        m.unlock();
    };
    model::threads([&] { add('0'); }, [&] { add('1'); }, [&] { add('2'); });
    model::outcome(order);
}
MODEL_PROGRAM("litmus: two mutexes in two orders deadlock", {.red = "waits for a mutex for ever"}) {
    penstock::sys::mutex m, n;
    model::threads(
        [&] {
            m.lock();
            n.lock();
            n.unlock();
            m.unlock();
        },
        [&] {
            n.lock();
            m.lock();
            m.unlock();
            n.unlock();
        });
}
MODEL_PROGRAM("litmus: try_lock", {.outcomes = {"0 1", "1 0", "1 1"}}) {
    penstock::sys::mutex m;
    bool a = false, b = false;
    model::threads(
        [&] {
            a = m.try_lock();
            if (a) m.unlock();
        },
        [&] {
            b = m.try_lock();
            if (b) m.unlock();
        });
    outcome(a, b);
}
MODEL_PROGRAM("litmus: a futex compares and sleeps in one step", {.outcomes = {""}}) {
    atomic<std::uint32_t> word{0};
    model::threads(
        [&] {
            while (word.load(acq) == 0) model::futex_wait(word.cell(), 0, model::no_deadline, {});
        },
        [&] {
            word.store(1, rel);
            model::futex_wake(&word, {});
        });
}
MODEL_PROGRAM("litmus: a wake before the store is a wake for nothing", {.red = "sleeps for ever"}) {
    atomic<std::uint32_t> word{0};
    model::threads(
        [&] {
            while (word.load(acq) == 0) model::futex_wait(word.cell(), 0, model::no_deadline, {});
        },
        [&] {
            model::futex_wake(&word, {});
            word.store(1, rel);
        });
}
MODEL_PROGRAM("litmus: a spinning thread sees the store in the end", {.outcomes = {"1"}}) {
    atomic<int> x{0};
    int a = 0;
    model::threads(
        [&] {
            while ((a = x.load(rlx)) == 0) penstock::sys::pause();
        },
        [&] { x.store(1, rlx); });
    outcome(a);
}
MODEL_PROGRAM("litmus: a thread that spins for nothing is a livelock", {.red = "spins for ever"}) {
    atomic<int> x{0};
    model::threads(
        [&] {
            while (x.load(rlx) == 0) penstock::sys::pause();
        },
        [] {});
}
MODEL_PROGRAM("litmus: memory that is freed too early", {.red = "memory"}) {
    auto* x = new atomic<int>{0};
    model::threads([&] { x->store(1, rlx); }, [&] { delete x; });
}

}  // namespace
