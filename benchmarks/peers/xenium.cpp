// SPDX-License-Identifier: BSL-1.0
// xenium: Vyukov's bounded queue, weak and strong, and Ramalhete's unbounded one.
#include "../support/queue_cells.hpp"

#if BENCH_XENIUM
#include <xenium/ramalhete_queue.hpp>
#include <xenium/reclamation/generic_epoch_based.hpp>
#include <xenium/vyukov_bounded_queue.hpp>

namespace bench {

namespace {

template <class T>
struct weak : plain_ends<weak<T>> {
    static constexpr bool in_curves = true;
    explicit weak(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.try_push_weak(v); }
    bool pop(T& v) { return q.try_pop_weak(v); }
    ::xenium::vyukov_bounded_queue<T> q;
};

template <class T>
struct strong : plain_ends<strong<T>> {
    explicit strong(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.try_push_strong(v); }
    bool pop(T& v) { return q.try_pop_strong(v); }
    ::xenium::vyukov_bounded_queue<T> q;
};

/// Takes pointers only: the element is one that is never followed. Null means nothing there.
template <class T>
struct ramalhete : plain_ends<ramalhete<T>> {
    static constexpr bool words_only = true, bounded = false, from_malloc = false;
    explicit ramalhete(std::size_t) {}
    bool push(const T& v) {
        q.push(reinterpret_cast<char*>((v + 1) << 4));  // a marked pointer's low bits are its marks
        return true;
    }
    bool pop(T& v) {
        char* p = nullptr;
        if (!q.try_pop(p)) return false;
        v = (reinterpret_cast<T>(p) >> 4) - 1;
        return true;
    }
    ::xenium::ramalhete_queue<char*,
                              ::xenium::policy::reclaimer<::xenium::reclamation::epoch_based<>>>
        q;
};

}  // namespace

void families::xenium(queue_cells& q) {
    q.add_many<weak>("xenium vyukov, weak", peers);
    q.add_many<strong>("xenium vyukov, strong", peers);
    q.add_many<ramalhete>("xenium ramalhete", peers);
}

}  // namespace bench
#else
void bench::families::xenium(queue_cells& q) { q.missing("xenium", "libxenium-dev"); }
#endif
