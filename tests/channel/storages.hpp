// SPDX-License-Identifier: BSL-1.0
// The storages that a channel's tests are run over.
#pragma once

#include <doctest/doctest.h>

#include <penstock/channel/channel.hpp>
#include <penstock/queue/mpmc_ring.hpp>
#include <penstock/queue/spsc_ring.hpp>
#include <penstock/queue/unbounded.hpp>

#include "support/flow.hpp"
#include "support/moodycamel_races.hpp"

template <template <class> class Queue>
struct storage_family {
    template <class T>
    using of = Queue<T>;
    static constexpr bool single_producer = Queue<int>::single_producer;
    static constexpr bool single_consumer = Queue<int>::single_consumer;
    static constexpr bool bounded = !std::is_same_v<Queue<int>, penstock::unbounded<int>>;
};
using over_mpmc_ring = storage_family<penstock::mpmc_ring>;
using over_spsc_ring = storage_family<penstock::spsc_ring>;
using over_unbounded = storage_family<penstock::unbounded>;

template <class Family, class T>
using channel_over = penstock::channel<T, typename Family::template of<T>>;

TYPE_TO_STRING(over_mpmc_ring);
TYPE_TO_STRING(over_spsc_ring);
TYPE_TO_STRING(over_unbounded);
#define ALL_STORAGES over_mpmc_ring, over_spsc_ring, over_unbounded
#define BOUNDED_STORAGES over_mpmc_ring, over_spsc_ring
