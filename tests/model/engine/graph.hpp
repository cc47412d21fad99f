// SPDX-License-Identifier: BSL-1.0
// An execution graph: the events of each thread, what each read reads from, and each location's
// modification order. Everything else follows from these three.
//
// Consistency, after RC11 (Lahav, Vafeiadis, Kang, Hur, Dreyer: Repairing Sequential Consistency in
// C/C++11, PLDI 2017) with C++20's release sequences:
//   coherence     by lowest(): no access goes back behind what happened before it.
//   atomicity     by taken(): nothing stands between a read-modify-write and what it read.
//   no thin air   by construction: a read's source is in the graph before it is read.
//   SC            consistency.hpp.
// Events are only ever added where nothing depends on them yet, so each check looks backward only.
#pragma once

#include <vector>

#include "event.hpp"

namespace model {

struct location {
    bool used = false;
    const void* at = nullptr;
    std::uint64_t initial = 0;
    event_id birth = nobody;  // nobody: it was always there
    event_id death = nobody;
    place declared;
    const char* name = nullptr;
    std::vector<event_id> stores;  // in modification order; stores[k] has rank k + 1
};

class graph {
public:
    std::vector<event> thread[max_threads];
    std::vector<location> locations;
    std::uint32_t next_stamp = 0;
    unsigned departures = 0;  // from the first choice, on the way here

    const event& operator[](event_id e) const { return thread[e.thread][e.index]; }
    event& operator[](event_id e) { return thread[e.thread][e.index]; }

    std::uint16_t rank(event_id store) const {
        return store == initially ? std::uint16_t{0} : (*this)[store].rank;
    }
    std::uint16_t newest(std::uint16_t loc) const {
        return static_cast<std::uint16_t>(locations[loc].stores.size());
    }
    event_id store_at(std::uint16_t loc, std::uint16_t rank) const {
        return rank == 0 ? initially : locations[loc].stores[rank - 1u];
    }
    std::uint64_t value_of(std::uint16_t loc, event_id store) const {
        return store == initially ? locations[loc].initial : (*this)[store].value;
    }

    /// The rank below which an access of `loc` by one who knows `before` can't go.
    std::uint16_t lowest(std::uint16_t loc, const clock_vector& before) const;

    /// Is there a read-modify-write right behind `store`?
    bool taken(std::uint16_t loc, event_id store) const;

    /// An event that would follow `thread`'s last one: clocks inherited, nothing read yet.
    event draft(int thread, kind what, place where) const;
    /// Fixes what `e` reads, its value and, for a compare-exchange, what it thereby is.
    void read_from(event& e, event_id store) const;
    void synchronize(event& e, const clock_vector& other) const;
    void fence(event& e) const;
    /// Fixes what readers of `e` will learn.
    void publish(event& e) const;

    event_id append(int thread, event e);
    void insert_store(event_id store, std::uint16_t rank);
    std::uint16_t new_location(location l);
    void free_location(std::uint16_t loc) { locations[loc] = location{}; }

    /// Keeps the first `keep[t]` events of each thread: a set that reads only from itself.
    void restrict_to(const std::size_t (&keep)[max_threads]);
    void read_again(event_id read, event_id store);  // the last event of its thread

    bool happens_before(event_id a, event_id b) const {
        return a != b && (*this)[b].before.covers(a);
    }
    std::size_t size() const {
        std::size_t n = 0;
        for (auto& t : thread) n += t.size();
        return n;
    }
};

}  // namespace model
