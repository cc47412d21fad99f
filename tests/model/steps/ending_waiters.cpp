// SPDX-License-Identifier: BSL-1.0
// The ending matrix of those who wait without a thread of their own, or at several channels: every
// way in which a wait can end, at every point where a waiter can stand. Each cell is one execution
// that is driven step by step; who has waited learns why it ended, and nothing is lost or doubled.
#include <chrono>
#include <coroutine>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/channel/async.hpp>
#include <penstock/channel/event_handle.hpp>
#include <penstock/channel/select.hpp>
#include <penstock/core/manual_clock.hpp>

#include "model/steps.hpp"

namespace {

using namespace std::chrono_literals;
using penstock::on;
using penstock::receiver;
using penstock::sender;
using penstock::status;
namespace sys = penstock::sys;

struct coroutine {
    struct promise_type {
        coroutine get_return_object() {
            return coroutine{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() { std::terminate(); }
    };
    coroutine() = default;
    explicit coroutine(std::coroutine_handle<promise_type> h) : handle{h} {}
    coroutine(coroutine&& other) noexcept : handle{std::exchange(other.handle, nullptr)} {}
    coroutine& operator=(coroutine&& other) noexcept {
        std::swap(handle, other.handle);
        return *this;
    }
    ~coroutine() { destroy(); }
    void destroy() {
        if (handle) std::exchange(handle, nullptr).destroy();
    }
    std::coroutine_handle<promise_type> handle{};
};

struct strand {
    void post(penstock::unique_function<void()> t) { tasks.push_back(std::move(t)); }
    void run() {
        while (!tasks.empty()) {
            auto now = std::exchange(tasks, {});
            for (auto& t : now) t();
        }
    }
    std::vector<penstock::unique_function<void()>> tasks{};
};

enum class kind { coroutine, on_executor, thread_select, async_select, event_handle };
enum class side { receiving, sending };
enum class ending { close, stop, timeout, destroyed, lost, last_end, throws };
enum class point { before, enlisting, enlisted, arming, waiting, woken };

const char* const kinds[] = {
    "coroutine", "coroutine on executor", "select", "coroutine's select", "event handle"};
const char* const sides[] = {"receives", "sends"};
const char* const endings[] = {"close",       "stop_token",    "timeout",         "destroyed",
                               "select lost", "last end gone", "user code throws"};
const char* const points[] = {
    "before it looks",           "before it enlists", "enlisted, to look again",
    "about to hand itself over", "waiting",           "woken, not yet resumed"};

/// Why a cell can't occur; null: it can.
const char* impossible(kind k, side s, ending e, point p) {
    const bool selects = k == kind::thread_select || k == kind::async_select;
    if (k == kind::event_handle && s == side::sending) return "a handle only receives";
    if (e == ending::throws)
        return "moves don't throw, and copies, handlers and bodies run before or after the wait";
    if (e == ending::timeout && k != kind::thread_select)
        return "it has no clock: a stop, or a channel that a timer feeds";
    if (e == ending::timeout && p == point::before) return "its time begins with the wait";
    if (e == ending::lost && !selects) return "it waits at one channel";
    if (e == ending::stop && k == kind::event_handle) return "its loop waits, not it";
    if (e == ending::destroyed) {
        if (k == kind::thread_select) return "a thread returns from it";
        if (p != point::waiting && p != point::woken) return "it runs: it can't be destroyed";
    }
    if (p == point::woken && k == kind::coroutine) return "it is resumed inside the wake";
    return nullptr;
}

/// One cell: everything that it needs, from the beginning.
struct cell {
    cell(kind k_, side s_, ending e_, point p_) : k{k_}, s{s_}, e{e_}, p{p_} {
        auto main = penstock::make_channel<int>(1);
        tx = std::move(main.tx);
        rx = std::move(main.rx);
        auto second = penstock::make_channel<int>(1);
        other_tx = std::move(second.tx);
        other_rx = std::move(second.rx);
        if (s == side::sending) MODEL_CHECK(tx.send(100));  // full
    }

    // ---- The waiter

    void wait() {
        switch (k) {
            case kind::coroutine: frame = one({}); break;
            case kind::on_executor: frame = one(where); break;
            case kind::thread_select: select_here(); break;
            case kind::async_select: frame = select_there(); break;
            case kind::event_handle: serve(); break;
        }
    }
    coroutine one(penstock::resume_on place) {
        if (s == side::receiving) {
            auto r = co_await own_rx.async_receive(stop.get_token(), place);
            took(r.status(), r ? *r : 0);
        } else {
            const status r = co_await own_tx.async_send(value, stop.get_token(), place);
            took(r, 0);
        }
    }
    void select_here() {
        penstock::selected r{status::failed, 0};
        const auto limit = penstock::timeout(1h, penstock::detail::nothing{}, time);
        if (s == side::receiving) {
            r = penstock::select(
                on(own_rx, [this](int v) { got = v; }), on(other_rx, [this](int) { other = true; }),
                stop.get_token(), limit);
        } else {
            r = penstock::select(on(own_tx, value), on(other_rx, [this](int) { other = true; }),
                                 stop.get_token(), limit);
        }
        took(r.status(), got);
    }
    coroutine select_there() {
        penstock::selected r{status::failed, 0};
        if (s == side::receiving) {
            r = co_await penstock::async_select(
                on(own_rx, [this](int v) { got = v; }), on(other_rx, [this](int) { other = true; }),
                stop.get_token(), where);
        } else {
            r = co_await penstock::async_select(
                on(own_tx, value), on(other_rx, [this](int) { other = true; }), stop.get_token(),
                where);
        }
        took(r.status(), got);
    }
    void serve() {
        if (!handle) handle.emplace(own_rx);
        const auto r = handle->try_receive();
        if (r.status() != status::empty) took(r.status(), r ? *r : 0);
    }
    void took(status r, int v) {
        MODEL_CHECK(!answer);  // once
        answer = r;
        got = v;
    }

    // ---- The ending

    void end() {
        switch (e) {
            case ending::close: s == side::receiving ? tx.close() : rx.close(); break;
            case ending::stop: stop.request_stop(); break;
            case ending::timeout: time.advance(1h); break;
            case ending::destroyed:
                frame.destroy();
                handle.reset();
                break;
            case ending::lost: MODEL_CHECK(other_tx.send(1)); break;
            case ending::last_end:
                if (s == side::receiving) {
                    tx = {};
                } else {
                    rx = {};
                }
                break;
            case ending::throws: break;
        }
        if (e == ending::close || e == ending::last_end) other_tx = {};
    }
    /// What wakes it before the ending comes.
    void wake() {
        if (s == side::receiving) {
            MODEL_CHECK(tx.send(7));
        } else {
            MODEL_CHECK(rx.receive().status() == status::ok);
        }
    }

    // ---- The account

    void check() {
        if (e == ending::destroyed) {
            MODEL_CHECK(!answer);
        } else {
            MODEL_CHECK(answer.has_value());
            const bool may_have_it = p == point::woken;
            const status why = e == ending::stop      ? status::stopped
                               : e == ending::timeout ? status::timed_out
                               : e == ending::lost    ? status::ok
                                                      : status::closed;
            MODEL_CHECK(*answer == why || (may_have_it && *answer == status::ok));
            if (e == ending::lost) MODEL_CHECK(other || may_have_it);
        }
        const bool done = answer == status::ok && !other;
        int in = 0;
        if (rx) {
            while (auto r = rx.try_receive()) in += *r;
        } else if (own_rx) {
            while (auto r = own_rx.try_receive()) in += *r;
        }
        if (s == side::receiving) {
            MODEL_CHECK((done ? got : 0) + in == (p == point::woken ? 7 : 0));
        } else if (rx) {
            MODEL_CHECK(in == (p == point::woken ? 0 : 100) + (done ? 42 : 0));
        }
        if (!done) MODEL_CHECK(value == 42);
    }

    const kind k;
    const side s;
    const ending e;
    const point p;
    sender<int> tx{}, other_tx{}, own_tx{};
    receiver<int> rx{}, other_rx{}, own_rx{};
    sys::stop_source stop{};
    penstock::manual_clock time{};
    strand where{};
    int value = 42;
    std::optional<status> answer{};
    int got = 0;
    bool other = false;
    std::optional<penstock::event_handle<int>> handle{};
    coroutine frame{};
};

model::run_result run(kind k, side s, ending e, point p) {
    return model::drive([=](model::steps& go) {
        cell c{k, s, e, p};
        // The waiter has the only end of its side, but where that is to go.
        if (s == side::receiving) {
            c.own_rx = std::exchange(c.rx, {});
        } else {
            c.own_tx = std::exchange(c.tx, {});
        }
        const int waiter = go.thread("waiter", [&] { c.wait(); });
        switch (p) {
            case point::before: break;
            case point::enlisting: go.until(waiter, "waiting_.fetch_add(n"); break;
            case point::enlisted:
                go.until(waiter, "waiting_.fetch_add(n");
                go.step(waiter, 2);  // counted, and the mutex is free
                break;
            case point::arming:
                go.until(waiter, k == kind::thread_select ? "sys::futex_wait("
                                                          : "word_.compare_exchange_strong(");
                break;
            case point::waiting:
            case point::woken:
                if (k == kind::thread_select) {
                    MODEL_CHECK(go.run(waiter) == model::rest::asleep);
                } else {
                    go.finish(waiter);
                    MODEL_CHECK(!c.answer);
                }
                break;
        }
        if (p == point::woken) go.finish(go.thread("waker", [&] { c.wake(); }));
        const int ender = go.thread("ender", [&] { c.end(); });
        if (p == point::enlisting) {
            (void)go.run(ender);  // as far as the waiter's mutex
        } else {
            go.finish(ender);
        }
        go.all();
        c.where.run();
        if (k == kind::event_handle && e != ending::destroyed && !c.answer) {
            MODEL_CHECK(c.handle->readable());
            c.serve();
        }
        c.check();
    });
}

}  // namespace

TEST_CASE("the ending matrix of coroutines, selects and event handles") {
    int cells = 0, excused = 0;
    std::vector<std::string> reasons;
    for (int k = 0; k < 5; ++k) {
        for (int s = 0; s < 2; ++s) {
            std::printf("\n%s, %s\n", kinds[k], sides[s]);
            for (int e = 0; e < 7; ++e) {
                std::printf("  %-18s", endings[e]);
                const char* why = nullptr;
                for (int p = 0; p < 6; ++p) {
                    const auto args = [&](auto f) {
                        return f(static_cast<kind>(k), static_cast<side>(s), static_cast<ending>(e),
                                 static_cast<point>(p));
                    };
                    if (const char* reason = args(impossible)) {
                        ++excused;
                        why = reason;
                        std::printf("   -");
                        continue;
                    }
                    const auto result = args(run);
                    ++cells;
                    std::printf("%4s", result.ok ? "ok" : "BAD");
                    CHECK_MESSAGE(result.ok, kinds[k], ", ", sides[s], ", ", endings[e], ", ",
                                  points[p], ":\n", result.text);
                }
                std::printf("   %s\n", why ? why : "");
            }
        }
    }
    std::printf("\ncolumns: ");
    for (const char* p : points) std::printf("%s; ", p);
    std::printf("\n%d cells, %d can't occur\n", cells, excused);
    CHECK(cells == 196);
}
