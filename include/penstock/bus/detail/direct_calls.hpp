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
// Not a template: it knows no message's type.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/route.hpp>
#include <penstock/bus/detail/visitors.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// Two registers.
struct direct_calls {
    static constexpr std::uint64_t one_failed = std::uint64_t{1} << 32;
    std::uint64_t counted = 0;  ///< for the publisher: handled, and failed in the upper half
    visitor* begun = nullptr;   ///< nobody was called: others listen, or nobody. It still reads
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

template <class Handshake>
[[gnu::noinline]] direct_calls call_all(visitors& all, const route& to, const void* value,
                                        const std::string& topic) {
    const Handshake by{};
    visitor& v = all.take();
    const roster* const r = to.read(by, v);
    if (!r || !r->plain()) return {0, &v};
    const std::uint64_t less = call_each(by, v, r->begin(), value, topic);
    const roster& called = *route::named_by(v);
    const std::uint64_t counted = called.counting() - less;
    route::leave(v);
    all.put(v);
    return {counted, nullptr};
}

/// Calls all who listen there, if all are plain. `value` is of the topic's type.
[[gnu::noinline]] inline direct_calls call_all(visitors& all, const route& to, const void* value,
                                               const std::string& topic) {
    return all.by().asymmetric() ? call_all<handshake_of<is_asymmetric>>(all, to, value, topic)
                                 : call_all<handshake_of<is_symmetric>>(all, to, value, topic);
}
/// The same, in a visit that has found them already.
[[gnu::noinline]] inline std::uint64_t call_all(const visitors& all, visitor& v, const roster& r,
                                                const void* value, const std::string& topic) {
    return r.counting() -
           (all.by().asymmetric()
                ? call_each(handshake_of<is_asymmetric>{}, v, r.begin(), value, topic)
                : call_each(handshake_of<is_symmetric>{}, v, r.begin(), value, topic));
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
