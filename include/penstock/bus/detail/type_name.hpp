// SPDX-License-Identifier: BSL-1.0
// What type a topic carries, without RTTI: a name for messages to people, an address for the
// machine. Two types can share a name (unnamed namespaces of two files); they never share an
// address. A type that two shared libraries instantiate with hidden visibility has two addresses
// and counts as two types: let it be visible.
#pragma once

#include <string_view>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
constexpr auto signature() noexcept {
    return std::string_view{__PRETTY_FUNCTION__};
}

/// As the compiler spells it, cut out of this function's own signature.
template <class T>
constexpr std::string_view type_name() noexcept {
    constexpr std::string_view probe = signature<double>();
    constexpr auto before = probe.find("double");
    constexpr auto after = probe.size() - before - std::string_view{"double"}.size();
    constexpr std::string_view mine = signature<T>();
    return mine.substr(before, mine.size() - before - after);
}

struct type_id {
    std::string_view name;
};
template <class T>
inline constexpr type_id type_of{type_name<T>()};  // identity is the address

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
