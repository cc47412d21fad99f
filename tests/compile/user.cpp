// SPDX-License-Identifier: BSL-1.0
// A user's translation unit: every layer once, so that the templates are instantiated under the
// user's flags. Also the program that clang-tidy reads.
#include <chrono>
#include <memory>
#include <utility>

#include <penstock/penstock.hpp>

namespace {

struct job {
    int id = 0;
    std::unique_ptr<int> payload;
};

template <class Ring>
bool through(Ring&& ring) {
    if (!ring.try_push(job{7, nullptr})) return false;
    auto got = ring.try_pop();
    return got && got->id == 7;
}

template <class Storage>
bool through_channel() {
    using namespace std::chrono_literals;
    auto [tx, rx] = penstock::make_channel<job, Storage>(2);
    if (!tx.send(job{7, nullptr}) || !tx.send_for(job{8, nullptr}, 1ms)) return false;
    tx.close();
    int sum = 0;
    while (auto got = rx.receive()) sum += got->id;
    return sum == 15 && tx.try_send(job{}) == penstock::status::closed;
}

bool through_bus() {
    penstock::bus events;
    int sum = 0;
    auto direct = events.subscribe<job>("job.*", [&](const job& j) { sum += j.id; });
    auto pulled = events.subscribe<job>("job.#");
    events.topic<job>("job.new").publish(job{7, nullptr});
    events.publish("job.old", job{8, nullptr});
    auto got = pulled.receive();
    return sum == 15 && got && (**got).id == 7;
}

}  // namespace

int main() {
    bool ok = through_bus() && through(penstock::spsc_ring<job>{2}) &&
              through(penstock::mpmc_ring<job>{2}) && through_channel<penstock::spsc_ring<job>>() &&
              through_channel<penstock::mpmc_ring<job>>();
    return ok ? 0 : 1;
}
