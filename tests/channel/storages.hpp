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

// By name and not as template template arguments: a ring may have more parameters than its element.
struct over_mpmc_ring {
    template <class T>
    using of = penstock::mpmc_ring<T>;
    static constexpr bool single_producer = false, single_consumer = false;
};
struct over_spsc_ring {
    template <class T>
    using of = penstock::spsc_ring<T>;
    static constexpr bool single_producer = true, single_consumer = true;
};
struct over_unbounded {
    template <class T>
    using of = penstock::unbounded<T>;
    static constexpr bool single_producer = false, single_consumer = false;
};

template <class Family, class T>
using channel_over = penstock::channel<T, typename Family::template of<T>>;

TYPE_TO_STRING(over_mpmc_ring);
TYPE_TO_STRING(over_spsc_ring);
TYPE_TO_STRING(over_unbounded);
#define ALL_STORAGES over_mpmc_ring, over_spsc_ring, over_unbounded
#define BOUNDED_STORAGES over_mpmc_ring, over_spsc_ring
