// SPDX-License-Identifier: BSL-1.0
// Queue, channel and bus, on the standard library alone. What needs a third party or a file system
// is included by name: queue/unbounded.hpp, durable/.
#pragma once

#include <penstock/bus/bus.hpp>
#include <penstock/bus/thread_pool.hpp>
#include <penstock/channel/ends.hpp>
#include <penstock/core/manual_clock.hpp>
#include <penstock/queue/mpmc_ring.hpp>
#include <penstock/queue/spsc_ring.hpp>
