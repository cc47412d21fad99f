// SPDX-License-Identifier: BSL-1.0
// Which subscriptions share a queue that is fanned out where it ends, and how a member knows it
// (detail/fan_out.hpp, which is what knows the message's type).
#pragma once

#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/options.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// What asks for nothing that takes an inbox.
template <class T>
[[nodiscard]] bool may_fan_out(const subscribe_options<T>& o) noexcept {
    return o.executor.posts() && !o.where && o.group.empty() && !o.key && o.per_key == 0 &&
           !o.single_active && o.prefetch == 1 && !o.latest && o.replay == 0 && o.capacity > 0 &&
           (o.overflow == overflow::block || o.overflow == overflow::reject) && !o.on_drop;
}

/// Several who are called where their queue ends, in place of the routes (detail/fan_out.hpp).
class fan {
public:
    /// That one gets no more.
    virtual void leave(unsigned place) noexcept = 0;
    /// It has left: `out` if nobody is in its handler any more.
    virtual void has_left(bool out) = 0;
    virtual void add_to(subscription_counts& c) const = 0;
    [[nodiscard]] virtual const listener_base& queue_of() const noexcept = 0;

protected:
    ~fan() = default;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
