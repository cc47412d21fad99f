// SPDX-License-Identifier: BSL-1.0
#include "graph.hpp"

#include <algorithm>
#include <utility>

namespace model {

std::uint16_t graph::lowest(std::uint16_t loc, const clock_vector& before) const {
    std::uint16_t low = 0;
    for (int t = 0; t < max_threads; ++t) {
        // A thread's accesses of one location never go back, so its last one says it all.
        for (std::size_t i = std::min<std::size_t>(before[t], thread[t].size()); i-- > 0;) {
            const event& e = thread[t][i];
            if (e.location != loc || !(e.reads() || e.writes())) continue;
            low = std::max(low, e.reads() ? rank(e.from) : e.rank);
            break;
        }
    }
    return low;
}

bool graph::taken(std::uint16_t loc, event_id store) const {
    const std::uint16_t next = rank(store);
    if (next >= newest(loc)) return false;
    const event_id behind = locations[loc].stores[next];
    const event& e = (*this)[behind];
    if (e.what != kind::rmw_write) return false;
    return e.from == store;
}

event graph::draft(int t, kind what, place where) const {
    event e;
    e.what = what;
    e.where = where;
    if (!thread[t].empty()) {
        const event& last = thread[t].back();
        e.before = last.before;
        e.past = last.past;
        e.fenced_release = last.fenced_release;
        e.unfenced = last.unfenced;
    }
    e.before.set(t, thread[t].size() + 1);
    e.past.set(t, thread[t].size() + 1);
    return e;
}

void graph::read_from(event& e, event_id store) const {
    e.from = store;
    e.value = value_of(e.location, store);
    if (e.compares) {
        e.exclusive = e.value == e.expected;
        e.what = e.exclusive ? kind::rmw_read : kind::load;
    }
    if (e.what == kind::lock_read) {
        e.waits = e.value != 0;
        e.exclusive = !e.waits;
    }
    if (store == initially) return;
    e.past.join((*this)[store].past);
    (acquires(e.effective()) ? e.before : e.unfenced).join((*this)[store].release);
}

void graph::synchronize(event& e, const clock_vector& other) const { e.before.join(other); }

void graph::fence(event& e) const {
    if (acquires(e.order)) e.before.join(e.unfenced);
    if (releases(e.order)) e.fenced_release = e.before;
}

void graph::publish(event& e) const { e.release = releases(e.order) ? e.before : e.fenced_release; }

event_id graph::append(int t, event e) {
    e.stamp = next_stamp++;
    thread[t].push_back(e);
    return {static_cast<std::uint16_t>(t), static_cast<std::uint16_t>(thread[t].size() - 1)};
}

void graph::insert_store(event_id store, std::uint16_t rank) {
    auto& all = locations[(*this)[store].location].stores;
    all.insert(all.begin() + rank - 1, store);
    for (std::size_t k = rank - 1u; k < all.size(); ++k)
        (*this)[all[k]].rank = static_cast<std::uint16_t>(k + 1);
    event& e = (*this)[store];
    if (e.what == kind::rmw_write) {  // it continues the release sequence of what it replaces
        if (e.from != initially) e.release.join((*this)[e.from].release);
    }
}

std::uint16_t graph::new_location(location l) {
    l.used = true;
    auto free = std::find_if(
        locations.begin(), locations.end(), [](const location& each) { return !each.used; });
    if (free == locations.end()) {
        locations.push_back(std::move(l));
        return static_cast<std::uint16_t>(locations.size() - 1);
    }
    *free = std::move(l);
    return static_cast<std::uint16_t>(free - locations.begin());
}

void graph::restrict_to(const std::size_t (&keep)[max_threads]) {
    const auto kept = [&](event_id e) { return e.index < keep[e.thread]; };
    for (location& l : locations) {
        if (!l.used) continue;
        if (l.birth != nobody && !kept(l.birth)) {
            l = location{};
            continue;
        }
        if (l.death != nobody && !kept(l.death)) l.death = nobody;
        std::erase_if(l.stores, [&](event_id e) { return !kept(e); });
        for (std::size_t k = 0; k < l.stores.size(); ++k)
            (*this)[l.stores[k]].rank = static_cast<std::uint16_t>(k + 1);
    }
    for (std::size_t t = 0; t < max_threads; ++t) thread[t].resize(keep[t]);
}

void graph::read_again(event_id read, event_id store) {
    const event old = (*this)[read];
    thread[read.thread].pop_back();
    event e = draft(read.thread, old.what, old.where);
    e.order = old.order;
    e.order_failed = old.order_failed;
    e.compares = old.compares;
    e.exclusive = old.exclusive;
    e.expected = old.expected;
    e.location = old.location;
    e.stamp = old.stamp;
    read_from(e, store);
    thread[read.thread].push_back(e);
}

}  // namespace model
