// SPDX-License-Identifier: BSL-1.0
// A channel with a byte budget: it is full when its elements are, or when their bytes are.
//
//   channel<blob, mpmc_ring<weighed<blob>>> c{{.capacity = 1000, .max_bytes = 64 << 20,
//                                              .weigh = [](const blob& b) { return b.size(); }}};
//   if (c.send(std::move(b)) == status::too_large) split();  // heavier than the whole budget
//
// `weigh` is asked once for each send, before anything else, by the thread that sends (a batch asks
// again for one that has to wait); what it answers is kept with the element. The bytes are reserved before the element goes in, and given
// back when it is received or dropped: never are more than max_bytes in.
//
// Cost      A slot is larger by the weight. send: one compare-exchange more, receive: one
//           read-modify-write, both on one line. While senders wait, each receive wakes all of them.
// Order     Senders that wait for bytes get them in the order in which they began to wait: a large
//           one is not overtaken, also not by those that would not wait (they are told full).
// Errors    too_large stays with its owner, and counts as rejected. If `weigh` throws, nothing has
//           happened. drop_oldest drops as many as it takes, in one step with the send, and may throw
//           std::bad_alloc, before it has dropped any, when it can't remember them for on_drop.
#pragma once

#include <cstddef>
#include <utility>

#include <penstock/channel/channel.hpp>
#include <penstock/channel/detail/weighed_cargo.hpp>
