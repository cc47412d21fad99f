// SPDX-License-Identifier: BSL-1.0
// Concurrency Kit's ring for elements of any size. It holds one less than its size, which is a power
// of two: 1,024 elements take 2,048 slots.
#include "../support/queue_cells.hpp"

#if BENCH_CK
#include <memory>

// It is C. One pointer function returns false, which C++ takes for a null pointer only as 0; and
// CK_RING_PROTOTYPE, the way to rings of one's own type, converts void* silently: below stands what
// its functions consist of.
#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wkeyword-macro"
#endif
#define false 0
#include <ck_ring.h>
#undef false
#if defined(__clang__)
#pragma clang diagnostic pop
#endif

namespace bench {

namespace {

template <class T>
struct storage {
    explicit storage(std::size_t capacity) {
        std::size_t n = 4;
        while (n <= capacity) n *= 2;
        slots.reset(new T[n]);
        ck_ring_init(&ring, static_cast<unsigned>(n));
    }
    ck_ring_t ring{};
    std::unique_ptr<T[]> slots;
};

template <class T>
struct ck_spsc : plain_ends<ck_spsc<T>>, storage<T> {
    using storage<T>::storage;
    bool push(const T& v) {
        return _ck_ring_enqueue_sp(&this->ring, this->slots.get(), &v, sizeof v, nullptr);
    }
    bool pop(T& v) { return _ck_ring_dequeue_sc(&this->ring, this->slots.get(), &v, sizeof v); }
};

template <class T>
struct ck_mpmc : plain_ends<ck_mpmc<T>>, storage<T> {
    using storage<T>::storage;
    bool push(const T& v) {
        return _ck_ring_enqueue_mp(&this->ring, this->slots.get(), &v, sizeof v, nullptr);
    }
    bool pop(T& v) { return _ck_ring_dequeue_mc(&this->ring, this->slots.get(), &v, sizeof v); }
};

}  // namespace

void families::ck(queue_cells& q) {
    q.add_spsc<ck_spsc>("ck_ring spsc", peers);
    q.add_many<ck_mpmc>("ck_ring mpmc", peers);
}

}  // namespace bench
#else
void bench::families::ck(queue_cells& q) { q.missing("Concurrency Kit's ck_ring", "libck-dev"); }
#endif
