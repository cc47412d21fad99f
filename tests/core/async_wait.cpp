// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/core/async_wait.hpp>

#include "support/coroutine.hpp"
#include "support/flow.hpp"
#include "support/sanitized.hpp"

using penstock::status;
using penstock::waiter;

namespace {

std::atomic<std::size_t> allocations{0};

struct tokens {
    void give(int n = 1) {
        left += n;
        waiting.notify_n(static_cast<std::size_t>(n));
    }
    bool take() {
        int n = left;
        while (n > 0 && !left.compare_exchange_weak(n, n - 1)) {
        }
        return n > 0;
    }
    class awaitable;
    awaitable async_take(const std::stop_token& stop = {}, penstock::resume_on where = {});

    std::atomic<int> left{0};
    waiter waiting;
};

class tokens::awaitable : public penstock::detail::async_wait<tokens::awaitable> {
public:
    awaitable(tokens& from, const std::stop_token& stop, penstock::resume_on where)
        : async_wait{stop, where}, from_{from} {}
    ~awaitable() { destroyed(); }
    bool await_resume() {
        resume();
        return got_;
    }

private:
    friend async_wait;
    waiter::entry* places() { return &place_; }
    std::size_t place_count() const { return 1; }
    bool done() noexcept { return got_ = from_.take(); }
    void stopped() noexcept {}
    void pass_on() noexcept {
        if (from_.left > 0) from_.waiting.notify_one();
    }
    tokens& from_;
    waiter::entry place_{from_.waiting, target_};
    bool got_ = false;
};

tokens::awaitable tokens::async_take(const std::stop_token& stop, penstock::resume_on where) {
    return {*this, stop, where};
}

coroutine taker(tokens& t, int& taken, int n = 1, std::stop_token stop = {}) {
    for (int i = 0; i < n; ++i) {
        if (!co_await t.async_take(stop)) co_return;
        ++taken;
    }
}
coroutine taker_on(tokens& t, manual_executor& where, int& taken, std::stop_token stop = {}) {
    const bool got = co_await t.async_take(stop, where);
    if (got) ++taken;
}

}  // namespace

#if !TESTS_SANITIZED                                      // counted: what a wait allocates
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"  // where g++ inlines one of them
void* operator new(std::size_t n) {
    ++allocations;
    if (void* p = std::malloc(n)) return p;
    throw std::bad_alloc{};
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

TEST_CASE("who finds what it wants does not suspend") {
    tokens t;
    t.give();
    int taken = 0;
    coroutine c = taker(t, taken);
    CHECK(c.done());
    CHECK(taken == 1);
}

TEST_CASE("a suspended coroutine runs inside the call that wakes it") {
    tokens t;
    int taken = 0;
    coroutine c = taker(t, taken, 3);
    for (int i = 1; i <= 3; ++i) {
        CHECK(t.waiting.waiting_approx() == 1);
        t.give();
        CHECK(taken == i);
    }
    CHECK(c.done());
}

TEST_CASE("a wake that finds nothing leaves the coroutine suspended") {
    tokens t;
    int taken = 0;
    coroutine c = taker(t, taken);
    t.waiting.notify_one();
    CHECK_FALSE(c.done());
    CHECK(t.waiting.waiting_approx() == 1);
    t.give();
    CHECK(c.done());
}

TEST_CASE("coroutines are woken in the order in which they suspended") {
    tokens t;
    int taken[3] = {};
    coroutine a = taker(t, taken[0]), b = taker(t, taken[1]), c = taker(t, taken[2]);
    t.give();
    CHECK(taken[0] == 1);
    CHECK(taken[1] == 0);
    t.give(2);
    CHECK(taken[1] + taken[2] == 2);
}

TEST_CASE("a coroutine that leaves something passes the wake on") {
    tokens t;
    int taken = 0;
    coroutine a = taker(t, taken), b = taker(t, taken);
    t.left = 2;
    t.waiting.notify_one();
    CHECK(taken == 2);
}

TEST_CASE("a stop resumes the coroutine in the thread that requests it") {
    tokens t;
    int taken = 0;
    std::stop_source stop;
    coroutine c = taker(t, taken, 1, stop.get_token());
    stop.request_stop();
    CHECK(c.done());
    CHECK(taken == 0);
    CHECK(t.waiting.waiting_approx() == 0);
}

TEST_CASE("what is there is taken before a stop is looked at") {
    tokens t;
    t.give();
    std::stop_source stop;
    stop.request_stop();
    int taken = 0;
    coroutine c = taker(t, taken, 2, stop.get_token());
    CHECK(c.done());
    CHECK(taken == 1);
}

TEST_CASE("destroying a suspended coroutine takes it off the list") {
    tokens t;
    int taken = 0;
    coroutine c = taker(t, taken);
    CHECK(t.waiting.waiting_approx() == 1);
    c.destroy();
    CHECK(t.waiting.waiting_approx() == 0);
    t.give();
    CHECK(t.left == 1);
    CHECK(coroutine::frames() == 0);
}

TEST_CASE(
    "one coroutine destroys another that was woken and waits for its turn; the wake travels on") {
    tokens t;
    int taken = 0;
    coroutine victim, third;
    coroutine murderer = [](tokens& from, coroutine& other, int& n) -> coroutine {
        const bool got = co_await from.async_take();
        if (got) ++n;
        other.destroy();
    }(t, victim, taken);
    victim = taker(t, taken);
    third = taker(t, taken);
    t.give(2);  // the first two are woken; the first runs first
    CHECK(taken == 2);
    CHECK(third.done());
    CHECK(t.left == 0);
}

TEST_CASE("an executor gets a task when the coroutine is woken, which takes when it runs") {
    tokens t;
    manual_executor later;
    int taken = 0;
    coroutine c = taker_on(t, later, taken);
    t.give();
    CHECK(taken == 0);
    CHECK(t.left == 1);  // still there: it is taken by who resumes
    CHECK(later.run() == 1);
    CHECK(taken == 1);
    CHECK(c.done());
}

TEST_CASE("another may be faster than the executor's task; then the coroutine waits on") {
    tokens t;
    manual_executor later;
    int taken = 0;
    coroutine c = taker_on(t, later, taken);
    t.give();
    CHECK(t.take());
    CHECK(later.run() == 1);
    CHECK_FALSE(c.done());
    t.give();
    CHECK(later.run() == 1);
    CHECK(c.done());
}

TEST_CASE("a coroutine may be destroyed while its task waits in the executor; nothing is taken") {
    tokens t;
    manual_executor later;
    int taken = 0, others = 0;
    coroutine c = taker_on(t, later, taken);
    coroutine next = taker(t, others);
    t.give();
    CHECK(later.waiting() == 1);
    c.destroy();  // the wake was its own, so it goes on to the next
    CHECK(others == 1);
    CHECK(later.run() == 1);
    CHECK(taken == 0);
    CHECK(t.left == 0);
}

TEST_CASE("a coroutine with an executor may be destroyed before anybody woke it") {
    tokens t;
    manual_executor later;
    int taken = 0;
    std::stop_source stop;
    coroutine c = taker_on(t, later, taken, stop.get_token());
    c.destroy();
    t.give();
    stop.request_stop();
    CHECK(later.run() == 0);
    CHECK(t.left == 1);
}

TEST_CASE("an executor that is destroyed with a task in it leaves the coroutine to be destroyed") {
    tokens t;
    int taken = 0;
    coroutine c;
    {
        manual_executor later;
        c = taker_on(t, later, taken);
        t.give();
    }
    c.destroy();
    CHECK(t.left == 1);
    CHECK(coroutine::frames() == 0);
}

TEST_CASE("a stop resumes by the executor, too") {
    tokens t;
    manual_executor later;
    int taken = 0;
    std::stop_source stop;
    coroutine c = taker_on(t, later, taken, stop.get_token());
    stop.request_stop();
    stop.request_stop();
    CHECK_FALSE(c.done());
    CHECK(later.run() == 1);
    CHECK(c.done());
    CHECK(taken == 0);
}

TEST_CASE("two coroutines that wake each other a million times need neither stack nor memory") {
    tokens a, b;
    constexpr int rounds = 300'000;
    int taken = 0;
    coroutine pong = [](tokens& in, tokens& out) -> coroutine {
        for (int i = 0; i < rounds; ++i) {
            if (!co_await in.async_take()) co_return;
            out.give();
        }
    }(a, b);
    const std::size_t before = allocations;
    coroutine ping = [](tokens& out, tokens& in, int& n) -> coroutine {
        for (; n < rounds; ++n) {
            out.give();
            if (!co_await in.async_take()) co_return;
        }
    }(a, b, taken);
    CHECK(taken == rounds);
    CHECK(allocations - before <= 1);  // ping's frame
    CHECK(pong.done());
}

TEST_CASE("coroutines, threads and stops race, and every token is taken once") {
    for (int round = 0; round < 300; ++round) {
        tokens t;
        std::atomic<int> taken{0};
        std::stop_source stop;
        std::atomic<int> ended{0};
        auto body = [](tokens& from, std::atomic<int>& n, std::stop_token s,
                       std::atomic<int>& over) -> coroutine {
            const bool got = co_await from.async_take(s);
            if (got) ++n;
            ++over;
        };
        std::vector<coroutine> waiting;
        for (int i = 0; i < 3; ++i) waiting.push_back(body(t, taken, stop.get_token(), ended));
        in_threads(3, [&](std::size_t who) {
            if (who == 0) stop.request_stop();
            if (who == 1) t.give(2);
            if (who == 2)
                taken += t.waiting.wait([&] { return t.take(); }, [&] { return t.left > 0; }, {},
                                        stop.get_token())
                             ? 1
                             : 0;
        });
        CHECK(ended == 3);
        CHECK(taken + t.left == 2);
        CHECK(t.waiting.waiting_approx() == 0);
    }
    CHECK(coroutine::frames() == 0);
}

TEST_CASE("coroutines on a strand are destroyed there while other threads wake them") {
    for (int round = 0; round < 500; ++round) {
        tokens t;
        manual_executor strand;
        int taken = 0;
        coroutine c = taker_on(t, strand, taken), d = taker_on(t, strand, taken);
        std::atomic<bool> given{false};
        std::jthread other{[&] {
            t.give();
            t.give();
            given = true;
        }};
        if (round % 2) strand.run();
        c.destroy();
        until([&] { return given.load(); });
        strand.run();
        CHECK(taken + t.left == 2);
        CHECK(taken >= 1);
    }
    CHECK(coroutine::frames() == 0);
}
