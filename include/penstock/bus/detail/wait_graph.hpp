// SPDX-License-Identifier: BSL-1.0
// Who waits for whose callbacks to end, so that a circle is answered instead of waited for:
//
//   thread 1: in A's handler, destroys B's subscription ──► waits until B's handler has ended
//   thread 2: in B's handler, destroys A's subscription ──► would wait for thread 1: told so
//
// A thread that waits holds up all the gates on its handler stack. The graph never has a circle: it
// refuses the wait that would close one, under one mutex, so that of all who take part exactly the
// last to come is refused and goes on. Threads outside of callbacks hold nothing up; they never
// come here. One graph for all buses of the process, since a handler of one may end a subscription of
// another: a list of who waits in this moment, else empty. (Libraries that hide their symbols have one
// each, and see no circle that goes through both.)
#pragma once

#include <mutex>

#include <penstock/bus/detail/visitor.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class wait_graph {
public:
    struct wait {
        const visitor* holds;   // stays as it is: its thread waits
        const void* waits_for;  // a gate, by all but its own visits
        wait* next = nullptr;
        bool seen = false;  // by the search under way
    };

    /// False, and nothing enlisted, if somebody would in the end wait for itself.
    [[nodiscard]] bool enlist(wait& me) {
        std::lock_guard lock{mutex_};
        for (wait* w = first_; w; w = w->next) w->seen = false;
        if (reaches(me.waits_for, me.holds)) return false;
        me.next = first_;
        first_ = &me;
        return true;
    }

    void delist(wait& me) noexcept {
        std::lock_guard lock{mutex_};
        for (wait** w = &first_; *w; w = &(*w)->next) {
            if (*w != &me) continue;
            *w = me.next;
            return;
        }
    }

private:
    /// Whether one of those inside `from` waits, over however many others, for a gate of `mine`.
    bool reaches(const void* from, const visitor* mine) noexcept {
        for (wait* w = first_; w; w = w->next) {
            if (w->seen || visitor::count(w->holds, from) == 0) continue;
            w->seen = true;
            if (visitor::count(mine, w->waits_for) > 0 || reaches(w->waits_for, mine)) return true;
        }
        return false;
    }

    sys::mutex mutex_;
    wait* first_ = nullptr;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
