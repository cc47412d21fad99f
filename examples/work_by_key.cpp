// SPDX-License-Identifier: BSL-1.0
// A work queue with keys: four workers book payments; those of one account one after the other in
// order, so that accounts need no lock, those of different accounts at the same time.
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <penstock/penstock.hpp>

struct payment {
    std::size_t account;
    int number;
    long amount;
};

struct account {
    long balance = 0;
    int last = -1;
    int out_of_order = 0;
};

int main() {
    constexpr std::size_t accounts = 20;
    constexpr int payments = 500;
    std::vector<account> books(accounts);
    penstock::thread_pool pool{4};
    penstock::bus bank;

    auto workers = bank.subscribe<payment>(
        "payment.#",
        {.group = "booking",
         .key = &payment::account,
         .prefetch = 4,  // messages at once, never two of one account
         .executor = pool,
         .capacity = 256},
        [&](const payment& p) {
            account& a = books[p.account];
            a.balance += p.amount;
            a.out_of_order += p.number <= a.last;
            a.last = p.number;
        });
    {
        std::vector<std::jthread> branches;  // each has its own accounts
        for (std::size_t b = 0; b < 2; ++b)
            branches.emplace_back([&bank, b] {
                auto in = bank.topic<payment>("payment.branch" + std::to_string(b));
                for (int n = 0; n < payments; ++n)
                    for (std::size_t a = b; a < accounts; a += 2) in.publish(payment{a, n, 1});
            });
    }
    bank.close();  // what is queued is booked

    long sum = 0;
    int out_of_order = 0;
    for (const account& a : books) sum += a.balance, out_of_order += a.out_of_order;
    std::printf(
        "%ld booked of %ld, %d out of order\n", sum, long{payments} * long{accounts}, out_of_order);
    return sum == long{payments} * long{accounts} && out_of_order == 0 ? 0 : 1;
}
