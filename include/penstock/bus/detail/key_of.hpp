// SPDX-License-Identifier: BSL-1.0
// What a keyed queue is told, and how it asks a message for its key: by a member or a function.
#pragma once

#include <cstddef>
#include <type_traits>

#include <penstock/bus/message.hpp>
#include <penstock/channel/overflow.hpp>
#include <penstock/core/function.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
struct keyed_options {
    std::size_t capacity;
    std::size_t per_key;  // 0: no limit but the capacity
    penstock::overflow overflow;
    unique_function<void(message<T>&&)> on_drop;
};

/// As std::invoke, whose header costs a fifth of what all others do.
template <class KeyOf, class T>
decltype(auto) key_in(KeyOf& key_of, const T& value) {
    if constexpr (std::is_member_object_pointer_v<KeyOf>) {
        return (value.*key_of);
    } else if constexpr (std::is_member_function_pointer_v<KeyOf>) {
        return (value.*key_of)();
    } else {
        return key_of(value);
    }
}
template <class T, class KeyOf>
using key_type = std::decay_t<std::invoke_result_t<KeyOf&, const T&>>;

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
