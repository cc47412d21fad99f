// SPDX-License-Identifier: BSL-1.0
// What a channel can be told.
//
//   channel<job> jobs{{.capacity = 1024, .overflow = overflow::reject, .wait = wait_policy::park}};
#pragma once

#include <cstddef>
#include <cstdint>

#include <penstock/channel/overflow.hpp>
#include <penstock/core/clock.hpp>
#include <penstock/core/function.hpp>
#include <penstock/core/wait_policy.hpp>
#include <penstock/queue/concepts.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// A size that has no default: leaving it out of an options struct doesn't compile.
class required_size {
public:
    constexpr required_size(std::size_t n) noexcept : n_{n} {}
    constexpr operator std::size_t() const noexcept { return n_; }

private:
    std::size_t n_;
};

template <class T>
struct channel_options {
    required_size capacity;  ///< elements, exact; over `unbounded`, what to prepare for
    penstock::overflow overflow = penstock::overflow::block;
    unique_function<void(T&&)> on_drop{};  ///< gets what is dropped; nothing: it is destroyed
    std::size_t max_bytes = no_limit;      ///< of all that is in, by `weigh`: channel/weighed.hpp
    unique_function<std::size_t(const T&)> weigh{};  ///< asked once for each send, by the sender
    wait_policy wait = wait_policy::hybrid;          ///< of both sides: core/wait_policy.hpp
    clock_ref clock{};                               ///< for *_for and *_until
};

/// What has become of the elements. Exact while no call is under way; else each number is one
/// that was true a moment ago. sent == received + dropped + in.
struct channel_counts {
    std::uint64_t sent = 0;      ///< taken from senders: answered ok, or dropped
    std::uint64_t received = 0;  ///< handed to receivers
    std::uint64_t dropped = 0;   ///< handed to on_drop: overflow, discarded
    std::uint64_t in = 0;
    std::uint64_t rejected = 0;  ///< left with their senders: full by overflow::reject, too_large
};

}  // namespace penstock::inline PENSTOCK_ABI
