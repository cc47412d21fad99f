// SPDX-License-Identifier: BSL-1.0
// A tail of another process meets segments that its writer trims and uses again: between the list of their
// names, the opening, the lock and each read. Each of its steps is met by all that the writer does, each
// of the writer's by all that the tail does, and both by each other in drawn orders.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include <penstock/durable/durable_queue.hpp>
#include <penstock/durable/tail.hpp>

#include "model/memory_files.hpp"
#include "model/steps.hpp"

namespace {

using penstock::status;

/// Calls are steps, so that others come in between. What is read is read in two halves.
class racing_files final : public model::memory_files {
    using base = model::memory_files;

public:
    int open(const char* path, int flags) override { return step(), base::open(path, flags); }
    int lock(int fd, bool shared) override { return step(), base::lock(fd, shared); }
    int rename(const char* from, const char* to) override { return step(), base::rename(from, to); }
    int remove(const char* path) override { return step(), base::remove(path); }
    int list(const char* path, std::vector<std::string>& names) override {
        return step(), base::list(path, names);
    }
    std::ptrdiff_t read_at(int fd, void* to, std::size_t n, std::uint64_t from) override {
        return step(), base::read_at(fd, to, n > 4096 ? n / 2 : n, from);
    }
    std::ptrdiff_t write_at(int fd, const void* from, std::size_t n, std::uint64_t to) override {
        return step(), base::write_at(fd, from, n, to);
    }

private:
    void step() { turn_.fetch_add(1); }
    penstock::sys::atomic<int> turn_{0};
};

/// By its number, which every byte follows from.
std::string message(std::uint64_t id) {
    return std::to_string(id) + ':' + std::string(3000, static_cast<char>('a' + id % 26));
}

struct scene {
    racing_files files;
    penstock::journal books{
        "j", {.sync = penstock::sync::process_crash, .segment_bytes = 16 * 1024, .files = files}};
    penstock::durable_queue<std::string> orders{books, "orders"};
    penstock::durable_group<std::string> group = orders.group("g", {.prefetch = 8});
    std::uint64_t sent = 0, seen = 0;
    std::optional<penstock::journal_tail<std::string>> tail;

    scene() {
        for (int n = 0; n < 7; ++n) MODEL_CHECK(orders.send(message(++sent)));
        tail.emplace("j", "orders", files);
    }
    /// Over three segments, each trimmed as soon as may be, and used again.
    void write() {
        for (int n = 0; n < 12; ++n) {
            MODEL_CHECK(orders.send(message(++sent)));
            while (auto d = group.try_receive()) MODEL_CHECK(d.accept());
            MODEL_CHECK(books.trim());
        }
    }
    /// All that is there.
    void read() {
        for (;;) {
            const auto m = tail->try_receive();
            if (!m) {
                MODEL_CHECK(m.status() == status::empty);
                return;
            }
            const std::uint64_t id = std::strtoull(m->value.c_str(), nullptr, 10);
            MODEL_CHECK(m->value == message(id));
            MODEL_CHECK(id > seen);
            MODEL_CHECK(id == seen + 1 || tail->lagged() > 0);
            seen = id;
        }
    }
    void read_to_the_end() {
        read();
        MODEL_CHECK(seen == sent);
    }
};
constexpr model::limits enough{.steps = 200'000, .repeats = 200'000};

/// `first` is stopped before each of its steps in turn, and the other does all it has to do there.
template <class First, class Second>
std::size_t stopped_everywhere(First&& first, Second&& second) {
    for (std::size_t n = 1;; ++n) {
        bool over = false, lagged = false;
        const auto run = model::drive(
            [&](model::steps& go) {
                scene s;
                bool ended = false;
                const int a = go.thread("A", [&] {
                    first(s);
                    ended = true;
                });
                const int b = go.thread("B", [&] { second(s); });
                for (std::size_t i = 0; i < n && !ended; ++i) go.step(a);
                over = ended;
                go.finish(b);
                go.finish(a);
                s.read_to_the_end();
                lagged = s.tail->lagged() > 0;
            },
            enough);
        INFO("stopped before its step " << n << (lagged ? ", lagged" : ""));
        REQUIRE_MESSAGE(run.ok, run.text.substr(0, 2000));
        if (over) return n;
    }
}

}  // namespace

TEST_CASE("a tail stopped before each of its steps, while all it reads is trimmed and used again") {
    model::words_in_memory = true;
    const std::size_t steps =
        stopped_everywhere([](scene& s) { s.read(); }, [](scene& s) { s.write(); });
    CHECK(steps > 20);
    MESSAGE(steps << " steps");
}

TEST_CASE("a writer stopped before each of its steps, while a tail reads all there is") {
    model::words_in_memory = true;
    const std::size_t steps =
        stopped_everywhere([](scene& s) { s.write(); }, [](scene& s) { s.read(); });
    CHECK(steps > 100);
    MESSAGE(steps << " steps");
}

TEST_CASE("a tail and its writer in drawn orders: what is read is right, and losses are told") {
    model::words_in_memory = true;
    std::uint64_t lagged = 0;
    for (unsigned seed = 1; seed <= 100; ++seed) {
        const auto run = model::shuffle(
            [&] {
                scene s;
                bool written = false;
                model::threads(
                    [&] {
                        s.write();
                        written = true;
                    },
                    [&] {  // keeps up, or gives up on the way
                        for (int n = 0; !written && (seed % 2 == 0 || n < 20); ++n) s.read();
                    });
                s.read_to_the_end();
                lagged += s.tail->lagged() > 0 ? 1 : 0;
            },
            seed, enough);
        INFO("seed " << seed);
        REQUIRE_MESSAGE(run.ok, run.text.substr(0, 2000));
    }
    CHECK(lagged > 0);
    CHECK(lagged < 100);
    MESSAGE("lagged in " << lagged << " of 100");
}
