// SPDX-License-Identifier: BSL-1.0
// What makes messages of a subscription wait for each other: a member of the message, or a function
// of it. Its value is copied, hashed by std::hash and compared by ==.
//
//   {.key = &quake::network}
//   {.key = [](const order& o) { return o.customer.id; }}
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <penstock/bus/detail/keyed_lane.hpp>
#include <penstock/core/function.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T>
class message_key {
public:
    message_key() = default;

    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, message_key> &&
                 std::is_invocable_v<std::decay_t<F>&, const T&>)
    message_key(F&& f)
        : make_{[f = std::decay_t<F>(std::forward<F>(f))](
                    detail::keyed_options<T>&& o) mutable -> std::unique_ptr<detail::lane<T>> {
              using key = detail::key_type<T, std::decay_t<F>>;
              static_assert(std::is_default_constructible_v<std::hash<key>>,
                            "a key is hashed: specialise std::hash for its type");
              return std::make_unique<detail::keyed_lane<T, std::decay_t<F>>>(
                  std::move(f), std::move(o));
          }} {}

    explicit operator bool() const noexcept { return static_cast<bool>(make_); }

    /// For the bus: once.
    [[nodiscard]] std::unique_ptr<detail::lane<T>> lane(detail::keyed_options<T>&& o) const {
        return make_(std::move(o));
    }

private:
    unique_function<std::unique_ptr<detail::lane<T>>(detail::keyed_options<T>&&)> make_;
};

}  // namespace penstock::inline PENSTOCK_ABI
