// SPDX-License-Identifier: BSL-1.0
// One thread that waits for orders, cancellations, a moment without either, and the end of all.
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <unordered_set>

#include <penstock/channel/select.hpp>

using namespace std::chrono_literals;
using penstock::on;

struct order {
    int id;
    std::string what;
};
struct cancel {
    int id;
};

int main() {
    auto [order_tx, orders] = penstock::make_channel<order>(16);
    auto [cancel_tx, cancels] = penstock::make_channel<cancel>(16);
    auto [report_tx, reports] = penstock::make_channel<int>(1);

    std::jthread customers{[tx = std::move(order_tx), undo = std::move(cancel_tx)] {
        for (int id = 0; id < 1000; ++id) {
            if (!tx.send(order{id, "tea"})) return;
            if (id % 10 == 9 && !undo.send(cancel{id - 5})) return;
        }
    }};  // both ends go with it, which closes both channels
    int shown = 0;
    std::jthread display{[&shown, reports = std::move(reports)] {
        while (reports.receive()) ++shown;
    }};

    std::unordered_set<int> open, cancelled_early;
    int placed = 0, cancelled = 0, idle = 0, count = 0;
    while (penstock::select(  // one that is ready, in turn; false when the inputs are closed
        on(orders,
           [&](order o) {
               ++placed;
               if (!cancelled_early.erase(o.id)) open.insert(o.id);
           }),
        on(cancels,
           [&](cancel c) {
               ++cancelled;  // the two channels have no order between them
               if (!open.erase(c.id)) cancelled_early.insert(c.id);
           }),
        penstock::timeout(100ms, [&] { ++idle; }))) {
        count = static_cast<int>(open.size());
        (void)penstock::select(on(report_tx, count), penstock::timeout(0s));  // if it has room
    }
    report_tx.close();
    display.join();
    std::printf("%d orders, %d cancelled, %zu to be delivered; %d reports, %d idle moments\n",
                placed, cancelled, open.size(), shown, idle);
    return placed == 1000 && cancelled == 100 && open.size() == 900 ? 0 : 1;
}
