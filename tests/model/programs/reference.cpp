// SPDX-License-Identifier: BSL-1.0
// The explorer against RC11 as it is printed: random small programs are also solved by brute force.
// Every reads-from and every modification order is tried, and the axioms are evaluated as relations,
// matrix by matrix, with nothing shared with the explorer. Both must find the same outcomes, and the
// explorer each consistent graph exactly once.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <penstock/core/sync.hpp>

#include "../engine/mutation.hpp"
#include "../program.hpp"

namespace {

struct op {
    char what;  // l, s, x (exchange), f
    int location;
    std::memory_order order;
    int value;  // distinct for each store
};
using test = std::vector<std::vector<op>>;

std::string text(const test& t) {
    std::string out;
    for (auto& thread : t) {
        out += "  thread:";
        for (auto& o : thread)
            out += std::string{" "} + o.what +
                   (o.what == 'f' ? "" : std::string(1, static_cast<char>('x' + o.location))) +
                   "." + model::name(o.order);
        out += "\n";
    }
    return out;
}

// ---- By brute force ----

constexpr std::size_t most = 16;  // events
class relation {
public:
    bool operator()(std::size_t a, std::size_t b) const { return row_[a] >> b & 1; }
    void add(std::size_t a, std::size_t b) { row_[a] |= 1u << b; }
    friend relation operator|(relation a, const relation& b) {
        for (std::size_t i = 0; i < most; ++i) a.row_[i] |= b.row_[i];
        return a;
    }
    friend relation operator*(const relation& a, const relation& b) {  // a;b
        relation r;
        for (std::size_t i = 0; i < most; ++i)
            for (auto left = a.row_[i]; left != 0; left &= left - 1)
                r.row_[i] |= b.row_[static_cast<std::size_t>(std::countr_zero(left))];
        return r;
    }
    relation inverse() const {
        relation r;
        for (std::size_t i = 0; i < most; ++i)
            for (std::size_t j = 0; j < most; ++j)
                if ((*this)(i, j)) r.add(j, i);
        return r;
    }
    relation closed() const {  // r+
        relation r = *this;
        for (std::size_t k = 0; k < most; ++k)
            for (std::size_t i = 0; i < most; ++i)
                if (r(i, k)) r.row_[i] |= r.row_[k];
        return r;
    }
    relation or_same() const {  // r?
        relation r = *this;
        for (std::size_t i = 0; i < most; ++i) r.add(i, i);
        return r;
    }
    bool irreflexive() const {
        for (std::size_t i = 0; i < most; ++i)
            if ((*this)(i, i)) return false;
        return true;
    }

private:
    std::array<std::uint32_t, most> row_{};
};

struct happening {
    int thread;    // -1: initial value
    char what;     // r, w, f
    int location;  // of a fence -1
    std::memory_order order;
    int value;
    int partner = -1;  // of a read: the write of the same read-modify-write
};

template <class F>
relation where(const std::vector<happening>& e, F&& f) {
    relation r;
    for (std::size_t a = 0; a < e.size(); ++a)
        for (std::size_t b = 0; b < e.size(); ++b)
            if (f(a, b)) r.add(a, b);
    return r;
}
template <class F>
relation only(const std::vector<happening>& e, F&& f) {  // [f]
    return where(e, [&](std::size_t a, std::size_t b) { return a == b && f(e[a]); });
}

bool rc11(const std::vector<happening>& e, const relation& rf, const relation& mo) {
    const relation sb = where(e, [&](std::size_t a, std::size_t b) {
        return a < b && (e[a].thread == e[b].thread || e[a].thread < 0) && e[b].thread >= 0;
    });
    const relation rmw =
        where(e, [&](std::size_t a, std::size_t b) { return e[a].partner == static_cast<int>(b); });
    const relation same = where(e, [&](std::size_t a, std::size_t b) {
        return e[a].location == e[b].location && e[a].location >= 0;
    });
    const auto both = [&](const relation& r, bool at_same) {
        return where(
            e, [&](std::size_t a, std::size_t b) { return r(a, b) && same(a, b) == at_same; });
    };
    const relation rb =
        where(e, [&](std::size_t a, std::size_t b) { return a != b && (rf.inverse() * mo)(a, b); });
    const relation F = only(e, [](auto& x) { return x.what == 'f'; });
    const relation W = only(e, [](auto& x) { return x.what == 'w'; });
    const relation R = only(e, [](auto& x) { return x.what == 'r'; });
    const relation release =
        only(e, [](auto& x) { return model::releases(x.order) && x.what != 'r'; });
    const relation acquire =
        only(e, [](auto& x) { return model::acquires(x.order) && x.what != 'w'; });
    const relation rs = W * (rf * rmw).closed().or_same();
    const relation sw = release * (F * sb).or_same() * rs * rf * R * (sb * F).or_same() * acquire;
    const relation hb = (sb | sw).closed();
    const relation eco = (rf | mo | rb).closed();
    if (!(hb * eco.or_same()).irreflexive()) return false;
    if (!(rmw * (rb * mo).inverse()).irreflexive()) return false;
    if (!(sb | rf).closed().irreflexive()) return false;
    const relation apart = both(sb, false);
    const relation scb = sb | apart * hb * apart | both(hb, true) | mo | rb;
    const relation SC =
        only(e, [](auto& x) { return x.order == std::memory_order_seq_cst && x.what != 'f'; });
    const relation Fsc =
        only(e, [](auto& x) { return x.order == std::memory_order_seq_cst && x.what == 'f'; });
    const relation psc = (SC | Fsc * hb.or_same()) * scb * (SC | hb.or_same() * Fsc) |
                         Fsc * (hb | hb * eco * hb) * Fsc;
    return psc.closed().irreflexive();
}

struct solution {
    std::uint64_t graphs = 0;
    std::set<std::string> outcomes;
};

std::string outcome_of(const std::vector<int>& reads, const std::vector<int>& last) {
    std::string out;
    for (int r : reads) out += std::to_string(r) + " ";
    out += "|";
    for (int l : last) out += " " + std::to_string(l);
    return out;
}

solution brute_force(const test& t, int locations) {
    std::vector<happening> e;
    for (int l = 0; l < locations; ++l) e.push_back({-1, 'w', l, std::memory_order_relaxed, 0});
    for (std::size_t th = 0; th < t.size(); ++th)
        for (auto& o : t[th]) {
            const int at = static_cast<int>(e.size());
            const int who = static_cast<int>(th);
            if (o.what == 'f') e.push_back({who, 'f', -1, o.order, 0});
            if (o.what == 'l' || o.what == 'x')
                e.push_back({who, 'r', o.location, o.order, 0, o.what == 'x' ? at + 1 : -1});
            if (o.what == 's' || o.what == 'x')
                e.push_back({who, 'w', o.location, o.order, o.value});
        }
    std::vector<std::size_t> reads;
    std::vector<std::vector<std::size_t>> writes(static_cast<std::size_t>(locations));
    for (std::size_t i = 0; i < e.size(); ++i) {
        if (e[i].what == 'r') reads.push_back(i);
        if (e[i].what == 'w' && e[i].thread >= 0)
            writes[static_cast<std::size_t>(e[i].location)].push_back(i);
    }
    solution s;
    std::vector<std::size_t> from(e.size());
    const auto orders =
        [&](auto&& self, std::size_t l, relation mo, std::vector<int>& last) -> void {
        if (l == writes.size()) {
            relation rf;
            std::vector<int> values;
            for (std::size_t r : reads) {
                rf.add(from[r], r);
                values.push_back(e[from[r]].value);
            }
            if (!rc11(e, rf, mo)) return;
            ++s.graphs;
            s.outcomes.insert(outcome_of(values, last));
            return;
        }
        auto order = writes[l];
        std::sort(order.begin(), order.end());
        do {
            relation with = mo;
            for (std::size_t i = 0; i < order.size(); ++i) {
                with.add(l, order[i]);
                for (std::size_t j = i + 1; j < order.size(); ++j) with.add(order[i], order[j]);
            }
            last.push_back(order.empty() ? 0 : e[order.back()].value);
            self(self, l + 1, with, last);
            last.pop_back();
        } while (std::next_permutation(order.begin(), order.end()));
    };
    const auto choose = [&](auto&& self, std::size_t n) -> void {
        if (n == reads.size()) {
            std::vector<int> last;
            orders(orders, 0, {}, last);
            return;
        }
        for (std::size_t w = 0; w < e.size(); ++w) {
            if (e[w].what != 'w' || e[w].location != e[reads[n]].location) continue;
            from[reads[n]] = w;
            self(self, n + 1);
        }
    };
    choose(choose, 0);
    return s;
}

// ---- By the explorer ----

model::findings explored(const test& t, int locations) {
    return model::explorer{
        {},
        [&] {
            std::vector<std::unique_ptr<penstock::sys::atomic<int>>> at;
            for (int l = 0; l < locations; ++l)
                at.push_back(std::make_unique<penstock::sys::atomic<int>>(0));
            std::vector<std::vector<int>> reads(t.size());
            std::vector<int> ids;
            for (std::size_t th = 0; th < t.size(); ++th) {
                reads[th].reserve(t[th].size());
                ids.push_back(model::spawn(
                    [&, th] {
                        for (auto& o : t[th]) {
                            auto& x = *at[static_cast<std::size_t>(o.location)];
                            if (o.what == 'l') reads[th].push_back(x.load(o.order));
                            if (o.what == 's') x.store(o.value, o.order);
                            if (o.what == 'x') reads[th].push_back(x.exchange(o.value, o.order));
                            if (o.what == 'f') model::fence(o.order, {});
                        }
                    },
                    "T", {}));
            }
            for (int id : ids) model::join(id, {});
            std::vector<int> all, last;
            for (auto& r : reads) all.insert(all.end(), r.begin(), r.end());
            for (auto& x : at) last.push_back(x->load(std::memory_order_relaxed));
            model::outcome(outcome_of(all, last));
        }}
        .all();
}

test random_test(std::mt19937& random, int locations) {
    const auto any = [&](std::size_t n) { return random() % n; };
    using o = std::memory_order;
    constexpr o loads[] = {o::relaxed, o::acquire, o::seq_cst, o::seq_cst};
    constexpr o stores[] = {o::relaxed, o::release, o::seq_cst, o::seq_cst};
    constexpr o both[] = {o::relaxed, o::acquire, o::release, o::acq_rel, o::seq_cst};
    constexpr o fences[] = {o::acquire, o::release, o::acq_rel, o::seq_cst, o::seq_cst};
    test t(2 + any(3));
    int value = 0;
    std::size_t left = 10;  // a read-modify-write is two
    for (auto& thread : t) {
        const std::size_t n = 1 + any(t.size() == 2 ? 4 : t.size() == 3 ? 3 : 2);
        for (std::size_t i = 0; i < n && left > 1; ++i, --left) {
            const int at = static_cast<int>(any(static_cast<std::size_t>(locations)));
            switch (any(9)) {
                case 0:
                case 1:
                case 2: thread.push_back({'l', at, loads[any(4)], 0}); break;
                case 3:
                case 4:
                case 5: thread.push_back({'s', at, stores[any(4)], ++value}); break;
                case 6:
                case 7: thread.push_back({'f', 0, fences[any(5)], 0}); break;
                default:
                    thread.push_back({'x', at, both[any(5)], ++value});
                    --left;
                    break;
            }
        }
    }
    return t;
}

model::findings against_reference() {
    model::findings sum;
    std::mt19937 random{20170618};
    for (int n = 0; n < 1000; ++n) {
        const int locations = 2;
        const test t = random_test(random, locations);
        const solution right = brute_force(t, locations);
        const model::findings found = explored(t, locations);
        sum.executions += found.executions;
        sum.blocked += found.blocked;
        sum.seconds += found.seconds;
        if (found.outcomes == right.outcomes && found.executions == right.graphs) continue;
        sum.failure =
            "the explorer finds " + std::to_string(found.executions) +
            " graphs, by brute force there are " + std::to_string(right.graphs) +
            (found.outcomes == right.outcomes ? "" : "; the outcomes differ") + "\n" + text(t);
        for (auto& o : right.outcomes)
            if (!found.outcomes.count(o)) *sum.failure += "  missing " + o + "\n";
        for (auto& o : found.outcomes)
            if (!right.outcomes.count(o)) *sum.failure += "  too many " + o + "\n";
        if (found.failure) *sum.failure += *found.failure;
        return sum;
    }
    return sum;
}

const model::registration registered{
    "litmus: 1,000 random programs against brute force", __FILE__, &against_reference};

}  // namespace
