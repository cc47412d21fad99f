// SPDX-License-Identifier: BSL-1.0
// Every reader sees every element: the Disruptor's five shapes, and a mutex and a deque for each hop
//
//   benchmarks/run broadcast [--only REGEX] [--reps N] [--csv FILE] [--list]
//
// ns per element that all readers have seen, by 1,024 slots. README.md here says how it is measured.
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <penstock/queue/broadcast_ring.hpp>
#include <penstock/queue/latest.hpp>
#include <penstock/queue/lossy_ring.hpp>

#include "support/bench.hpp"
#include "support/cells.hpp"

namespace {

using u64 = std::uint64_t;
using stages = std::vector<std::vector<std::size_t>>;  // of each reader: those it stays behind

constexpr std::size_t capacity = 1024;

struct shape {
    const char* name;
    std::size_t producers;
    stages readers;
};
const shape shapes[] = {
    {"1 to 1", 1, {{}}},         {"pipeline of 3", 1, {{}, {0}, {1}}},
    {"1 to 3", 1, {{}, {}, {}}}, {"diamond", 1, {{}, {}, {0, 1}}},
    {"3 to 1", 3, {{}}},
};

void verify(const std::vector<u64>& sums, std::size_t n, const shape& s) {
    u64 expected = 0;
    for (std::size_t p = 0; p < s.producers; ++p)
        expected += bench::sum_below(bench::share_of(n, p, s.producers));
    for (u64 sum : sums) bench::verify(sum == expected, "a reader has not seen what was pushed");
}

std::size_t core_of(std::size_t thread, const shape& s) {
    return thread < s.producers ? thread : thread - s.producers + 1;
}

// ---- broadcast_ring -----------------------------------------------------------------------------

using ring = penstock::broadcast_ring<u64>;

ring::reader join(ring& r, const std::vector<ring::reader>& before,
                  const std::vector<std::size_t>& after) {
    if (after.size() == 1) return r.join(penstock::behind(before[after[0]]));
    if (after.size() == 2) return r.join(penstock::behind(before[after[0]], before[after[1]]));
    return r.join();
}

/// One by one by front() and pop(), or as many as there are by for_each().
double through_ring(const shape& s, std::size_t n, bool batches) {
    auto q = std::make_unique<ring>(capacity);
    std::vector<ring::reader> readers;
    for (const auto& after : s.readers) readers.push_back(join(*q, readers, after));
    std::vector<u64> sums(s.readers.size(), 0);
    const std::size_t threads = s.producers + readers.size();
    const double ns = bench::timed(
        threads,
        [&](std::size_t who) {
            bench::patience wait{threads};
            if (who < s.producers) {
                const u64 count = bench::share_of(n, who, s.producers);
                for (u64 i = 0; i < count; ++i) {
                    while (!q->try_push(u64{i})) wait();
                    wait.reset();
                }
                return;
            }
            ring::reader& mine = readers[who - s.producers];
            u64 sum = 0;
            for (u64 seen = 0; seen < n;) {
                if (batches) {
                    const std::size_t now = mine.for_each([&](u64 x) { sum += x; });
                    if (now == 0) wait();
                    seen += now;
                } else if (const u64* x = mine.front()) {
                    sum += *x;
                    mine.pop();
                    ++seen;
                    wait.reset();
                } else {
                    wait();
                }
            }
            sums[who - s.producers] = sum;
        },
        [&](std::size_t i) { return core_of(i, s); });
    verify(sums, n, s);
    return ns;
}

// ---- A mutex and a deque for each hop -----------------------------------------------------------

class locked {
public:
    bool push(u64 x) {
        std::lock_guard lock{mutex_};
        if (queue_.size() == capacity) return false;
        queue_.push_back(x);
        return true;
    }
    bool pop(u64& x) {
        std::lock_guard lock{mutex_};
        if (queue_.empty()) return false;
        x = queue_.front();
        queue_.pop_front();
        return true;
    }

private:
    std::mutex mutex_;
    std::deque<u64> queue_;
};

double through_deques(const shape& s, std::size_t n) {
    struct node {
        std::vector<std::unique_ptr<locked>> in;
        std::vector<locked*> out;
    };
    std::vector<node> nodes(s.readers.size());
    std::vector<locked*> sources;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        for (std::size_t k = 0; k < std::max<std::size_t>(s.readers[i].size(), 1); ++k) {
            nodes[i].in.push_back(std::make_unique<locked>());
            locked* hop = nodes[i].in.back().get();
            (s.readers[i].empty() ? sources : nodes[s.readers[i][k]].out).push_back(hop);
        }
    }
    std::vector<u64> sums(nodes.size(), 0);
    const std::size_t threads = s.producers + nodes.size();
    const double ns = bench::timed(
        threads,
        [&](std::size_t who) {
            bench::patience wait{threads};
            auto forward = [&](const std::vector<locked*>& to, u64 x) {
                for (locked* hop : to) {
                    while (!hop->push(x)) wait();
                    wait.reset();
                }
            };
            if (who < s.producers) {
                const u64 count = bench::share_of(n, who, s.producers);
                for (u64 i = 0; i < count; ++i) forward(sources, i);
                return;
            }
            node& mine = nodes[who - s.producers];
            u64 sum = 0;
            for (u64 seen = 0; seen < n; ++seen) {
                u64 x = 0;
                for (auto& hop : mine.in) {
                    while (!hop->pop(x)) wait();
                    wait.reset();
                }
                sum += x;
                forward(mine.out, x);
            }
            sums[who - s.producers] = sum;
        },
        [&](std::size_t i) { return core_of(i, s); });
    verify(sums, n, s);
    return ns;
}

// ---- lossy, latest ------------------------------------------------------------------------------

/// ns a push, with a reader on the other core that reads as fast as it can.
template <class Ring>
double lossy_push(std::size_t n) {
    auto q = std::make_unique<Ring>(capacity);
    auto r = q->join();
    u64 seen = 0;
    double ns = 0;
    (void)bench::timed(
        2,
        [&](std::size_t who) {
            if (who == 0) {
                const double start = bench::now_ns();
                for (u64 i = 0; i < n; ++i)
                    bench::verify(q->try_push(typename Ring::value_type(i)), "one was refused");
                ns = bench::now_ns() - start;
                q->close();
                return;
            }
            bench::patience wait{2};
            while (!r.drained()) {
                const std::size_t now = r.for_each([](const auto&) {});
                if (now == 0) wait();
                seen += now;
            }
        },
        [](std::size_t i) { return i; });
    bench::verify(seen + r.missed() == n, "read and missed are not what was pushed");
    return ns;
}

struct line {  // 64 bytes
    line() = default;
    explicit line(u64 i) : words{i, i, i, i, i, i, i, ~i} {}
    [[nodiscard]] bool whole() const { return words[0] == ~words[7] && words[3] == words[0]; }
    u64 words[8];
};
struct shared_line : line {  // not trivially copyable
    using line::line;
    shared_line(shared_line&& other) noexcept : line{other} {}
    shared_line(const shared_line& other) noexcept : line{other} {}
};

/// The last value of 64 bytes under a mutex.
class locked_latest {
public:
    void write(const line& x) {
        std::lock_guard lock{mutex_};
        value_ = x;
    }
    std::optional<line> read() {
        std::lock_guard lock{mutex_};
        return value_;
    }

private:
    std::mutex mutex_;
    std::optional<line> value_;
};

/// ns a read, while the other core writes as fast as it can.
template <class Latest, class Value>
double latest_read(std::size_t n) {
    Latest last;
    last.write(Value(0));
    std::atomic<bool> reading{true};
    double ns = 0;
    (void)bench::timed(
        2,
        [&](std::size_t who) {
            if (who == 1) {
                for (u64 i = 1; reading.load(std::memory_order_relaxed); ++i) last.write(Value(i));
                return;
            }
            const double start = bench::now_ns();
            bool whole = true;
            for (std::size_t i = 0; i < n; ++i) whole = whole && last.read()->whole();
            ns = bench::now_ns() - start;
            reading = false;
            bench::verify(whole, "a value was torn");
        },
        [](std::size_t i) { return i; });
    return ns;
}

}  // namespace

int main(int argc, char** argv) {
    bench::suite s{argc, argv};
    for (const shape& shape : shapes) {
        auto& cell = s.cell(shape.name);
        cell.add("broadcast_ring", bench::ours,
                 [&shape](std::size_t n) { return through_ring(shape, n, false); });
        cell.add("broadcast_ring, for_each", bench::ours,
                 [&shape](std::size_t n) { return through_ring(shape, n, true); });
        cell.add("std::mutex + std::deque a hop", bench::peers,
                 [&shape](std::size_t n) { return through_deques(shape, n); });
    }
    auto& push = s.cell("lossy push beside a reader");
    push.add("u64", bench::ours, lossy_push<penstock::broadcast_ring<u64, penstock::lossy>>);
    push.add("64 bytes", bench::ours, lossy_push<penstock::broadcast_ring<line, penstock::lossy>>);
    push.add("64 bytes, shared", bench::ours,
             lossy_push<penstock::broadcast_ring<shared_line, penstock::lossy>>);
    auto& read = s.cell("latest 64 bytes, read beside a writer");
    read.add("latest", bench::ours, latest_read<penstock::latest<line>, line>);
    read.add(
        "latest, shared", bench::ours, latest_read<penstock::latest<shared_line>, shared_line>);
    read.add("std::mutex", bench::peers, latest_read<locked_latest, line>);
    return s.run();
}
