// SPDX-License-Identifier: BSL-1.0
// oneTBB: concurrent_queue, unbounded, and concurrent_bounded_queue by its try forms.
#include "../support/queue_cells.hpp"

#if BENCH_TBB
#include <oneapi/tbb/concurrent_queue.h>

namespace bench {

namespace {

template <class T>
struct unbounded_queue : plain_ends<unbounded_queue<T>> {
    static constexpr bool bounded = false, from_malloc = false;
    explicit unbounded_queue(std::size_t) {}
    bool push(const T& v) {
        q.push(v);
        return true;
    }
    bool pop(T& v) { return q.try_pop(v); }
    ::tbb::concurrent_queue<T> q;
};

template <class T>
struct bounded_queue : plain_ends<bounded_queue<T>> {
    static constexpr bool from_malloc = false;
    explicit bounded_queue(std::size_t capacity) {
        q.set_capacity(static_cast<std::ptrdiff_t>(capacity));
    }
    bool push(const T& v) { return q.try_push(v); }
    bool pop(T& v) { return q.try_pop(v); }
    ::tbb::concurrent_bounded_queue<T> q;
};

}  // namespace

void families::tbb(queue_cells& q) {
    q.add_many<unbounded_queue>("TBB concurrent_queue", peers);
    q.add_many<bounded_queue>("TBB concurrent_bounded_queue", peers);
}

}  // namespace bench
#else
void bench::families::tbb(queue_cells& q) { q.missing("oneTBB", "libtbb-dev"); }
#endif
