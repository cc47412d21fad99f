// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <penstock/core/manual_clock.hpp>
#include <penstock/core/waiter.hpp>

#include "support/flow.hpp"

using namespace std::chrono_literals;
using penstock::deadline;
using penstock::manual_clock;
using penstock::status;
using penstock::waiter;

namespace {
constexpr auto never = [] { return false; };
constexpr auto nothing_left = [] { return false; };

std::chrono::microseconds cpu_time_of_this_thread() {
    rusage use{};
    getrusage(RUSAGE_THREAD, &use);
    auto us = [](const timeval& t) { return t.tv_sec * 1'000'000 + t.tv_usec; };
    return std::chrono::microseconds{us(use.ru_utime) + us(use.ru_stime)};
}
}  // namespace

TEST_CASE("who finds it done does not wait") {
    waiter w;
    CHECK(w.wait([] { return true; }, nothing_left) == status::ok);
    CHECK(w.waiting_approx() == 0);
    w.notify_one();
    w.notify_all();
}

TEST_CASE("what is ready is taken before a stop or a deadline is looked at") {
    waiter w;
    std::stop_source stop;
    stop.request_stop();
    manual_clock time;
    CHECK(w.wait([] { return true; }, nothing_left, deadline::after(time, -1s), stop.get_token()) ==
          status::ok);
}

TEST_CASE("a wait whose stop was requested before it began ends at once") {
    waiter w;
    std::stop_source stop;
    stop.request_stop();
    CHECK(w.wait(never, nothing_left, {}, stop.get_token()) == status::stopped);
}

TEST_CASE("a wait whose deadline has passed ends at once") {
    waiter w;
    manual_clock time;
    CHECK(w.wait(never, nothing_left, deadline::after(time, 0s)) == status::timed_out);
    CHECK(w.wait(never, nothing_left, deadline::after({}, -1h)) == status::timed_out);
    CHECK(time.sleepers() == 0);
}

TEST_CASE("a sleeper wakes when what he waits for is notified") {
    waiter w;
    std::atomic<bool> ready{false};
    std::jthread sleeper{[&] { CHECK(w.wait([&] { return ready.load(); }, nothing_left)); }};
    until([&] { return w.waiting_approx() == 1; });
    ready = true;
    w.notify_one();
    sleeper.join();
    CHECK(w.waiting_approx() == 0);
}

TEST_CASE("a notification without a reason lets the sleeper sleep on") {
    waiter w;
    std::atomic<bool> ready{false};
    std::atomic<int> looks{0};
    std::jthread sleeper{[&] {
        CHECK(w.wait([&] { return ++looks, ready.load(); }, nothing_left));
    }};
    for (int i = 0; i < 100; ++i) {
        until([&] { return w.waiting_approx() == 1; });
        const int before = looks;
        w.notify_one();
        until([&] { return looks > before; });
    }
    ready = true;
    w.notify_one();  // he sleeps, or looks once more before he does
}

TEST_CASE("a stop ends a sleep, from any thread") {
    waiter w;
    std::stop_source stop;
    std::jthread sleeper{[&] {
        CHECK(w.wait(never, nothing_left, {}, stop.get_token()) == status::stopped);
    }};
    until([&] { return w.waiting_approx() == 1; });
    stop.request_stop();
    sleeper.join();
    CHECK(w.waiting_approx() == 0);
}

TEST_CASE("a manual clock ends a sleep when it reaches the deadline, not before") {
    waiter w;
    manual_clock time;
    std::atomic<bool> ended{false};
    std::atomic<int> looks{0};
    std::jthread sleeper{[&] {
        CHECK(w.wait([&] { return ++looks, false; }, nothing_left, deadline::after(time, 1h)) ==
              status::timed_out);
        ended = true;
    }};
    until([&] { return w.waiting_approx() == 1; });
    CHECK(time.sleepers() == 1);
    const int before = looks;
    time.advance(1h - 1ns);
    until([&] { return looks > before && w.waiting_approx() == 1; });  // woke, looked, slept again
    CHECK(!ended);
    time.advance(1ns);
    sleeper.join();
    CHECK(ended);
    CHECK(time.sleepers() == 0);
}

TEST_CASE("a deadline by the steady clock ends a sleep") {
    waiter w;
    const auto start = std::chrono::steady_clock::now();
    CHECK(w.wait(never, nothing_left, deadline::after({}, 3ms)) == status::timed_out);
    CHECK(std::chrono::steady_clock::now() - start >= 3ms);
}

TEST_CASE("first to sleep, first woken") {
    waiter w;
    std::mutex mutex;
    std::vector<int> woken;
    std::vector<std::jthread> sleepers;
    std::atomic<int> permits{0}, asleep{0};
    for (int i = 0; i < 4; ++i) {
        sleepers.emplace_back([&, i] {
            CHECK(w.wait(
                [&] {
                    const bool enlisted = w.waiting_approx() > static_cast<std::size_t>(i);
                    int n = permits;
                    while (n > 0 && !permits.compare_exchange_weak(n, n - 1)) {
                    }
                    if (n <= 0) {
                        if (enlisted) asleep = i + 1;  // has looked for the last time
                        return false;
                    }
                    std::lock_guard lock{mutex};
                    woken.push_back(i);
                    return true;
                },
                nothing_left));
        });
        until([&] { return asleep == i + 1; });
    }
    for (std::size_t i = 0; i < 4; ++i) {
        ++permits;
        w.notify_one();
        until([&] {
            std::lock_guard lock{mutex};
            return woken.size() == i + 1;
        });
    }
    CHECK(woken == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("notify_all wakes everybody") {
    waiter w;
    std::atomic<bool> open{false};
    std::vector<std::jthread> sleepers;
    for (int i = 0; i < 8; ++i)
        sleepers.emplace_back([&] { CHECK(w.wait([&] { return open.load(); }, nothing_left)); });
    until([&] { return w.waiting_approx() == 8; });
    open = true;
    w.notify_all();
    sleepers.clear();
    CHECK(w.waiting_approx() == 0);
}

TEST_CASE("whoever leaves something ready passes the wake on") {
    waiter w;
    std::atomic<int> permits{0};
    auto take = [&] {
        int n = permits;
        while (n > 0 && !permits.compare_exchange_weak(n, n - 1)) {
        }
        return n > 0;
    };
    std::vector<std::jthread> sleepers;
    for (int i = 0; i < 5; ++i)
        sleepers.emplace_back([&] { CHECK(w.wait(take, [&] { return permits > 0; })); });
    until([&] { return w.waiting_approx() == 5; });
    permits = 5;
    w.notify_one();  // only one: the rest is the sleepers' own doing
    sleepers.clear();
    CHECK(permits == 0);
}

TEST_CASE("a sleeper who is woken and stopped at once passes the wake on") {
    for (int round = 0; round < 300; ++round) {
        waiter w;
        std::atomic<int> permits{0};
        auto take = [&] {
            int n = permits;
            while (n > 0 && !permits.compare_exchange_weak(n, n - 1)) {
            }
            return n > 0;
        };
        auto left = [&] { return permits > 0; };
        std::stop_source stop;
        std::atomic<int> taken{0};
        std::jthread one{[&] { taken += w.wait(take, left, {}, stop.get_token()) ? 1 : 0; }};
        until([&] { return w.waiting_approx() == 1; });
        std::jthread two{[&] { taken += w.wait(take, left) ? 1 : 0; }};
        until([&] { return w.waiting_approx() == 2; });
        std::jthread stopper{[&] { stop.request_stop(); }};
        permits = 1;
        w.notify_one();
        stopper.join();
        one.join();
        if (taken == 1) {  // the first one had it: the second still waits for his own
            permits = 1;
            w.notify_one();
        }
        two.join();
        CHECK(taken >= 1);
    }
}

TEST_CASE("no wake is lost in a long exchange between two threads") {
    waiter w[2];
    std::atomic<int> turn{0};
    constexpr int rounds = 3000;
    in_threads(2, [&](std::size_t me) {
        for (int i = 0; i < rounds; ++i) {
            CHECK(w[me].wait([&] { return turn % 2 == static_cast<int>(me); }, nothing_left));
            ++turn;
            w[1 - me].notify_one();
        }
    });
    CHECK(turn == 2 * rounds);
}

TEST_CASE("no wake is lost among many who take and many who give") {
    waiter w;
    std::atomic<int> permits{0}, taken{0};
    constexpr int each = 1500;
    in_threads(6, [&](std::size_t who) {
        for (int i = 0; i < each; ++i) {
            if (who % 2) {
                ++permits;
                w.notify_one();
            } else {
                CHECK(w.wait(
                    [&] {
                        int n = permits;
                        while (n > 0 && !permits.compare_exchange_weak(n, n - 1)) {
                        }
                        return n > 0;
                    },
                    [&] { return permits > 0; }));
                ++taken;
            }
        }
    });
    CHECK(taken == 3 * each);
    CHECK(permits == 0);
}

TEST_CASE("a waiter may be destroyed as soon as its last sleeper has returned") {
    for (int i = 0; i < 500; ++i) {
        auto w = std::make_unique<waiter>();
        std::atomic<bool> ready{false};
        std::atomic<int> returned{0};
        std::jthread sleeper{[&] {
            CHECK(w->wait([&] { return ready.load(); }, nothing_left));
            ++returned;
        }};
        if (i % 2) until([&] { return w->waiting_approx() == 1; });
        ready = true;
        w->notify_one();
        until([&] { return returned == 1; });
        w.reset();
    }
}

TEST_CASE("a sleeping thread costs no CPU") {
    waiter w;
    std::atomic<bool> ready{false};
    std::chrono::microseconds used{};
    std::jthread sleeper{[&] {
        const auto before = cpu_time_of_this_thread();
        CHECK(w.wait([&] { return ready.load(); }, nothing_left));
        used = cpu_time_of_this_thread() - before;
    }};
    until([&] { return w.waiting_approx() == 1; });
    // A fifth of a second of somebody else's work.
    const auto end = std::chrono::steady_clock::now() + 200ms;
    until([&] { return std::chrono::steady_clock::now() >= end; });
    ready = true;
    w.notify_one();
    sleeper.join();
    CHECK(used < 20ms);
}

TEST_CASE("notify_n wakes as many as it is told, the longest asleep first") {
    waiter w;
    std::atomic<int> permits{0};
    std::vector<std::jthread> sleepers;
    for (int i = 0; i < 5; ++i)
        sleepers.emplace_back([&] {
            CHECK(w.wait(
                [&] {
                    int n = permits;
                    while (n > 0 && !permits.compare_exchange_weak(n, n - 1)) {
                    }
                    return n > 0;
                },
                nothing_left));
        });
    until([&] { return w.waiting_approx() == 5; });
    permits = 3;
    w.notify_n(3);
    until([&] { return permits == 0 && w.waiting_approx() == 2; });
    permits = 2;
    w.notify_n(100);  // more than wait
    sleepers.clear();
    CHECK(w.waiting_approx() == 0);
}

TEST_CASE("notify_all_if asks only if somebody waits, and wakes only if it holds") {
    waiter w;
    int asked = 0;
    w.notify_all_if([&] { return ++asked, true; });
    CHECK(asked == 0);
    std::atomic<bool> ready{false};
    std::jthread sleeper{[&] { CHECK(w.wait([&] { return ready.load(); }, nothing_left)); }};
    until([&] { return w.waiting_approx() == 1; });
    w.notify_all_if([&] { return ++asked, false; });
    CHECK(asked == 1);
    CHECK(w.waiting_approx() == 1);
    ready = true;
    w.notify_all_if([&] { return ++asked, true; });
    sleeper.join();
    CHECK(asked == 2);
}

namespace {
/// One who waits without a thread, at some waiters at once.
template <std::size_t N>
struct bystander {
    template <class... Waiters>
    explicit bystander(Waiters&... at)
        : target{[](void* self) noexcept { ++static_cast<bystander*>(self)->resumed; }, this},
          places{{at, target}...} {}
    ~bystander() { waiter::delist(places, N); }
    void sleep() {
        target.look();
        waiter::enlist(places, N);
        CHECK(target.arm());
    }
    int resumed = 0;
    penstock::wake_target target;
    waiter::entry places[N];
};
}  // namespace

TEST_CASE("who waits without a thread is resumed once, by the one who notifies") {
    waiter w;
    bystander<1> b{w};
    b.sleep();
    CHECK(w.waiting_approx() == 1);
    w.notify_one();
    CHECK(b.resumed == 1);
    CHECK(w.waiting_approx() == 0);
    w.notify_one();
    CHECK(b.resumed == 1);
    b.sleep();
    w.notify_all();
    CHECK(b.resumed == 2);
}

TEST_CASE(
    "who waits at two places is resumed by the first; the second wakes the next in its list") {
    waiter w[2];
    bystander<2> both{w[0], w[1]};
    bystander<1> one{w[1]};
    both.sleep();
    one.sleep();
    w[0].notify_one();
    CHECK(both.resumed == 1);
    CHECK(w[1].waiting_approx() == 2);  // it still stands there
    w[1].notify_one();
    CHECK(both.resumed == 1);
    CHECK(one.resumed == 1);
}

TEST_CASE("a wake that comes while its target still looks is left for the target to find") {
    waiter w;
    bystander<1> b{w};
    b.target.look();
    waiter::enlist(b.places, 1);
    w.notify_one();
    CHECK_FALSE(b.target.arm());
    CHECK(b.resumed == 0);
}

TEST_CASE("an interrupted target is resumed, and its place in the list is nobody's wake") {
    waiter w;
    bystander<1> a{w}, b{w};
    a.sleep();
    b.sleep();
    a.target.interrupt();
    CHECK(a.resumed == 1);
    w.notify_one();
    CHECK(a.resumed == 1);
    CHECK(b.resumed == 1);
}

TEST_CASE("a target that is taken back is not resumed any more") {
    waiter w;
    bystander<1> a{w};
    a.sleep();
    CHECK(a.target.disarm());
    CHECK_FALSE(a.target.disarm());
    w.notify_one();
    CHECK(a.resumed == 0);
}

TEST_CASE("a thread sleeps at several waiters at once, and either wakes it") {
    waiter w[2];
    for (int i = 0; i < 2; ++i) {
        std::atomic<bool> ready{false};
        std::jthread sleeper{[&] {
            penstock::wake_target me;
            waiter::entry places[] = {{w[0], me}, {w[1], me}};
            auto done = [&] { return ready.load(); };
            CHECK(waiter::sleep(places, 2, me, done, {}, {}) == status::ok);
        }};
        until([&] { return w[0].waiting_approx() + w[1].waiting_approx() == 2; });
        ready = true;
        w[i].notify_one();
        sleeper.join();
        CHECK(w[0].waiting_approx() + w[1].waiting_approx() == 0);
    }
}

TEST_CASE("one thread that waits and wakes for ever is followed by another without a lost wake") {
    waiter w;
    std::atomic<bool> ready{false};
    for (int i = 0; i < 20; ++i) {  // long enough for the list to turn symmetric
        bystander<1> b{w};
        b.sleep();
        w.notify_one();
        CHECK(b.resumed == 1);
    }
    for (int i = 0; i < 20; ++i) {  // and back
        ready = false;
        std::jthread other{[&] { CHECK(w.wait([&] { return ready.load(); }, nothing_left)); }};
        if (i % 2) until([&] { return w.waiting_approx() == 1; });
        ready = true;
        w.notify_one();
    }
    CHECK(w.waiting_approx() == 0);
}

TEST_CASE("under every policy a wait ends by a notification, a stop and a deadline") {
    for (auto policy : {penstock::wait_policy::hybrid, penstock::wait_policy::park,
                        penstock::wait_policy::yield, penstock::wait_policy::spin}) {
        waiter w{policy};
        std::atomic<bool> ready{false};
        std::jthread one{[&] { CHECK(w.wait([&] { return ready.load(); }, nothing_left)); }};
        std::stop_source stop;
        std::jthread two{[&] {
            CHECK(w.wait(never, nothing_left, {}, stop.get_token()) == status::stopped);
        }};
        CHECK(w.wait(never, nothing_left, deadline::after({}, 2ms)) == status::timed_out);
        ready = true;
        w.notify_all();
        one.join();
        stop.request_stop();
        two.join();
        CHECK(w.waiting_approx() == 0);
    }
}
