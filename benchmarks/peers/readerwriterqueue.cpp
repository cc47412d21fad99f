// SPDX-License-Identifier: BSL-1.0
// moodycamel::ReaderWriterQueue: try_enqueue, which doesn't allocate.
#include "../support/queue_cells.hpp"

#if BENCH_READERWRITERQUEUE
#include <readerwriterqueue/readerwriterqueue.h>

namespace bench {

namespace {

template <class T>
struct reader_writer : plain_ends<reader_writer<T>> {
    explicit reader_writer(std::size_t capacity) : q{capacity} {}
    bool push(const T& v) { return q.try_enqueue(v); }
    bool pop(T& v) { return q.try_dequeue(v); }
    ::moodycamel::ReaderWriterQueue<T> q;
};

}  // namespace

void families::readerwriterqueue(queue_cells& q) {
    q.add_spsc<reader_writer>("moodycamel ReaderWriterQueue", peers);
}

}  // namespace bench
#else
void bench::families::readerwriterqueue(queue_cells& q) {
    q.missing("moodycamel::ReaderWriterQueue", "libreaderwriterqueue-dev");
}
#endif
