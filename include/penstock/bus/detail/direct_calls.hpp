// SPDX-License-Identifier: BSL-1.0
// Calls the handlers of a whole roster, where all of them only look at the value: the signal's price.
//
//   {s, t, u}    calling: s ─► call s ─► calling: t, look at s ─► call t ─► ... ─► calling: nobody
//
// The visit announces whom it calls before each call, so that who ends a subscription finds its
// callers. Announcing the next takes the last announcement back: one store, where a gate of each
// own would take two. Whether it has ended needs no look of its own on the way in: from then on
// `how` leads to nothing. On the way out it is looked at once more: who ends it may wait for us.
//
// Queues that copy the value (detail/fan_out.hpp) are told to in the same way, without announcing:
// the route keeps them.
//
// Not a template: it knows no message's type.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/route.hpp>
#include <penstock/bus/detail/visitors.hpp>
#include <penstock/bus/published.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

struct topic_state;

/// Of a topic's handle: what a publish through it means.
struct publish_options {
    publish_options(bool m, bool all, const topic_state* t) noexcept
        : mandatory{m}, all_or_none{all}, unrouted{t} {}
    bool mandatory;
    bool all_or_none;
    const topic_state* unrouted;
};

/// The first of a roster's queues have copied it.
struct copied {
    std::uint32_t listeners = 0, queued = 0;
};

/// Two registers.
struct direct_calls {
    static constexpr std::uint64_t one_failed = std::uint64_t{1} << 32;
    static constexpr std::uint64_t queues = std::uint64_t{1} << 63, one_queue = one_failed;

    /// For the publisher: handled, and failed in the upper half; negative, with `queues`: who are to
    /// have it, and in the upper half how many queues have copied it.
    std::int64_t counted = 0;
    visitor* begun = nullptr;  ///< others listen, or nobody. It still reads

    /// All have been called, or have copied it.
    [[nodiscard]] published told() const noexcept {
        const auto lower = static_cast<std::uint32_t>(counted);
        if (counted < 0) return published{tally{.queued = lower}};
        return published{tally{.handled = lower,
                               .failed = static_cast<std::uint32_t>(counted >> 32),
                               .why = status::failed}};
    }
    [[nodiscard]] copied so_far() const noexcept {
        const auto bits = static_cast<std::uint64_t>(counted) & ~queues;
        return {static_cast<std::uint32_t>(bits >> 32), static_cast<std::uint32_t>(bits)};
    }
};

/// Calls all from `at` on up to a null: one at least, all plain, and they stay. Returns what to take off
/// the number of those who count: nothing is counted here but the exceptions.
template <class Handshake>
[[gnu::always_inline]] inline std::uint64_t call_each(const Handshake by, visitor& v,
                                                      listener_base* const* at, const void* value,
                                                      const std::string& topic) {
    const auto id_of = [](const listener_base* l) { return static_cast<const void*>(l); };
    listener_base* now = *at;
    by.announce(v.calling, id_of(now));
    for (;;) {
        try {
            by.look(now->how)(*now, value, v);
        } catch (...) {
            now->has_thrown(topic);
            if (now->is_counted()) v.less += 1 - direct_calls::one_failed;
        }
        listener_base* const done = now;
        now = *++at;
        by.announce(v.calling, id_of(now));
        if (by.look(done->how) == &listener_base::ended) [[unlikely]] {
            by.announce(v.calling, id_of(nullptr));  // while its captures go
            done->left();
            by.announce(v.calling, id_of(now));
        }
        if (!now) break;
    }
    return v.less == 0 ? 0 : std::exchange(v.less, 0);
}

/// One after the other, up to one that has not copied it.
[[gnu::always_inline]] inline std::int64_t copy_into_each(
    visitor& v, const roster& r, const listener_base::copied& what, bool& all) {
    std::uint64_t counted = direct_calls::queues;
    listener_base* const* at = r.begin();
    for (; *at; ++at) {
        what.members = 0;
        (*at)->how.load(std::memory_order_relaxed)(**at, &what, v);  // it stays as it was made
        if (what.members == 0) [[unlikely]]
            break;
        counted += direct_calls::one_queue + what.members;
    }
    all = !*at;
    return static_cast<std::int64_t>(counted);
}

template <class Handshake>
[[gnu::noinline]] direct_calls call_all(visitors& all, const route& to, const void* value,
                                        const std::string& topic, const publish_options* how) {
    const Handshake by{};
    visitor& v = all.take();
    const roster* const r = to.read(by, v);
    std::int64_t counted = 0;
    if (r && r->plain()) {
        const std::uint64_t less = call_each(by, v, r->begin(), value, topic);
        counted = static_cast<std::int64_t>(route::named_by(v)->counting() - less);
    } else {
        bool done = false;
        if (r && r->copies() && !(how && how->all_or_none))
            counted = copy_into_each(v, *r, {value, &topic}, done);
        if (!done) return {counted, &v};
    }
    route::leave(v);
    all.put(v);
    return {counted, nullptr};
}

/// Calls all who listen there, if all are plain, or all copy. `value` is of the topic's type.
[[gnu::noinline]] inline direct_calls call_all(visitors& all, const route& to, const void* value,
                                               const std::string& topic,
                                               const publish_options* how) {
    return all.by().asymmetric() ? call_all<handshake_of<is_asymmetric>>(all, to, value, topic, how)
                                 : call_all<handshake_of<is_symmetric>>(all, to, value, topic, how);
}
/// The same, in a visit that has found them already: all are plain.
[[gnu::noinline]] inline direct_calls call_all(const visitors& all, visitor& v, const roster& r,
                                               const void* value, const std::string& topic) {
    const auto less = all.by().asymmetric()
                          ? call_each(handshake_of<is_asymmetric>{}, v, r.begin(), value, topic)
                          : call_each(handshake_of<is_symmetric>{}, v, r.begin(), value, topic);
    return {static_cast<std::int64_t>(r.counting() - less), nullptr};
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
