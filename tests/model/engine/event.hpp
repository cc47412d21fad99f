// SPDX-License-Identifier: BSL-1.0
// One step of one thread, as the model sees it, and the clocks that say what it knows.
//
// Happens-before, and the causal past (program order and reads-from, which RC11 keeps acyclic), are
// kept as vector clocks: clock[t] = how many of thread t's events lie before, or are, this one. An
// event's clocks never change once it has been added, because nothing is ever added before it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace model {

inline constexpr int max_threads = 8;

/// Thread and place in it.
struct event_id {
    std::uint16_t thread = 0xffff;
    std::uint16_t index = 0;
    friend bool operator==(const event_id&, const event_id&) = default;
};
inline constexpr event_id nobody{};              // no event
inline constexpr event_id initially{0xfffe, 0};  // what a location held before any store

class clock_vector {
public:
    std::uint16_t operator[](int thread) const { return at_[static_cast<std::size_t>(thread)]; }
    void set(int thread, std::size_t n) {
        at_[static_cast<std::size_t>(thread)] = static_cast<std::uint16_t>(n);
    }
    void join(const clock_vector& other) {
        for (std::size_t t = 0; t < max_threads; ++t)
            if (other.at_[t] > at_[t]) at_[t] = other.at_[t];
    }
    bool covers(event_id e) const { return e.thread < max_threads && at_[e.thread] > e.index; }

private:
    std::array<std::uint16_t, max_threads> at_{};
};

enum class kind : std::uint8_t {
    begin,  // of a thread: after its parent's spawn
    spawn,
    join,  // reads from the other thread's end
    end,
    birth,  // of an atomic or a mutex: from here on it has its first value
    death,  // of an atomic, or of a block of memory
    load,
    store,
    rmw_read,  // of a read-modify-write that succeeds; its rmw_write comes next
    rmw_write,
    fence,
    compiler_barrier,
    barrier_in,  // of process_barrier: two fences, and one between them in every other thread
    barrier_out,
    plain_read,
    plain_write,
    lock_read,  // reads that the mutex is free (its rmw_write comes next), or waits
    unlock,
    resume,  // a sleeper goes on: reads from the wake that took him off the queue
    choice,  // something outside the program decides: a timeout, a spurious wake
};

struct place {  // in the source
    const char* file = "";
    int line = 0;
};

struct event {
    kind what{};
    std::memory_order order = std::memory_order_relaxed;
    std::memory_order order_failed = std::memory_order_relaxed;  // of a compare-exchange
    bool compares = false;   // a compare-exchange: which kind of read it is depends on its value
    bool exclusive = false;  // the read of a read-modify-write that will write
    bool waits = false;      // a lock_read that found the mutex taken
    std::uint16_t location = 0xffff;
    std::uint16_t rank = 0;   // of a store: its place in the modification order, from 1
    std::uint32_t stamp = 0;  // when it was added
    event_id from = nobody;   // reads-from, also of an rmw_write; what begin, join, resume wait for
    std::uint64_t value = 0;  // read or written
    std::uint64_t expected = 0;
    const void* at = nullptr;  // memory of plain accesses and deaths
    std::size_t size = 0;
    place where{};

    clock_vector before;          // happens-before, this event included
    clock_vector past;            // program order and reads-from, this event included
    clock_vector release;         // of a store: what who acquires it learns
    clock_vector fenced_release;  // of the thread so far: by its last release fence
    clock_vector unfenced;        // of the thread so far: what an acquire fence would bring

    bool reads() const {
        return what == kind::load || what == kind::rmw_read || what == kind::lock_read;
    }
    bool writes() const {
        return what == kind::store || what == kind::rmw_write || what == kind::unlock;
    }
    /// The order it has, now that its value is known.
    std::memory_order effective() const { return compares && !exclusive ? order_failed : order; }
    bool sc_access() const {
        return (reads() || writes()) && effective() == std::memory_order_seq_cst;
    }
    bool sc_fence() const {
        return what == kind::barrier_in || what == kind::barrier_out ||
               (what == kind::fence && order == std::memory_order_seq_cst);
    }
};

inline bool acquires(std::memory_order o) {
    return o == std::memory_order_acquire || o == std::memory_order_acq_rel ||
           o == std::memory_order_seq_cst || o == std::memory_order_consume;
}
inline bool releases(std::memory_order o) {
    return o == std::memory_order_release || o == std::memory_order_acq_rel ||
           o == std::memory_order_seq_cst;
}

}  // namespace model
