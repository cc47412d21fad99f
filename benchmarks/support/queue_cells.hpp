// SPDX-License-Identifier: BSL-1.0
// The cells of queues.cpp, and how a queue enters all of them that it can do.
//
//   void bench::peer_families::boost(queue_cells& q) {
//       q.add_spsc<boost_spsc>("boost spsc_queue", peers);  // for one producer and one consumer
//       q.add_many<boost_queue>("boost queue", peers);      // for many, so for one and one too
//   }
//
// Each family of peers is a translation unit in peers/, so that they compile side by side.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench.hpp"
#include "cells.hpp"
#include "subjects.hpp"

namespace bench {

class queue_cells {
public:
    explicit queue_cells(suite& s) : suite_{s} {
        for (std::size_t slots = 64; slots <= 1048576; slots *= 4)
            by_capacity.push_back(
                {slots, &s.cell("spsc by capacity: " + std::to_string(slots)), nullptr});
        for (auto& at : by_capacity)
            at.many = &s.cell("2 to 2 by capacity: " + std::to_string(at.x));
        for (std::size_t n = 1; n <= 64; n *= 2)
            by_threads.push_back({n, nullptr, &s.cell("n to n by n: " + std::to_string(n))});
    }

    template <template <class> class Subject>
    void add_spsc(const char* name, whose owner) {
        add_one_and_one<Subject>(name, owner);
        add_alone<Subject>(alone_spsc, name, owner);
        if constexpr (Subject<u64>::in_curves && !Subject<u64>::fixed)
            for (auto& point : by_capacity)
                flows<Subject<u64>, u64>(*point.spsc, name, owner, 1, 1, 1, point.x);
    }
    template <template <class> class Subject>
    void add_many(const char* name, whose owner) {
        add_one_and_one<Subject>(name, owner);
        add_alone<Subject>(alone_many, name, owner);
        using S = Subject<u64>;
        flows<S, u64>(two_to_one, name, owner, 2, 1);
        flows<S, u64>(one_to_two, name, owner, 1, 2);
        flows<S, u64>(two_to_two, name, owner, 2, 2);
        if constexpr (!S::waits) flows<S, u64>(four_to_four, name, owner, 4, 4);
        if constexpr (has_batches<S, u64>) flows<S, u64>(two_to_two_32, name, owner, 2, 2, 32);
        if constexpr (S::from_malloc)
            memory.add_value(name, owner, [] { return bytes<S, u64>(capacity); });
        if constexpr (S::in_curves) {
            if constexpr (!S::fixed && S::bounded)
                for (auto& point : by_capacity)
                    flows<S, u64>(*point.many, name, owner, 2, 2, 1, point.x);
            for (auto& point : by_threads)
                flows<S, u64>(*point.many, name, owner, point.x, point.x);
        }
    }

    /// For a family whose header wasn't there.
    void missing(const char* name, const char* package) { suite_.missing(name, package); }

private:
    using u64 = std::uint64_t;
    static constexpr std::size_t capacity = 1024;

    template <class Subject, class T>
    static constexpr bool has_batches =
        requires(typename Subject::producer end, const T* first) { end.push_n(first, 1); };

    template <class S, class T>
    static void flows(cell& c, const char* name, whose owner, std::size_t producers,
                      std::size_t consumers, std::size_t batch = 1, std::size_t slots = capacity) {
        c.add(name, owner,
              [=](std::size_t n) { return flow<S, T>(n, producers, consumers, slots, batch); });
    }
    template <template <class> class Subject>
    void add_one_and_one(const char* name, whose owner) {
        using S = Subject<u64>;
        flows<S, u64>(spsc, name, owner, 1, 1);
        if constexpr (!S::words_only) flows<Subject<message>, message>(lines, name, owner, 1, 1);
        if constexpr (has_batches<S, u64>) flows<S, u64>(spsc_256, name, owner, 1, 1, 256);
        trip.add(name, owner, [](std::size_t n) { return round_trip<S, u64>(n, capacity); });
    }
    template <template <class> class Subject>
    void add_alone(cell& c, const char* name, whose owner) {
        c.add(name, owner, [](std::size_t n) { return alone<Subject<u64>, u64>(n, capacity); });
    }

    suite& suite_;
    // In the order of the report.
    cell& spsc = suite_.cell("spsc u64");
    cell& lines = suite_.cell("spsc 64 bytes");
    cell& spsc_256 = suite_.cell("spsc batches of 256");
    cell& trip = suite_.cell("round trip");
    // Two cells, because a queue for one and one is no rival of one for many.
    cell& alone_spsc = suite_.cell("push then pop, spsc");
    cell& alone_many = suite_.cell("push then pop, many");
    cell& two_to_one = suite_.cell("2 to 1");
    cell& one_to_two = suite_.cell("1 to 2");
    cell& two_to_two = suite_.cell("2 to 2");
    cell& four_to_four = suite_.cell("4 to 4");
    cell& two_to_two_32 = suite_.cell("2 to 2, batches of 32");
    cell& memory = suite_.cell("1024 u64", "bytes");
    struct curve_point {
        std::size_t x;
        cell *spsc, *many;
    };
    std::vector<curve_point> by_capacity, by_threads;
};

/// Defined in peers/, one a file.
namespace families {
void penstock(queue_cells&);
void locks(queue_cells&);
void boost(queue_cells&);
void moodycamel(queue_cells&);
void readerwriterqueue(queue_cells&);
void atomic_queue(queue_cells&);
void xenium(queue_cells&);
void libcds(queue_cells&);
void ck(queue_cells&);
void tbb(queue_cells&);
void rigtorp(queue_cells&);
}  // namespace families

}  // namespace bench
