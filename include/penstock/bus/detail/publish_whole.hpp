// SPDX-License-Identifier: BSL-1.0
// A publish to all queues that it is meant for, or to none of its listeners: detail/all_or_none.hpp,
// gone through for one topic. If that retains messages, what was refused is not among them. A store
// that keeps its messages (bus/persist.hpp) is asked last, while the queues keep their places. (What
// it refuses is retained nevertheless: the one is decided before the other.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <penstock/bus/detail/all_or_none.hpp>
#include <penstock/bus/detail/envelope.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/recorder.hpp>
#include <penstock/bus/detail/registry.hpp>
#include <penstock/bus/detail/route.hpp>
#include <penstock/bus/published.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// Nobody got it: why.
[[nodiscard, gnu::noinline, gnu::cold]] inline published refused(const registry& home, tally t) {
    if (published{t}.matched() == 0 && home.closed()) t.why = status::closed;
    return published{t};
}

/// False: others listen by now, and nobody has it.
template <class T>
[[nodiscard]] bool try_whole(visitor& v, const roster* who, recorder<T>* keeps, envelope<T>& e,
                             const patience& p, tally& t) {
    message<T> kept;
    if (keeps) kept = e.untracked();
    admission all{v.memory()};
    const auto refuse = [&](status why, bool by_one) {
        t = tally{.failed = t.failed,
                  .rejected = by_one,
                  .refused = static_cast<std::uint32_t>(all.size()),
                  .why = why};
        return true;
    };
    if (who)
        for (listener_base* l : *who)
            if (admitting* queue = l->queue(); queue && !all.ask(*queue, e, t))
                return refuse(status::failed, false);
    const status answer = all.hold(p);
    if (!answer) return refuse(answer, true);
    if (keeps && !keeps->keep_if(who, std::move(kept))) return false;
    if (who)
        for (listener_base* l : *who) {
            if (!l->keeps()) break;  // they come first
            t.handled += static_cast<listener<T>*>(l)->deliver(e, p, t, v);
            if (t.halted) return refuse(t.why, false);
        }
    all.fill(e);
    if (who)
        for (listener_base* l : *who) {
            if (admitting* queue = l->queue()) {
                if (held* const h = all.filled(*queue)) queue->settle(e, t, *h);
            } else if (!l->keeps()) {
                t.handled += static_cast<listener<T>*>(l)->deliver(e, p, t, v);
            }
        }
    return true;
}

template <class T>
[[gnu::noinline]] published publish_whole(const registry& home, visitor& v, const roster* who,
                                          envelope<T>& e, const patience& p) {
    tally t;
    if (who && who->size() == 1 && (*who->begin())->records()) {
        auto& keeps = *static_cast<recorder<T>*>(*who->begin());
        for (bool done = false; !done;) {
            t = {};
            const reading inner{home.visits(), keeps.inner()};
            done = try_whole(inner.visit(), inner.who(), &keeps, e, p, t);
        }
    } else {
        (void)try_whole<T>(v, who, nullptr, e, p, t);
    }
    const published answer{t};
    if (answer) return answer;
    e.give_back();
    return refused(home, t);
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
