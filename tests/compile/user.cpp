// SPDX-License-Identifier: BSL-1.0
// A user's translation unit: every layer once, so that the templates are instantiated under the
// user's flags. Also the program that clang-tidy reads.
#include <memory>

#include <penstock/queue/mpmc_ring.hpp>
#include <penstock/queue/spsc_ring.hpp>

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

}  // namespace

int main() {
    bool ok = through(penstock::spsc_ring<job>{2}) && through(penstock::mpmc_ring<job>{2});
    return ok ? 0 : 1;
}
