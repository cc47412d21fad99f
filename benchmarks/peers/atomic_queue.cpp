// SPDX-License-Identifier: BSL-1.0
// atomic_queue, with the template arguments of its own benchmarks: for one and one, SPSC without
// MINIMIZE_CONTENTION and MAXIMIZE_THROUGHPUT; for many, with both. Words in the atomic form, whose
// "nothing" is a value that is never pushed; messages in the other.
#include "../support/queue_cells.hpp"

#if BENCH_ATOMIC_QUEUE
#include <atomic_queue/atomic_queue.h>

namespace bench {

namespace {

template <class T, bool Spsc>
struct form {
    using queue = ::atomic_queue::AtomicQueue2<T, 1024, !Spsc, !Spsc, false, Spsc>;
};
template <bool Spsc>
struct form<std::uint64_t, Spsc> {
    using queue = ::atomic_queue::AtomicQueue<std::uint64_t, 1024, ~std::uint64_t{0}, !Spsc, !Spsc,
                                              false, Spsc>;
};

template <class T, bool Spsc>
struct tries : plain_ends<tries<T, Spsc>> {
    static constexpr bool fixed = true;
    explicit tries(std::size_t) {}
    bool push(const T& v) { return q.try_push(v); }
    bool pop(T& v) { return q.try_pop(v); }
    typename form<T, Spsc>::queue q;
};

/// push and pop take a turn and spin until it comes: nothing is ever refused.
template <class T, bool Spsc>
struct optimist : plain_ends<optimist<T, Spsc>> {
    static constexpr bool fixed = true, waits = true;
    explicit optimist(std::size_t) {}
    bool push(const T& v) {
        q.push(v);
        return true;
    }
    bool pop(T& v) {
        v = q.pop();
        return true;
    }
    typename form<T, Spsc>::queue q;
};

template <class T>
using tries_spsc = tries<T, true>;
template <class T>
using tries_many = tries<T, false>;
template <class T>
using optimist_spsc = optimist<T, true>;
template <class T>
using optimist_many = optimist<T, false>;

}  // namespace

void families::atomic_queue(queue_cells& q) {
    q.add_spsc<tries_spsc>("atomic_queue spsc", peers);
    q.add_spsc<optimist_spsc>("atomic_queue spsc, optimist", peers);
    q.add_many<tries_many>("atomic_queue", peers);
    q.add_many<optimist_many>("atomic_queue, optimist", peers);
}

}  // namespace bench
#else
void bench::families::atomic_queue(queue_cells& q) {
    q.missing("atomic_queue", "libatomic-queue-dev");
}
#endif
