// SPDX-License-Identifier: BSL-1.0
// Our queues beside a mutex, Boost.Lockfree and moodycamel, and beside the hardware itself
//
//   benchmarks/run queues [--only REGEX] [--reps N] [--csv FILE] [--list]
//
// README.md here says how it measures and how to read it.
#include <string>

#include "support/bench.hpp"
#include "support/cells.hpp"
#include "support/subjects.hpp"

namespace {

using bench::cell;
using u64 = std::uint64_t;

constexpr std::size_t capacity = 1024;

/// For each subject of a family, `add(name, owner, type)` with the subject as a type.
template <class T>
struct type {
    using of = T;
};

template <class T, class Add>
void each_for_one_and_one(Add add) {
    add("spsc_ring", bench::ours, type<bench::our_spsc<T>>{});
    add("mpmc_ring", bench::ours, type<bench::our_mpmc<T>>{});
#if BENCH_MOODYCAMEL
    add("unbounded", bench::ours, type<bench::our_unbounded<T>>{});
#endif
    add("std::mutex + std::deque", bench::peers, type<bench::mutex_deque<T>>{});
#if BENCH_BOOST
    add("boost spsc_queue, fixed capacity", bench::peers, type<bench::boost_spsc_fixed<T>>{});
    add("boost spsc_queue", bench::peers, type<bench::boost_spsc<T>>{});
    add("boost queue", bench::peers, type<bench::boost_queue<T>>{});
#endif
#if BENCH_MOODYCAMEL
    add("moodycamel, tokens", bench::peers, type<bench::moodycamel_tokens<T>>{});
    add("moodycamel", bench::peers, type<bench::moodycamel_implicit<T>>{});
#endif
}

template <class T, class Add>
void each_for_many(Add add) {
    add("mpmc_ring", bench::ours, type<bench::our_mpmc<T>>{});
#if BENCH_MOODYCAMEL
    add("unbounded", bench::ours, type<bench::our_unbounded<T>>{});
#endif
    add("std::mutex + std::deque", bench::peers, type<bench::mutex_deque<T>>{});
#if BENCH_BOOST
    add("boost queue", bench::peers, type<bench::boost_queue<T>>{});
#endif
#if BENCH_MOODYCAMEL
    add("moodycamel, tokens", bench::peers, type<bench::moodycamel_tokens<T>>{});
    add("moodycamel", bench::peers, type<bench::moodycamel_implicit<T>>{});
#endif
}

template <class Subject, class T>
constexpr bool has_batches =
    requires(typename Subject::producer end, const T* first) { end.push_n(first, 1); };

/// Adds to `c` those of a family that have batches, or all where batch is 1.
template <class T>
auto flows_into(cell& c, std::size_t producers, std::size_t consumers, std::size_t batch = 1) {
    return [&c, producers, consumers, batch](const char* name, bench::whose owner, auto subject) {
        using S = typename decltype(subject)::of;
        if (batch > 1 && !has_batches<S, T>) return;
        c.add(name, owner, [=](std::size_t n) {
            return bench::flow<S, T>(n, producers, consumers, capacity, batch);
        });
    };
}

void add_queues(bench::suite& s) {
    each_for_one_and_one<u64>(flows_into<u64>(s.cell("spsc u64"), 1, 1));
    each_for_one_and_one<bench::message>(flows_into<bench::message>(s.cell("spsc 64 bytes"), 1, 1));
    each_for_one_and_one<u64>(flows_into<u64>(s.cell("spsc batches of 256"), 1, 1, 256));

    auto& trip = s.cell("round trip");
    each_for_one_and_one<u64>([&](const char* name, bench::whose owner, auto subject) {
        using S = typename decltype(subject)::of;
        trip.add(name, owner, [](std::size_t n) { return bench::round_trip<S, u64>(n, capacity); });
    });
    // Two cells, because a queue for one and one is no rival of one for many.
    auto& one = s.cell("push then pop, spsc");
    auto& many = s.cell("push then pop, many");
    each_for_one_and_one<u64>([&](const std::string& name, bench::whose owner, auto subject) {
        using S = typename decltype(subject)::of;
        (name.find("spsc") != name.npos ? one : many).add(name, owner, [](std::size_t n) {
            return bench::alone<S, u64>(n, capacity);
        });
    });
    each_for_many<u64>(flows_into<u64>(s.cell("2 to 1"), 2, 1));
    each_for_many<u64>(flows_into<u64>(s.cell("1 to 2"), 1, 2));
    each_for_many<u64>(flows_into<u64>(s.cell("2 to 2"), 2, 2));
    each_for_many<u64>(flows_into<u64>(s.cell("4 to 4"), 4, 4));
    each_for_many<u64>(flows_into<u64>(s.cell("2 to 2, batches of 32"), 2, 2, 32));

    auto& memory = s.cell("1024 u64", "bytes");
    each_for_many<u64>([&](const char* name, bench::whose owner, auto subject) {
        using S = typename decltype(subject)::of;
        memory.add_value(name, owner, [] { return bench::bytes<S, u64>(capacity); });
    });
}

void add_hardware(bench::suite& s) {
    auto& c = s.cell("hardware");
    auto add = [&](const char* name, auto run) { c.add(name, bench::hardware, run); };
    if (bench::cpus().size() > 1) {
        add("line there and back", [](std::size_t n) { return bench::ping_pong(n, false); });
        add("the same over two lines", [](std::size_t n) { return bench::ping_pong(n, true); });
        add("line to the other core", [](std::size_t n) { return bench::line_transfer(n, 1); });
        add("in blocks of 4", [](std::size_t n) { return bench::line_transfer(n, 4); });
        add("in blocks of 32", [](std::size_t n) { return bench::line_transfer(n, 32); });
        add("fetch_add, two cores", [](std::size_t n) { return bench::additions(n, 2); });
    }
    add("fetch_add, alone", [](std::size_t n) { return bench::additions(n, 1); });
}

}  // namespace

int main(int argc, char** argv) {
    bench::suite s{argc, argv};
    add_hardware(s);
    add_queues(s);
    return s.run();
}
