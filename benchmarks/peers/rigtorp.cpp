// SPDX-License-Identifier: BSL-1.0
// rigtorp's SPSCQueue and MPMCQueue, in no Debian package: benchmarks/run --peers PATH.
#include "../support/queue_cells.hpp"

#if BENCH_RIGTORP
#include <rigtorp/MPMCQueue.h>
#include <rigtorp/SPSCQueue.h>

namespace bench {

namespace {

template <class T>
struct spsc : plain_ends<spsc<T>> {
    static constexpr bool in_curves = true;
    explicit spsc(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.try_push(v); }
    bool pop(T& v) {
        T* front = q.front();
        if (!front) return false;
        v = *front;
        q.pop();
        return true;
    }
    ::rigtorp::SPSCQueue<T> q;
};

template <class T>
struct mpmc : plain_ends<mpmc<T>> {
    static constexpr bool in_curves = true;
    explicit mpmc(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.try_push(v); }
    bool pop(T& v) { return q.try_pop(v); }
    ::rigtorp::MPMCQueue<T> q;
};

}  // namespace

void families::rigtorp(queue_cells& q) {
    q.add_spsc<spsc>("rigtorp SPSCQueue", peers);
    q.add_many<mpmc>("rigtorp MPMCQueue", peers);
}

}  // namespace bench
#else
void bench::families::rigtorp(queue_cells& q) {
    q.missing("rigtorp's SPSCQueue and MPMCQueue", "none: benchmarks/run --peers PATH");
}
#endif
