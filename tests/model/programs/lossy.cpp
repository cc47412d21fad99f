// SPDX-License-Identifier: BSL-1.0
// The lossy broadcast_ring and latest: values that are replaced while they are read.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <penstock/queue/latest.hpp>
#include <penstock/queue/lossy_ring.hpp>

#include "../program.hpp"
#include "../support.hpp"

namespace {

using model::payload;
using penstock::latest;
using penstock::lossy;
template <class T, std::size_t Capacity>
using ring_of = penstock::broadcast_ring<T, lossy, Capacity>;

struct two {  // words that belong together
    std::uint64_t a, b;
    static two of(int i) {
        return {static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(i) * 3};
    }
    [[nodiscard]] int number() const {
        MODEL_CHECK(b == a * 3);
        return static_cast<int>(a);
    }
};
payload shared(int i) { return payload{i}; }

int number_of(const two& t) { return t.number(); }
int number_of(const payload& p) { return p.value(); }
template <class T>
T made(int i) {
    if constexpr (std::is_same_v<T, two>)
        return two::of(i);
    else
        return payload{i};
}

/// What readers got stays until the end: that shared_ptr orders its last copy before the destruction
/// is the standard library's promise, which the model doesn't see.
template <class Element>
using kept = std::vector<Element>;

/// One producer's numbers 1, 2, 3 ...: each reader sees them in order, and its lag is the gap.
template <class Reader>
void look(Reader& r, int looks, int& next, kept<typename Reader::element>& all) {
    for (int i = 0; i < looks; ++i)
        if (auto e = r.try_pop()) {
            MODEL_CHECK(number_of(*e) == next + static_cast<int>(r.lagged()));
            next = number_of(*e) + 1;
            all.push_back(std::move(e));
        }
}

template <class T, std::size_t Capacity>
void overtaken(int pushes, int looks) {
    ring_of<T, Capacity> ring;
    auto r = ring.join();
    int next = 1;
    kept<typename ring_of<T, Capacity>::element> all;
    model::threads(
        [&] {
            for (int i = 1; i <= pushes; ++i) MODEL_CHECK(ring.try_push(made<T>(i)));
        },
        [&] { look(r, looks, next, all); });
    look(r, static_cast<int>(Capacity), next, all);
    MODEL_CHECK(next == pushes + 1);
    MODEL_CHECK(!r.try_pop());
}
MODEL_PROGRAM("lossy ring: words, capacity 1, three pushes", {}) { overtaken<two, 1>(3, 1); }
MODEL_PROGRAM("lossy ring: words, capacity 2, three pushes", {}) { overtaken<two, 2>(3, 2); }
MODEL_PROGRAM("lossy ring: shared, capacity 1, three pushes", {}) { overtaken<payload, 1>(3, 1); }
MODEL_PROGRAM("lossy ring: shared, capacity 2, three pushes", {}) { overtaken<payload, 2>(3, 2); }

template <class T>
void two_producers() {
    ring_of<T, 1> ring;
    auto r = ring.join();
    int pushed[2] = {}, seen = 0;
    std::uint64_t missed = 0;
    kept<typename ring_of<T, 1>::element> all;
    auto read = [&] {
        if (auto e = r.try_pop()) {
            MODEL_CHECK(number_of(*e) == 1 || number_of(*e) == 2);
            ++seen;
            missed += r.lagged();
            all.push_back(std::move(e));
        }
    };
    model::threads([&] { pushed[0] = ring.try_push(made<T>(1)); },
                   [&] { pushed[1] = ring.try_push(made<T>(2)); }, [&] { read(); });
    read();
    MODEL_CHECK(static_cast<int>(missed) + seen == pushed[0] + pushed[1]);
    MODEL_CHECK(pushed[0] + pushed[1] >= 1);
}
MODEL_PROGRAM("lossy ring: words, two producers in one slot", {}) { two_producers<two>(); }
MODEL_PROGRAM("lossy ring: shared, two producers in one slot", {}) { two_producers<payload>(); }

MODEL_PROGRAM("lossy ring: words, a reader joins while one pushes", {}) {
    ring_of<two, 1> ring;
    int last = 0;
    model::threads(
        [&] {
            for (int i = 1; i <= 2; ++i) MODEL_CHECK(ring.try_push(two::of(i)));
        },
        [&] {
            auto r = ring.join();
            for (int i = 0; i < 2; ++i)
                if (auto e = r.try_pop()) {
                    MODEL_CHECK(last == 0 ||
                                e->number() == last + 1 + static_cast<int>(r.lagged()));
                    last = e->number();
                }
        });
}
MODEL_PROGRAM("lossy ring: shared, two readers hold one that is replaced", {}) {
    ring_of<payload, 1> ring;
    auto a = ring.join(), b = ring.join();
    MODEL_CHECK(ring.try_push(shared(1)));
    ring_of<payload, 1>::element by_a, by_b;
    auto read = [](auto& r, auto& e) {
        e = r.try_pop();
        if (e) MODEL_CHECK(e->value() == 1 + static_cast<int>(r.lagged()));
    };
    model::threads([&] { read(a, by_a); }, [&] { read(b, by_b); },
                   [&] { MODEL_CHECK(ring.try_push(shared(2))); });
}
MODEL_PROGRAM("lossy ring: what was pushed before a close is there", {}) {
    ring_of<two, 1> ring;
    auto r = ring.join();
    bool pushed = false;
    model::threads([&] { pushed = ring.try_push(two::of(1)); }, [&] { ring.close(); });
    MODEL_CHECK(r.drained() == !pushed);
    MODEL_CHECK(r.try_pop().has_value() == pushed);
    MODEL_CHECK(r.drained());
}

// ---- latest -------------------------------------------------------------------------------------

template <class T, class Latest>
void one_writer(int writes, int reads) {
    Latest last;
    model::flag first;
    kept<typename Latest::element> all;
    model::threads(
        [&] {
            for (int i = 1; i <= writes; ++i) {
                last.write(made<T>(i));
                if (i == 1) first.set();
            }
        },
        [&] {
            int before = 0;
            for (int i = 0; i < reads; ++i) {
                const bool written = first.is_set();
                auto e = last.read();
                MODEL_CHECK(e || !written);
                if (!e) continue;
                MODEL_CHECK(number_of(*e) >= before);
                before = number_of(*e);
                all.push_back(std::move(e));
            }
        });
    MODEL_CHECK(number_of(*last.read()) == writes);
}
MODEL_PROGRAM("latest: words in two buffers, three writes", {}) {
    one_writer<two, latest<two, 2>>(3, 1);
}
MODEL_PROGRAM("latest: words in three buffers, two reads", {}) {
    one_writer<two, latest<two, 3>>(2, 2);
}
MODEL_PROGRAM("latest: shared, two writes and two reads", {}) {
    one_writer<payload, latest<payload>>(2, 2);
}

template <class T, class Latest>
void two_writers() {
    Latest last;
    int seen = 0;
    typename Latest::element e;
    model::threads([&] { last.write(made<T>(1)); }, [&] { last.write(made<T>(2)); },
                   [&] {
                       e = last.read();
                       if (e) seen = number_of(*e);
                   });
    const int end = number_of(*last.read());
    MODEL_CHECK(end == 1 || end == 2);
    model::outcome(std::to_string(seen) + std::to_string(end));
}
MODEL_PROGRAM("latest: words, two writers and a reader", {}) { two_writers<two, latest<two, 3>>(); }
MODEL_PROGRAM("latest: words, one writes into a buffer that another has filled", {}) {
    latest<two, 3> last;
    model::threads([&] { last.write(two::of(1)); },
                   [&] {
                       for (int i = 2; i <= 4; ++i) last.write(two::of(i));
                   });
    const int end = last.read()->number();
    MODEL_CHECK(end == 1 || end == 4);
}
MODEL_PROGRAM("latest: words, two writers with a buffer too few", {}) {
    latest<two, 2> last;
    model::threads([&] { last.write(two::of(1)); }, [&] { last.write(two::of(2)); });
    MODEL_CHECK(last.read()->number() > 0);
}
MODEL_PROGRAM("latest: shared, two writers and a reader", {}) {
    two_writers<payload, latest<payload>>();
}
MODEL_PROGRAM("latest: words, one writes after it has seen the other's value", {}) {
    latest<two, 3> last;
    model::flag written;
    bool after = false;
    model::threads(
        [&] {
            last.write(two::of(1));
            written.set();
        },
        [&] {
            after = written.is_set();
            last.write(two::of(2));
        });
    if (after) MODEL_CHECK(last.read()->number() == 2);
}
MODEL_PROGRAM("latest: writes before a write are seen by who reads it", {}) {
    latest<int, 2> last;
    payload note;
    model::threads(
        [&] {
            note = payload{7};
            last.write(1);
        },
        [&] {
            if (auto e = last.read()) MODEL_CHECK(*e == 1 && note.value() == 7);
        });
}
MODEL_PROGRAM("latest: a version that was seen has its value", {}) {
    latest<two, 2> last;
    model::threads(
        [&] {
            last.write(two::of(1));
            last.write(two::of(2));
        },
        [&] {
            std::uint64_t seen = last.version();
            const bool any = seen != 0;
            auto e = last.read_newer(seen);
            if (e && any) MODEL_CHECK(e->number() == 2);
        });
}

}  // namespace
