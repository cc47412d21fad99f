// SPDX-License-Identifier: BSL-1.0
#include "consistency.hpp"

#include <algorithm>
#include <bitset>
#include <set>

namespace model {
namespace {

constexpr std::size_t max_nodes = 128;
constexpr std::uint16_t none = 0xffff;

// A node of psc: an access, a fence, or the fence that a process_barrier puts into a thread.
struct node {
    event_id at = nobody;
    bool access = false;
    // Of a fence: everything that happens before it, and the first of each thread that happens after.
    clock_vector before;
    std::uint16_t after[max_threads];
    // Of an inserted one:
    int thread = -1;
    std::size_t segment = 0;
    std::size_t barrier_in = 0, barrier_out = 0;

    // Per location, the extreme ranks among what lies after (least) and before (greatest) a fence.
    std::vector<std::uint16_t> least_store, least_read;
    std::vector<int> greatest_store, greatest_read;

    bool follows(event_id e) const { return e.index >= after[e.thread]; }
};

class checker {
public:
    explicit checker(const graph& g) : g_{g} {}

    bool consistent() {
        collect();
        if (nodes_.size() < 2) return true;
        if (nodes_.size() > max_nodes) nodes_.resize(max_nodes);
        if (inserted_ == 0) return acyclic();
        return place();
    }

private:
    void collect() {
        std::vector<std::pair<std::size_t, std::size_t>> barriers;
        for (std::size_t t = 0; t < max_threads; ++t) {
            for (std::size_t i = 0; i < g_.thread[t].size(); ++i) {
                const event& e = g_.thread[t][i];
                if (e.what == kind::compiler_barrier) walls_[t].push_back(i);
                if (!e.sc_access() && !e.sc_fence()) continue;
                node n;
                n.at = {static_cast<std::uint16_t>(t), static_cast<std::uint16_t>(i)};
                n.access = e.sc_access();
                if (!n.access) {
                    n.before = e.before;
                    fill_after(n, n.at);
                }
                nodes_.push_back(n);
                if (e.what == kind::barrier_out)
                    barriers.push_back({nodes_.size() - 2, nodes_.size() - 1});
            }
        }
        for (auto& n : nodes_)
            if (!n.access) fill_ranks(n);
        for (auto [in, out] : barriers) {
            for (std::size_t t = 0; t < max_threads; ++t) {
                if (walls_[t].empty() || t == nodes_[in].at.thread) continue;
                node n;
                n.thread = static_cast<int>(t);
                n.barrier_in = in;
                n.barrier_out = out;
                set_segment(n, 0);
                nodes_.push_back(n);
                ++inserted_;
            }
        }
    }

    // The first event of each thread that `e` happens before; `e` itself in its own thread.
    void fill_after(node& n, event_id e) const {
        for (std::size_t t = 0; t < max_threads; ++t) {
            auto& all = g_.thread[t];
            if (e == nobody) {
                n.after[t] = none;
            } else if (t == e.thread) {
                n.after[t] = e.index;
            } else {
                const auto first = std::partition_point(
                    all.begin(), all.end(), [&](const event& x) { return !x.before.covers(e); });
                n.after[t] = static_cast<std::uint16_t>(first - all.begin());
            }
        }
    }

    void fill_ranks(node& n) const {
        n.least_store.assign(g_.locations.size(), none);
        n.least_read.assign(g_.locations.size(), none);
        n.greatest_store.assign(g_.locations.size(), -1);
        n.greatest_read.assign(g_.locations.size(), -1);
        for (std::size_t t = 0; t < max_threads; ++t) {
            auto& all = g_.thread[t];
            for (std::size_t i = 0; i < all.size(); ++i) {
                const event& e = all[i];
                if (!e.reads() && !e.writes()) continue;
                const std::uint16_t rank = e.reads() ? g_.rank(e.from) : e.rank;
                if (i < n.before[static_cast<int>(t)]) {
                    auto& most = (e.reads() ? n.greatest_read : n.greatest_store)[e.location];
                    most = std::max(most, static_cast<int>(rank));
                }
                if (i >= n.after[t]) {
                    auto& least = (e.reads() ? n.least_read : n.least_store)[e.location];
                    least = std::min(least, rank);
                }
            }
        }
    }

    void set_segment(node& n, std::size_t segment) const {
        const auto t = static_cast<std::size_t>(n.thread);
        const auto id = [&](std::size_t i) {
            return event_id{static_cast<std::uint16_t>(t), static_cast<std::uint16_t>(i)};
        };
        n.segment = segment;
        n.before = segment == 0 ? clock_vector{} : g_[id(walls_[t][segment - 1])].before;
        fill_after(n, segment == walls_[t].size() ? nobody : id(walls_[t][segment]));
        fill_ranks(n);
    }

    bool hb(event_id a, event_id b) const { return g_.happens_before(a, b); }
    bool fence_before(const node& f, event_id e) const { return f.at == e || f.follows(e); }
    bool before_fence(event_id e, const node& f) const { return f.at == e || f.before.covers(e); }

    bool scb_access(event_id ia, event_id ib) const {
        const event &a = g_[ia], &b = g_[ib];
        if (ia.thread == ib.thread) return ia.index < ib.index;
        if (a.location == b.location) {
            if (hb(ia, ib)) return true;
            if (b.writes()) return (a.writes() ? a.rank : g_.rank(a.from)) < b.rank;
        }
        // sb!=loc;hb;sb!=loc
        const event_id p = other_location(ia, +1), q = other_location(ib, -1);
        return p != nobody && q != nobody && hb(p, q);
    }
    event_id other_location(event_id e, int step) const {
        auto& all = g_.thread[e.thread];
        for (int i = e.index + step; i >= 0 && i < static_cast<int>(all.size()); i += step)
            if (all[static_cast<std::size_t>(i)].location != g_[e].location)
                return {e.thread, static_cast<std::uint16_t>(i)};
        return nobody;
    }

    bool edge(const node& a, const node& b) const {
        if (a.access && b.access) return scb_access(a.at, b.at);
        if (a.access) return access_to_fence(a.at, b);
        if (b.access) return fence_to_access(a, b.at);
        return fence_to_fence(a, b);
    }

    bool access_to_fence(event_id ia, const node& f) const {
        const event& a = g_[ia];
        const event_id next{ia.thread, static_cast<std::uint16_t>(ia.index + 1)};
        if (next.index < g_.thread[ia.thread].size() && before_fence(next, f)) return true;
        if (f.greatest_store[a.location] > (a.writes() ? a.rank : g_.rank(a.from))) return true;
        return any_of(a.location, [&](event_id e) { return hb(ia, e) && f.before.covers(e); });
    }

    bool fence_to_access(const node& f, event_id ib) const {
        const event& b = g_[ib];
        if (ib.index > 0 && fence_before(f, {ib.thread, static_cast<std::uint16_t>(ib.index - 1)}))
            return true;
        if (b.writes() && std::min(f.least_store[b.location], f.least_read[b.location]) < b.rank)
            return true;
        return any_of(b.location, [&](event_id e) { return f.follows(e) && hb(e, ib); });
    }

    bool fence_to_fence(const node& a, const node& b) const {
        // hb: something of a's thread at or after it is known to b, or the other way round.
        if (a.at != nobody && b.before.covers(a.at)) return true;
        if (b.at != nobody && a.follows(b.at)) return true;
        if (a.at == nobody && b.at == nobody)
            for (std::size_t t = 0; t < max_threads; ++t)
                if (a.after[t] < b.before[static_cast<int>(t)]) return true;
        for (std::size_t l = 0; l < a.least_store.size(); ++l) {  // hb;eco;hb
            const int w = a.least_store[l], r = a.least_read[l];
            if (std::min(w, r) < b.greatest_store[l]) return true;
            if (w <= b.greatest_read[l] || r < b.greatest_read[l]) return true;
        }
        return false;
    }

    template <class F>
    bool any_of(std::uint16_t location, F&& f) const {
        for (std::size_t t = 0; t < max_threads; ++t)
            for (std::size_t i = 0; i < g_.thread[t].size(); ++i)
                if (g_.thread[t][i].location == location &&
                    f(event_id{static_cast<std::uint16_t>(t), static_cast<std::uint16_t>(i)}))
                    return true;
        return false;
    }

    void add_edges(std::size_t i) {
        for (std::size_t j = 0; j < nodes_.size(); ++j) {
            if (j != i) next_[i][j] = edge(nodes_[i], nodes_[j]);
        }
        if (nodes_[i].thread >= 0) {  // they come after their barriers
            next_[nodes_[i].barrier_in][i] = true;
            next_[i][nodes_[i].barrier_out] = true;
        }
    }

    bool acyclic() {
        for (std::size_t i = 0; i < nodes_.size(); ++i) add_edges(i);
        return find_cycle().empty();
    }

    // Finds places for the inserted fences: each starts as early as can be. If they are on a cycle,
    // one of those on it must stand later, because an edge depends on its own two ends only.
    bool place() {
        const std::size_t first = nodes_.size() - inserted_;
        std::set<std::vector<std::size_t>> seen;
        return place_from(first, seen);
    }
    bool place_from(std::size_t first, std::set<std::vector<std::size_t>>& seen) {
        std::vector<std::size_t> here;
        for (std::size_t i = first; i < nodes_.size(); ++i) here.push_back(nodes_[i].segment);
        if (!seen.insert(here).second) return false;
        for (std::size_t i = 0; i < nodes_.size(); ++i) add_edges(i);
        const auto cycle = find_cycle();
        if (cycle.empty()) return true;
        for (std::size_t i : cycle) {
            node& n = nodes_[i];
            if (n.thread < 0 || n.segment == walls_[static_cast<std::size_t>(n.thread)].size())
                continue;
            set_segment(n, n.segment + 1);
            if (place_from(first, seen)) return true;
            set_segment(n, n.segment - 1);
        }
        return false;
    }

    std::vector<std::size_t> find_cycle() const {
        std::vector<std::size_t> path;
        std::bitset<max_nodes> on_path, done;
        std::vector<std::size_t> cycle;
        for (std::size_t i = 0; i < nodes_.size() && cycle.empty(); ++i)
            if (!done[i]) walk(i, path, on_path, done, cycle);
        return cycle;
    }
    void walk(std::size_t i, std::vector<std::size_t>& path, std::bitset<max_nodes>& on_path,
              std::bitset<max_nodes>& done, std::vector<std::size_t>& cycle) const {
        path.push_back(i);
        on_path[i] = true;
        for (std::size_t j = 0; j < nodes_.size() && cycle.empty(); ++j) {
            if (!next_[i][j]) continue;
            if (on_path[j]) {
                cycle.assign(std::find(path.begin(), path.end(), j), path.end());
            } else if (!done[j]) {
                walk(j, path, on_path, done, cycle);
            }
        }
        path.pop_back();
        on_path[i] = false;
        done[i] = true;
    }

    const graph& g_;
    std::vector<node> nodes_;
    std::vector<std::size_t> walls_[max_threads];  // compiler barriers
    std::size_t inserted_ = 0;
    std::bitset<max_nodes> next_[max_nodes];
};

}  // namespace

bool sc_consistent(const graph& g) { return checker{g}.consistent(); }

}  // namespace model
