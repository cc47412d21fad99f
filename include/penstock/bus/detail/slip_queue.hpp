// SPDX-License-Identifier: BSL-1.0
// The queue of a fan_out (detail/fan_out.hpp): a channel of slips, and places in it that are kept for
// a publish to all or none (detail/all_or_none.hpp).
//
// Threads   As channel's, with any number on both sides.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include <penstock/bus/detail/all_or_none.hpp>
#include <penstock/bus/detail/crowd.hpp>
#include <penstock/bus/detail/lone_ring.hpp>
#include <penstock/bus/detail/slip.hpp>
#include <penstock/channel/ends.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
class slip_queue : public channel<slip<T>, lone_ring<slip<T>>> {
    using base = channel<slip<T>, lone_ring<slip<T>>>;

public:
    explicit slip_queue(std::size_t capacity)
        : base{channel_options<slip<T>>{.capacity = capacity}} {}

    bool take(slip<T>& target) { return core().take_into(target); }

    /// False: full, or closed.
    bool copy_in(const T& value, const std::string& topic, std::uint32_t to) noexcept {
        return core().try_emplace(value, topic, to);
    }

    /// A place, if there is room: ok, full, closed.
    status hold(held& h) {
        static_assert(sizeof(kept) <= sizeof(h.place) && alignof(kept) <= alignof(void*));
        auto found = core().reserve();
        if (!found) return this->closed() ? status::closed : status::full;
        ::new (static_cast<void*>(h.place)) kept{std::move(found), {0}};
        return status::ok;
    }
    /// Waits for it: ok, closed, stopped.
    status wait_and_hold(held& h, const sys::stop_token& stop) {
        status answer = status::full;
        const status waited = core().senders().wait(
            [&] { return (answer = hold(h)) != status::full; }, [&] { return core().sendable(); },
            {}, stop);
        return waited ? answer : waited;
    }
    /// What sharing it takes has been done before.
    void fill(held& h, envelope<T>& e, crowd::members to) noexcept {
        kept& mine = in(h);
        mine.at.put(slip<T>{e, to.who()});
        std::destroy_at(&mine.at);
        mine.to = to;
    }
    void let_go(held& h) noexcept { std::destroy_at(&in(h).at); }
    /// Whom it was filled for.
    [[nodiscard]] static crowd::members meant(held& h) noexcept { return in(h).to; }

private:
    [[nodiscard]] auto& core() noexcept { return channel_access::core(static_cast<base&>(*this)); }
    using spot = decltype(channel_access::core(std::declval<base&>()).reserve());
    struct kept {
        spot at;
        crowd::members to;
    };
    static kept& in(held& h) noexcept { return *std::launder(reinterpret_cast<kept*>(h.place)); }
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
