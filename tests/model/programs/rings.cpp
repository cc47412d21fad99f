// SPDX-License-Identifier: BSL-1.0
// spsc_ring and mpmc_ring in all their roles, at capacity 1 and 2, over more laps than one.
#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <optional>
#include <vector>

#include <penstock/queue/mpmc_ring.hpp>
#include <penstock/queue/spsc_ring.hpp>

#include "../program.hpp"
#include "../support.hpp"

namespace {

using model::bag;
using model::payload;
using penstock::mpmc_ring;
using penstock::spsc_ring;

// ---- spsc_ring ----------------------------------------------------------------------------------

void spsc(std::size_t capacity, int pushes, int pops, int before = 0) {
    spsc_ring<payload> ring{capacity};
    for (int i = 0; i < before; ++i) MODEL_CHECK(ring.try_push(payload{i}) && ring.try_pop());
    int in = 0, out = 0;
    model::threads(
        [&] {
            for (int i = 0; i < pushes; ++i)
                if (ring.try_push(payload{in})) ++in;
        },
        [&] {
            for (int i = 0; i < pops; ++i)
                if (auto x = ring.try_pop()) MODEL_CHECK(x->value() == out++);
        });
    MODEL_CHECK(in - out <= static_cast<int>(capacity));
    MODEL_CHECK(static_cast<int>(ring.size_approx()) == in - out);
    while (auto x = ring.try_pop()) MODEL_CHECK(x->value() == out++);
    MODEL_CHECK(in == out);
}
MODEL_PROGRAM("spsc_ring: capacity 1, six pushes and six pops", {}) { spsc(1, 6, 6); }
MODEL_PROGRAM("spsc_ring: capacity 2, seven pushes and six pops, three laps", {}) { spsc(2, 7, 6); }
MODEL_PROGRAM("spsc_ring: capacity 3, over the gap between two laps", {}) { spsc(3, 3, 3, 2); }
MODEL_PROGRAM("spsc_ring: batches over the gap between two laps", {}) {
    spsc_ring<payload> ring{3};
    for (int i = 0; i < 2; ++i) MODEL_CHECK(ring.try_push(payload{i}) && ring.try_pop());
    int in = 0, out = 0;
    model::threads(
        [&] {
            std::array<payload, 2> two{payload{0}, payload{1}};
            in = static_cast<int>(ring.try_push_n(std::make_move_iterator(two.begin()), 2));
            if (ring.try_push(payload{in})) ++in;
        },
        [&] {
            for (int i = 0; i < 2; ++i) {
                std::array<payload, 2> got;
                const std::size_t n = ring.try_pop_n(got.begin(), 2);
                for (std::size_t k = 0; k < n; ++k) MODEL_CHECK(got[k].value() == out++);
            }
        });
    while (auto x = ring.try_pop()) MODEL_CHECK(x->value() == out++);
    MODEL_CHECK(in == out);
}

MODEL_PROGRAM("spsc_ring: full is the truth", {}) {
    spsc_ring<int> ring{1};
    MODEL_CHECK(ring.try_push(1));
    model::flag popped;
    model::threads(
        [&] {
            const bool before = popped.is_set();  // the pop happens before the push
            if (!ring.try_push(2)) MODEL_CHECK(!before);
        },
        [&] {
            MODEL_CHECK(ring.try_pop());
            popped.set();
        });
}
MODEL_PROGRAM("spsc_ring: empty is the truth", {}) {
    spsc_ring<int> ring{2};
    model::flag pushed;
    model::threads(
        [&] {
            MODEL_CHECK(ring.try_push(1));
            pushed.set();
        },
        [&] {
            const bool before = pushed.is_set();
            if (!ring.try_pop()) MODEL_CHECK(!before);
        });
}
MODEL_PROGRAM("spsc_ring: batches", {}) {
    spsc_ring<payload> ring{2};
    int in = 0, out = 0;
    model::threads(
        [&] {
            for (int i = 0; i < 2; ++i) {
                std::array<payload, 2> batch{payload{in}, payload{in + 1}};
                in += static_cast<int>(ring.try_push_n(std::make_move_iterator(batch.begin()), 2));
            }
        },
        [&] {
            for (int i = 0; i < 3; ++i) {
                std::array<payload, 2> batch;
                const auto n = ring.try_pop_n(batch.begin(), 2);
                for (std::size_t k = 0; k < n; ++k) MODEL_CHECK(batch[k].value() == out++);
            }
        });
    MODEL_CHECK(in - out == static_cast<int>(ring.size_approx()));
}
MODEL_PROGRAM("spsc_ring: look at the front, then remove it", {}) {
    spsc_ring<payload> ring{1};
    int in = 0, out = 0;
    model::threads(
        [&] {
            for (int i = 0; i < 3; ++i)
                if (ring.try_push(payload{in})) ++in;
        },
        [&] {
            for (int i = 0; i < 3; ++i)
                if (payload* p = ring.front()) {
                    MODEL_CHECK(p->value() == out++);
                    ring.pop();
                }
        });
}
MODEL_PROGRAM("spsc_ring: size_approx is never more than was ever in", {}) {
    spsc_ring<int> ring{2};
    model::threads([&] { MODEL_CHECK(ring.try_push(1)); }, [&] { (void)ring.try_pop(); },
                   [&] { MODEL_CHECK(ring.size_approx() <= 1); });
}
MODEL_PROGRAM("spsc_ring: size_approx is never more than capacity", {}) {
    spsc_ring<int> ring{1};
    model::threads(
        [&] {
            for (int i = 0; i < 3; ++i) (void)ring.try_push(i);
        },
        [&] {
            for (int i = 0; i < 2; ++i) (void)ring.try_pop();
        },
        [&] { MODEL_CHECK(ring.size_approx() <= 1); });
}
MODEL_PROGRAM("spsc_ring: the producer's role moves to another thread", {}) {
    spsc_ring<payload> ring{2};
    model::flag handed_over;
    int out = 0;
    model::threads(
        [&] {
            MODEL_CHECK(ring.try_push(payload{0}));
            handed_over.set();
        },
        [&] {
            if (handed_over.is_set()) MODEL_CHECK(ring.try_push(payload{1}));
        },
        [&] {
            for (int i = 0; i < 2; ++i)
                if (auto x = ring.try_pop()) MODEL_CHECK(x->value() == out++);
        });
}
MODEL_PROGRAM("spsc_ring: destruction finds what is left, wrapped or not", {}) {
    model::census live;
    {
        spsc_ring<model::counted> ring{2};
        model::threads(
            [&] {
                for (int i = 0; i < 3; ++i) (void)ring.try_push(model::counted{live});
            },
            [&] { (void)ring.try_pop(); });
    }
    MODEL_CHECK(live.count() == 0);
}

// ---- mpmc_ring ----------------------------------------------------------------------------------

// Each of the threads pushes once or more, or pops; what went in comes out once, in order by producer.
struct traffic {
    explicit traffic(std::size_t capacity) : ring{capacity} {}

    void push(int producer, int times) {
        int n = 0;
        for (int i = 0; i < times; ++i)
            if (ring.try_push(payload{producer * 10 + n})) ++n;
        in[static_cast<std::size_t>(producer)] = n;
    }
    void pop(bag& got, int times) {
        for (int i = 0; i < times; ++i)
            if (auto x = ring.try_pop()) got.add(x->value());
    }
    void check(std::initializer_list<const bag*> bags) {
        bag rest;
        while (auto x = ring.try_pop()) rest.add(x->value());
        std::vector<int> all = rest.values();
        for (const bag* b : bags) {
            MODEL_CHECK(b->in_order());
            all.insert(all.end(), b->values().begin(), b->values().end());
        }
        MODEL_CHECK(rest.in_order());
        std::sort(all.begin(), all.end());
        std::vector<int> expected;
        for (std::size_t p = 0; p < in.size(); ++p)
            for (int i = 0; i < in[p]; ++i) expected.push_back(static_cast<int>(p) * 10 + i);
        MODEL_CHECK(all == expected);
    }

    mpmc_ring<payload> ring;
    std::array<int, 3> in{};
};

MODEL_PROGRAM("mpmc_ring: one producer and one consumer, capacity 1, two laps", {}) {
    traffic t{1};
    bag got;
    model::threads([&] { t.push(0, 4); }, [&] { t.pop(got, 4); });
    t.check({&got});
}
MODEL_PROGRAM("mpmc_ring: one producer and one consumer, capacity 2", {}) {
    traffic t{2};
    bag got;
    model::threads([&] { t.push(0, 4); }, [&] { t.pop(got, 4); });
    t.check({&got});
}
MODEL_PROGRAM("mpmc_ring: two producers and a consumer, capacity 1", {}) {
    traffic t{1};
    bag got;
    model::threads([&] { t.push(0, 2); }, [&] { t.push(1, 1); }, [&] { t.pop(got, 3); });
    t.check({&got});
}
MODEL_PROGRAM("mpmc_ring: two producers and a consumer, capacity 2", {}) {
    traffic t{2};
    bag got;
    model::threads([&] { t.push(0, 2); }, [&] { t.push(1, 2); }, [&] { t.pop(got, 3); });
    t.check({&got});
}
MODEL_PROGRAM("mpmc_ring: a producer and two consumers, capacity 1", {}) {
    traffic t{1};
    bag a, b;
    model::threads([&] { t.push(0, 3); }, [&] { t.pop(a, 2); }, [&] { t.pop(b, 2); });
    t.check({&a, &b});
}
MODEL_PROGRAM("mpmc_ring: a producer and two consumers, capacity 2", {}) {
    traffic t{2};
    bag a, b;
    model::threads([&] { t.push(0, 4); }, [&] { t.pop(a, 2); }, [&] { t.pop(b, 2); });
    t.check({&a, &b});
}
MODEL_PROGRAM("mpmc_ring: two producers and two consumers, capacity 1", {}) {
    traffic t{1};
    bag a, b;
    model::threads(
        [&] { t.push(0, 2); }, [&] { t.push(1, 1); }, [&] { t.pop(a, 2); }, [&] { t.pop(b, 1); });
    t.check({&a, &b});
}
MODEL_PROGRAM("mpmc_ring: two producers and two consumers, capacity 2", {}) {
    traffic t{2};
    bag a, b;
    model::threads(
        [&] { t.push(0, 2); }, [&] { t.push(1, 1); }, [&] { t.pop(a, 2); }, [&] { t.pop(b, 1); });
    t.check({&a, &b});
}
MODEL_PROGRAM("mpmc_ring: both threads push and pop, capacity 1", {}) {
    traffic t{1};
    bag a, b;
    model::threads(
        [&] {
            t.push(0, 2);
            t.pop(a, 2);
        },
        [&] {
            t.push(1, 1);
            t.pop(b, 1);
        });
    t.check({&a, &b});
}
MODEL_PROGRAM("mpmc_ring: full is the truth once everybody rests", {}) {
    mpmc_ring<int> ring{1};
    MODEL_CHECK(ring.try_push(1));
    model::flag popped;
    model::threads(
        [&] {
            const bool before = popped.is_set();
            if (!ring.try_push(2)) MODEL_CHECK(!before);
        },
        [&] {
            MODEL_CHECK(ring.try_pop());
            popped.set();
        });
}
MODEL_PROGRAM("mpmc_ring: empty is the truth once everybody rests", {}) {
    mpmc_ring<int> ring{2};
    model::flag pushed;
    model::threads(
        [&] {
            MODEL_CHECK(ring.try_push(1));
            pushed.set();
        },
        [&] {
            const bool before = pushed.is_set();
            if (!ring.try_pop()) MODEL_CHECK(!before);
        });
}
MODEL_PROGRAM("mpmc_ring: batches against single pops, capacity 2", {}) {
    traffic t{2};
    bag a, b;
    model::threads(
        [&] {
            std::array<payload, 2> batch{payload{0}, payload{1}};
            t.in[0] =
                static_cast<int>(t.ring.try_push_n(std::make_move_iterator(batch.begin()), 2));
        },
        [&] {
            std::array<payload, 2> batch;
            const auto n = t.ring.try_pop_n(batch.begin(), 2);
            for (std::size_t k = 0; k < n; ++k) a.add(batch[k].value());
        },
        [&] { t.pop(b, 1); });
    t.check({&a, &b});
}
MODEL_PROGRAM("mpmc_ring: a batch wraps while another pushes, capacity 2", {}) {
    traffic t{2};
    bag a, b;
    MODEL_CHECK(t.ring.try_push(payload{20}));
    t.in[2] = 1;
    model::threads(
        [&] {
            std::array<payload, 2> batch{payload{0}, payload{1}};
            t.in[0] =
                static_cast<int>(t.ring.try_push_n(std::make_move_iterator(batch.begin()), 2));
        },
        [&] { t.pop(a, 2); }, [&] { t.push(1, 1); });
    t.check({&a});
}
MODEL_PROGRAM("mpmc_ring: what was pushed before the close is popped, nothing appears once drained",
              {}) {
    mpmc_ring<payload> ring{1};
    bool pushed = false;
    bag got;
    model::threads([&] { pushed = ring.try_push(payload{1}); }, [&] { ring.close(); },
                   [&] {
                       for (int i = 0; i < 2; ++i) {
                           const bool drained = ring.drained();
                           if (auto x = ring.try_pop()) {
                               MODEL_CHECK(!drained);
                               got.add(x->value());
                           }
                       }
                   });
    while (auto x = ring.try_pop()) got.add(x->value());
    MODEL_CHECK(got.values().size() == (pushed ? 1u : 0u));
    MODEL_CHECK(ring.drained());
    MODEL_CHECK(!ring.try_push(payload{2}));
}
MODEL_PROGRAM("mpmc_ring: a close between two pushes", {}) {
    mpmc_ring<payload> ring{2};
    int in = 0;
    model::threads(
        [&] {
            if (ring.try_push(payload{0})) ++in;
            if (ring.try_push(payload{1})) ++in;
        },
        [&] {
            ring.close();
            MODEL_CHECK(ring.closed());
            MODEL_CHECK(!ring.try_push(payload{9}));
        });
    bag got;
    while (auto x = ring.try_pop()) got.add(x->value());
    MODEL_CHECK(static_cast<int>(got.values().size()) == in && got.in_order());
}
MODEL_PROGRAM("mpmc_ring: size_approx 0 means nothing in and nothing coming", {}) {
    mpmc_ring<int> ring{2};
    model::flag pushed;
    model::threads(
        [&] {
            MODEL_CHECK(ring.try_push(1));
            pushed.set();
        },
        [&] {
            const bool before = pushed.is_set();
            const auto n = ring.size_approx();
            MODEL_CHECK(n <= 2);
            if (before) MODEL_CHECK(n == 1);
        });
}
MODEL_PROGRAM("mpmc_ring: consumers step over a reservation that was let go", {}) {
    mpmc_ring<payload> ring{2};
    bag a, b;
    model::threads(
        [&] {
            {
                auto place = ring.reserve();
                MODEL_CHECK(place);
                place.emplace(5);
            }  // not committed
            MODEL_CHECK(ring.try_push(payload{0}));
        },
        [&] {
            for (int i = 0; i < 2; ++i)
                if (auto x = ring.try_pop()) a.add(x->value());
        },
        [&] {
            if (auto x = ring.try_pop()) b.add(x->value());
        });
    while (auto x = ring.try_pop()) a.add(x->value());
    MODEL_CHECK(a.values().size() + b.values().size() == 1);
    MODEL_CHECK(ring.size_approx() == 0);
}
MODEL_PROGRAM("mpmc_ring: a slot that was let go and stepped over is used again, capacity 1", {}) {
    mpmc_ring<payload> ring{1};
    bag got;
    int in = 0;
    model::threads(
        [&] {
            {
                auto place = ring.reserve();
                if (place) place.emplace(7);
            }
            if (ring.try_push(payload{0})) ++in;
        },
        [&] {
            for (int i = 0; i < 2; ++i)
                if (auto x = ring.try_pop()) got.add(x->value());
        });
    while (auto x = ring.try_pop()) got.add(x->value());
    MODEL_CHECK(static_cast<int>(got.values().size()) == in);
}
MODEL_PROGRAM("mpmc_ring: one uses the slot that another has built in and let go", {}) {
    mpmc_ring<payload> ring{1};
    model::threads(
        [&] {
            if (auto place = ring.reserve()) place.emplace(7);
        },
        [&] { (void)ring.try_pop(); }, [&] { (void)ring.try_push(payload{0}); });
}
MODEL_PROGRAM("mpmc_ring: a producer who steps over one that was let go finds its slot empty", {}) {
    mpmc_ring<payload> ring{1};
    bool pushed = false;
    model::threads(
        [&] {
            if (auto place = ring.reserve()) place.emplace(7);
        },
        [&] {
            pushed = ring.try_push(payload{8});
            if (!pushed && ring.skip_abandoned()) pushed = ring.try_push(payload{9});
        });
    const auto x = ring.try_pop();
    MODEL_CHECK(x.has_value() == pushed);
}
MODEL_PROGRAM("mpmc_ring: a reserved element is built in place and seen whole", {}) {
    mpmc_ring<payload> ring{2};
    bag got;
    model::threads(
        [&] {
            auto place = ring.reserve();
            MODEL_CHECK(place);
            place.emplace(3);
            place.commit();
        },
        [&] {
            if (auto x = ring.try_pop()) got.add(x->value());
        });
    while (auto x = ring.try_pop()) got.add(x->value());
    MODEL_CHECK(got.values().size() == 1);
}
MODEL_PROGRAM("mpmc_ring: alone at both sides, built before used and gone before reused", {}) {
    penstock::mpmc_ring<int> ring{1};
    int got = 0;
    model::threads(
        [&] {
            MODEL_CHECK(ring.try_emplace_alone(1));
            (void)ring.try_emplace_alone(2);
        },
        [&] {
            int x = 0;
            if (ring.try_pop_alone(x)) got = x;
        });
    MODEL_CHECK(got == 0 || got == 1);
}

MODEL_PROGRAM("mpmc_ring: destruction finds what is left", {}) {
    model::census live;
    {
        mpmc_ring<model::counted> ring{2};
        model::threads(
            [&] {
                (void)ring.try_push(model::counted{live});
                (void)ring.try_push(model::counted{live});
            },
            [&] { (void)ring.try_pop(); });
    }
    MODEL_CHECK(live.count() == 0);
}

}  // namespace
