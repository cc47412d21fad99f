// SPDX-License-Identifier: BSL-1.0
// moodycamel::ConcurrentQueue, unbounded: without tokens, and with one for each thread.
#include "../support/queue_cells.hpp"

#if BENCH_MOODYCAMEL
#include <penstock/queue/unbounded.hpp>  // knows where the header is

namespace bench {

namespace {

template <class T>
struct implicit : plain_ends<implicit<T>> {
    static constexpr bool bounded = false;
    explicit implicit(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.enqueue(v); }
    bool pop(T& v) { return q.try_dequeue(v); }
    std::size_t push_n(const T* first, std::size_t n) { return q.enqueue_bulk(first, n) ? n : 0; }
    std::size_t pop_n(T* out, std::size_t n) { return q.try_dequeue_bulk(out, n); }
    ::moodycamel::ConcurrentQueue<T> q;
};

template <class T>
struct with_tokens : subject_traits {
    static constexpr bool bounded = false, in_curves = true;
    explicit with_tokens(std::size_t capacity) : q{capacity} {}
    struct producer {
        explicit producer(with_tokens& s) : q{s.q}, token{s.q} {}
        bool push(const T& v) { return q.enqueue(token, v); }
        std::size_t push_n(const T* first, std::size_t n) {
            return q.enqueue_bulk(token, first, n) ? n : 0;
        }
        ::moodycamel::ConcurrentQueue<T>& q;
        ::moodycamel::ProducerToken token;
    };
    struct consumer {
        explicit consumer(with_tokens& s) : q{s.q}, token{s.q} {}
        bool pop(T& v) { return q.try_dequeue(token, v); }
        std::size_t pop_n(T* out, std::size_t n) { return q.try_dequeue_bulk(token, out, n); }
        ::moodycamel::ConcurrentQueue<T>& q;
        ::moodycamel::ConsumerToken token;
    };
    ::moodycamel::ConcurrentQueue<T> q;
};

}  // namespace

void families::moodycamel(queue_cells& q) {
    q.add_many<with_tokens>("moodycamel, tokens", peers);
    q.add_many<implicit>("moodycamel", peers);
}

}  // namespace bench
#else
void bench::families::moodycamel(queue_cells& q) {
    q.missing("moodycamel::ConcurrentQueue", "libconcurrentqueue-dev");
}
#endif
