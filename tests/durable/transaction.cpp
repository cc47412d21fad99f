// SPDX-License-Identifier: BSL-1.0
#include <cerrno>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/durable/durable_queue.hpp>
#include <penstock/durable/transaction.hpp>

#include "durable/faulty_files.hpp"
#include "durable/scratch.hpp"

using namespace penstock;

namespace {

const journal_options small{.sync = sync::process_crash, .segment_bytes = 16 * 1024};

struct order {
    std::uint64_t id;
};
struct invoice {
    std::uint64_t order;
};

struct shop {
    explicit shop(const std::string& path, const journal_options& options = small)
        : books{path, options} {}
    journal books;
    durable_queue<order> orders{books, "orders"};
    durable_queue<invoice> invoices{books, "invoices"};
    durable_group<order> billing = orders.group("billing", {.prefetch = 64});
    durable_group<invoice> mail = invoices.group("mail", {.prefetch = 64});
};

}  // namespace

TEST_CASE("what a transaction sends is received and what it accepts is gone, also when reopened") {
    scratch dir;
    {
        shop s{dir.path("j")};
        for (std::uint64_t i = 0; i < 3; ++i) REQUIRE(s.orders.send({i}));
        auto d = s.billing.try_receive();
        REQUIRE(s.books.transact([&](auto& t) {
            t.send(s.invoices, {d->id + 100});
            t.send(s.invoices, {d->id + 200});
            t.accept(d);
        }));
        CHECK_FALSE(d.unsettled());
        auto first = s.mail.try_receive();
        CHECK(first->order == 100);
        REQUIRE(first.release());  // read again from inside of the transaction's record
        first = s.mail.try_receive();
        CHECK(first->order == 100);
        CHECK(first.info().attempt == 2);
        CHECK(first.info().time.time_since_epoch().count() > 0);
        auto second = s.mail.try_receive();
        CHECK(second->order == 200);
        REQUIRE(second.accept());
    }
    shop s{dir.path("j")};
    CHECK(s.books.report().damage.empty());
    CHECK(s.billing.try_receive()->id == 1);
    CHECK(s.mail.try_receive()->order == 100);  // its cursor stands inside the record
    CHECK(s.mail.try_receive()->order == 100);
}

TEST_CASE("a transaction that fails changes nothing: its deliveries can be accepted by the next") {
    scratch dir;
    faulty_files files;
    journal_options options = small;
    options.files = files;
    shop s{dir.path("j"), options};
    REQUIRE(s.orders.send({1}));
    auto d = s.billing.try_receive();
    const auto both = [&](auto& t) {
        t.send(s.invoices, {1});
        t.accept(d);
    };
    CHECK_THROWS_AS((void)s.books.transact([&](auto& t) {
        both(t);
        throw std::runtime_error{"changed my mind"};
    }),
                    std::runtime_error);
    durable_queue<std::string> notes{s.books, "notes"};
    CHECK(s.books.transact([&](auto& t) {
        both(t);
        t.send(notes, std::string(s.books.largest_message(), 'x'));
    }) == status::too_large);
    files.fail(faulty_files::call::write, ENOSPC);
    status full = status::ok;
    while (full) full = notes.send(std::string(1000, 'y'));
    CHECK(full == status::no_space);
    while (notes.send("")) {
    }
    CHECK(s.books.transact(both) == status::no_space);
    files.heal();
    s.invoices.close();
    CHECK(s.books.transact(both) == status::closed);
    CHECK(d.unsettled());
    CHECK(s.mail.try_receive().status() == status::closed);
    CHECK(s.books.transact([&](auto& t) { t.accept(d); }));
    CHECK(s.billing.try_receive().status() == status::empty);
}

TEST_CASE("deliveries of two groups, out of order, in one transaction; the same twice is refused") {
    scratch dir;
    {
        shop s{dir.path("j")};
        auto audit = s.orders.group("audit", {.prefetch = 64});
        for (std::uint64_t i = 0; i < 6; ++i) REQUIRE(s.orders.send({i}));
        std::vector<delivery<order>> b, a;
        for (int i = 0; i < 6; ++i) b.push_back(s.billing.try_receive());
        for (int i = 0; i < 6; ++i) a.push_back(audit.try_receive());
        REQUIRE(s.books.transact([&](auto& t) {
            for (const std::size_t i : {4u, 0u, 2u}) t.accept(b[i]);
            for (const std::size_t i : {1u, 0u}) t.accept(a[i]);
        }));
        CHECK(s.books.transact([&](auto& t) {
            t.accept(b[1]);
            t.accept(b[1]);
        }) == status::closed);
        CHECK(s.books.transact([&](auto& t) { t.accept(b[0]); }) == status::closed);
        CHECK(s.books.transact([](auto&) {}));
    }
    shop s{dir.path("j")};
    auto audit = s.orders.group("audit", {.prefetch = 64});
    std::vector<std::uint64_t> left;
    while (auto d = s.billing.try_receive()) {
        left.push_back(d->id);
        REQUIRE(d.accept());
    }
    CHECK(left == std::vector<std::uint64_t>{1, 3, 5});
    CHECK(audit.try_receive()->id == 2);
}

TEST_CASE("what belongs to another journal is refused") {
    scratch dir;
    shop here{dir.path("here")}, there{dir.path("there")};
    REQUIRE(there.orders.send({1}));
    auto d = there.billing.try_receive();
    CHECK(here.books.transact([&](auto& t) { t.accept(d); }) == status::closed);
    CHECK(here.books.transact([&](auto& t) { t.send(there.invoices, {1}); }) == status::closed);
    CHECK(d.accept());
}

TEST_CASE("several workers bill orders by transactions: an invoice for each, once") {
    scratch dir;
    constexpr std::uint64_t count = 2000;
    {
        shop s{dir.path("j")};
        std::vector<std::thread> workers;
        for (int w = 0; w < 3; ++w)
            workers.emplace_back([&] {
                auto g = s.orders.group("billing", {.prefetch = 64});
                std::uint64_t turn = 0;
                while (auto d = g.receive()) {
                    if (++turn % 9 == 0) continue;  // released
                    CHECK(s.books.transact([&](auto& t) {
                        t.accept(d);
                        t.send(s.invoices, {d->id});
                    }));
                }
            });
        for (std::uint64_t i = 0; i < count; ++i) REQUIRE(s.orders.send({i}));
        while (s.invoices.group("count", {.prefetch = 64}).try_receive().status() !=
               status::empty) {
            if (s.books.trim().status() == status::failed) FAIL("trim failed");
            break;
        }
        s.orders.close();
        for (auto& w : workers) w.join();
        while (auto d = s.billing.try_receive())  // released when the others had ended
            REQUIRE(s.books.transact([&](auto& t) {
                t.accept(d);
                t.send(s.invoices, {d->id});
            }));
    }
    shop s{dir.path("j")};
    CHECK(s.billing.try_receive().status() == status::empty);
    std::set<std::uint64_t> billed;
    while (auto d = s.mail.try_receive()) {
        CHECK(billed.insert(d->order).second);
        REQUIRE(d.accept());
    }
    CHECK(billed.size() == count);
}

TEST_CASE("a batch is received in order; torn, none of it is there") {
    scratch dir;
    std::vector<order> batch;
    for (std::uint64_t i = 0; i < 50; ++i) batch.push_back({i});
    {
        shop s{dir.path("j")};
        REQUIRE(s.orders.send({99}));
        REQUIRE(s.orders.send_all(batch));
        REQUIRE(s.orders.send_all({}));
        CHECK(s.orders.send_all(std::vector<order>(1000)) == status::too_large);
        CHECK(s.billing.try_receive().accept());
        for (std::uint64_t i = 0; i < 20; ++i) {
            auto d = s.billing.try_receive();
            CHECK(d->id == i);
            REQUIRE(d.accept());
        }
    }
    shop s{dir.path("j")};
    for (std::uint64_t i = 20; i < 50; ++i) {
        auto d = s.billing.try_receive();
        REQUIRE(d);
        CHECK(d->id == i);
        REQUIRE(d.accept());
    }
    CHECK(s.billing.try_receive().status() == status::empty);
}
