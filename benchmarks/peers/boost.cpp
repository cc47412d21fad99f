// SPDX-License-Identifier: BSL-1.0
// Boost.Lockfree: spsc_queue with capacity at run time and fixed, and queue.
#include "../support/queue_cells.hpp"

#if BENCH_BOOST
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>

namespace bench {

namespace {

template <class T>
struct boost_spsc : plain_ends<boost_spsc<T>> {
    static constexpr bool in_curves = true;
    explicit boost_spsc(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.push(v); }
    bool pop(T& v) { return q.pop(v); }
    std::size_t push_n(const T* first, std::size_t n) { return q.push(first, n); }
    std::size_t pop_n(T* out, std::size_t n) { return q.pop(out, n); }
    ::boost::lockfree::spsc_queue<T> q;
};

template <class T>
struct boost_spsc_fixed : plain_ends<boost_spsc_fixed<T>> {
    static constexpr bool fixed = true;
    explicit boost_spsc_fixed(std::size_t) {}
    bool push(const T& v) { return q.push(v); }
    bool pop(T& v) { return q.pop(v); }
    std::size_t push_n(const T* first, std::size_t n) { return q.push(first, n); }
    std::size_t pop_n(T* out, std::size_t n) { return q.pop(out, n); }
    ::boost::lockfree::spsc_queue<T, ::boost::lockfree::capacity<1024>> q;
};

/// bounded_push: takes a node of the pool made in advance, never the allocator.
template <class T>
struct boost_queue : plain_ends<boost_queue<T>> {
    explicit boost_queue(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.bounded_push(v); }
    bool pop(T& v) { return q.pop(v); }
    ::boost::lockfree::queue<T> q;
};

}  // namespace

void families::boost(queue_cells& q) {
    q.add_spsc<boost_spsc_fixed>("boost spsc_queue, fixed capacity", peers);
    q.add_spsc<boost_spsc>("boost spsc_queue", peers);
    q.add_many<boost_queue>("boost queue", peers);
}

}  // namespace bench
#else
void bench::families::boost(queue_cells& q) { q.missing("Boost.Lockfree", "libboost-dev"); }
#endif
