// SPDX-License-Identifier: BSL-1.0
// Queues under one interface, each used as its documentation says: peers/ has them.
//
//   template <class T> struct subject : bench::plain_ends<subject<T>> {
//       explicit subject(std::size_t capacity);
//       bool push(const T&);                     // false: full
//       bool pop(T&);                            // false: empty
//       std::size_t push_n(const T*, std::size_t);  // if it has batches: how many went through
//       std::size_t pop_n(T*, std::size_t);
//   };
//
// A thread makes its own producer or consumer; plain_ends are those of a queue that needs nothing of
// its threads. One with tokens has ends of its own, where they live: peers/moodycamel.cpp.
#pragma once

#include <cstddef>

namespace bench {

/// What a subject is, unless it says otherwise.
struct subject_traits {
    static constexpr bool words_only = false;  // takes no message of 64 bytes
    static constexpr bool waits = false;       // push and pop spin until done: no answer "full"
    static constexpr bool fixed = false;       // its capacity is 1,024, whatever is asked for
    static constexpr bool bounded = true;
    static constexpr bool from_malloc = true;  // so that its bytes can be counted
    static constexpr bool in_curves = false;   // by capacity, by threads: ours, and the best peers
};

template <class Subject>
struct plain_ends : subject_traits {
    struct producer {
        explicit producer(Subject& q) : s{q} {}
        template <class T>
        bool push(const T& v) {
            return s.push(v);
        }
        template <class T>
            requires requires(Subject& q, const T* p) { q.push_n(p, 1); }
        std::size_t push_n(const T* first, std::size_t n) {
            return s.push_n(first, n);
        }
        Subject& s;
    };
    struct consumer {
        explicit consumer(Subject& q) : s{q} {}
        template <class T>
        bool pop(T& v) {
            return s.pop(v);
        }
        template <class T>
            requires requires(Subject& q, T* p) { q.pop_n(p, 1); }
        std::size_t pop_n(T* out, std::size_t n) {
            return s.pop_n(out, n);
        }
        Subject& s;
    };
};

}  // namespace bench
