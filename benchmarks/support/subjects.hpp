// SPDX-License-Identifier: BSL-1.0
// Queues under one interface, each used as its documentation says.
//
//   struct subject<T> {
//       explicit subject(std::size_t capacity);
//       struct producer { explicit producer(subject&); bool push(const T&); size_t push_n(...); };
//       struct consumer { explicit consumer(subject&); bool pop(T&);        size_t pop_n(...); };
//   };
//
// A thread makes its own producer or consumer: where a queue has tokens, that is where they live.
// To add a peer: a struct like the ones below, and a line in queues.cpp.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>

#include <penstock/queue/mpmc_ring.hpp>
#include <penstock/queue/spsc_ring.hpp>

#if __has_include(<boost/lockfree/queue.hpp>)
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#define BENCH_BOOST 1
#endif

#if __has_include(<concurrentqueue/moodycamel/concurrentqueue.h>) || \
    __has_include(<concurrentqueue/concurrentqueue.h>) || __has_include(<concurrentqueue.h>)
#include <penstock/queue/unbounded.hpp>
#define BENCH_MOODYCAMEL 1
#endif

namespace bench {

/// Ends for a queue that needs nothing of its threads.
template <class Subject>
struct plain_ends {
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

template <class Queue>
struct penstock_subject : plain_ends<penstock_subject<Queue>> {
    using T = typename Queue::value_type;
    explicit penstock_subject(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.try_push(v); }
    bool pop(T& v) { return q.try_pop(v); }
    std::size_t push_n(const T* first, std::size_t n) { return q.try_push_n(first, n); }
    std::size_t pop_n(T* out, std::size_t n) { return q.try_pop_n(out, n); }
    Queue q;
};
template <class T>
using our_spsc = penstock_subject<penstock::spsc_ring<T>>;
template <class T>
using our_mpmc = penstock_subject<penstock::mpmc_ring<T>>;

/// What people write first.
template <class T>
struct mutex_deque : plain_ends<mutex_deque<T>> {
    explicit mutex_deque(std::size_t n) : capacity{n} {}
    bool push(const T& v) { return push_n(&v, 1) == 1; }
    bool pop(T& v) { return pop_n(&v, 1) == 1; }
    std::size_t push_n(const T* first, std::size_t n) {
        std::lock_guard lock{mutex};
        n = std::min(n, capacity - q.size());
        q.insert(q.end(), first, first + n);
        return n;
    }
    std::size_t pop_n(T* out, std::size_t n) {
        std::lock_guard lock{mutex};
        n = std::min(n, q.size());
        for (std::size_t i = 0; i < n; ++i, q.pop_front()) out[i] = q.front();
        return n;
    }
    const std::size_t capacity;
    std::mutex mutex;
    std::deque<T> q;
};

#if BENCH_BOOST
template <class T>
struct boost_spsc : plain_ends<boost_spsc<T>> {
    explicit boost_spsc(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.push(v); }
    bool pop(T& v) { return q.pop(v); }
    std::size_t push_n(const T* first, std::size_t n) { return q.push(first, n); }
    std::size_t pop_n(T* out, std::size_t n) { return q.pop(out, n); }
    boost::lockfree::spsc_queue<T> q;
};

template <class T>
struct boost_spsc_fixed : plain_ends<boost_spsc_fixed<T>> {
    explicit boost_spsc_fixed(std::size_t) {}
    bool push(const T& v) { return q.push(v); }
    bool pop(T& v) { return q.pop(v); }
    std::size_t push_n(const T* first, std::size_t n) { return q.push(first, n); }
    std::size_t pop_n(T* out, std::size_t n) { return q.pop(out, n); }
    boost::lockfree::spsc_queue<T, boost::lockfree::capacity<1024>> q;
};

/// bounded_push: takes a node of the pool made in advance, never the allocator.
template <class T>
struct boost_queue : plain_ends<boost_queue<T>> {
    explicit boost_queue(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.bounded_push(v); }
    bool pop(T& v) { return q.pop(v); }
    boost::lockfree::queue<T> q;
};
#endif

#if BENCH_MOODYCAMEL
template <class T>
struct our_unbounded : plain_ends<our_unbounded<T>> {
    explicit our_unbounded(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.try_push(v); }
    bool pop(T& v) { return q.try_pop(v); }
    penstock::unbounded<T> q;
};

template <class T>
struct moodycamel_implicit : plain_ends<moodycamel_implicit<T>> {
    explicit moodycamel_implicit(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.enqueue(v); }
    bool pop(T& v) { return q.try_dequeue(v); }
    std::size_t push_n(const T* first, std::size_t n) { return q.enqueue_bulk(first, n) ? n : 0; }
    std::size_t pop_n(T* out, std::size_t n) { return q.try_dequeue_bulk(out, n); }
    moodycamel::ConcurrentQueue<T> q;
};

template <class T>
struct moodycamel_tokens {
    explicit moodycamel_tokens(std::size_t capacity) : q{capacity} {}
    struct producer {
        explicit producer(moodycamel_tokens& s) : q{s.q}, token{s.q} {}
        bool push(const T& v) { return q.enqueue(token, v); }
        std::size_t push_n(const T* first, std::size_t n) {
            return q.enqueue_bulk(token, first, n) ? n : 0;
        }
        moodycamel::ConcurrentQueue<T>& q;
        moodycamel::ProducerToken token;
    };
    struct consumer {
        explicit consumer(moodycamel_tokens& s) : q{s.q}, token{s.q} {}
        bool pop(T& v) { return q.try_dequeue(token, v); }
        std::size_t pop_n(T* out, std::size_t n) { return q.try_dequeue_bulk(token, out, n); }
        moodycamel::ConcurrentQueue<T>& q;
        moodycamel::ConsumerToken token;
    };
    moodycamel::ConcurrentQueue<T> q;
};
#endif

}  // namespace bench
