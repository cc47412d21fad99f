// SPDX-License-Identifier: BSL-1.0
// The listeners that others ask for by what they are: groups, rings that many read, and those who keep
// a group's messages.
//
// Threads   Under the registry's mutex.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <penstock/bus/detail/listener.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class group_list {
public:
    void add(listener_base& l) {
        if (!l.group().empty()) groups_.push_back(&l);
        if (l.keeps()) keepers_.push_back(&l);
        if (l.broadcasts().capacity > 0) rings_.push_back(&l);
    }
    void remove(const listener_base& l) noexcept {
        std::erase(groups_, &l);
        std::erase(keepers_, &l);
        std::erase(rings_, &l);
    }

    // Null: there is none.

    [[nodiscard]] const listener_base* find(const type_id& type, const pattern& by,
                                            const std::string& group) const {
        for (std::size_t i = groups_.size(); i-- > 0;) {  // the newest: older ones were closed
            const listener_base& g = *groups_[i];
            if (&g.type() == &type && g.by().text() == by.text() && g.group() == group) return &g;
        }
        return nullptr;
    }
    [[nodiscard]] const listener_base* find_ring(const type_id& type, const pattern& by) const {
        for (const listener_base* r : rings_)
            if (&r->type() == &type && r->by().text() == by.text()) return r;
        return nullptr;
    }
    /// Who keeps the messages of a group of that pattern.
    [[nodiscard]] const listener_base* keeper_of(const type_id& type, const pattern& by) const {
        for (const listener_base* k : keepers_)
            if (&k->type() == &type && k->covers(by)) return k;
        return nullptr;
    }
    /// A group whose messages that keeper would keep.
    [[nodiscard]] const listener_base* within(const listener_base& keeper) const {
        for (const listener_base* g : groups_)
            if (&g->type() == &keeper.type() && keeper.covers(g->by())) return g;
        return nullptr;
    }

private:
    std::vector<const listener_base*> groups_, keepers_, rings_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
