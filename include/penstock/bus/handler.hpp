// SPDX-License-Identifier: BSL-1.0
// What a subscription calls with each message. A handler takes one of
//
//   [](const quake& q) {...}              the usual: look at it while the call lasts
//   [](const message<quake>& m) {...}     to keep it without a copy, or to know m.topic()
//
// It may own things that can only be moved; what it returns is ignored. A generic lambda gets the
// const quake&.
#pragma once

#include <type_traits>
#include <utility>

#include <penstock/bus/detail/envelope.hpp>
#include <penstock/bus/message.hpp>
#include <penstock/core/function.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

// Asked in this order, and the second only if the first says no: a generic lambda's body is
// compiled by the asking.
template <class F, class T>
using takes_value = std::is_invocable<F&, const T&>;
template <class F, class T>
struct takes_message : std::is_invocable<F&, const message<T>&> {};

template <class T, class F>
void call_handler(F& f, envelope<T>& e) {
    if constexpr (takes_value<F, T>::value) {
        (void)f(e.view());
    } else {
        (void)f(e.share());
    }
}

}  // namespace detail

template <class F, class T>
inline constexpr bool is_handler =
    std::disjunction_v<detail::takes_value<F, T>, detail::takes_message<F, T>>;

template <class T>
class handler {
public:
    handler() = default;

    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, handler> && is_handler<std::decay_t<F>, T>)
    handler(F&& f) : call_{adapted<std::decay_t<F>>{std::forward<F>(f)}} {}

    explicit operator bool() const noexcept { return static_cast<bool>(call_); }
    void operator()(detail::envelope<T>& e) const { call_(e); }

private:
    template <class F>
    struct adapted {
        F f;
        void operator()(detail::envelope<T>& e) { detail::call_handler<T>(f, e); }
    };

    unique_function<void(detail::envelope<T>&)> call_;
};

}  // namespace penstock::inline PENSTOCK_ABI
