// SPDX-License-Identifier: BSL-1.0
// The ending matrix: every way in which a wait can end, at every point where a waiter can stand, for a
// receiver, a sender, and both at once, of every kind. Each cell is one execution that is driven step
// by step; who has waited learns why it ended, nobody hangs, and nothing is lost or doubled.
//
// Both sides can wait at once only while a third has claimed a slot and not yet written it: the channel
// is full for the sender and empty for the receiver. So those cells have such a third, who goes on
// last; a close or a throw finds his element still to come.
#include <chrono>
#include <coroutine>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
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

/// What is sent. One of them can't be copied.
struct item {
    static constexpr int fragile = 13;
    item(int v) noexcept : value{v} {}
    item(const item& other) : value{other.value} {
        if (value == fragile) throw std::runtime_error{"a copy"};
    }
    item(item&&) noexcept = default;
    item& operator=(item&&) noexcept = default;
    int value;
};

struct coroutine {
    struct promise_type {
        coroutine get_return_object() {
            return coroutine{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { threw = true; }
        bool threw = false;
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

enum class kind { thread, coroutine, on_executor, select, async_select, event_handle };
enum class side { receiver, sender, both };
enum class ending { close, stop, timeout, destroyed, lost, last_end, throws };
enum class point { before, signed_in, enlisting, enlisted, arming, waiting, woken };

const char* const kinds[] = {
    "thread", "coroutine", "coroutine on executor", "select", "coroutine's select", "event handle"};
const char* const sides[] = {"receives", "sends", "both sides at once"};
const char* const endings[] = {"close",       "stop_token",    "timeout",         "destroyed",
                               "select lost", "last end gone", "user code throws"};
const char* const points[] = {
    "before it looks",    "signed in", "before it enlists",     "enlisted, to look again",
    "about to hand over", "waiting",   "woken, not yet resumed"};

constexpr bool is_thread(kind k) { return k == kind::thread || k == kind::select; }
constexpr bool selects(kind k) { return k == kind::select || k == kind::async_select; }
/// Beside an event handle a coroutine sends.
constexpr kind sender_of(kind k) { return k == kind::event_handle ? kind::coroutine : k; }

/// Why a cell can't occur; null: it can.
const char* impossible(kind k, side s, ending e, point p) {
    if (k == kind::event_handle && s == side::sender) return "a handle only receives";
    if (e == ending::timeout && !is_thread(k))
        return "it has no clock: a stop, or a channel that a timer feeds";
    if (e == ending::timeout && p == point::before) return "its time begins with the wait";
    if (e == ending::lost && !selects(k)) return "it waits at one channel";
    if (e == ending::stop && k == kind::event_handle) return "its loop waits, not it";
    if (e == ending::throws && k == kind::event_handle)
        return "its loop's code runs between two calls";
    if (e == ending::throws && k == kind::thread && s == side::receiver)
        return "no user code runs in a receive: moves are nothrow (static_assert)";
    if (e == ending::destroyed) {
        if (is_thread(k)) return "a thread returns from it";
        if (p != point::waiting && p != point::woken) return "it runs: it can't be destroyed";
    }
    if (s == side::both) {
        if (p == point::woken) return "room or an element wakes one side, not both";
        if (e == ending::last_end) return "the two that wait keep an end of each side";
    }
    if (p == point::woken && k == kind::coroutine) return "it is resumed inside the wake";
    if (p == point::signed_in && !is_thread(k)) return "only a thread signs in";
    return nullptr;
}

/// What all in a cell share.
struct scene {
    template <class T>
    struct ends {
        ends(std::size_t capacity, penstock::manual_clock& time) {
            auto made = penstock::make_channel<T>({.capacity = capacity, .clock = time});
            tx = std::move(made.tx);
            rx = std::move(made.rx);
        }
        sender<T> tx{};
        receiver<T> rx{};
    };
    sys::stop_source stop{};
    penstock::manual_clock time{};
    ends<item> main{1, time};
    ends<int> other{2, time};  // of selects
    strand where{};
};

/// One who waits.
struct waiting {
    waiting(scene& sc, kind k_, side s_, ending e_) : at{sc}, k{k_}, s{s_}, e{e_} {
        if (s == side::receiver) {
            rx = at.main.rx;
        } else {
            tx = at.main.tx;
        }
    }

    auto lost() {
        return on(at.other.rx, [this](int) { other = true; });
    }
    void wait() {
        try {
            switch (k) {
                case kind::thread: block(); break;
                case kind::coroutine: frame = one({}); break;
                case kind::on_executor: frame = one(at.where); break;
                case kind::select: select_here(); break;
                case kind::async_select: frame = select_there(); break;
                case kind::event_handle: serve(); break;
            }
        } catch (const std::runtime_error&) {
            caught = true;
        }
    }
    void block() {
        if (s == side::receiver) {
            auto r = rx.receive_for(1h, at.stop.get_token());
            took(r.status(), r ? r->value : 0);
        } else if (e == ending::throws) {
            (void)tx.send_n(batch, 2, at.stop.get_token());
        } else {
            took(tx.send_for(std::move(value), 1h, at.stop.get_token()), 0);
        }
    }
    coroutine one(penstock::resume_on place) {
        if (s == side::receiver) {
            auto r = co_await rx.async_receive(at.stop.get_token(), place);
            took(r.status(), r ? r->value : 0);
        } else if (e == ending::throws) {
            const auto r = co_await tx.async_send_n(batch, 2, at.stop.get_token(), place);
            took(r.status, 0);
        } else {
            const status r = co_await tx.async_send(std::move(value), at.stop.get_token(), place);
            took(r, 0);
        }
    }
    void select_here() {
        const auto limit = penstock::timeout(1h, penstock::detail::nothing{}, at.time);
        const auto r = s == side::receiver
                           ? penstock::select(on(rx, [this](item v) { handle(v.value); }), lost(),
                                              at.stop.get_token(), limit)
                           : penstock::select(on(tx, value, [this] { handle(0); }), lost(),
                                              at.stop.get_token(), limit);
        took(r.status(), got);
    }
    coroutine select_there() {
        penstock::selected r{status::failed, 0};
        if (s == side::receiver) {
            r = co_await penstock::async_select(
                on(rx, [this](item v) { handle(v.value); }), lost(), at.stop.get_token(), at.where);
        } else {
            r = co_await penstock::async_select(
                on(tx, value, [this] { handle(0); }), lost(), at.stop.get_token(), at.where);
        }
        took(r.status(), got);
    }
    void serve() {
        if (!loop) loop.emplace(rx);
        const auto r = loop->try_receive();
        if (r.status() != status::empty) took(r.status(), r ? r.operator->()->value : 0);
    }
    /// A select's handler, which is user code.
    void handle(int v) {
        got = v;
        if (e == ending::throws) throw std::runtime_error{"a handler"};
    }
    /// The answer, and what a coroutine goes on with.
    void took(status r, int v) {
        MODEL_CHECK(!answer);  // once
        answer = r;
        got = v;
        if (e == ending::throws && r == status::ok) throw std::runtime_error{"its body"};
    }

    [[nodiscard]] bool threw() const {
        return caught || (frame.handle && frame.handle.promise().threw);
    }
    /// Whether an element went through it.
    [[nodiscard]] bool received() const { return s == side::receiver && got != 0; }
    [[nodiscard]] bool sent() const {
        if (s == side::receiver) return false;
        return e == ending::throws ? threw() : answer == status::ok && !other;
    }

    scene& at;
    const kind k;
    const side s;
    const ending e;
    sender<item> tx{};
    receiver<item> rx{};
    item value{42};
    const item batch[2] = {42, item::fragile};
    std::optional<status> answer{};
    int got = 0;
    bool other = false, caught = false;
    std::optional<penstock::event_handle<item>> loop{};
    coroutine frame{};
};

status why(ending e) {
    switch (e) {
        case ending::stop: return status::stopped;
        case ending::timeout: return status::timed_out;
        case ending::lost: return status::ok;
        default: return status::closed;
    }
}

/// Brings it to that point.
void bring(model::steps& go, int thread, const waiting& w, point p) {
    switch (p) {
        case point::before: break;
        case point::signed_in: go.until(thread, "void look() noexcept"); break;
        case point::enlisting: go.until(thread, "waiting_.fetch_add(n"); break;
        case point::enlisted:
            go.until(thread, "waiting_.fetch_add(n");
            go.step(thread, 2);  // counted, and the mutex is free
            break;
        case point::arming:
            go.until(
                thread, is_thread(w.k) ? "sys::futex_wait(" : "word_.compare_exchange_strong(");
            break;
        case point::waiting:
        case point::woken:
            if (is_thread(w.k)) {
                MODEL_CHECK(go.run(thread) == model::rest::asleep);
            } else {
                go.finish(thread);
                MODEL_CHECK(!w.answer);
            }
            break;
    }
}

void end(scene& at, ending e, side s, std::initializer_list<waiting*> all) {
    switch (e) {
        case ending::close: (s == side::sender ? at.main.rx.close() : at.main.tx.close()); break;
        case ending::stop: at.stop.request_stop(); break;
        case ending::timeout: at.time.advance(1h); break;
        case ending::destroyed:
            for (waiting* w : all) {
                w->frame.destroy();
                w->loop.reset();
            }
            break;
        case ending::lost:
            for (std::size_t i = 0; i < all.size(); ++i) MODEL_CHECK(at.other.tx.send(1));
            break;
        case ending::last_end:
            if (s == side::receiver) {
                at.main.tx = {};
            } else {
                at.main.rx = {};
            }
            break;
        case ending::throws:  // it gets what it waits for, and throws then
            if (s == side::receiver) MODEL_CHECK(at.main.tx.send(7));
            if (s == side::sender) MODEL_CHECK(at.main.rx.receive()->value == 100);
            break;
    }
    if (e == ending::close || e == ending::last_end) at.other.tx = {};
}

/// Each has been told once, why; and the elements add up.
void account(scene& at, ending e, point p, int before, std::initializer_list<waiting*> all) {
    int went_in = before, came_out = 0;
    for (const waiting* w : all) {
        const bool may_have_it = p == point::woken;
        if (e == ending::destroyed) {
            MODEL_CHECK(!w->answer);
        } else if (e == ending::throws) {
            MODEL_CHECK(w->threw());
        } else {
            MODEL_CHECK(w->answer.has_value());
            MODEL_CHECK(*w->answer == why(e) || (may_have_it && *w->answer == status::ok) ||
                        (e == ending::close && w->received()));
            if (e == ending::lost) MODEL_CHECK(w->other || may_have_it);
        }
        if (w->received()) came_out += w->got;
        if (w->sent()) {
            went_in += 42;
        } else {
            MODEL_CHECK(w->value.value == 42);
        }
    }
    const auto& any = at.main.rx ? at.main.rx : (*all.begin())->rx;
    if (!any) return;  // the last receiver has gone: what was in was dropped
    while (auto r = any.try_receive()) came_out += r->value;
    MODEL_CHECK(came_out == went_in);
    const auto n = any.counts();
    MODEL_CHECK(n.in == 0);
    MODEL_CHECK(n.sent == n.received + n.dropped);
}

model::run_result one_side(kind k, side s, ending e, point p) {
    return model::drive([=](model::steps& go) {
        scene at;
        waiting w{at, k, s, e};
        int before = 0;
        if (s == side::sender) {
            MODEL_CHECK(at.main.tx.send(100));
            if (e != ending::throws && p != point::woken) before = 100;
            at.main.tx = {};  // its own is the only one
        } else {
            if (e == ending::throws || p == point::woken) before = 7;
            at.main.rx = {};
        }
        const int waiter = go.thread("waiter", [&] { w.wait(); });
        bring(go, waiter, w, p);
        if (p == point::woken)
            go.finish(go.thread("waker", [&] {
                end(at, ending::throws, s, {&w});  // what it waits for
            }));
        const int ender = go.thread("ender", [&] {
            if (p != point::woken || e != ending::throws) end(at, e, s, {&w});
        });
        if (p == point::enlisting) {
            (void)go.run(ender);  // as far as the waiter's mutex
        } else {
            go.finish(ender);
        }
        go.all();
        at.where.run();
        if (k == kind::event_handle && e != ending::destroyed && !w.answer) {
            MODEL_CHECK(w.loop->readable());
            w.serve();
        }
        account(at, e, p, before, {&w});
    });
}

model::run_result both_sides(kind k, ending e, point p) {
    return model::drive([=](model::steps& go) {
        scene at;
        waiting from{at, k, side::receiver, e}, to{at, sender_of(k), side::sender, e};
        const int third = go.thread("third", [&] { MODEL_CHECK(at.main.tx.send(7)); });
        go.until(third, "sys::wrote(raw_)");  // has claimed the only slot
        const int receives = go.thread("receives", [&] { from.wait(); });
        const int sends = go.thread("sends", [&] { to.wait(); });
        bring(go, receives, from, p);
        bring(go, sends, to, p);
        const int ender = go.thread("ender", [&] { end(at, e, side::both, {&from, &to}); });
        for (int i = 0; i < 3; ++i)  // as far as they get without the third
            for (int t : {ender, receives, sends}) (void)go.run(t);
        at.where.run();
        if (e != ending::throws && e != ending::destroyed) MODEL_CHECK(to.answer.has_value());
        go.finish(third);
        go.all();
        for (int i = 0; i < 2; ++i) {  // what one does may be what the other waits for
            at.where.run();
            if (from.loop && !from.answer) {
                MODEL_CHECK(from.loop->readable());
                from.serve();
            }
        }
        account(at, e, p, 7, {&from, &to});
    });
}

}  // namespace

TEST_CASE("the ending matrix: nobody hangs, nothing is lost or doubled, each is told why") {
    int cells = 0, excused = 0;
    for (int k = 0; k < 6; ++k)
        for (int s = 0; s < 3; ++s) {
            std::printf("\n%s, %s\n", kinds[k], sides[s]);
            for (int e = 0; e < 7; ++e) {
                std::printf("  %-18s", endings[e]);
                std::string reasons;
                for (int p = 0; p < 7; ++p) {
                    const auto as_kind = static_cast<kind>(k);
                    const auto as_side = static_cast<side>(s);
                    const auto as_ending = static_cast<ending>(e);
                    const auto as_point = static_cast<point>(p);
                    if (const char* why_not = impossible(as_kind, as_side, as_ending, as_point)) {
                        ++excused;
                        if (reasons.find(why_not) == std::string::npos)
                            reasons += (reasons.empty() ? "" : "; ") + std::string{why_not};
                        std::printf("   -");
                        continue;
                    }
                    const auto result = as_side == side::both
                                            ? both_sides(as_kind, as_ending, as_point)
                                            : one_side(as_kind, as_side, as_ending, as_point);
                    ++cells;
                    std::printf("%4s", result.ok ? "ok" : "BAD");
                    CHECK_MESSAGE(result.ok, kinds[k], ", ", sides[s], ", ", endings[e], ", ",
                                  points[p], ":\n", result.text);
                }
                std::printf("   %s\n", reasons.c_str());
            }
        }
    std::printf("\ncolumns: ");
    for (const char* p : points) std::printf("%s; ", p);
    std::printf("\n%d cells, %d can't occur, for the reasons beside them\n", cells, excused);
    std::printf(
        "user code throws: a copy in the batch of a thread or a coroutine that sends, a coroutine's\n"
        "body, a select's handler. What on_drop throws leaves the call that dropped, which doesn't\n"
        "wait. An executor's post and a promise's unhandled_exception end the program if they throw.\n");
    CHECK(cells == 426);
    CHECK(cells + excused == 6 * 3 * 7 * 7);
}
