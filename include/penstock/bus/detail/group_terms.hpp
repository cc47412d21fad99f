// SPDX-License-Identifier: BSL-1.0
// What all members of a group have in common: its first member's options say it, the others' may not
// contradict.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

#include <penstock/bus/options.hpp>
#include <penstock/bus/pattern.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

struct group_terms {
    std::size_t capacity;
    penstock::overflow overflow;
    bool key, single_active, where, on_drop;

    template <class T>
    static group_terms of(const subscribe_options<T>& o) noexcept {
        return {o.capacity,
                o.overflow,
                static_cast<bool>(o.key),
                o.single_active,
                static_cast<bool>(o.where),
                static_cast<bool>(o.on_drop)};
    }

    /// Throws if somebody with those can't be a member.
    void admit(const group_terms& o, const std::string& group, const pattern& by) const {
        const char* const why =
            o.capacity != capacity             ? "another capacity"
            : o.overflow != overflow           ? "another overflow"
            : o.key != key                     ? "a key, or none, other than the first member"
            : o.single_active != single_active ? "another single_active"
            : o.where && !where                ? "a where, and the first member had none"
            : o.on_drop && !on_drop            ? "an on_drop, and the first member had none"
                                               : nullptr;
        if (!why) return;
        std::string text{"penstock: a member of the group \""};
        text.append(group).append("\" on \"").append(by.text());
        throw std::invalid_argument{text.append("\" asks for ").append(why)};
    }
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
