// SPDX-License-Identifier: BSL-1.0
// Who waits without a thread: coroutines, selects, event handles, and who waits for latest.
// core/async_wait.hpp, channel/{async,select,event_handle}.hpp, queue/latest.hpp.
#include <chrono>
#include <coroutine>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include <penstock/channel/async.hpp>
#include <penstock/channel/event_handle.hpp>
#include <penstock/channel/select.hpp>
#include <penstock/queue/latest.hpp>

#include "../program.hpp"
#include "../support.hpp"

namespace {

using namespace std::chrono_literals;
using model::barriers;
using model::payload;
using penstock::channel_ends;
using penstock::latest;
using penstock::make_channel;
using penstock::on;
using penstock::status;
using penstock::timeout;
namespace sys = penstock::sys;

/// Starts at once; its frame goes with its owner. Says in `ended` that it has come to its end.
struct coroutine {
    struct promise_type {
        coroutine get_return_object() {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() { std::terminate(); }
    };
    coroutine(std::coroutine_handle<promise_type> h) : handle{h} {}
    coroutine(coroutine&& other) noexcept : handle{std::exchange(other.handle, nullptr)} {}
    ~coroutine() { destroy(); }
    void destroy() {
        if (handle) std::exchange(handle, nullptr).destroy();
    }
    std::coroutine_handle<promise_type> handle;
};

/// One task at a time, run by whoever calls run().
struct strand {
    void post(penstock::unique_function<void()> t) {
        guard.lock();
        task = std::move(t);
        guard.unlock();
    }
    void run() {
        guard.lock();
        penstock::unique_function<void()> now = std::exchange(task, nullptr);
        guard.unlock();
        if (now) now();
    }
    sys::mutex guard;
    penstock::unique_function<void()> task{};
};

template <class Receiver>
coroutine receive_one(Receiver& rx, int& got, status& end, sys::stop_token stop = {},
                      penstock::resume_on where = {}) {
    auto r = co_await rx.async_receive(stop, where);
    end = r.status();
    if (r) got += r->value();
}

// ---- Coroutines ----

MODEL_PROGRAM("coroutine: one receives what a thread sends",
              {.barriers = barriers::both, .departures = 20}) {
    auto [tx, rx] = make_channel<payload>(1);
    int got = 0;
    status end = status::failed;
    std::optional<coroutine> c;
    model::threads([&, &to = tx] { MODEL_CHECK(to.send(payload{7})); },
                   [&, &from = rx] { c.emplace(receive_one(from, got, end)); });
    MODEL_CHECK(got == 7 && end == status::ok);
}
MODEL_PROGRAM("coroutine: a close ends its wait", {.barriers = barriers::both, .departures = 20}) {
    auto [tx, rx] = make_channel<payload>(1);
    int got = 0;
    status end = status::failed;
    std::optional<coroutine> c;
    model::threads(
        [&, &to = tx] { to.close(); }, [&, &from = rx] { c.emplace(receive_one(from, got, end)); });
    MODEL_CHECK(end == status::closed);
}
MODEL_PROGRAM("coroutine: a stop and a send; received or still in",
              {.barriers = barriers::both, .departures = 20}) {
    auto [tx, rx] = make_channel<payload>(1);
    int got = 0;
    status end = status::failed;
    sys::stop_source stop;
    std::optional<coroutine> c;
    model::threads(
        [&, &to = tx] { MODEL_CHECK(to.send(payload{7})); }, [&] { stop.request_stop(); },
        [&, &from = rx] { c.emplace(receive_one(from, got, end, stop.get_token())); });
    if (end == status::ok) {
        MODEL_CHECK(got == 7);
    } else {
        MODEL_CHECK(end == status::stopped && rx.try_receive()->value() == 7);
    }
}
MODEL_PROGRAM("coroutine: two senders, a coroutine and a thread receive",
              {.barriers = barriers::both, .departures = 8}) {
    auto [tx, rx] = make_channel<payload>(2);
    int got = 0, thread_got = 0;
    status end = status::failed;
    std::optional<coroutine> c;
    model::threads([&, &to = tx] { MODEL_CHECK(to.send(payload{1})); },
                   [&, &to = tx] { MODEL_CHECK(to.send(payload{2})); },
                   [&, &from = rx] { c.emplace(receive_one(from, got, end)); },
                   [&, &from = rx] { thread_got = from.receive()->value(); });
    MODEL_CHECK(got + thread_got == 3);
}
MODEL_PROGRAM("coroutine: it is destroyed on its strand while somebody sends; the element stays in",
              {.barriers = barriers::both, .departures = 24}) {
    auto [tx, rx] = make_channel<payload>(1);
    int got = 0;
    status end = status::failed;
    strand where;
    {
        coroutine c = receive_one(rx, got, end, {}, where);
        model::threads([&, &to = tx] { MODEL_CHECK(to.send(payload{7})); },
                       [&] {
                           where.run();
                           c.destroy();
                       });
    }
    where.run();
    if (got == 0) MODEL_CHECK(rx.try_receive()->value() == 7);
}
MODEL_PROGRAM("coroutine: the wake of one that is destroyed goes on to a thread",
              {.barriers = barriers::both, .departures = 20}) {
    auto [tx, rx] = make_channel<payload>(1);
    int got = 0, thread_got = 0;
    status end = status::failed;
    strand where;
    coroutine c = receive_one(rx, got, end, {}, where);
    model::threads([&, &to = tx] { MODEL_CHECK(to.send(payload{7})); }, [&] { c.destroy(); },
                   [&, &from = rx] { thread_got = from.receive()->value(); });
    MODEL_CHECK(thread_got == 7);
    where.run();
}

MODEL_PROGRAM("coroutine: a batch that waits for room is sent whole, or says how far it got",
              {.barriers = barriers::both, .departures = 8}) {
    auto [tx, rx] = make_channel<payload>(1);
    int got = 0;
    penstock::batch_result sent{};
    payload both[2] = {payload{1}, payload{2}};
    std::optional<coroutine> c;
    const auto send = [](auto& to, payload* p, penstock::batch_result& into) -> coroutine {
        auto r = co_await to.async_send_n(std::make_move_iterator(p), 2);
        into = r;
    };
    model::threads([&, &to = tx] { c.emplace(send(to, both, sent)); },
                   [&, &from = rx] {
                       got = from.receive()->value();
                       from.close();
                       while (auto r = from.receive()) got += r->value();
                   });
    MODEL_CHECK(sent.status == (sent.count == 2 ? status::ok : status::closed));
    MODEL_CHECK(got == (sent.count == 2 ? 3 : 1));
    if (sent.count == 1) MODEL_CHECK(both[1].value() == 2);
}
MODEL_PROGRAM("coroutine: a batch is received while two send and one closes",
              {.barriers = barriers::both, .departures = 6}) {
    auto [tx, rx] = make_channel<payload>(2);
    int got = 0;
    status end = status::ok;
    std::optional<coroutine> c;
    const auto receive = [](auto& from, int& sum, status& s) -> coroutine {
        payload out[2];
        for (;;) {
            const auto r = co_await from.async_receive_n(out, 2);
            for (std::size_t i = 0; i < r.count; ++i) sum += out[i].value();
            s = r.status;
            if (!r) break;
        }
    };
    int sent = 0;
    model::threads([&, &to = tx] { sent += to.send(payload{1}) ? 1 : 0; },
                   [&, &to = tx] {
                       MODEL_CHECK(to.send(payload{2}));
                       to.close();
                   },
                   [&, &from = rx] { c.emplace(receive(from, got, end)); });
    MODEL_CHECK(end == status::closed && got == 2 + sent);
}

// ---- Select ----

MODEL_PROGRAM("select: two channels, a sender each; one is taken, the other stays",
              {.barriers = barriers::both, .departures = 20}) {
    auto [atx, a] = make_channel<payload>(1);
    auto [btx, b] = make_channel<payload>(1);
    int got = 0;
    model::threads([&, &to = atx] { MODEL_CHECK(to.send(payload{1})); },
                   [&, &to = btx] { MODEL_CHECK(to.send(payload{2})); },
                   [&, &x = a, &y = b] {
                       const auto take = [&](payload p) { got = p.value(); };
                       MODEL_CHECK(penstock::select(on(x, take), on(y, take)));
                   });
    MODEL_CHECK((got == 1 ? b : a).try_receive()->value() == 3 - got);
}
MODEL_PROGRAM("select: the wake that it doesn't use goes on to a thread",
              {.barriers = barriers::both, .departures = 20}) {
    auto [atx, a] = make_channel<payload>(1);
    auto [btx, b] = make_channel<payload>(1);
    int got = 0, other = 0;
    MODEL_CHECK(atx.send(payload{1}));
    model::threads([&, &to = btx] { MODEL_CHECK(to.send(payload{2})); },
                   [&, &x = a, &y = b] {
                       const auto take = [&](payload p) { got = p.value(); };
                       MODEL_CHECK(penstock::select(on(x, take), on(y, take)));
                   },
                   [&, &y = b] {
                       if (auto r = y.receive_for(5ms)) other = r->value();
                   });
    int left = 0;
    if (auto r = a.try_receive()) left += r->value();
    if (auto r = b.try_receive()) left += r->value();
    MODEL_CHECK(got + other + left == 3);
}
MODEL_PROGRAM("select: two senders, one selects, one receives; each gets one",
              {.barriers = barriers::both, .departures = 6}) {
    auto [atx, a] = make_channel<payload>(1);
    auto [btx, b] = make_channel<payload>(1);
    int got = 0, other = 0;
    model::threads([&, &to = atx] { MODEL_CHECK(to.send(payload{1})); },
                   [&, &to = btx] { MODEL_CHECK(to.send(payload{2})); },
                   [&, &x = a, &y = b] {
                       const auto take = [&](payload p) { got = p.value(); };
                       MODEL_CHECK(penstock::select(on(x, take), on(y, take)));
                   },
                   [&, &x = a, &y = b] {
                       const auto take = [&](payload p) { other = p.value(); };
                       MODEL_CHECK(penstock::select(on(y, take), on(x, take)));
                   });
    MODEL_CHECK(got + other == 3);
}
MODEL_PROGRAM("select: closed while it sleeps", {.barriers = barriers::both, .departures = 20}) {
    auto [atx, a] = make_channel<payload>(1);
    auto [btx, b] = make_channel<payload>(1);
    model::threads(
        [&, &to = atx] { to.close(); }, [&, &to = btx] { to.close(); },
        [&, &x = a, &y = b] {
            const auto take = [](payload) {};
            MODEL_CHECK(penstock::select(on(x, take), on(y, take)).status() == status::closed);
        });
}
MODEL_PROGRAM("select: a send and a receive, a stop; nothing is lost or doubled",
              {.barriers = barriers::both, .departures = 20}) {
    auto [atx, a] = make_channel<payload>(1);
    auto [btx, b] = make_channel<payload>(1);
    MODEL_CHECK(btx.send(payload{4}));
    sys::stop_source stop;
    payload mine{2};
    int got = 0, taken = 0;
    bool sent = false;
    model::threads(
        [&] { stop.request_stop(); }, [&, &from = b] { taken = from.receive()->value(); },
        [&, &x = a, &to = btx] {
            (void)penstock::select(on(x, [&](payload p) { got = p.value(); }),
                                   on(to, mine, [&] { sent = true; }), stop.get_token());
        });
    MODEL_CHECK(taken == 4 && got == 0);
    if (sent) {
        MODEL_CHECK(b.try_receive()->value() == 2);
    } else {
        MODEL_CHECK(mine.value() == 2 && !b.try_receive());
    }
}

// ---- Event handles ----

MODEL_PROGRAM("event_handle: it is readable whenever something is in",
              {.barriers = barriers::both, .departures = 24}) {
    auto [tx, rx] = make_channel<payload>(2);
    penstock::event_handle h{rx};
    int sum = 0;
    const auto serve = [&] {
        while (auto r = h.try_receive()) sum += r->value();
    };
    model::threads(
        [&, &to = tx] {
            MODEL_CHECK(to.send(payload{1}));
            MODEL_CHECK(to.send(payload{2}));
        },
        serve);
    while (sum < 3) {
        MODEL_CHECK(h.readable());
        serve();
    }
}
MODEL_PROGRAM("event_handle: destroyed while it is woken, it passes the wake on",
              {.barriers = barriers::both, .departures = 20}) {
    auto [tx, rx] = make_channel<payload>(1);
    auto h = std::make_unique<penstock::event_handle<payload>>(rx);
    MODEL_CHECK(h->try_receive().status() == status::empty);
    int got = 0;
    model::threads([&, &to = tx] { MODEL_CHECK(to.send(payload{7})); }, [&] { h.reset(); },
                   [&, &from = rx] { got = from.receive()->value(); });
    MODEL_CHECK(got == 7);
}

// ---- latest ----

MODEL_PROGRAM("latest: who waits for a change sees it", {.barriers = barriers::both}) {
    latest<int, 2> last;
    model::threads([&] { last.write(7); },
                   [&] {
                       std::uint64_t seen = 0;
                       MODEL_CHECK(last.changed(seen) == 7);
                   });
}
MODEL_PROGRAM("latest: a coroutine waits for the second change",
              {.barriers = barriers::both, .departures = 20}) {
    latest<int, 3> last;
    int got = 0;
    std::optional<coroutine> c;
    const auto watch = [](latest<int, 3>& of, int& into) -> coroutine {
        std::uint64_t seen = 0;
        while (into != 2) {
            auto v = co_await of.async_changed(seen);
            into = *v;
        }
    };
    model::threads(
        [&] {
            last.write(1);
            last.write(2);
        },
        [&] { c.emplace(watch(last, got)); });
    MODEL_CHECK(got == 2);
}

}  // namespace
