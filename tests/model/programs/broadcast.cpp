// SPDX-License-Identifier: BSL-1.0
// The gated broadcast_ring: who joins, leaves and stays behind others while producers run. A payload is
// read where it lies, so a slot that is taken too early is a data race.
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <penstock/queue/broadcast_ring.hpp>

#include "../program.hpp"
#include "../support.hpp"

namespace {

using model::payload;
using penstock::behind;
using penstock::gated;
template <std::size_t Capacity>
using ring_of = penstock::broadcast_ring<payload, gated, Capacity>;

/// Reads what it finds in so many looks; the numbers of one producer follow each other.
template <class Reader>
void look(Reader& r, int looks, int& next) {
    for (int i = 0; i < looks; ++i)
        if (const payload* p = r.front()) {
            const int value = p->value();
            MODEL_CHECK(next < 0 || value == next);
            next = value + 1;
            r.pop();
        }
}
template <std::size_t Capacity>
int push(ring_of<Capacity>& ring, int pushes, int from = 0) {
    int n = 0;
    for (int i = 0; i < pushes; ++i) n += ring.try_push(payload{from + n});
    return n;
}

MODEL_PROGRAM("broadcast_ring: capacity 1, three pushes, one reader", {}) {
    ring_of<1> ring;
    auto r = ring.join();
    int next = 0, pushed = 0;
    model::threads([&] { pushed = push(ring, 3); }, [&] { look(r, 3, next); });
    look(r, 1, next);
    MODEL_CHECK(next == pushed);
    MODEL_CHECK(ring.size_approx() == 0);
}
MODEL_PROGRAM("broadcast_ring: capacity 2, two readers see the same", {}) {
    ring_of<2> ring;
    auto a = ring.join(), b = ring.join();
    int by_a = 0, by_b = 0, pushed = 0;
    model::threads(
        [&] { pushed = push(ring, 3); }, [&] { look(a, 2, by_a); }, [&] { look(b, 2, by_b); });
    look(a, 3, by_a);
    look(b, 3, by_b);
    MODEL_CHECK(by_a == pushed && by_b == pushed);
}
MODEL_PROGRAM("broadcast_ring: two producers share a limit that one of them has looked for", {}) {
    ring_of<2> ring;
    auto r = ring.join();
    MODEL_CHECK(push(ring, 2) == 2);
    model::threads(
        [&] {
            for (int i = 0; i < 2; ++i) {
                if (const payload* p = r.front()) MODEL_CHECK(p->value() == i);
                r.pop();
            }
        },
        [&] { (void)ring.try_push(payload{7}); }, [&] { (void)ring.try_push(payload{8}); });
    for (int i = 0; i < 2 && r.front(); ++i, r.pop()) MODEL_CHECK(r.front()->value() >= 7);
}
MODEL_PROGRAM("broadcast_ring: two producers and a reader, capacity 1", {}) {
    ring_of<1> ring;
    auto r = ring.join();
    int pushed[2] = {}, seen = 0;
    auto read = [&] {
        if (const payload* p = r.front()) {
            seen += p->value();
            r.pop();
        }
    };
    model::threads([&] { pushed[0] = push(ring, 1, 1); }, [&] { pushed[1] = push(ring, 1, 10); },
                   [&] {
                       read();
                       read();
                   });
    read();
    MODEL_CHECK(seen == pushed[0] + 10 * pushed[1]);
    MODEL_CHECK(pushed[0] + pushed[1] >= 1);
}
MODEL_PROGRAM("broadcast_ring: full is the truth", {}) {
    ring_of<1> ring;
    auto r = ring.join();
    MODEL_CHECK(push(ring, 1) == 1);
    model::flag popped;
    model::threads(
        [&] {
            const bool before = popped.is_set();  // the pop happens before the push
            if (!ring.try_push(payload{1})) MODEL_CHECK(!before);
        },
        [&] {
            MODEL_CHECK(r.front());
            r.pop();
            popped.set();
        });
}
MODEL_PROGRAM("broadcast_ring: a reader joins while one pushes: no gap, nothing taken from it",
              {}) {
    ring_of<1> ring;
    int next = -1;
    model::threads([&] { MODEL_CHECK(push(ring, 2) >= 1); },
                   [&] {
                       auto r = ring.join();
                       look(r, 2, next);
                   });
}
MODEL_PROGRAM("broadcast_ring: a reader joins beside another while one pushes", {}) {
    ring_of<1> ring;
    auto first = ring.join();
    int by_first = 0, next = -1;
    model::threads([&] { (void)push(ring, 2); }, [&] { look(first, 2, by_first); },
                   [&] {
                       auto r = ring.join();
                       look(r, 1, next);
                   });
}
MODEL_PROGRAM("broadcast_ring: what is pushed after a join is seen", {}) {
    ring_of<2> ring;
    model::flag joined, pushed;
    model::threads(
        [&] {
            auto r = ring.join();
            joined.set();
            if (pushed.is_set()) MODEL_CHECK(r.front() && r.front()->value() == 1);
        },
        [&] {
            if (!joined.is_set()) return;
            MODEL_CHECK(ring.try_push(payload{1}));
            pushed.set();
        });
}
MODEL_PROGRAM("broadcast_ring: who leaves lets go, and has read for the last time", {}) {
    ring_of<1> ring;
    std::optional r{ring.join()};
    MODEL_CHECK(push(ring, 1) == 1);
    model::threads(
        [&] {
            MODEL_CHECK(r->front()->value() == 0);
            r.reset();
        },
        [&] { (void)ring.try_push(payload{1}); });
}
MODEL_PROGRAM("broadcast_ring: a gate changes hands while one pushes", {}) {
    ring_of<1> ring;
    std::optional old{ring.join()};
    MODEL_CHECK(push(ring, 1) == 1);
    int next = -1;
    model::threads(
        [&] {
            MODEL_CHECK(old->front()->value() == 0);
            old.reset();
        },
        [&] {
            auto r = ring.join();
            look(r, 1, next);
        },
        [&] { (void)ring.try_push(payload{1}); });
}
MODEL_PROGRAM("broadcast_ring: a reader behind another sees what that one wrote", {}) {
    struct work {
        mutable payload note{0};
    };
    penstock::broadcast_ring<work, gated, 1> ring;
    auto a = ring.join();
    auto b = ring.join(behind(a));
    int seen = 0;
    model::threads([&] { (void)(ring.try_push(work{}) && ring.try_push(work{})); },
                   [&] {
                       for (int i = 0; i < 2; ++i)
                           if (const work* w = a.front()) {
                               w->note = payload{w->note.value() + 1};
                               a.pop();
                           }
                   },
                   [&] {
                       for (int i = 0; i < 2; ++i)
                           if (const work* w = b.front()) {
                               MODEL_CHECK(w->note.value() == 1);
                               ++seen;
                               b.pop();
                           }
                   });
    MODEL_CHECK(seen <= 2);
}
MODEL_PROGRAM("broadcast_ring: one in the middle leaves; the last still waits for the first", {}) {
    ring_of<1> ring;
    auto first = ring.join();
    std::optional middle{ring.join(behind(first))};
    auto last = ring.join(behind(*middle));
    MODEL_CHECK(push(ring, 1) == 1);
    model::flag done;
    model::threads(
        [&] {
            MODEL_CHECK(first.front()->value() == 0);
            done.set();
            first.pop();
        },
        [&] {
            (void)middle->front();
            middle.reset();
        },
        [&] {
            if (last.front()) MODEL_CHECK(done.is_set());
        });
}
MODEL_PROGRAM("broadcast_ring: the gate of one that left is free when those behind it go", {}) {
    ring_of<1> ring;
    std::optional a{ring.join()};
    std::optional b{ring.join(behind(*a))};
    MODEL_CHECK(push(ring, 1) == 1);
    model::threads([&] { a.reset(); },
                   [&] {
                       if (const payload* p = b->front()) MODEL_CHECK(p->value() == 0);
                       b.reset();
                   },
                   [&] { (void)ring.try_push(payload{1}); });
    MODEL_CHECK(ring.readers() == 0);
    auto c = ring.join();
    MODEL_CHECK(c.id() == 3);
}
MODEL_PROGRAM("broadcast_ring: a gate changes hands when the last of those who used it goes", {}) {
    ring_of<1> ring;
    std::optional a{ring.join()};
    std::optional b{ring.join(behind(*a))};
    MODEL_CHECK(push(ring, 1) == 1);
    int next = -1;
    model::threads(
        [&] {
            MODEL_CHECK(a->front()->value() == 0);
            a.reset();
        },
        [&] {
            b.reset();
            auto c = ring.join();
            look(c, 1, next);
        },
        [&] { (void)ring.try_push(payload{1}); });
}
MODEL_PROGRAM("broadcast_ring: where nobody reads, one destroys what another has pushed", {}) {
    ring_of<1> ring;
    int pushed[2] = {};
    model::threads([&] { pushed[0] = push(ring, 1); }, [&] { pushed[1] = push(ring, 2); });
    MODEL_CHECK(pushed[0] + pushed[1] >= 1);
}
MODEL_PROGRAM("broadcast_ring: one takes the slot that another has reserved and let go", {}) {
    ring_of<1> ring;
    MODEL_CHECK(push(ring, 1) == 1);
    model::threads([&] { auto place = ring.reserve(); }, [&] { (void)push(ring, 1); });
}
MODEL_PROGRAM("broadcast_ring: an abandoned reservation is stepped over", {}) {
    ring_of<2> ring;
    auto r = ring.join();
    int seen = 0;
    model::threads(
        [&] {
            { auto place = ring.reserve(); }
            (void)ring.try_push(payload{5});
        },
        [&] {
            for (int i = 0; i < 2; ++i)
                if (const payload* p = r.front()) {
                    MODEL_CHECK(p->value() == 5);
                    ++seen;
                    r.pop();
                }
        });
    MODEL_CHECK(seen == 1 || (r.front() && r.front()->value() == 5));
}
MODEL_PROGRAM("broadcast_ring: what was pushed before a close is seen before drained", {}) {
    ring_of<2> ring;
    auto r = ring.join();
    bool pushed = false;
    int seen = 0;
    model::threads([&] { pushed = ring.try_push(payload{1}); }, [&] { ring.close(); },
                   [&] {
                       if (const payload* p = r.front()) {
                           seen += p->value();
                           r.pop();
                       }
                       if (r.drained()) {
                           MODEL_CHECK(!ring.try_push(payload{2}));
                           seen += 10;
                       }
                   });
    if (seen >= 10) MODEL_CHECK(seen == 10 + pushed);
}
MODEL_PROGRAM("broadcast_ring: destruction finds what is left, and nothing twice", {}) {
    model::census live;
    {
        penstock::broadcast_ring<model::counted, gated, 2> ring;
        auto r = ring.join();
        model::threads(
            [&] {
                for (int i = 0; i < 3; ++i) (void)ring.try_push(model::counted{live});
            },
            [&] {
                if (r.front()) r.pop();
            });
    }
    MODEL_CHECK(live.count() == 0);
}

}  // namespace
