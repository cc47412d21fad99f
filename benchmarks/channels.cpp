// SPDX-License-Identifier: BSL-1.0
// Our channel beside what else waits: blocking queues, condition variables, semaphores
//
//   benchmarks/run channels [--only REGEX] [--reps N] [--csv FILE] [--table] [--list]
//
// README.md here says how it measures and how to read it.
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <numeric>
#include <semaphore>
#include <string>

#include <penstock/channel/channel.hpp>
#include <penstock/queue/mpmc_ring.hpp>
#include <penstock/queue/spsc_ring.hpp>

#include "channels/coroutines.hpp"
#include "support/bench.hpp"
#include "support/channel_cells.hpp"

#if BENCH_MOODYCAMEL
#if __has_include(<concurrentqueue/moodycamel/blockingconcurrentqueue.h>)
#include <concurrentqueue/moodycamel/blockingconcurrentqueue.h>
#elif __has_include(<concurrentqueue/blockingconcurrentqueue.h>)
#include <concurrentqueue/blockingconcurrentqueue.h>
#else
#include <blockingconcurrentqueue.h>
#endif
#endif
#if BENCH_READERWRITERQUEUE
#include <readerwriterqueue/readerwritercircularbuffer.h>
#include <readerwriterqueue/readerwriterqueue.h>
#endif
#if BENCH_TBB
#include <oneapi/tbb/concurrent_queue.h>
#endif

namespace {

using bench::stamp;

/// Ends for what needs nothing of its threads.
template <class Subject>
struct plain_ends {
    struct sender {
        explicit sender(Subject& q) : s{q} {}
        void send(stamp x) { s.send(x); }
        Subject& s;
    };
    struct receiver {
        explicit receiver(Subject& q) : s{q} {}
        stamp receive() { return s.receive(); }
        Subject& s;
    };
};

template <class Storage>
struct our_channel : plain_ends<our_channel<Storage>> {
    explicit our_channel(std::size_t capacity) : q{capacity} {}
    void send(stamp x) { bench::verify(static_cast<bool>(q.send(x)), "an open channel refused"); }
    stamp receive() {
        auto x = q.receive();
        bench::verify(static_cast<bool>(x), "an open channel said closed");
        return *x;
    }
    penstock::channel<stamp, Storage> q;
};
using channel = our_channel<penstock::mpmc_ring<stamp>>;
using spsc_channel = our_channel<penstock::spsc_ring<stamp>>;

/// The ring below it, without waiting: it spins, and yields where threads outnumber cores.
template <class Ring, std::size_t Threads>
struct spinning : plain_ends<spinning<Ring, Threads>> {
    explicit spinning(std::size_t capacity) : q{capacity} {}
    void send(stamp x) {
        bench::patience wait{Threads};
        while (!q.try_push(x)) wait();
    }
    stamp receive() {
        bench::patience wait{Threads};
        stamp x = 0;
        while (!q.try_pop(x)) wait();
        return x;
    }
    Ring q;
};

/// Two semaphores, the room and what is in, around our ring.
struct semaphores : plain_ends<semaphores> {
    explicit semaphores(std::size_t capacity)
        : q{capacity}, room{static_cast<std::ptrdiff_t>(capacity)} {}
    void send(stamp x) {
        room.acquire();
        while (!q.try_push(x)) penstock::sys::pause();  // a slot that is still being emptied
        in.release();
    }
    stamp receive() {
        in.acquire();
        stamp x = 0;
        while (!q.try_pop(x)) penstock::sys::pause();
        room.release();
        return x;
    }
    penstock::mpmc_ring<stamp> q;
    std::counting_semaphore<> room, in{0};
};

/// The floor: a word to sleep on, and room for one message.
struct bare_futex : plain_ends<bare_futex> {
    explicit bare_futex(std::size_t) {}
    void send(stamp x) {
        while (full.load(std::memory_order_acquire) != 0)  // pairs with receive's release
            penstock::sys::pause();
        value = x;
        full.store(1, std::memory_order_release);  // pairs with receive's acquire
        penstock::sys::futex_wake(&full);
    }
    stamp receive() {
        while (full.load(std::memory_order_acquire) == 0)  // pairs with send's release
            penstock::sys::futex_wait(full, 0);
        const stamp x = value;
        full.store(0, std::memory_order_release);  // pairs with send's acquire
        return x;
    }
    std::atomic<std::uint32_t> full{0};
    stamp value = 0;
};

struct condition_variables : plain_ends<condition_variables> {
    explicit condition_variables(std::size_t n) : capacity{n} {}
    void send(stamp x) {
        {
            std::unique_lock lock{mutex};
            not_full.wait(lock, [this] { return q.size() < capacity; });
            q.push_back(x);
        }
        not_empty.notify_one();
    }
    stamp receive() {
        std::unique_lock lock{mutex};
        not_empty.wait(lock, [this] { return !q.empty(); });
        const stamp x = q.front();
        q.pop_front();
        lock.unlock();
        not_full.notify_one();
        return x;
    }
    const std::size_t capacity;
    std::mutex mutex;
    std::condition_variable not_full, not_empty;
    std::deque<stamp> q;
};

#if BENCH_MOODYCAMEL
struct blocking_tokens {
    explicit blocking_tokens(std::size_t capacity) : q{capacity} {}
    struct sender {
        explicit sender(blocking_tokens& s) : q{s.q}, token{s.q} {}
        void send(stamp x) { bench::verify(q.enqueue(token, x), "out of memory"); }
        moodycamel::BlockingConcurrentQueue<stamp>& q;
        moodycamel::ProducerToken token;
    };
    struct receiver {
        explicit receiver(blocking_tokens& s) : q{s.q}, token{s.q} {}
        stamp receive() {
            stamp x = 0;
            q.wait_dequeue(token, x);
            return x;
        }
        moodycamel::BlockingConcurrentQueue<stamp>& q;
        moodycamel::ConsumerToken token;
    };
    moodycamel::BlockingConcurrentQueue<stamp> q;
};
#endif

#if BENCH_READERWRITERQUEUE
struct blocking_reader_writer : plain_ends<blocking_reader_writer> {
    explicit blocking_reader_writer(std::size_t capacity) : q{capacity} {}
    void send(stamp x) { bench::verify(q.enqueue(x), "out of memory"); }
    stamp receive() {
        stamp x = 0;
        q.wait_dequeue(x);
        return x;
    }
    moodycamel::BlockingReaderWriterQueue<stamp> q;
};
struct circular_buffer : plain_ends<circular_buffer> {
    explicit circular_buffer(std::size_t capacity) : q{capacity} {}
    void send(stamp x) { q.wait_enqueue(x); }
    stamp receive() {
        stamp x = 0;
        q.wait_dequeue(x);
        return x;
    }
    moodycamel::BlockingReaderWriterCircularBuffer<stamp> q;
};
#endif

#if BENCH_TBB
struct tbb_bounded : plain_ends<tbb_bounded> {
    explicit tbb_bounded(std::size_t capacity) {
        q.set_capacity(static_cast<std::ptrdiff_t>(capacity));
    }
    void send(stamp x) { q.push(x); }
    stamp receive() {
        stamp x = 0;
        q.pop(x);
        return x;
    }
    tbb::concurrent_bounded_queue<stamp> q;
};
#endif

template <class T>
struct type {
    using of = T;
};

/// `add(name, owner, type)` for all that many threads, or only one and one, may use.
template <class Add>
void each_for_many(Add add) {
    add("channel", bench::ours, type<channel>{});
    add("std::mutex + 2 condition variables", bench::peers, type<condition_variables>{});
    add("2 std::counting_semaphore + our ring", bench::peers, type<semaphores>{});
#if BENCH_MOODYCAMEL
    add("moodycamel BlockingConcurrentQueue", bench::peers, type<blocking_tokens>{});
#endif
#if BENCH_TBB
    add("TBB concurrent_bounded_queue", bench::peers, type<tbb_bounded>{});
#endif
}
template <class Add>
void each_for_one_and_one(Add add) {
    add("channel over spsc_ring", bench::ours, type<spsc_channel>{});
    each_for_many(add);
#if BENCH_READERWRITERQUEUE
    add("moodycamel BlockingReaderWriterQueue", bench::peers, type<blocking_reader_writer>{});
    add("moodycamel BlockingReaderWriterCircularBuffer", bench::peers, type<circular_buffer>{});
#endif
}

void add_flows(bench::suite& s) {
    auto flows_into = [](bench::cell& c, std::size_t n) {
        return [&c, n](const char* name, bench::whose owner, auto subject) {
            using S = typename decltype(subject)::of;
            c.add(name, owner, [n](std::size_t k) { return bench::blocking_flow<S>(k, n, n); });
        };
    };
    auto& one = s.cell("blocking 1 to 1");
    each_for_one_and_one(flows_into(one, 1));
    flows_into(one, 1)(
        "spsc_ring alone", bench::ours, type<spinning<penstock::spsc_ring<stamp>, 2>>{});
    flows_into(one, 1)(
        "mpmc_ring alone", bench::ours, type<spinning<penstock::mpmc_ring<stamp>, 2>>{});
    each_for_many(flows_into(s.cell("blocking 2 to 2"), 2));
    each_for_many(flows_into(s.cell("blocking 4 to 4"), 4));
}

void add_wakes(bench::suite& s) {
    auto& wake = s.cell("to a sleeping receiver, p50");
    auto& cost = s.cell("cost of that send, p50");
    auto& ten = s.cell("a message every 10 us, p50");
    auto& ten_cpu = s.cell("CPU of that hand-over, a message");
    auto& ten_receiver = s.cell("CPU of its receiver, a message");
    auto& milli = s.cell("CPU for one message a millisecond");
    auto& idle = s.cell("CPU of an idle receiver, a second");
    auto add = [&](const char* name, bench::whose owner, auto subject) {
        using S = typename decltype(subject)::of;
        // 400 us: longer than anybody spins before he sleeps.
        wake.add_value(name, owner,
                       [] { return bench::quantile(bench::at_pace<S>(100, 400e3).latency, 0.5); });
        cost.add_value(
            name, owner, [] { return bench::quantile(bench::at_pace<S>(100, 400e3).send, 0.5); });
        ten.add_value(name, owner,
                      [] { return bench::quantile(bench::at_pace<S>(4000, 10e3).latency, 0.5); });
        // The sender's part too: it pays for a wake. Between sends it is busy for the clock's sake.
        ten_cpu.add_value(name, owner, [] {
            const auto p = bench::at_pace<S>(4000, 10e3);
            return p.receiver_cpu + std::accumulate(p.send.begin(), p.send.end(), 0.0) / 4000;
        });
        ten_receiver.add_value(
            name, owner, [] { return bench::at_pace<S>(4000, 10e3).receiver_cpu; });
        milli.add_value(name, owner,
                        [] { return bench::at_pace<S>(100, 1e6, bench::pace::sleeping).both_cpu; });
        idle.add_value(name, owner, [] { return bench::idle_cpu<S>(); });
    };
    each_for_one_and_one(add);
    add("a futex", bench::hardware, type<bare_futex>{});
}

/// Latency against offered load, p50 and p99 of the same run where both are asked for.
void add_loads(bench::suite& s) {
    for (int exponent = 3; exponent <= 7; ++exponent) {
        const double rate = std::pow(10, exponent);
        const std::string x = std::to_string(static_cast<long>(rate));
        auto& p50 = s.cell("latency p50 by messages a second: " + x);
        auto& p99 = s.cell("latency p99 by messages a second: " + x);
        const auto count = static_cast<std::size_t>(std::max(100.0, rate * 0.03));
        each_for_one_and_one([&](const char* name, bench::whose owner, auto subject) {
            using S = typename decltype(subject)::of;
            auto last = std::make_shared<double>(0);
            p50.add_value(name, owner, [=] {
                auto p = bench::at_pace<S>(count, 1e9 / rate);
                *last = bench::quantile(p.latency, 0.99);
                return bench::quantile(std::move(p.latency), 0.5);
            });
            p99.add_value(name, owner, [=] {
                if (*last > 0) return std::exchange(*last, 0);
                return bench::quantile(bench::at_pace<S>(count, 1e9 / rate).latency, 0.99);
            });
        });
    }
}

void say_what_is_missing([[maybe_unused]] bench::suite& s) {
#if !BENCH_MOODYCAMEL
    s.missing("moodycamel BlockingConcurrentQueue", "libconcurrentqueue-dev");
#endif
#if !BENCH_READERWRITERQUEUE
    s.missing("moodycamel BlockingReaderWriterQueue", "libreaderwriterqueue-dev");
#endif
#if !BENCH_TBB
    s.missing("TBB concurrent_bounded_queue", "libtbb-dev");
#endif
#if !BENCH_ASIO
    s.missing("Asio's channel", "libasio-dev");
#endif
}

void add_goals(bench::suite& s) {
    const std::string any = "channel( over spsc_ring)?";
    s.expect({.cell = "blocking 1 to 1", .ours = any, .bar = 0.5});
    s.expect({.cell = "blocking 1 to 1",
              .ours = "channel over spsc_ring",
              .others = "spsc_ring alone",
              .bar = 2,
              .any_owner = true,
              .title = "blocking 1 to 1, beside its own ring"});
    s.expect({.cell = "blocking 2 to 2", .ours = "channel", .bar = 0.5});
    s.expect({.cell = "blocking 4 to 4", .ours = "channel", .bar = 0.5});
    s.expect({.cell = "to a sleeping receiver, p50", .ours = any, .bar = 1});
    s.expect({.cell = "cost of that send, p50", .ours = any, .bar = 1});
    s.expect({.cell = "a message every 10 us, p50", .ours = any, .bar = 0.7});
    s.expect({.cell = "CPU of that hand-over, a message",
              .ours = any,
              .others = "moodycamel BlockingConcurrentQueue",
              .bar = 1,
              .title = "CPU of that hand-over, beside the peer that is there first"});
    s.expect({.cell = "CPU of that hand-over, a message", .ours = any, .bar = 1});
    s.expect({.cell = "CPU for one message a millisecond", .ours = any, .bar = 1});
    // What falling asleep and waking once takes, and nothing after that.
    s.expect({.cell = "CPU of an idle receiver, a second",
              .ours = any,
              .bar = 170e3,
              .what = bench::goal::kind::value});
}

}  // namespace

int main(int argc, char** argv) {
    bench::suite s{argc, argv};
    add_flows(s);
    add_wakes(s);
    bench::add_coroutines(s);
    add_loads(s);
    add_goals(s);
    say_what_is_missing(s);
    return s.run();
}
