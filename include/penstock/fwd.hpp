// SPDX-License-Identifier: BSL-1.0
// The names of the main types, for headers that only mention them.
#pragma once

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {

class status;
template <class T>
class result;
class clock;
class manual_clock;

template <class T>
class spsc_ring;
template <class T>
class mpmc_ring;
template <class T>
class unbounded;

class bus;
class executor_ref;
class pattern;
class published;
class subscription;
class thread_pool;
template <class T>
class handler;
template <class T>
class message;
template <class T>
class topic;

class journal;
template <class T>
class durable_queue;
template <class T>
class durable_group;
template <class T>
class delivery;

}  // namespace penstock::inline PENSTOCK_ABI
