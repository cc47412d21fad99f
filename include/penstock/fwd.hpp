// SPDX-License-Identifier: BSL-1.0
// The names of the main types, for headers that only mention them.
#pragma once

#include <cstddef>
#include <cstdint>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {

class status;
template <class T>
class result;
class clock;
class manual_clock;

/// A ring's capacity is given to its constructor, not as a template argument.
inline constexpr std::size_t at_run_time = static_cast<std::size_t>(-1);
class heap;  // operator new as an allocator: queue/detail/cells.hpp

template <class T, std::size_t Capacity = at_run_time, class Allocator = heap,
          class Cursor = std::uint64_t>
class spsc_ring;
template <class T, std::size_t Capacity = at_run_time, class Allocator = heap,
          class Cursor = std::uint64_t>
class mpmc_ring;
template <class T>
class unbounded;

struct gated;  ///< a broadcast_ring whose slowest reader holds the producers
struct lossy;  ///< a broadcast_ring that overwrites what a slow reader has not read yet
template <class T, class Mode = gated, std::size_t Capacity = at_run_time, class Allocator = heap,
          class Cursor = std::uint64_t>
class broadcast_ring;
template <class T, std::size_t Buffers = 4>
class latest;

class bus;
class executor_ref;
class pattern;
class published;
class receipt;
class subscription;
class thread_pool;
template <class T>
class handler;
template <class T>
class message;
template <class T>
class message_key;
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
