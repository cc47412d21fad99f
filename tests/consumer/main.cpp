// SPDX-License-Identifier: BSL-1.0
#include <penstock/queue/spsc_ring.hpp>

int main() {
    penstock::spsc_ring<int> ring{1};
    return ring.try_push(7) && ring.try_pop() == 7 ? 0 : 1;
}
