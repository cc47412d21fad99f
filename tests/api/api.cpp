// SPDX-License-Identifier: BSL-1.0
// How it feels to use Penstock, layer by layer: every line here is one that users are promised,
// spelled as they would, in the order in which the layers build on each other. Compiling is the
// test; that the lines also do what they say is checked along the way.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/persist.hpp>
#include <penstock/durable/durable_queue.hpp>
#include <penstock/penstock.hpp>

#include "support/flow.hpp"

using namespace std::chrono_literals;
using namespace penstock;

namespace {

struct job {
    int id = 0;
};
struct tick {
    int price = 0;
};
struct quake {
    std::string network;
    double mag = 0;
};
struct symbol {
    std::string name;
};
struct price {
    int cents;
};
struct order {
    int id = 0;
};
struct invoice {
    int order = 0;
};

std::atomic<int> ran{0};
void run(const job& j) { ran += j.id; }

/// A directory that is gone afterwards.
struct scratch {
    scratch() {
        std::string name =
            (std::filesystem::temp_directory_path() / "penstock-api-XXXXXX").string();
        if (!mkdtemp(name.data())) std::abort();
        path = name;
    }
    scratch(const scratch&) = delete;
    ~scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    std::filesystem::path path;
};

}  // namespace

TEST_CASE("queue: storage that never waits") {
    int shed = 0;
    auto shed_load = [&] { ++shed; };
    ran = 0;
    job out[32];

    spsc_ring<job> ring{1000};                // exactly 1,000
    if (!ring.try_push(job{7})) shed_load();  // full is an answer
    while (auto j = ring.try_pop()) run(*j);  // std::optional<job>
    std::size_t n = ring.try_pop_n(out, 32);  // batches count what went through

    CHECK(ring.capacity() == 1000);
    CHECK(shed == 0);
    CHECK(ran == 7);
    CHECK(n == 0);
    static_assert(std::is_same_v<decltype(ring.try_pop()), std::optional<job>>);
}

TEST_CASE("channel: a worker that drains and ends") {
    ran = 0;
    auto use = [] {
        auto [tx, rx] = make_channel<job>(1024);
        std::jthread worker{[rx = std::move(rx)](std::stop_token stop) {
            while (auto j = rx.receive(stop)) run(*j);
        }};
        if (!tx.send(job{7})) return;  // waits while 1,024 are queued; false: closed
        tx.close();                    // for all senders; the worker drains, then ends
        worker.join();
    };
    use();
    CHECK(ran == 7);

    auto [tx, rx] = make_channel<job, spsc_ring<job>>(1024);
    CHECK(tx.send(job{1}));
    CHECK(rx.receive()->id == 1);
}

TEST_CASE("channel: overflow, timed sends, and what is refused stays yours") {
    int misses = 0;
    auto missed = [&](const tick&) { ++misses; };
    auto [fast, in] = make_channel<tick>(
        {.capacity = 4096, .overflow = overflow::drop_oldest, .on_drop = [&](tick&& t) {
             missed(t);
         }});
    for (int i = 0; i < 4100; ++i) CHECK(fast.send(tick{i}));
    CHECK(misses == 4);
    CHECK(in.receive()->price == 4);

    auto [tx, rx] = make_channel<std::unique_ptr<job>>(1);
    std::stop_token stop;
    CHECK(tx.send(std::make_unique<job>()));
    auto j = std::make_unique<job>();
    status s =
        tx.send_for(std::move(j), 1ms, stop);  // timed_out, closed, stopped: j is still yours
    CHECK(s == status::timed_out);
    CHECK(j);
}

TEST_CASE("bus: topics") {
    std::atomic<int> paged{0}, counted{0}, woken{0}, networks{0};
    auto page = [&](const quake&) { ++paged; };
    auto count = [&](const quake&) { ++counted; };
    auto wake_up = [&](const quake&) { ++woken; };
    auto slow_down = [] {};

    thread_pool pool{4};
    bus events;  // four threads, and none
    auto alert = events.subscribe<quake>("quake.*.strong", [&](const quake& q) { page(q); });
    auto stats = events.subscribe<quake>(
        "quake.#",
        {.group = "stats", .executor = pool, .capacity = 4096, .overflow = overflow::drop_oldest},
        count);
    auto by_network = [&](const quake&) { ++networks; };
    auto net =
        events.subscribe<quake>("quake.#", {.key = &quake::network, .executor = pool}, by_network);
    auto big =
        events.subscribe<quake>("quake.#", {.where = [](auto& q) { return q.mag > 6; }}, wake_up);
    auto feed = events.subscribe<quake>("quake.#");  // no handler: receive

    auto strong = events.topic<quake>("quake.us.strong");  // resolved once
    published p = strong.publish(quake{"us", 6.1});        // counts; may wait for room
    CHECK(strong.try_publish(quake{"us", 5.0}));           // doesn't wait
    receipt r =
        strong.publish_tracked(quake{"us", 6.0});  // every subscriber's outcome, to wait for
    if (p.dropped()) slow_down();                  // matched, queued, rejected, dropped
    auto quote = [](const symbol& wanted) { return price{static_cast<int>(wanted.name.size())}; };
    auto desk = events.reply<symbol>("price.get", quote);
    auto reply = events.request<price>("price.get", symbol{"ACME"}, 100ms);

    CHECK(reply->cents == 4);
    CHECK(r.handled() >= 1);
    CHECK(p.matched() == 5);
    CHECK(p.queued() == 3);
    CHECK(p.rejected() == 0);
    CHECK(paged == 3);
    CHECK(woken == 1);
    auto first = feed.receive();
    REQUIRE(first);
    CHECK((*first)->network == "us");
    until([&] { return counted == 3 && networks == 3; });
}

TEST_CASE("durable: what a crash can't take") {
    scratch dir;
    const auto in = [&](const char* name) { return (dir.path / name).string(); };
    std::vector<int> billed;
    auto bill = [&](const order& o) { billed.push_back(o.id); };
    std::stop_source when_enough;
    const std::stop_token stop = when_enough.get_token();

    journal books{in("books"), {.sync = penstock::sync::every_append}};  // the default policy
    durable_queue<order> orders{books, "orders"};                        // typed streams of it
    durable_queue<invoice> invoices{books, "invoices"};
    order o{7};
    if (!orders.send(o)) return;             // ok: it survives power loss
    auto billing = orders.group("billing");  // own durable cursor, from the oldest
    while (auto d = billing.receive(stop)) {
        bill(*d);
        CHECK(d.accept());
        when_enough.request_stop();
    }
    CHECK(billed == std::vector<int>{7});
    CHECK(invoices.send(invoice{7}));

    bus shop;
    auto kept = shop.persist<order>("order.#", orders);  // same handlers, groups survive a restart
    CHECK(shop.publish("order.new", order{8}));
    CHECK(orders.group("another").try_receive()->id == 7);

    durable_queue<order> alone{in("alone")};  // a journal of its own
    CHECK(alone.send(o));
    CHECK(alone.group("g").try_receive()->id == 7);
}

TEST_CASE("rules: what answers tests true when ok, and stays with its owner when refused") {
    static_assert(std::is_constructible_v<bool, status> &&
                  std::is_constructible_v<bool, result<int>>);
    static_assert(std::is_constructible_v<bool, delivery<order>>);
    static_assert(!std::is_convertible_v<status, bool>);
    // A capacity has no default: leaving it out doesn't compile.
    static_assert(!std::is_default_constructible_v<channel_options<job>>);
    // Handlers and callbacks may own what can only be moved.
    unique_function<void(tick&&)> on_drop = [p = std::make_unique<int>(1)](tick&&) { ++*p; };
    CHECK(on_drop);
    // Time is a parameter.
    manual_clock time;
    channel<job> c{{.capacity = 1, .clock = time}};
    CHECK(c.receive_for(0s).status() == status::timed_out);
}
