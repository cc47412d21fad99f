// SPDX-License-Identifier: BSL-1.0
// Request and reply: who asks knows a name, not who answers. Without an answer it is told why, and
// waits no longer than it said.
#include <chrono>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>

#include <penstock/penstock.hpp>

struct symbol {
    std::string name;
};

int main() {
    using namespace std::chrono_literals;
    penstock::thread_pool pool{2};
    penstock::bus events;

    const auto ask = [&](const char* what) {
        auto cents = events.request<int>("price.get", symbol{what}, 5s);
        if (cents) {
            std::printf("%-7s %d.%02d\n", what, *cents / 100, *cents % 100);
        } else {
            std::printf("%-7s no price: %s\n", what, cents.status().name());
        }
        return cents.status();
    };

    const auto too_early = ask("ACME");

    const std::map<std::string, int> list{{"ACME", 10'150}, {"GLOBEX", 990}};
    const auto quote = [&list](const symbol& s) { return list.at(s.name); };  // throws: unknown
    // Two desks that share the questions.
    auto first = events.reply<symbol>("price.get", {.group = "desks", .executor = pool}, quote);
    auto second = events.reply<symbol>("price.get", {.group = "desks", .executor = pool}, quote);

    const auto known = ask("ACME"), other = ask("GLOBEX"), unknown = ask("INITECH");
    return too_early == penstock::status::no_subscribers && known && other &&
                   unknown == penstock::status::failed
               ? 0
               : 1;
}
