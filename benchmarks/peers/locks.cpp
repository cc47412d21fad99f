// SPDX-License-Identifier: BSL-1.0
// What people write first: a deque or a ring under a lock.
#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include <penstock/core/sync.hpp>

#include "../support/queue_cells.hpp"

namespace bench {

namespace {

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

/// Test, then test-and-set; gives the core away when it takes long, as its holder may wait for one.
class spinlock {
public:
    void lock() {
        for (int spins = 0; taken_.exchange(true, std::memory_order_acquire);)  // pairs with unlock
            while (taken_.load(std::memory_order_relaxed)) {  // only when to try again
                if (++spins % 128 != 0)
                    ::penstock::sys::pause();
                else
                    std::this_thread::yield();
            }
    }
    void unlock() { taken_.store(false, std::memory_order_release); }  // pairs with lock

private:
    std::atomic<bool> taken_{false};
};

template <class T, class Lock>
struct locked_ring : plain_ends<locked_ring<T, Lock>> {
    static constexpr bool in_curves = true;
    explicit locked_ring(std::size_t n) : slots(n) {}
    bool push(const T& v) { return push_n(&v, 1) == 1; }
    bool pop(T& v) { return pop_n(&v, 1) == 1; }
    std::size_t push_n(const T* first, std::size_t n) {
        std::lock_guard guard{lock};
        n = std::min(n, slots.size() - count);
        for (std::size_t i = 0; i < n; ++i) {
            slots[tail] = first[i];
            if (++tail == slots.size()) tail = 0;
        }
        count += n;
        return n;
    }
    std::size_t pop_n(T* out, std::size_t n) {
        std::lock_guard guard{lock};
        n = std::min(n, count);
        for (std::size_t i = 0; i < n; ++i) {
            out[i] = slots[head];
            if (++head == slots.size()) head = 0;
        }
        count -= n;
        return n;
    }
    alignas(64) Lock lock;
    std::size_t head = 0, tail = 0, count = 0;
    std::vector<T> slots;
};
template <class T>
using mutex_ring = locked_ring<T, std::mutex>;
template <class T>
using spinlock_ring = locked_ring<T, spinlock>;

}  // namespace

void families::locks(queue_cells& q) {
    q.add_many<mutex_deque>("std::mutex + std::deque", peers);
    q.add_many<mutex_ring>("std::mutex + ring", peers);
    q.add_many<spinlock_ring>("spinlock + ring", peers);
}

}  // namespace bench
