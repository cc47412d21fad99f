// SPDX-License-Identifier: BSL-1.0
// Ours.
#include <penstock/queue/mpmc_ring.hpp>
#include <penstock/queue/spsc_ring.hpp>

#if BENCH_MOODYCAMEL
#include <penstock/queue/unbounded.hpp>
#endif

#include "../support/queue_cells.hpp"

namespace bench {

namespace {

template <class Queue>
struct penstock_subject : plain_ends<penstock_subject<Queue>> {
    using T = typename Queue::value_type;
    static constexpr bool in_curves = true;
    explicit penstock_subject(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.try_push(v); }
    bool pop(T& v) { return q.try_pop(v); }
    std::size_t push_n(const T* first, std::size_t n) { return q.try_push_n(first, n); }
    std::size_t pop_n(T* out, std::size_t n) { return q.try_pop_n(out, n); }
    Queue q;
};
template <class T>
using our_spsc = penstock_subject<::penstock::spsc_ring<T>>;
template <class T>
using our_mpmc = penstock_subject<::penstock::mpmc_ring<T>>;

/// 1,024 as a template argument.
template <class T, class Queue>
struct fixed_subject : plain_ends<fixed_subject<T, Queue>> {
    static constexpr bool fixed = true;
    explicit fixed_subject(std::size_t) {}
    bool push(const T& v) { return q.try_push(v); }
    bool pop(T& v) { return q.try_pop(v); }
    std::size_t push_n(const T* first, std::size_t n) { return q.try_push_n(first, n); }
    std::size_t pop_n(T* out, std::size_t n) { return q.try_pop_n(out, n); }
    Queue q;
};
template <class T>
using our_fixed_spsc = fixed_subject<T, ::penstock::spsc_ring<T, 1024>>;
template <class T>
using our_fixed_mpmc = fixed_subject<T, ::penstock::mpmc_ring<T, 1024>>;

#if BENCH_MOODYCAMEL
template <class T>
struct our_unbounded : plain_ends<our_unbounded<T>> {
    static constexpr bool bounded = false;
    explicit our_unbounded(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.try_push(v); }
    bool pop(T& v) { return q.try_pop(v); }
    ::penstock::unbounded<T> q;
};
#endif

}  // namespace

void families::penstock(queue_cells& q) {
    q.add_spsc<our_spsc>("spsc_ring", ours);
    q.add_spsc<our_fixed_spsc>("spsc_ring, fixed capacity", ours);
    q.add_many<our_mpmc>("mpmc_ring", ours);
    q.add_many<our_fixed_mpmc>("mpmc_ring, fixed capacity", ours);
#if BENCH_MOODYCAMEL
    q.add_many<our_unbounded>("unbounded", ours);
#endif
}

}  // namespace bench
