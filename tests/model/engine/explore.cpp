// SPDX-License-Identifier: BSL-1.0
// Growing a graph by one event: the choices of TruSt, and the checks of each new event.
#include <algorithm>

#include "consistency.hpp"
#include "explorer.hpp"

namespace model {

bool explorer::extend(int t) {
    if (director_) director_->stepped(*this, t);
    const request& r = at(t).pending;
    switch (r.what) {
        case kind::load:
        case kind::rmw_read:
        case kind::lock_read: return extend_read(t);
        case kind::store:
        case kind::rmw_write:
        case kind::unlock: return extend_write(t);
        case kind::choice: return extend_choice(t);
        default: break;
    }
    event e = g_.draft(t, r.what, r.where);
    e.order = r.order;
    e.at = r.target.at;
    e.size = r.size;
    switch (r.what) {
        case kind::begin:
            if (t == 0) break;
            e.from = {static_cast<std::uint16_t>(r.other), static_cast<std::uint16_t>(r.value)};
            break;
        case kind::join:
            e.from = {static_cast<std::uint16_t>(r.other),
                      static_cast<std::uint16_t>(g_.thread[r.other].size() - 1)};
            break;
        case kind::resume:
            e.from = wake_of(t);
            e.past.join(g_[e.from].past);
            break;
        case kind::fence: g_.fence(e); break;
        case kind::barrier_in:
        case kind::barrier_out:
            e.order = std::memory_order_seq_cst;
            g_.fence(e);
            break;
        case kind::birth: {
            location l;
            l.at = r.target.at;
            l.initial = r.target.initial;
            l.declared = r.where;
            l.birth = {
                static_cast<std::uint16_t>(t), static_cast<std::uint16_t>(g_.thread[t].size())};
            e.location = g_.new_location(std::move(l));
            break;
        }
        default: break;
    }
    if (r.what == kind::begin || r.what == kind::join) {
        if (e.from != nobody) {
            e.past.join(g_[e.from].past);
            g_.synchronize(e, g_[e.from].before);
        }
    }
    const event_id id = g_.append(t, e);
    if (r.what == kind::plain_read || r.what == kind::plain_write) check_plain(e);
    if (r.what == kind::death) check_death(id);
    return verdict_ == verdict::open;
}

void explorer::branch(graph g) {
    ++g.departures;
    if (limits_.departures != 0 && g.departures > limits_.departures)
        found_.exhaustive = false;
    else
        todo_.push_back(std::move(g));
}

std::uint16_t explorer::locate(const request& r) {
    const auto known = where_.find(r.target.at);
    if (known != where_.end() && known->second != plain_memory) return known->second;
    location l;  // older than the execution
    l.at = r.target.at;
    l.initial = r.target.initial;
    l.declared = r.where;
    return where_[r.target.at] = g_.new_location(std::move(l));
}

bool explorer::extend_read(int t) {
    const request& r = at(t).pending;
    event e = g_.draft(t, r.what, r.where);
    e.order = r.order;
    e.order_failed = r.order_failed;
    e.compares = r.compares;
    e.exclusive = r.exclusive;
    e.expected = r.expected;
    e.location = locate(r);
    check_alive(e, g_.locations[e.location]);
    if (verdict_ != verdict::open) return false;

    const std::uint16_t low = g_.lowest(e.location, e.before), high = g_.newest(e.location);
    const auto reading = [&](std::uint16_t rank) {
        event read = e;
        g_.read_from(read, g_.store_at(e.location, rank));
        return read;
    };
    std::uint16_t chosen = high;
    if (director_) {
        chosen = static_cast<std::uint16_t>(high - director_->back(high - low + 1u));
    } else {
        for (std::uint16_t rank = low; rank < high; ++rank) {
            const event read = reading(rank);
            if (read.waits) continue;  // for an unlock that came long ago
            if (read.exclusive && g_.taken(e.location, read.from)) {
                // Only if who took it can be made to read from us.
                const event_id taker =
                    g_.store_at(e.location, static_cast<std::uint16_t>(rank + 1));
                if (read.past.covers(taker)) continue;
                if (r.change) {  // no need to run up to its write: that only changes the taker
                    graph both = g_;
                    both.append(t, read);
                    event write = both.draft(t, kind::rmw_write, r.where);
                    write.order = r.order_write;
                    write.value = r.change(r.how, read.value);
                    write.location = e.location;
                    write.from = read.from;
                    both.publish(write);
                    const event_id id = both.append(t, write);
                    revisit(both, id);
                    continue;
                }
            }
            graph other = g_;
            other.append(t, read);
            if (sc_consistent(other)) branch(std::move(other));
        }
    }
    g_.append(t, reading(chosen));
    return true;
}

bool explorer::extend_write(int t) {
    const request& r = at(t).pending;
    event e = g_.draft(t, r.what, r.where);
    e.order = r.order;
    e.value = r.value;
    e.location = locate(r);
    check_alive(e, g_.locations[e.location]);
    if (verdict_ != verdict::open) return false;
    g_.publish(e);
    const auto& steps = g_.thread[t];
    if (r.what == kind::rmw_write) {
        std::size_t i = steps.size();
        while (!(steps[i - 1].exclusive && steps[i - 1].location == e.location)) --i;
        e.from = steps[i - 1].from;
    }
    const std::uint16_t low = g_.lowest(e.location, e.before);
    const event_id id = g_.append(t, e);
    const std::uint16_t end = static_cast<std::uint16_t>(g_.newest(e.location) + 1);

    if (r.what == kind::rmw_write) {
        if (!director_) revisit(g_, id);
        if (g_.taken(e.location, e.from)) return false;
        g_.insert_store(id, static_cast<std::uint16_t>(g_.rank(e.from) + 1));
        return true;
    }
    if (r.what == kind::unlock) {
        bool somebody_waits = false;
        for (auto& all : g_.thread)
            for (auto& x : all)
                if (x.waits && x.location == e.location && g_.rank(x.from) == low)
                    somebody_waits = true;
        if (!director_) revisit(g_, id);
        g_.insert_store(id, static_cast<std::uint16_t>(low + 1));
        return director_ || !somebody_waits;  // who waits for this very unlock gets it in a branch
    }
    std::uint16_t chosen = end;
    if (director_) {
        std::vector<std::uint16_t> places;
        for (std::uint16_t rank = end; rank > low; --rank)
            if (rank == end ||
                !g_.taken(
                    e.location, g_.store_at(e.location, static_cast<std::uint16_t>(rank - 1))))
                places.push_back(rank);
        chosen = places[director_->back(places.size())];
    } else {
        revisit(g_, id);
        for (std::uint16_t rank = static_cast<std::uint16_t>(low + 1); rank < end; ++rank) {
            if (g_.taken(e.location, g_.store_at(e.location, static_cast<std::uint16_t>(rank - 1))))
                continue;
            graph other = g_;
            other.insert_store(id, rank);
            if (sc_consistent(other)) branch(std::move(other));
        }
    }
    g_.insert_store(id, chosen);
    return true;
}

// Which reads could have read this store, had it been there? `store` is in no order yet.
void explorer::revisit(const graph& g, event_id store) {
    const event& a = g[store];
    for (std::size_t t = 0; t < max_threads; ++t) {
        for (std::size_t i = 0; i < g.thread[t].size(); ++i) {
            const event_id read{static_cast<std::uint16_t>(t), static_cast<std::uint16_t>(i)};
            if (!g[read].reads() || g[read].location != a.location || a.past.covers(read)) continue;

            std::size_t keep[max_threads];
            bool once = true;  // nobody else does the same
            for (std::size_t u = 0; u < max_threads; ++u) {
                std::size_t n = 0;
                while (n < g.thread[u].size() &&
                       (g.thread[u][n].stamp <= g[read].stamp || n < a.past[static_cast<int>(u)]))
                    ++n;
                keep[u] = n;
                for (; n < g.thread[u].size() && once; ++n)
                    once = maximal(
                        g, {static_cast<std::uint16_t>(u), static_cast<std::uint16_t>(n)}, a.past);
            }
            if (!once || !maximal(g, read, a.past)) continue;

            graph kept = g;
            kept.restrict_to(keep);
            const std::uint16_t low =
                kept.lowest(a.location, kept.thread[store.thread][store.index - 1u].before);
            std::uint16_t first = static_cast<std::uint16_t>(low + 1);
            std::uint16_t last = static_cast<std::uint16_t>(kept.newest(a.location) + 1);
            if (a.what == kind::rmw_write)
                first = last = static_cast<std::uint16_t>(kept.rank(a.from) + 1);
            if (a.what == kind::unlock) last = first;
            for (std::uint16_t rank = first; rank <= last; ++rank) {
                if (rank <= kept.newest(a.location) &&
                    kept.taken(a.location,
                               kept.store_at(a.location, static_cast<std::uint16_t>(rank - 1))))
                    continue;
                graph other = kept;
                other.insert_store(store, rank);
                clock_vector known;
                if (read.index > 0) known = other.thread[t][read.index - 1u].before;
                if (other.lowest(a.location, known) > rank) continue;
                other.read_again(read, store);
                if (sc_consistent(other)) branch(std::move(other));
            }
        }
    }
}

// TruSt's condition for removing `e`: were it added again, the first choice would bring back just it.
bool explorer::maximal(const graph& g, event_id id, const clock_vector& past) {
    const event& e = g[id];
    if (e.what == kind::choice) return e.value == 0;
    if (!e.reads() && !e.writes()) return true;
    const auto previous = [&](event_id x) { return g[x].stamp <= e.stamp || past.covers(x); };
    if (e.writes()) {
        for (std::size_t t = 0; t < max_threads; ++t)
            for (std::size_t i = 0; i < g.thread[t].size(); ++i) {
                const event_id x{static_cast<std::uint16_t>(t), static_cast<std::uint16_t>(i)};
                if (g[x].reads() && g[x].from == id && previous(x)) return false;
            }
    }
    const auto& all = g.locations[e.location].stores;
    for (std::size_t k = e.writes() ? e.rank : g.rank(e.from); k < all.size(); ++k)
        if (previous(all[k])) return false;
    return true;
}

bool explorer::extend_choice(int t) {
    const request& r = at(t).pending;
    event e = g_.draft(t, kind::choice, r.where);
    if (director_) {
        e.value = director_->back(r.choices);
    } else {
        for (std::uint64_t v = r.choices - 1; v > 0; --v) {
            graph other = g_;
            event x = e;
            x.value = v;
            other.append(t, x);
            branch(std::move(other));
        }
    }
    g_.append(t, e);
    return true;
}

// ---- Lifetimes and data races -------------------------------------------------------------------

void explorer::check_alive(const event& e, const location& l) {
    if (l.birth != nobody && !e.before.covers(l.birth))
        found(
            "an atomic is used by a thread that its construction does not happen before", e.where);
    else if (l.death != nobody)
        found("an atomic is used after its memory has gone, or while it goes", e.where);
}

void explorer::check_plain(const event& e) {
    for (int t = 0; t < max_threads; ++t) {
        const auto& all = g_.thread[t];
        for (std::size_t i = e.before[t]; i < all.size(); ++i) {  // what doesn't happen before it
            const event& x = all[i];
            if (x.what == kind::death && x.at <= e.at &&
                e.at < static_cast<const char*>(x.at) + x.size)
                return found("memory is used while another thread frees it", e.where);
            if ((x.what != kind::plain_read && x.what != kind::plain_write) || x.at != e.at)
                continue;
            if (x.what == kind::plain_write || e.what == kind::plain_write)
                return found(
                    "data race: this access and that of " + at(t).name + " are not ordered",
                    e.where);
        }
        for (std::size_t i = 0; i < e.before[t] && i < all.size(); ++i)
            if (all[i].what == kind::death && all[i].at <= e.at &&
                e.at < static_cast<const char*>(all[i].at) + all[i].size)
                return found("memory is used after it was freed", e.where);
    }
}

void explorer::check_death(event_id id) {
    const event& e = g_[id];
    const auto inside = [&](const void* p) {
        return p >= e.at && p < static_cast<const char*>(e.at) + e.size;
    };
    for (location& l : g_.locations)
        if (l.used && l.birth != nobody && l.death == nobody && inside(l.at)) l.death = id;
    for (int t = 0; t < max_threads; ++t)
        for (std::size_t i = e.before[t]; i < g_.thread[t].size(); ++i) {
            const event& x = g_.thread[t][i];
            const bool plain = x.what == kind::plain_read || x.what == kind::plain_write;
            if ((plain && inside(x.at)) ||
                (x.location != 0xffff && g_.locations[x.location].death == id))
                return found("memory goes away while " + at(t).name + " still uses it", e.where);
        }
}

}  // namespace model
