// SPDX-License-Identifier: BSL-1.0
// Cancelled waits raced against senders: receivers of every kind that give up by time, by a stop
// token, by being destroyed, or because another case of their select won. Each message is received
// once, in all; nobody hangs.
//
// PENSTOCK_STRESS_WAITS says how many waits are cancelled (20,000); a million take some minutes.
// A watchdog ends the program, and prints who waits where, when nothing has moved for a minute.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/channel/async.hpp>
#include <penstock/channel/event_handle.hpp>
#include <penstock/channel/select.hpp>

#include "stress/watchdog.hpp"
#include "support/coroutine.hpp"
#include "support/flow.hpp"

using namespace std::chrono_literals;
using penstock::on;
using penstock::status;

namespace {

long waits_wanted() {
    const char* text = std::getenv("PENSTOCK_STRESS_WAITS");
    return text ? std::atol(text) : 20'000;
}

/// Numbers that any receiver may get, each once.
class ledger {
public:
    void got(long n) {
        sum_ += n;
        ++count_;
    }
    [[nodiscard]] long count() const { return count_; }
    [[nodiscard]] bool balanced(long sent) const {
        return count_ == sent && sum_ == sent * (sent - 1) / 2;
    }

private:
    std::atomic<long> sum_{0}, count_{0};
};

struct outcome {
    long cancelled = 0, received = 0;
};

/// One wait that is meant to be cancelled, of a kind and by a way that chance picks.
class canceller {
public:
    canceller(penstock::receiver<long> rx, ledger& l, unsigned seed)
        : rx_{std::move(rx)}, ledger_{l}, random_{seed} {
        auto never = penstock::make_channel<int>(1);
        never_tx_ = std::move(never.tx);
        never_ = std::move(never.rx);
    }

    /// True: the wait was cancelled; false: it got a message.
    bool one() {
        switch (random_() % 7) {
            case 0: return took(rx_.receive_for(1us * static_cast<int>(random_() % 20)));
            case 1: return stopped_thread();
            case 2: return stopped_coroutine();
            case 3: return destroyed_coroutine();
            case 4: return lost_select();
            case 5: return destroyed_select();
            default: return destroyed_handle();
        }
    }

private:
    bool took(penstock::result<long> r) {
        if (r) ledger_.got(*r);
        return !r;
    }
    bool stopped_thread() {
        std::stop_source stop;
        std::jthread other{[&] { stop.request_stop(); }};
        return took(rx_.receive(stop.get_token()));
    }
    coroutine receive(std::stop_token stop, penstock::resume_on where, std::optional<bool>& end) {
        auto r = co_await rx_.async_receive(stop, where);
        end = took(std::move(r));
    }
    bool stopped_coroutine() {
        std::stop_source stop;
        std::optional<bool> cancelled;
        coroutine c = receive(stop.get_token(), {}, cancelled);
        stop.request_stop();
        until([&] { return c.done(); });  // a sender may be running it
        return *cancelled;
    }
    bool destroyed_coroutine() {
        manual_executor strand;
        std::optional<bool> cancelled;
        coroutine c = receive({}, strand, cancelled);
        for (auto n = random_() % 3; n > 0; --n) strand.run();
        c.destroy();
        strand.run();
        return cancelled.value_or(true);
    }
    bool lost_select() {
        bool cancelled = false;
        std::jthread other;
        if (random_() % 2) {
            other = std::jthread{[this] { (void)never_tx_.try_send(1); }};
        } else {
            (void)never_tx_.try_send(1);
        }
        (void)penstock::select(
            on(rx_, [&](long n) { ledger_.got(n); }), on(never_, [&](int) { cancelled = true; }));
        other = {};
        (void)never_.try_receive();
        return cancelled;
    }
    coroutine select_in(penstock::resume_on where, bool& got) {
        const auto s = co_await penstock::async_select(
            on(rx_,
               [&](long n) {
                   ledger_.got(n);
                   got = true;
               }),
            on(never_, [](int) {}), where);
        (void)s;
    }
    bool destroyed_select() {
        manual_executor strand;
        bool got = false;
        coroutine c = select_in(strand, got);
        for (auto n = random_() % 3; n > 0; --n) strand.run();
        c.destroy();
        strand.run();
        return !got;
    }
    bool destroyed_handle() {
        penstock::event_handle h{rx_};
        return took(h.try_receive());
    }

    penstock::receiver<long> rx_;
    penstock::sender<int> never_tx_{};
    penstock::receiver<int> never_{};
    ledger& ledger_;
    std::minstd_rand random_;
};

}  // namespace

TEST_CASE("cancelled waits lose nothing and take nothing twice") {
    auto [tx, rx] = penstock::make_channel<long>(2);
    ledger account;
    std::atomic<long> cancelled{0}, next{0}, sent{0};
    const long wanted = waits_wanted();
    auto& core = penstock::detail::channel_access::core(rx);
    watchdog dog{
        [&] { return cancelled + account.count(); },
        [&] {
            std::printf(
                "nothing moves: %ld cancelled, %ld sent, %ld received; %zu wait to "
                "receive, %zu to send, %zu in\n",
                cancelled.load(), sent.load(), account.count(), core.receivers().waiting_approx(),
                core.senders().waiting_approx(), core.content().size());
        }};
    std::atomic<int> cancelling{3};
    in_threads(6, [&, &own_tx = tx, &own_rx = rx](std::size_t who) {
        if (who < 2) {  // one message for about three waits
            std::minstd_rand random{static_cast<unsigned>(who) + 7};
            while (cancelling > 0) {
                const long n = next++;
                if (random() % 2) {
                    CHECK(own_tx.send(n));
                } else {
                    long value = n;
                    CHECK(penstock::select(on(own_tx, value)));
                }
                ++sent;
                for (auto pause = random() % 4; pause > 0; --pause) std::this_thread::yield();
            }
        } else if (who == 2) {  // one that is never cancelled, so that no sender waits for ever
            while (auto r = own_rx.receive()) account.got(*r);
        } else {
            canceller c{own_rx, account, static_cast<unsigned>(who)};
            while (cancelled < wanted) cancelled += c.one();
            if (--cancelling == 0) {
                until([&] { return core.senders().waiting_approx() == 0 && sent == next; });
                own_tx.close();
            }
        }
    });
    std::printf("%ld waits cancelled, %ld messages\n", cancelled.load(), sent.load());
    CHECK(account.balanced(sent));
    CHECK(coroutine::frames() == 0);
}
