// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <csignal>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <penstock/bus/persist.hpp>
#include <penstock/bus/thread_pool.hpp>
#include <penstock/durable/durable_queue.hpp>

#include "bus/manual_executor.hpp"
#include "durable/scratch.hpp"
#include "support/flow.hpp"

using namespace penstock;
using namespace std::chrono_literals;

namespace {

struct order {
    std::uint64_t id = 0;
    std::uint64_t cents = 0;
};
const journal_options small{.sync = sync::process_crash, .segment_bytes = 64 * 1024};
using orders_queue = durable_queue<order>;
using ids = std::vector<std::uint64_t>;

/// A program with one group, run again and again on the same journal.
struct program {
    explicit program(const std::string& path, const char* by = "order.#") : queue{path, small} {
        kept = shop.persist<order>("order.#", queue);
        billing = shop.subscribe<order>(
            by, {.group = "billing", .executor = later}, [this](const message<order>& o) {
                handled.push_back(o->id);
                topics.push_back(o.topic());
                if (fails > 0 && fails-- > 0) throw std::runtime_error{"not this time"};
            });
    }
    published send(std::uint64_t id, const char* topic = "order.new") {
        return shop.publish(topic, order{id, 100});
    }

    orders_queue queue;
    manual_executor later;
    ids handled;
    std::vector<std::string> topics;
    int fails = 0;
    bus shop;
    subscription kept, billing;
};

}  // namespace

TEST_CASE("what is published is in the journal first, and its groups go on after a restart") {
    scratch dir;
    {
        program p{dir.path("q")};
        const published answer = p.send(1);
        CHECK(answer);
        CHECK(answer.handled() == 1);  // the journal
        CHECK(answer.matched() == 1);
        CHECK(p.send(2, "order.changed"));
        CHECK(p.handled.empty());
        REQUIRE(p.later.run_one());
        CHECK(p.handled == ids{1, 2});
        CHECK(p.topics == std::vector<std::string>{"order.new", "order.changed"});
        CHECK(p.send(3));
        CHECK(p.send(4));
        CHECK(p.kept.counts().handled == 4);
        CHECK(p.billing.counts().handled == 2);
        CHECK(p.billing.counts().received == 2);
    }
    {
        program p{dir.path("q")};
        p.later.run_all();
        CHECK(p.handled == ids{3, 4});
        CHECK(p.send(5));
        p.later.run_all();
        CHECK(p.handled == ids{3, 4, 5});
    }
    program p{dir.path("q")};
    p.later.run_all();
    CHECK(p.handled.empty());
    CHECK(p.shop.quiesce_for(0s) == status::ok);
}

TEST_CASE("a refusal of the store is the publish's answer, and nobody else gets the message") {
    scratch dir;
    int seen = 0;
    bus shop;
    auto early = shop.subscribe<std::string>("text.#", [&](const std::string&) { ++seen; });
    durable_queue<std::string> queue{dir.path("q"), small};
    auto kept = shop.persist<std::string>("text.#", queue);  // goes first all the same
    auto late = shop.subscribe<std::string>("text.a", [&](const std::string&) { ++seen; });
    const auto a = shop.topic<std::string>("text.a");
    const published ok = a.publish("small");
    CHECK(ok.handled() == 3);
    CHECK(seen == 2);
    std::string large(64 * 1024, 'x');
    const published refused = a.publish(std::move(large));
    CHECK_FALSE(refused);
    CHECK(refused.status() == status::too_large);
    CHECK(refused.rejected() == 1);
    CHECK(large.size() == 64 * 1024);  // still ours
    CHECK(seen == 2);
    queue.close();
    CHECK(a.publish("late").status() == status::closed);
    CHECK(seen == 2);
    CHECK(kept.counts().rejected == 2);
    kept.cancel();
    CHECK(a.publish("in memory").handled() == 2);
}

TEST_CASE(
    "a handler that throws gets its message again; one that is done with does not come back") {
    scratch dir;
    {
        program p{dir.path("q")};
        p.fails = 3;
        CHECK(p.send(1));
        CHECK(p.send(2));
        p.later.run_all();
        CHECK(p.handled == ids{1, 1, 1, 1, 2});
        CHECK(p.billing.counts().failed == 3);
        CHECK(p.billing.counts().handled == 2);
        CHECK(p.billing.counts().received == 5);
    }
    program p{dir.path("q")};
    p.later.run_all();
    CHECK(p.handled.empty());
}

TEST_CASE(
    "a narrower group gets its topics only, by where its messages only, and so does each other") {
    scratch dir;
    for (int start = 0; start < 2; ++start) {
        orders_queue queue{dir.path("q"), small};
        manual_executor later;
        ids news, dear, all, live;
        bus shop;
        auto kept = shop.persist<order>("order.#", queue);
        const auto to = [](ids& seen) { return [&seen](const order& o) { seen.push_back(o.id); }; };
        auto a = shop.subscribe<order>("order.*.new", {.group = "g", .executor = later}, to(news));
        auto b = shop.subscribe<order>(
            "order.#",
            {.where = [](const order& o) { return o.cents > 50; },
             .group = "dear",
             .executor = later},
            to(dear));
        auto c = shop.subscribe<order>("order.#", {.group = "g", .executor = later}, to(all));
        auto d = shop.subscribe<order>("#", {.group = "wider", .executor = later}, to(live));
        if (start == 0) {
            CHECK(shop.publish("order.eu.new", order{1, 10}));
            CHECK(shop.publish("order.eu.old", order{2, 90}));
            const published p = shop.publish("order.us.new", order{3, 70});
            CHECK(p.handled() == 1);
            CHECK(p.queued() == 1);  // the group that is wider than what is kept
            later.run_all();
            CHECK(live == ids{1, 2, 3});
            REQUIRE(queue.send(order{4, 80}));  // no topic
            later.run_all();
        } else {
            later.run_all();
        }
        CHECK(news == (start == 0 ? ids{1, 3} : ids{}));
        CHECK(dear == (start == 0 ? ids{2, 3, 4} : ids{}));
        CHECK(all == (start == 0 ? ids{1, 2, 3, 4} : ids{}));
    }
    orders_queue queue{dir.path("q"), small};
    CHECK(queue.group("g order.*.new").try_receive().status() == status::empty);
    CHECK(queue.group("another").try_receive()->id == 1);
}

TEST_CASE("what others send to the queue, or accept by a transaction, rings the group") {
    scratch dir;
    journal books{dir.path("j"), small};
    orders_queue orders{books, "orders"};
    manual_executor later;
    ids seen;
    bus shop;
    auto kept = shop.persist<order>("order.#", orders);
    auto s = shop.subscribe<order>(
        "order.#", {.group = "g", .executor = later}, [&](const message<order>& o) {
            CHECK(o.topic().empty());
            seen.push_back(o->id);
        });
    later.run_all();
    REQUIRE(orders.send(order{1}));
    CHECK(later.waiting() == 1);
    later.run_all();
    REQUIRE(books.transact([&](auto& t) { t.send(orders, order{2}); }));
    later.run_all();
    REQUIRE(orders.send_all(std::vector<order>{{3}, {4}}));
    later.run_all();
    CHECK(seen == ids{1, 2, 3, 4});
}

TEST_CASE("an ended group leaves what it has not handled, and the wakes it got, to others") {
    scratch dir;
    program p{dir.path("q")};
    p.later.run_all();
    auto outside = p.queue.group("billing");
    std::jthread waits{[&] {
        auto d = outside.receive();
        CHECK(d->id == 1);
        CHECK(d.accept());
    }};
    until([&] { return outside.receivers().waiting_approx() == 2; });
    p.billing.cancel();
    CHECK(p.send(1));
    waits.join();
    CHECK(p.handled.empty());
    // The subscription can come back.
    CHECK(p.send(2));
    ids seen;
    auto again = p.shop.subscribe<order>("order.#", {.group = "billing", .executor = p.later},
                                         [&](const order& o) { seen.push_back(o.id); });
    p.later.run_all();
    CHECK(seen == ids{2});
    CHECK(p.shop.close());
    CHECK_FALSE(p.send(3));
    p.later.run_all();
    CHECK(p.queue.send(order{4}));  // rings nobody any more
    CHECK(p.later.waiting() == 0);
}

TEST_CASE("what contradicts a store is refused with the cure") {
    scratch dir;
    orders_queue queue{dir.path("q"), small};
    manual_executor later;
    bus shop;
    const auto nothing = [](const order&) {};
    {
        auto s = shop.subscribe<order>("order.new", {.group = "g", .executor = later}, nothing);
        CHECK_THROWS_AS((void)shop.persist<order>("order.#", queue), std::invalid_argument);
    }
    auto kept = shop.persist<order>("order.#", queue);
    CHECK_THROWS_AS((void)shop.subscribe<order>("order.#", {.group = "g"}), std::invalid_argument);
    CHECK_THROWS_AS((void)shop.subscribe<order>(
                        "order.#", {.group = "g", .key = &order::id, .executor = later}, nothing),
                    std::invalid_argument);
    CHECK_THROWS_AS(
        (void)shop.subscribe<order>(
            "order.#", {.group = "g", .executor = later, .overflow = overflow::drop_oldest},
            nothing),
        std::invalid_argument);
    // Without a group, all of it is as in memory.
    auto pulled = shop.subscribe<order>("order.#");
    CHECK(shop.publish("order.new", order{1}));
    CHECK((*pulled.receive())->id == 1);
}

TEST_CASE("a message that can't be decoded ends its group, and on_error is told") {
    scratch dir;
    std::string told;
    orders_queue queue{dir.path("q"), small};
    manual_executor later;
    ids seen;
    bus shop{{.on_error = [&](const failure& f) {
        try {
            std::rethrow_exception(f.error);
        } catch (const std::exception& e) {
            told = e.what();
        }
    }}};
    auto kept = shop.persist<order>("order.#", queue);
    auto s = shop.subscribe<order>("order.#", {.group = "g", .executor = later},
                                   [&](const order& o) { seen.push_back(o.id); });
    REQUIRE(queue.send(order{1}));
    auto broken = queue.reserve(3);
    REQUIRE(broken->commit(3));
    REQUIRE(queue.send(order{2}));
    later.run_all();
    CHECK(seen == ids{1});
    CHECK(told.find("size") != std::string::npos);
    CHECK(s.active());
}

TEST_CASE(
    "members in several threads share a kept group, publishers in others: each message once") {
    scratch dir;
    constexpr std::uint64_t count = 2000;
    std::mutex m;
    std::map<std::uint64_t, int> seen;
    {
        orders_queue queue{dir.path("q"), small};
        thread_pool pool{3};
        bus shop;
        auto kept = shop.persist<order>("order.#", queue);
        const auto handle = [&](const order& o) {
            std::lock_guard lock{m};
            ++seen[o.id];
        };
        auto a = shop.subscribe<order>(
            "order.#", {.group = "g", .prefetch = 2, .executor = pool}, handle);
        auto b = shop.subscribe<order>("order.#", {.group = "g", .executor = own_thread}, handle);
        std::vector<std::jthread> publishers;
        for (std::uint64_t p = 0; p < 2; ++p)
            publishers.emplace_back([&, p] {
                for (std::uint64_t i = p; i < count; i += 2)
                    CHECK(shop.publish("order.new", order{i}));
            });
        publishers.clear();
        CHECK(shop.quiesce_for(60s));
        CHECK(a.counts().handled + b.counts().handled == count);
    }
    CHECK(seen.size() == count);
    for (auto& [id, times] : seen) CHECK(times == 1);
}

TEST_CASE("covers: as often as all names say so") {
    const char* const words[]{"a", "b", "*", "#"};
    std::vector<std::string> patterns, names;
    for (int n = 1; n <= 3; ++n)
        for (int i = 0; i < (1 << 2 * n); ++i) {
            std::string p;
            for (int w = 0; w < n; ++w)
                p += (w > 0 ? "." : "") + std::string{words[i >> 2 * w & 3]};
            patterns.push_back(p);
        }
    const char* const letters[]{"a", "b", "c"};
    for (int n = 1; n <= 5; ++n) {
        int all = 1;
        for (int w = 0; w < n; ++w) all *= 3;
        for (int i = 0; i < all; ++i) {
            std::string name;
            for (int w = 0, rest = i; w < n; ++w, rest /= 3)
                name += (w > 0 ? "." : "") + std::string{letters[rest % 3]};
            names.push_back(name);
        }
    }
    std::vector<std::vector<bool>> matched;
    for (const auto& p : patterns) {
        auto& m = matched.emplace_back();
        for (const auto& n : names) m.push_back(pattern{p}.matches(n));
    }
    int wrong = 0;
    for (std::size_t i = 0; i < patterns.size(); ++i)
        for (std::size_t j = 0; j < patterns.size(); ++j) {
            bool covers = true;
            for (std::size_t n = 0; n < names.size(); ++n)
                covers = covers && (matched[i][n] || !matched[j][n]);
            wrong += covers != detail::covers(pattern{patterns[i]}, pattern{patterns[j]});
        }
    CHECK(wrong == 0);
}

TEST_CASE(
    "killed while publishing and handling: each publish that returned is handled, at least once") {
    scratch dir;
    int ends[2];
    std::set<std::uint64_t> sent, handled;
    std::uint64_t first = 1;
    for (int point = 0; point < 12; ++point, first += 1'000'000) {
        CAPTURE(point);
        REQUIRE(::pipe(ends) == 0);
        const pid_t pid = ::fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            ::close(ends[0]);
            const auto tell = [&](std::uint64_t id, bool done) {
                const std::uint64_t told[]{id, done};
                if (::write(ends[1], told, sizeof told) != sizeof told) ::_exit(3);
            };
            try {
                orders_queue queue{dir.path("q"), small};
                bus shop;
                auto kept = shop.persist<order>("order.#", queue);
                auto s = shop.subscribe<order>("order.#", {.group = "g", .executor = own_thread},
                                               [&](const order& o) { tell(o.id, true); });
                for (std::uint64_t id = first;; ++id) {
                    if (!shop.publish("order.new", order{id})) ::_exit(4);
                    tell(id, false);
                }
            } catch (...) {
            }
            ::_exit(5);
        }
        ::close(ends[1]);
        std::uint64_t told[2], heard = 0;
        const std::uint64_t after = 1 + static_cast<std::uint64_t>(point) * 17;
        while (::read(ends[0], told, sizeof told) == sizeof told) {
            if (told[1] != 0) {
                // Again only what was in work at the kill before: one at a time.
                if (!handled.insert(told[0]).second) CHECK(told[0] < first);
            } else {
                CHECK(sent.insert(told[0]).second);
            }
            if (++heard == after) ::kill(pid, SIGKILL);
        }
        ::close(ends[0]);
        int how = 0;
        REQUIRE(::waitpid(pid, &how, 0) == pid);
        REQUIRE(WIFSIGNALED(how));
    }
    orders_queue queue{dir.path("q"), small};
    manual_executor later;
    bus shop;
    auto kept = shop.persist<order>("order.#", queue);
    auto s = shop.subscribe<order>("order.#", {.group = "g", .executor = later},
                                   [&](const order& o) { handled.insert(o.id); });
    later.run_all();
    for (const std::uint64_t id : sent) CHECK(handled.count(id) == 1);
    CHECK(sent.size() > 0);
}
