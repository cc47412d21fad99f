// SPDX-License-Identifier: BSL-1.0
// The channel: nothing sent is lost, both sides wake, and close ends both, over each kind of gate.
#include <chrono>
#include <optional>

#include <penstock/channel/channel.hpp>
#include <penstock/channel/ends.hpp>
#include <penstock/channel/weighed.hpp>
#include <penstock/queue/mpmc_ring.hpp>
#include <penstock/queue/spsc_ring.hpp>

#include "../program.hpp"
#include "../support.hpp"

namespace {

using namespace std::chrono_literals;
using model::bag;
using model::barriers;
using model::payload;
using penstock::channel;
using penstock::mpmc_ring;
using penstock::spsc_ring;
using penstock::status;
namespace sys = penstock::sys;

/// A queue that can't be closed, for the gate that counts tickets: mpmc_ring without its close.
template <class T>
class plain_queue {
public:
    using value_type = T;
    static constexpr bool single_producer = false;
    static constexpr bool single_consumer = false;
    explicit plain_queue(std::size_t capacity) : ring_{capacity} {}
    bool try_push(T&& value) { return ring_.try_push(std::move(value)); }
    bool try_pop(T& value) { return ring_.try_pop(value); }
    std::optional<T> try_pop() { return ring_.try_pop(); }
    std::size_t size_approx() const { return ring_.size_approx(); }
    std::size_t capacity() const { return ring_.capacity(); }

private:
    mpmc_ring<T> ring_;
};

template <class Storage>
using pipe = channel<payload, Storage>;

template <class C>
bool send(C& c, int value) {
    return c.send(payload{value}) == status::ok;
}
template <class C>
void receive(C& c, bag& got, int times) {
    for (int i = 0; i < times; ++i)
        if (auto x = c.receive()) got.add(x->value());
}
template <class C>
void drain(C& c, bag& got) {
    while (auto x = c.receive()) got.add(x->value());
}

// ---- One to one ----

template <class Storage>
void one_to_one() {
    pipe<Storage> c{1};
    bag got;
    model::threads(
        [&] {
            MODEL_CHECK(send(c, 0));
            MODEL_CHECK(send(c, 1));
        },
        [&] { receive(c, got, 2); });
    MODEL_CHECK(got.values().size() == 2 && got.in_order());
}
MODEL_PROGRAM("channel over spsc_ring: capacity 1, two messages",
              {.barriers = barriers::both, .departures = 5}) {
    one_to_one<spsc_ring<payload>>();
}
MODEL_PROGRAM("channel over mpmc_ring: capacity 1, two messages",
              {.barriers = barriers::both, .departures = 14}) {
    one_to_one<mpmc_ring<payload>>();
}
MODEL_PROGRAM("channel over a plain queue: capacity 1, two messages",
              {.barriers = barriers::both, .departures = 5}) {
    one_to_one<plain_queue<payload>>();
}

// ---- Close: the sender's own, with a drain ----

template <class Storage>
void send_and_close() {
    pipe<Storage> c{1};
    bag got;
    model::threads(
        [&] {
            MODEL_CHECK(send(c, 0));
            c.close();
            MODEL_CHECK(!send(c, 1));
        },
        [&] { drain(c, got); });
    MODEL_CHECK(got.values().size() == 1);
}
MODEL_PROGRAM("channel over spsc_ring: send, close, drain",
              {.barriers = barriers::both, .departures = 14}) {
    send_and_close<spsc_ring<payload>>();
}
MODEL_PROGRAM("channel over mpmc_ring: send, close, drain", {.barriers = barriers::both}) {
    send_and_close<mpmc_ring<payload>>();
}
MODEL_PROGRAM("channel over a plain queue: send, close, drain",
              {.barriers = barriers::both, .departures = 14}) {
    send_and_close<plain_queue<payload>>();
}

// ---- Close by a third: what was sent before is received, what was refused isn't ----

template <class Storage>
void close_against_send() {
    pipe<Storage> c{1};
    bag got;
    bool sent = false;
    model::threads([&] { sent = send(c, 0); }, [&] { c.close(); }, [&] { drain(c, got); });
    MODEL_CHECK(got.values().size() == (sent ? 1u : 0u));
}
MODEL_PROGRAM("channel over spsc_ring: close against send",
              {.barriers = barriers::both, .departures = 12}) {
    close_against_send<spsc_ring<payload>>();
}
MODEL_PROGRAM("channel over mpmc_ring: close against send", {.barriers = barriers::both}) {
    close_against_send<mpmc_ring<payload>>();
}
MODEL_PROGRAM("channel over a plain queue: close against send", {.barriers = barriers::both}) {
    close_against_send<plain_queue<payload>>();
}

template <class Storage>
void close_wakes_a_sender() {
    pipe<Storage> c{1};
    MODEL_CHECK(send(c, 0));
    model::threads([&] { MODEL_CHECK(!send(c, 1)); }, [&] { c.close(); });
}
MODEL_PROGRAM("channel over spsc_ring: close wakes a sender that waits for room",
              {.barriers = barriers::both}) {
    close_wakes_a_sender<spsc_ring<payload>>();
}
MODEL_PROGRAM("channel over mpmc_ring: close wakes a sender that waits for room",
              {.barriers = barriers::both}) {
    close_wakes_a_sender<mpmc_ring<payload>>();
}
MODEL_PROGRAM("channel over a plain queue: close wakes a sender that waits for room",
              {.barriers = barriers::both}) {
    close_wakes_a_sender<plain_queue<payload>>();
}

// ---- What was done before the close is seen by who is told closed ----

template <class Storage>
void close_publishes() {
    pipe<Storage> c{1};
    int data = 0;
    model::threads(
        [&] {
            sys::wrote(&data);
            data = 7;
            c.close();
        },
        [&] {
            MODEL_CHECK(c.receive().status() == status::closed);
            sys::read(&data);
            MODEL_CHECK(data == 7);
        });
}
MODEL_PROGRAM("channel over spsc_ring: close happens before the answer closed",
              {.barriers = barriers::both}) {
    close_publishes<spsc_ring<payload>>();
}
MODEL_PROGRAM("channel over mpmc_ring: close happens before the answer closed",
              {.barriers = barriers::both}) {
    close_publishes<mpmc_ring<payload>>();
}
MODEL_PROGRAM("channel over a plain queue: close happens before the answer closed",
              {.barriers = barriers::both}) {
    close_publishes<plain_queue<payload>>();
}

// ---- Several ----

template <class Storage>
void two_senders() {
    pipe<Storage> c{1};
    bag got;
    model::threads([&] { MODEL_CHECK(send(c, 0)); }, [&] { MODEL_CHECK(send(c, 10)); },
                   [&] { receive(c, got, 2); });
    MODEL_CHECK(got.values().size() == 2);
}
MODEL_PROGRAM("channel over mpmc_ring: two senders, one receives both, capacity 1",
              {.barriers = barriers::both, .departures = 9}) {
    two_senders<mpmc_ring<payload>>();
}
MODEL_PROGRAM("channel over a plain queue: two senders, one receives both, capacity 1",
              {.barriers = barriers::both, .departures = 4}) {
    two_senders<plain_queue<payload>>();
}

template <class Storage>
void two_receivers() {
    pipe<Storage> c{1};
    bag a, b;
    model::threads(
        [&] {
            MODEL_CHECK(send(c, 0));
            MODEL_CHECK(send(c, 1));
        },
        [&] { receive(c, a, 1); }, [&] { receive(c, b, 1); });
    MODEL_CHECK(a.values().size() == 1 && b.values().size() == 1 && a.values() != b.values());
}
MODEL_PROGRAM("channel over mpmc_ring: a sender of two, two receivers, capacity 1",
              {.barriers = barriers::both, .departures = 6}) {
    two_receivers<mpmc_ring<payload>>();
}
MODEL_PROGRAM("channel over a plain queue: a sender of two, two receivers, capacity 1",
              {.barriers = barriers::both, .departures = 3}) {
    two_receivers<plain_queue<payload>>();
}

// ---- Two senders and two receivers ----

MODEL_PROGRAM("channel: two senders and two receivers, capacity 1",
              {.barriers = barriers::both, .departures = 5}) {
    pipe<mpmc_ring<payload>> c{1};
    bag a, b;
    model::threads([&] { MODEL_CHECK(send(c, 0)); }, [&] { MODEL_CHECK(send(c, 1)); },
                   [&] { receive(c, a, 1); }, [&] { receive(c, b, 1); });
    MODEL_CHECK(a.values().size() == 1 && b.values().size() == 1 && a.values() != b.values());
}
// P1 claims a slot and stalls, P2 fills the next one, its wake goes to C1, who sees nothing and sleeps
// again: when P1 has written, both receivers must get theirs.
MODEL_PROGRAM("channel: the wake over a claimed slot is not lost, two senders and two receivers",
              {.barriers = barriers::both, .departures = 7}) {
    pipe<mpmc_ring<payload>> c{2};
    bag a, b;
    model::threads([&] { MODEL_CHECK(send(c, 0)); }, [&] { MODEL_CHECK(send(c, 1)); },
                   [&] { receive(c, a, 1); }, [&] { receive(c, b, 1); });
    MODEL_CHECK(a.values().size() == 1 && b.values().size() == 1 && a.values() != b.values());
}
MODEL_PROGRAM("channel: a close among two senders and two receivers",
              {.barriers = barriers::both, .departures = 3}) {
    pipe<mpmc_ring<payload>> c{1};
    bag a, b;
    bool first = false, second = false;
    model::threads([&] { first = send(c, 0); },
                   [&] {
                       second = send(c, 1);
                       c.close();
                   },
                   [&] { drain(c, a); }, [&] { drain(c, b); });
    MODEL_CHECK(a.values().size() + b.values().size() == std::size_t{first} + second);
    MODEL_CHECK(!c.try_receive() && c.closed());
}
MODEL_PROGRAM("channel: two senders and two receivers, one of whom is stopped",
              {.barriers = barriers::both, .departures = 7}) {
    pipe<mpmc_ring<payload>> c{2};
    sys::stop_source stop;
    bag a, b;
    status told = status::ok;
    model::threads([&] { MODEL_CHECK(send(c, 0)); },
                   [&] {
                       stop.request_stop();
                       MODEL_CHECK(send(c, 1));
                   },
                   [&] {
                       auto x = c.receive(stop.get_token());
                       told = x.status();
                       if (x) a.add(x->value());
                   },
                   [&] { receive(c, b, 1); });
    MODEL_CHECK(b.values().size() == 1);
    MODEL_CHECK(told == status::ok || (told == status::stopped && c.try_receive()));
}

// ---- Overflow ----

MODEL_PROGRAM("channel: drop_oldest loses only what on_drop gets", {}) {
    bag dropped, got;
    channel<payload> c{{.capacity = 1,
                        .overflow = penstock::overflow::drop_oldest,
                        .on_drop = [&](payload&& x) { dropped.add(x.value()); }}};
    model::threads(
        [&] {
            MODEL_CHECK(send(c, 0));
            MODEL_CHECK(send(c, 1));
        },
        [&] {
            if (auto x = c.try_receive()) got.add(x->value());
        });
    while (auto x = c.try_receive()) got.add(x->value());
    MODEL_CHECK(dropped.values().size() + got.values().size() == 2);
    MODEL_CHECK(c.dropped() == dropped.values().size());
}
MODEL_PROGRAM("channel: reject leaves the value with its owner", {}) {
    bag got;
    channel<payload> c{{.capacity = 1, .overflow = penstock::overflow::reject}};
    std::uint64_t refused = 0;
    model::threads(
        [&] {
            for (int i = 0; i < 2; ++i) {
                payload mine{i};
                if (c.send(std::move(mine)) == status::full) {
                    MODEL_CHECK(mine.value() == i);
                    ++refused;
                }
            }
        },
        [&] {
            if (auto x = c.try_receive()) got.add(x->value());
        });
    while (auto x = c.try_receive()) got.add(x->value());
    MODEL_CHECK(got.values().size() + refused == 2 && c.rejected() == refused);
}

// ---- Waits that end otherwise ----

template <class Storage>
void stop_against_send() {
    pipe<Storage> c{1};
    sys::stop_source stop;
    bool got = false, stopped = false;
    model::threads([&] { MODEL_CHECK(send(c, 0)); }, [&] { stop.request_stop(); },
                   [&] {
                       auto x = c.receive(stop.get_token());
                       got = static_cast<bool>(x);
                       stopped = x.status() == status::stopped;
                   });
    MODEL_CHECK(got != stopped);
    MODEL_CHECK(static_cast<bool>(c.try_receive()) == stopped);  // then it is still there
}
MODEL_PROGRAM("channel over spsc_ring: a stopped receive loses nothing",
              {.barriers = barriers::both}) {
    stop_against_send<spsc_ring<payload>>();
}
MODEL_PROGRAM("channel over mpmc_ring: a stopped receive loses nothing",
              {.barriers = barriers::both}) {
    stop_against_send<mpmc_ring<payload>>();
}

MODEL_PROGRAM("channel: a send that times out keeps its value", {.barriers = barriers::both}) {
    channel<payload> c{1};
    MODEL_CHECK(send(c, 0));
    bag got;
    status s = status::failed;
    model::threads(
        [&] {
            payload mine{1};
            s = c.send_for(std::move(mine), 1ms);
            if (!s) MODEL_CHECK(s == status::timed_out && mine.value() == 1);
        },
        [&] { receive(c, got, 1); });
    if (auto x = c.try_receive()) got.add(x->value());
    MODEL_CHECK(got.values().size() == (s ? 2u : 1u));
}

// ---- Batches, quiescence, destruction ----

MODEL_PROGRAM("channel: a batch of two wakes both receivers",
              {.barriers = barriers::both, .departures = 6}) {
    pipe<mpmc_ring<payload>> c{2};
    bag a, b;
    model::threads(
        [&] {
            payload both[2] = {payload{0}, payload{1}};
            MODEL_CHECK(c.send_n(std::make_move_iterator(both), 2));
        },
        [&] { receive(c, a, 1); }, [&] { receive(c, b, 1); });
    MODEL_CHECK(a.values().size() == 1 && b.values().size() == 1 && a.values() != b.values());
}
template <class Storage>
void batches() {
    pipe<Storage> c{1};
    bag got;
    model::threads(
        [&] {
            payload both[2] = {payload{0}, payload{1}};
            MODEL_CHECK(c.send_n(std::make_move_iterator(both), 2));
            c.close();
        },
        [&] {
            payload out[2];
            while (auto some = c.receive_n(out, 2))
                for (std::size_t i = 0; i < some.count; ++i) got.add(out[i].value());
        });
    MODEL_CHECK(got.values().size() == 2 && got.in_order());
}
MODEL_PROGRAM("channel over spsc_ring: batches of two through capacity 1",
              {.barriers = barriers::both, .departures = 4}) {
    batches<spsc_ring<payload>>();
}
MODEL_PROGRAM("channel over mpmc_ring: batches of two through capacity 1",
              {.barriers = barriers::both, .departures = 6}) {
    batches<mpmc_ring<payload>>();
}
MODEL_PROGRAM("channel over a plain queue: batches of two through capacity 1",
              {.barriers = barriers::both, .departures = 4}) {
    batches<plain_queue<payload>>();
}

template <class Storage>
void quiescence() {
    pipe<Storage> c{1};
    MODEL_CHECK(send(c, 0));
    bag got;
    bool sent = false;
    model::threads([&] { sent = send(c, 1); },
                   [&] {
                       if (auto x = c.receive()) got.add(x->value());
                       c.close();
                       drain(c, got);
                   });
    MODEL_CHECK(c.quiesce() == status::ok);
    MODEL_CHECK(got.values().size() == (sent ? 2u : 1u));
    MODEL_CHECK(c.counts().received == got.values().size());
}
MODEL_PROGRAM("channel over mpmc_ring: quiet when all that was sent is received",
              {.barriers = barriers::both, .departures = 8}) {
    quiescence<mpmc_ring<payload>>();
}

template <class Storage>
void who_quiesces_is_woken() {
    pipe<Storage> c{1};
    MODEL_CHECK(send(c, 0));
    bag got;
    model::threads([&] { receive(c, got, 1); }, [&] { MODEL_CHECK(c.quiesce() == status::ok); });
    MODEL_CHECK(c.size_approx() == 0);
}
MODEL_PROGRAM("channel over spsc_ring: who takes the last wakes who waits for quiescence",
              {.barriers = barriers::both}) {
    who_quiesces_is_woken<spsc_ring<payload>>();
}
MODEL_PROGRAM("channel over mpmc_ring: who takes the last wakes who waits for quiescence",
              {.barriers = barriers::both}) {
    who_quiesces_is_woken<mpmc_ring<payload>>();
}
MODEL_PROGRAM("channel over a plain queue: who takes the last wakes who waits for quiescence",
              {.barriers = barriers::both}) {
    who_quiesces_is_woken<plain_queue<payload>>();
}

MODEL_PROGRAM("channel: who quiesces beside a sender that waits is woken by the last of them",
              {.barriers = barriers::both, .departures = 7}) {
    pipe<mpmc_ring<payload>> c{1};
    MODEL_CHECK(send(c, 0));
    bag got;
    model::threads([&] { MODEL_CHECK(send(c, 1)); }, [&] { receive(c, got, 2); },
                   [&] { MODEL_CHECK(c.quiesce() == status::ok); });
    MODEL_CHECK(got.values().size() == 2);
}

template <class Storage>
void destroyed_while_a_receiver_waits() {
    std::optional<pipe<Storage>> c{std::in_place, std::size_t{1}};
    model::flag inside;
    int data = 0;
    model::threads(
        [&] {
            inside.set();  // from here on it only waits
            MODEL_CHECK(c->receive().status() == status::closed);
            sys::wrote(&data);
        },
        [&] {
            while (!inside.is_set() || c->waiting_receivers_approx() == 0) sys::pause();
            c.reset();
        });
}
MODEL_PROGRAM("channel over mpmc_ring: destroyed while a receiver waits",
              {.barriers = barriers::both}) {
    destroyed_while_a_receiver_waits<mpmc_ring<payload>>();
}
MODEL_PROGRAM("channel over spsc_ring: destroyed while a receiver waits",
              {.barriers = barriers::both}) {
    destroyed_while_a_receiver_waits<spsc_ring<payload>>();
}

MODEL_PROGRAM("channel: drop_oldest drops nothing for a send that is told closed", {}) {
    channel<payload> c{{.capacity = 1, .overflow = penstock::overflow::drop_oldest}};
    MODEL_CHECK(send(c, 0));
    bool sent = false;
    model::threads([&] { sent = send(c, 1); }, [&] { c.close(); });
    MODEL_CHECK(c.dropped() == (sent ? 1u : 0u));
    MODEL_CHECK(c.try_receive()->value() == (sent ? 1 : 0));
}

// ---- A byte budget ----

MODEL_PROGRAM("channel with a byte budget: who waits for bytes is woken when they are given back",
              {.barriers = barriers::both, .departures = 4}) {
    bag got;
    channel<payload, mpmc_ring<penstock::weighed<payload>>> c{
        {.capacity = 2, .max_bytes = 2, .weigh = [](const payload&) { return std::size_t{2}; }}};
    MODEL_CHECK(send(c, 0));
    model::threads([&] { MODEL_CHECK(send(c, 1)); }, [&] { receive(c, got, 2); });
    MODEL_CHECK(got.values().size() == 2 && c.bytes_approx() == 0);
}
MODEL_PROGRAM(
    "channel with a byte budget: drop_oldest drops nothing for a send that is told closed", {}) {
    bag dropped;
    channel<payload, mpmc_ring<penstock::weighed<payload>>> c{
        {.capacity = 3,
         .overflow = penstock::overflow::drop_oldest,
         .on_drop = [&](payload&& x) { dropped.add(x.value()); },
         .max_bytes = 2,
         .weigh =
             [](const payload& x) { return x.value() == 9 ? std::size_t{2} : std::size_t{1}; }}};
    MODEL_CHECK(send(c, 0));
    MODEL_CHECK(send(c, 1));
    bool sent = false;
    model::threads([&] { sent = send(c, 9); }, [&] { c.close(); });
    MODEL_CHECK(dropped.values().size() == (sent ? 2u : 0u));
    MODEL_CHECK(c.try_receive()->value() == (sent ? 9 : 0));
}
MODEL_PROGRAM("byte_budget: who gives bytes back is done with the place of him who gets them", {}) {
    penstock::detail::byte_budget budget{1};
    penstock::detail::byte_budget::place first;
    first.weight = 1;
    MODEL_CHECK(budget.reserve(first, false));
    model::threads(
        [&] {
            penstock::detail::byte_budget::place second;
            second.weight = 1;
            if (budget.reserve(second, true) || budget.reserve(second, true)) {
                budget.spend(second);  // it goes without the mutex
                MODEL_CHECK(!budget.give_back(1));
            } else {
                (void)budget.leave(second);
            }
        },
        [&] { (void)budget.leave(first); });
    MODEL_CHECK(budget.used_approx() == 0);
}

// ---- Ends ----

MODEL_PROGRAM("channel: the last sender's end closes, the receiver drains",
              {.barriers = barriers::both}) {
    auto ends = penstock::make_channel<payload>(2);
    const auto keeps_it_alive = ends.rx;  // so that only counted atomics decide what happens
    bag got;
    {
        auto first = std::move(ends.tx);
        auto second = first;
        model::threads(
            [&first] {
                auto mine = std::move(first);
                MODEL_CHECK(mine.send(payload{0}));
            },
            [&second] {
                auto mine = std::move(second);
                MODEL_CHECK(mine.send(payload{10}));
            });
    }
    while (auto x = ends.rx.receive()) got.add(x->value());
    MODEL_CHECK(got.values().size() == 2);
}
MODEL_PROGRAM("channel: what was done through any sender's end is seen once all have gone",
              {.barriers = barriers::both}) {
    auto ends = penstock::make_channel<payload>(1);
    const auto keeps_it_alive = ends.rx;
    int a = 0, b = 0;
    auto first = std::move(ends.tx);
    auto second = first;
    const auto work_and_go = [](auto& end, int& data) {
        auto mine = std::move(end);
        sys::wrote(&data);
        data = 1;
    };
    model::threads([&] { work_and_go(first, a); }, [&] { work_and_go(second, b); },
                   [&] {
                       MODEL_CHECK(ends.rx.receive().status() == status::closed);
                       sys::read(&a);
                       sys::read(&b);
                       MODEL_CHECK(a + b == 2);
                   });
}
MODEL_PROGRAM("channel: the last receiver's end tells the sender, what nobody receives is dropped",
              {.barriers = barriers::both}) {
    bag dropped;
    std::size_t sent = 0;
    {
        auto ends = penstock::make_channel<payload>(
            {.capacity = 1, .on_drop = [&](payload&& x) { dropped.add(x.value()); }});
        const auto keeps_it_alive = ends.tx;
        model::threads(
            [&] {
                for (int i = 0; i < 2; ++i) {
                    if (!ends.tx.send(payload{i})) break;
                    ++sent;
                }
            },
            [&] { auto mine = std::move(ends.rx); });
        MODEL_CHECK(ends.tx.closed());
    }
    MODEL_CHECK(dropped.values().size() == sent);
}

}  // namespace
