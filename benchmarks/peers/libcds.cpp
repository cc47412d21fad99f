// SPDX-License-Identifier: BSL-1.0
// libcds: Vyukov's bounded queue, with its default back-off, and the weak ring buffer, whose batches
// go through whole or not at all. Neither uses the library's garbage collectors, so that no thread
// has to be attached to one.
#include "../support/queue_cells.hpp"

#if BENCH_LIBCDS
#include <cds/container/vyukov_mpmc_cycle_queue.h>
#include <cds/container/weak_ringbuffer.h>
#include <cds/init.h>

namespace bench {

namespace {

struct library {
    library() { ::cds::Initialize(); }
    ~library() { ::cds::Terminate(); }
};

template <class T>
struct vyukov : plain_ends<vyukov<T>> {
    static constexpr bool in_curves = true;
    explicit vyukov(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.enqueue(v); }
    bool pop(T& v) { return q.dequeue(v); }
    ::cds::container::VyukovMPMCCycleQueue<T> q;
};

template <class T>
struct weak_ring : plain_ends<weak_ring<T>> {
    static constexpr bool in_curves = true;
    explicit weak_ring(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.enqueue(v); }
    bool pop(T& v) { return q.dequeue(v); }
    std::size_t push_n(const T* first, std::size_t n) { return q.push(first, n) ? n : 0; }
    std::size_t pop_n(T* out, std::size_t n) { return q.pop(out, n) ? n : 0; }
    ::cds::container::WeakRingBuffer<T> q;
};

}  // namespace

void families::libcds(queue_cells& q) {
    static library initialized;
    q.add_spsc<weak_ring>("libcds WeakRingBuffer", peers);
    q.add_many<vyukov>("libcds VyukovMPMCCycleQueue", peers);
}

}  // namespace bench
#else
void bench::families::libcds(queue_cells& q) { q.missing("libcds", "libcds-dev"); }
#endif
