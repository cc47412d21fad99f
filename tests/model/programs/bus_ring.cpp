// SPDX-License-Identifier: BSL-1.0
// The ring that readers of one pattern share: no wake is lost on either side, and who leaves holds
// nobody.
#include <penstock/bus/broadcast.hpp>
#include <penstock/bus/bus.hpp>

#include "../program.hpp"
#include "../support.hpp"

namespace {

using model::barriers;
using penstock::broadcast_options;
namespace sys = penstock::sys;

MODEL_PROGRAM("bus_ring: a reader that goes idle misses no message, a full ring no room",
              {.departures = 2}) {
    penstock::bus events;
    auto x = events.topic<int>("x");
    int sum = 0;
    {
        auto s = events.subscribe<int>(
            "x", broadcast_options<int>{.executor = penstock::own_thread, .capacity = 1},
            [&](const int& n) {
                sys::wrote(&sum);
                sum += n;
            });
        MODEL_CHECK(x.publish(1).queued() == 1);
        MODEL_CHECK(x.publish(2).queued() == 1);
        MODEL_CHECK(events.close());
    }
    sys::read(&sum);
    MODEL_CHECK(sum == 3);
}

MODEL_PROGRAM("bus_ring: a publisher that waits for a reader goes on when that ends",
              {.barriers = barriers::both, .departures = 2}) {
    struct never {
        void post(penstock::task) {}
    } executor;
    penstock::bus events;
    auto x = events.topic<int>("x");
    int lost = 0;
    auto s = events.subscribe<int>(
        "x",
        broadcast_options<int>{.executor = executor,
                               .capacity = 1,
                               .on_drop =
                                   [&](const int& n) {
                                       sys::wrote(&lost);
                                       lost += n;
                                   }},
        [](const int&) {});
    bool second = false;
    MODEL_CHECK(x.publish(1).queued() == 1);
    model::threads([&] { second = static_cast<bool>(x.publish(2)); }, [&] { s.cancel(); });
    // The last reader has gone: what came into its ring before was told to on_drop.
    MODEL_CHECK(lost == (second ? 3 : 1));
}

}  // namespace
