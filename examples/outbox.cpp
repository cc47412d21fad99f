// SPDX-License-Identifier: BSL-1.0
// An outbox: an order is accepted exactly when its invoice is in the journal, crash or not.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>

#include <penstock/durable/durable_queue.hpp>

using namespace penstock;

struct order {
    std::uint64_t id;
    double amount;
};
struct invoice {
    std::uint64_t order;
    double amount;
};

int main() {
    const std::string path = std::filesystem::temp_directory_path() / "penstock-outbox";
    std::filesystem::remove_all(path);
    {
        journal books{path, {.segment_bytes = 1 << 20}};  // every_append: ok means on disk
        durable_queue<order> orders{books, "orders"};
        durable_queue<invoice> invoices{books, "invoices"};
        for (std::uint64_t id = 1; id <= 3; ++id)
            if (!orders.send({id, 9.5 * static_cast<double>(id)})) return 1;

        auto billing = orders.group("billing");
        auto first = billing.receive();
        const status s = books.transact([&](auto& t) {
            t.send(invoices, {first->id, first->amount});
            t.accept(first);
        });
        if (!s) return 1;
        auto second = billing.receive();  // and here the program ends without having billed it
    }
    journal books{path};
    durable_queue<order> orders{books, "orders"};
    durable_queue<invoice> invoices{books, "invoices"};
    auto billing = orders.group("billing");
    while (auto d = billing.try_receive()) {
        std::printf("order %llu is billed now\n", static_cast<unsigned long long>(d->id));
        if (!books.transact([&](auto& t) {
                t.send(invoices, {d->id, d->amount});
                t.accept(d);
            }))
            return 1;
    }
    auto mail = invoices.group("mail");
    int count = 0;
    for (; auto i = mail.try_receive(); ++count)
        if (!i.accept()) return 1;
    std::printf("%d invoices for 3 orders\n", count);
    std::filesystem::remove_all(path);
    return count == 3 ? 0 : 1;
}
