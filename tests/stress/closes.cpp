// SPDX-License-Identifier: BSL-1.0
// Closes raced against everything: each round is a channel, five who send or receive in ways that chance
// picks, and an end that comes at any moment: a close, a discard, the last sender or receiver gone, the
// channel destroyed. All must come to their end and be told why; each element is received once, or
// dropped and counted.
//
// PENSTOCK_STRESS_CLOSES says how many rounds (1,500); a million take some minutes. A watchdog ends the
// program when nothing has moved for a minute, and prints who waits, how, and for what.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <thread>

#include <doctest/doctest.h>
#include <poll.h>

#include <penstock/channel/async.hpp>
#include <penstock/channel/event_handle.hpp>
#include <penstock/channel/select.hpp>

#include "stress/watchdog.hpp"
#include "support/coroutine.hpp"
#include "support/flow.hpp"

using namespace std::chrono_literals;
using penstock::batch_result;
using penstock::on;
using penstock::receiver;
using penstock::sender;
using penstock::status;

namespace {

using dice = std::minstd_rand;
constexpr std::size_t workers = 5;
constexpr long no_limit = 1L << 60;

enum class end { close, discard, last_sender, last_receiver, destroy };
const char* const ends[] = {
    "close", "close_and_discard", "last sender gone", "last receiver gone", "destroyed"};
enum class way {
    thread,
    timed,
    batch,
    select,
    coroutine,
    on_executor,
    coroutine_batch,
    async_select,
    event_handle
};
const char* const ways[] = {
    "thread",      "thread with a time limit", "thread, in batches",    "select",
    "coroutine",   "coroutine on an executor", "coroutine, in batches", "coroutine's select",
    "event handle"};

/// How many elements, and their sum.
struct tally {
    std::atomic<long> n{0}, sum{0};
    void add(long v) {
        ++n;
        sum += v;
    }
};

struct round_of {
    end how = end::close;
    std::size_t capacity = 1;
    tally sent{}, received{}, dropped{};
    std::optional<sender<long>> tx{};
    std::optional<receiver<long>> rx{};
    std::unique_ptr<penstock::channel<long>> alone{};  // to be destroyed
    bool alone_sends = false;
    std::atomic<std::size_t> inside{0};
    std::atomic<long> left{0};  // elements until a worker ends it, in between two operations
    std::atomic<bool> ended{false};

    void end_it();
    void sent_one(long v) {
        sent.add(v);
        if (--left == 0) end_it();
    }
    void received_one(long v) {
        received.add(v);
        if (--left == 0) end_it();
    }
};

/// One of those who take part in the rounds; what the watchdog says of it.
struct worker {
    std::size_t number = 0;
    dice chance{1};
    bool sends = false;
    std::atomic<way> by{way::thread};
    std::atomic<const char*> doing{"nothing"};
    std::atomic<long> told_closed{0};

    long next() { return static_cast<long>(chance() % 1000) + 1; }

    // ---- Sending: until told closed, or `limit` are in.

    status send_all(const sender<long>& tx, round_of& in, long limit) {
        switch (by) {
            case way::thread:
            case way::timed: return send_each(tx, in, limit);
            case way::batch: return send_batches(tx, in, limit);
            case way::select: return send_by_select(tx, in, limit);
            default: break;
        }
        manual_executor strand;
        std::optional<status> answer;
        penstock::resume_on where;
        if (by == way::on_executor || by == way::async_select) where = strand;
        coroutine c = by == way::coroutine_batch ? batches(tx, in, limit, answer)
                      : by == way::async_select  ? selects(tx, in, limit, where, answer)
                                                 : each(tx, in, limit, where, answer);
        return run(c, strand, answer);
    }
    status send_each(const sender<long>& tx, round_of& in, long limit) {
        while (limit-- > 0) {
            const long v = next();
            status s = status::timed_out;
            while (s == status::timed_out)
                s = by == way::timed ? tx.send_for(v, 1us * (v % 20)) : tx.send(v);
            if (!s) return s;
            in.sent_one(v);
        }
        return status::ok;
    }
    status send_batches(const sender<long>& tx, round_of& in, long limit) {
        while (limit > 0) {
            const auto some = numbers();
            const auto n = static_cast<std::size_t>(std::min<long>(3, limit));
            const batch_result r = tx.send_n(some.begin(), n);
            for (std::size_t i = 0; i < r.count; ++i) in.sent_one(some[i]);
            if (!r) return r.status;
            limit -= static_cast<long>(n);
        }
        return status::ok;
    }
    status send_by_select(const sender<long>& tx, round_of& in, long limit) {
        auto never = penstock::make_channel<int>(1);
        while (limit-- > 0) {
            long v = next();
            const long keep = v;
            status s = status::failed;
            (void)penstock::select(on(
                                       tx, v, [&] { s = status::ok; }, [&] { s = status::closed; }),
                                   on(never.rx, [](int) {}));
            if (!s) return s;
            in.sent_one(keep);
        }
        return status::ok;
    }
    coroutine each(const sender<long>& tx, round_of& in, long limit, penstock::resume_on where,
                   std::optional<status>& answer) {
        status s = status::ok;
        while (limit-- > 0) {
            const long v = next();
            s = co_await tx.async_send(v, {}, where);
            if (!s) break;
            in.sent_one(v);
        }
        answer = s;
    }
    coroutine batches(const sender<long>& tx, round_of& in, long limit,
                      std::optional<status>& answer) {
        batch_result r{};
        while (limit > 0) {
            const auto some = numbers();
            const auto n = static_cast<std::size_t>(std::min<long>(3, limit));
            r = co_await tx.async_send_n(some.begin(), n);
            for (std::size_t i = 0; i < r.count; ++i) in.sent_one(some[i]);
            if (!r) break;
            limit -= static_cast<long>(n);
        }
        answer = r.status;
    }
    coroutine selects(const sender<long>& tx, round_of& in, long limit, penstock::resume_on where,
                      std::optional<status>& answer) {
        auto never = penstock::make_channel<int>(1);
        status s = status::ok;
        while (limit-- > 0) {
            long v = next();
            const long keep = v;
            const auto r = co_await penstock::async_select(
                on(
                    tx, v, [] {}, [&] { s = status::closed; }),
                on(never.rx, [](int) {}), where);
            if (!r || !s) break;
            in.sent_one(keep);
        }
        answer = s;
    }
    std::array<long, 3> numbers() { return {next(), next(), next()}; }

    // ---- Receiving, likewise.

    status receive_all(const receiver<long>& rx, round_of& in, long limit) {
        switch (by) {
            case way::thread:
            case way::timed: return receive_each(rx, in, limit);
            case way::batch: return receive_batches(rx, in, limit);
            case way::select: return receive_by_select(rx, in, limit);
            case way::event_handle: return serve(rx, in, limit);
            default: break;
        }
        manual_executor strand;
        std::optional<status> answer;
        penstock::resume_on where;
        if (by == way::on_executor || by == way::async_select) where = strand;
        coroutine c = by == way::coroutine_batch ? batches(rx, in, limit, answer)
                      : by == way::async_select  ? selects(rx, in, limit, where, answer)
                                                 : each(rx, in, limit, where, answer);
        return run(c, strand, answer);
    }
    status receive_each(const receiver<long>& rx, round_of& in, long limit) {
        while (limit-- > 0) {
            auto r = by == way::timed ? rx.receive_for(1us * (next() % 20)) : rx.receive();
            while (r.status() == status::timed_out) r = rx.receive_for(1us * (next() % 20));
            if (!r) return r.status();
            in.received_one(*r);
        }
        return status::ok;
    }
    status receive_batches(const receiver<long>& rx, round_of& in, long limit) {
        long out[3];
        while (limit > 0) {
            const batch_result r =
                rx.receive_n(out, static_cast<std::size_t>(std::min<long>(3, limit)));
            for (std::size_t i = 0; i < r.count; ++i) in.received_one(out[i]);
            if (!r) return r.status;
            limit -= static_cast<long>(r.count);
        }
        return status::ok;
    }
    status receive_by_select(const receiver<long>& rx, round_of& in, long limit) {
        auto never = penstock::make_channel<int>(1);
        while (limit-- > 0) {
            status s = status::ok;
            (void)penstock::select(
                on(
                    rx, [&](long v) { in.received_one(v); }, [&] { s = status::closed; }),
                on(never.rx, [](int) {}));
            if (!s) return s;
        }
        return status::ok;
    }
    status serve(const receiver<long>& rx, round_of& in, long limit) {
        penstock::event_handle h{rx};
        while (limit > 0) {
            const auto r = h.try_receive();
            if (r) {
                in.received_one(r.operator->()[0]);
                --limit;
            } else if (r.status() == status::closed) {
                return status::closed;
            } else {
                pollfd p{};
                p.fd = h.fd();
                p.events = POLLIN;
                while (::poll(&p, 1, -1) < 0) {
                }
            }
        }
        return status::ok;
    }
    coroutine each(const receiver<long>& rx, round_of& in, long limit, penstock::resume_on where,
                   std::optional<status>& answer) {
        status s = status::ok;
        while (limit-- > 0) {
            auto r = co_await rx.async_receive({}, where);
            s = r.status();
            if (!r) break;
            in.received_one(*r);
        }
        answer = s;
    }
    coroutine batches(const receiver<long>& rx, round_of& in, long limit,
                      std::optional<status>& answer) {
        long out[3];
        batch_result r{};
        while (limit > 0) {
            r = co_await rx.async_receive_n(
                out, static_cast<std::size_t>(std::min<long>(3, limit)));
            for (std::size_t i = 0; i < r.count; ++i) in.received_one(out[i]);
            if (!r) break;
            limit -= static_cast<long>(r.count);
        }
        answer = r.status;
    }
    coroutine selects(const receiver<long>& rx, round_of& in, long limit, penstock::resume_on where,
                      std::optional<status>& answer) {
        auto never = penstock::make_channel<int>(1);
        status s = status::ok;
        while (limit-- > 0) {
            const auto r = co_await penstock::async_select(
                on(
                    rx, [&](long v) { in.received_one(v); }, [&] { s = status::closed; }),
                on(never.rx, [](int) {}), where);
            if (!r || !s) break;
        }
        answer = s;
    }

    /// Until it is over, in whatever thread that is.
    static status run(coroutine& c, manual_executor& strand, std::optional<status>& answer) {
        until([&] {
            strand.run();
            return c.done();
        });
        return *answer;
    }

    // ---- A round

    void take_part(round_of& r, sender<long> tx, receiver<long> rx) {
        if (r.how == end::destroy) return be_inside(r);
        const bool limited = r.how == (sends ? end::last_sender : end::last_receiver);
        const long limit = limited ? static_cast<long>(chance() % 5) : no_limit;
        if (sends) rx = {};
        if (!sends) tx = {};
        doing = sends ? "sending: waits for room" : "receiving: waits for an element";
        const status s = sends ? send_all(tx, r, limit) : receive_all(rx, r, limit);
        CHECK(s == (limited && s != status::closed ? status::ok : status::closed));
        if (s == status::closed) ++told_closed;
        doing = "letting go of its end";
        tx = {};
        rx = {};
        doing = "nothing";
    }
    /// Waits in a channel that is destroyed meanwhile. Threads only, says channel/channel.hpp.
    void be_inside(round_of& r) {
        doing = r.alone_sends ? "sending to what is destroyed" : "receiving from what is destroyed";
        penstock::channel<long>& c = *r.alone;
        ++r.inside;  // from here on only the channel itself says when it may go
        const status s = r.alone_sends ? c.send(1) : c.receive().status();
        CHECK(s == status::closed);
        if (s == status::closed) ++told_closed;
        doing = "nothing";
    }
};

/// All threads meet here, before and after each round.
class meeting {
public:
    explicit meeting(std::size_t n) : n_{n} {}
    void meet() {
        const auto now = round_.load();
        if (arrived_.fetch_add(1) + 1 == n_) {
            arrived_ = 0;
            ++round_;
        } else {
            until([&] { return round_.load() != now; });
        }
    }

private:
    const std::size_t n_;
    std::atomic<std::size_t> arrived_{0};
    std::atomic<long> round_{0};
};

void prepare(round_of& r, dice& chance, std::array<worker, workers>& all) {
    r.how = static_cast<end>(chance() % 5);
    r.capacity = 1 + chance() % 3;
    for (tally* t : {&r.sent, &r.received, &r.dropped}) t->n = t->sum = 0;
    r.inside = 0;
    r.left = 1 + static_cast<long>(chance() % 40);
    r.ended = false;
    penstock::channel_options<long> options{
        .capacity = r.capacity,
        .on_drop = [&r](long&& v) { r.dropped.add(v); },
        .wait = chance() % 2 ? penstock::wait_policy::park : penstock::wait_policy::hybrid};
    if (r.how == end::destroy) {
        r.alone_sends = chance() % 2;
        r.alone = std::make_unique<penstock::channel<long>>(std::move(options));
        for (std::size_t i = 0; r.alone_sends && i < r.capacity; ++i) {
            CHECK(r.alone->send(1));
            r.sent.add(1);
        }
    } else {
        auto made = penstock::make_channel<long>(std::move(options));
        r.tx = std::move(made.tx);
        r.rx = std::move(made.rx);
    }
    for (worker& w : all) {  // at least one of each side, so that limits are reached
        w.sends = w.number == 0 || (w.number != 1 && chance() % 2);
        w.by = r.how == end::destroy ? way::thread : static_cast<way>(chance() % (w.sends ? 8 : 9));
    }
}

void round_of::end_it() {
    if (ended.exchange(true)) return;
    switch (how) {
        case end::close: capacity % 2 ? tx->close() : rx->close(); break;
        case end::discard: rx->close_and_discard(); break;
        case end::last_sender: tx.reset(); break;
        case end::last_receiver: rx.reset(); break;
        case end::destroy: alone.reset(); break;
    }
}

/// The closer's: after a moment, if no worker was faster.
void finish(round_of& r, dice& chance) {
    if (r.how == end::destroy) {
        const auto waiting = [&] {
            return r.alone->waiting_senders_approx() + r.alone->waiting_receivers_approx();
        };
        until([&] { return r.inside == workers && waiting() == workers; });
    } else if (chance() % 2) {
        for (int i = 0; i < 20 && !r.ended; ++i) std::this_thread::yield();
    }
    r.end_it();
}

}  // namespace

TEST_CASE("closes of every kind, raced against everything that waits") {
    const char* text = std::getenv("PENSTOCK_STRESS_CLOSES");
    const long rounds = text ? std::atol(text) : 1'500;
    const char* seed = std::getenv("PENSTOCK_STRESS_SEED");
    dice chance{seed ? static_cast<unsigned>(std::atol(seed)) : 7u};
    round_of r;
    std::array<worker, workers> all;
    for (std::size_t i = 0; i < workers; ++i) {
        all[i].number = i;
        all[i].chance.seed(static_cast<unsigned>(chance()));
    }
    std::atomic<long> done{0};
    long elements = 0, by_end[5] = {};
    std::atomic<const char*> closer{"nothing"};
    watchdog dog{
        [&] { return done + r.sent.n + r.received.n; },
        [&] {
            std::printf("nothing moves in round %ld, which ends by: %s; the closer: %s\n",
                        done.load(), ends[static_cast<int>(r.how)], closer.load());
            for (const worker& w : all)
                std::printf("  worker %zu, %s: %s\n", w.number, ways[static_cast<int>(w.by.load())],
                            w.doing.load());
            std::printf("  %ld sent, %ld received, %ld dropped\n", r.sent.n.load(),
                        r.received.n.load(), r.dropped.n.load());
            if (!r.rx && !r.tx) return;
            auto& core = r.rx ? penstock::detail::channel_access::core(*r.rx)
                              : penstock::detail::channel_access::core(*r.tx);
            std::printf(
                "  capacity %zu, %zu in, closed: %d, drained: %d; in line: %zu to receive, "
                "%zu to send\n",
                r.capacity, core.content().size(), core.closed(), core.drained(),
                core.receivers().waiting_approx(), core.senders().waiting_approx());
        }};
    meeting all_here{workers + 1};
    in_threads(workers + 1, [&](std::size_t who) {
        for (long n = 0; n < rounds; ++n) {
            if (who < workers) {
                all_here.meet();
                sender<long> tx = r.tx ? *r.tx : sender<long>{};
                receiver<long> rx = r.rx ? *r.rx : receiver<long>{};
                all_here.meet();  // all have their ends: the closer may let go of his
                all[who].take_part(r, std::move(tx), std::move(rx));
                all_here.meet();
                continue;
            }
            prepare(r, chance, all);
            all_here.meet();
            all_here.meet();
            closer = "ends it";
            finish(r, chance);
            closer = "waits for all";
            all_here.meet();
            r.tx.reset();
            r.rx.reset();  // what is in goes to on_drop
            CHECK(r.sent.n == r.received.n + r.dropped.n);
            CHECK(r.sent.sum == r.received.sum + r.dropped.sum);
            elements += r.sent.n;
            ++by_end[static_cast<int>(r.how)];
            ++done;
        }
    });
    long told = 0;
    for (const worker& w : all) told += w.told_closed;
    std::printf("%ld closes, %ld elements, %ld waits told closed:", done.load(), elements, told);
    for (int e = 0; e < 5; ++e) std::printf(" %ld %s%s", by_end[e], ends[e], e < 4 ? "," : "\n");
    CHECK(done == rounds);
    CHECK(coroutine::frames() == 0);
}
