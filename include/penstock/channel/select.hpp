// SPDX-License-Identifier: BSL-1.0
// Waits for several channels at once, for elements and for room, and takes exactly one.
//
//   while (select(on(orders,  [](order o)  { place(o); }),  // one that is ready, fairly
//                 on(cancels, [](cancel c) { drop(c); }),   // false when all are closed
//                 on(log_tx, line, []      { line = next(); }),  // sends `line` when there is room
//                 timeout(1s, []           { idle(); }))) {}
//   selected s = select(on(rx, use, [] { bye(); }), stop);  // a third: what to do when it is closed
//
//   co_await async_select(on(orders, place), on(cancels, drop), stop, pool);  // for coroutines
//
// A case that is closed is not chosen, unless it has a handler for that; when no other is left, the
// answer is closed. A send over drop_newest or drop_oldest is always ready; over reject it waits for
// room, as over block. timeout(0s) only looks.
//
// Cost      Something ready: as that try_receive or try_send. Else a mutex for each case and one
//           sleep, as core/waiter.hpp says. No allocation (async_select with an executor: one).
// Threads   As the ends that it is given. Handlers run in the thread or coroutine that selects, after
//           the choice, when nothing is held any more; what they throw goes through.
// Errors    The value of a send that was not chosen stays where it was, unmoved. too_large: that
//           send can never go; its handler is not called.
// Order     Random among those that are ready; each channel's own order stays.
// Loss      None. One element is taken, or none; a wake that is not used is passed on, case by case.
#pragma once

#include <chrono>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include <penstock/channel/detail/cases.hpp>
#include <penstock/core/async_wait.hpp>
#include <penstock/core/clock.hpp>
#include <penstock/core/status.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// What came of it: true if a handler was called (or would have been: it may be left out).
class [[nodiscard]] selected {
public:
    constexpr selected(penstock::status s, std::size_t index) noexcept
        : status_{s}, index_{index} {}
    explicit operator bool() const noexcept { return status_ == penstock::status::ok; }
    /// ok; closed: all are; stopped; timed_out without a handler; too_large.
    [[nodiscard]] penstock::status status() const noexcept { return status_; }
    /// Which case, from 0 in the order given, the timeout not counted; their number if none.
    [[nodiscard]] std::size_t index() const noexcept { return index_; }

private:
    penstock::status status_;
    std::size_t index_;
};

/// An element for f(T&&), or closed().
template <class T, class Storage, class F, class Closed = detail::nothing>
[[nodiscard]] auto on(const receiver<T, Storage>& rx, F f, Closed closed = {}) {
    return detail::receive_case<T, Storage, F, Closed>{
        detail::channel_access::core(rx), std::move(f), std::move(closed)};
}
/// Room for `value`, which is moved from when it goes in; then sent().
template <class T, class Storage, class F = detail::nothing, class Closed = detail::nothing>
[[nodiscard]] auto on(const sender<T, Storage>& tx, T& value, F sent = {}, Closed closed = {}) {
    return detail::send_case<T, Storage, F, Closed>{
        detail::channel_access::core(tx), value, std::move(sent), std::move(closed)};
}

template <class F>
struct timeout_case {
    deadline until;
    F passed;
};
/// If nothing has come by then. Without `passed` the answer is timed_out.
template <class Rep, class Period, class F = detail::nothing>
[[nodiscard]] timeout_case<F> timeout(std::chrono::duration<Rep, Period> d, F passed = {},
                                      clock_ref by = {}) {
    return {deadline::after(by, d), std::move(passed)};
}

namespace detail {

template <class A>
inline constexpr bool is_case = false;
template <class T, class S, class F, class C>
inline constexpr bool is_case<receive_case<T, S, F, C>> = true;
template <class T, class S, class F, class C>
inline constexpr bool is_case<send_case<T, S, F, C>> = true;
template <class A>
inline constexpr bool is_timeout = false;
template <class F>
inline constexpr bool is_timeout<timeout_case<F>> = true;
template <class A>
inline constexpr bool is_stop = std::is_same_v<A, sys::stop_token>;

template <class... Cases>
std::true_type all_cases(const std::tuple<Cases...>&);

/// Those arguments for which Is holds, as a tuple of values or of references.
template <template <class> class Is, class... Args>
auto pick(Args&... args) {
    return std::tuple_cat([](auto& a) {
        if constexpr (Is<std::remove_cvref_t<decltype(a)>>::value) {
            return std::forward_as_tuple(std::move(a));
        } else {
            return std::tuple<>{};
        }
    }(args)...);
}
template <class A>
using a_case = std::bool_constant<is_case<A>>;
template <class A>
using a_timeout = std::bool_constant<is_timeout<A>>;
template <class A>
using a_stop = std::bool_constant<is_stop<A>>;

template <class... Cases>
case_set<Cases...> set_of(std::tuple<Cases&&...>&& cases) {
    static_assert(sizeof...(Cases) > 0, "select needs a case: on(receiver, handler)");
    return case_set<Cases...>{std::tuple<Cases...>{std::move(cases)}};
}

inline sys::stop_token stop_of(std::tuple<>) { return {}; }
template <class Token>
sys::stop_token stop_of(std::tuple<Token&&>&& t) {
    return std::get<0>(t);
}

}  // namespace detail

/// Waits until one of the cases can be taken, takes it and calls its handler. Arguments: cases by
/// on(...), and at most one timeout(...) and one stop token, in any order.
template <class... Args>
selected select(Args... args) {
    static_assert(
        ((detail::is_case<Args> || detail::is_timeout<Args> || detail::is_stop<Args>)&&...),
        "select takes on(receiver, handler), on(sender, value, handler), timeout(...) and "
        "a stop token");
    static_assert(
        (detail::is_timeout<Args> + ... + 0) <= 1 && (detail::is_stop<Args> + ... + 0) <= 1,
        "select takes one timeout and one stop token");
    auto set = detail::set_of(detail::pick<detail::a_case>(args...));
    auto limit = detail::pick<detail::a_timeout>(args...);
    const sys::stop_token stop = detail::stop_of(detail::pick<detail::a_stop>(args...));
    deadline until;
    if constexpr (std::tuple_size_v<decltype(limit)> > 0) until = std::get<0>(limit).until;

    const auto done = [&] { return set.done(); };
    status answer = status::ok;
    const bool spun = set.at_waiters([&](waiter& first, auto&...) {
        return done() || first.spin(done, until, stop, answer);
    });
    if (!spun) {
        wake_target me;
        set.at_waiters([&](auto&... at) {
            waiter::entry places[] = {{at, me}...};
            answer = waiter::sleep(places, sizeof...(at), me, done, until, stop);
        });
        set.pass_on();
    }
    if (answer) {
        set.run();
        // Closed by its own handler's word is as good as taken.
        const bool told = set.answer() == status::closed && set.chosen() != set.none;
        return {told ? status::ok : set.answer(), set.chosen()};
    }
    if constexpr (std::tuple_size_v<decltype(limit)> > 0) {
        auto& passed = std::get<0>(limit).passed;
        if (!std::is_same_v<std::remove_cvref_t<decltype(passed)>, detail::nothing> &&
            answer == status::timed_out) {
            passed();
            answer = status::ok;
        }
    }
    return {answer, set.none};
}

/// The same for a coroutine: co_await it. Without a timeout: select on a channel that a timer feeds.
template <class... Cases>
class [[nodiscard]] select_awaitable : public detail::async_wait<select_awaitable<Cases...>> {
    using base = detail::async_wait<select_awaitable>;
    using set = detail::case_set<Cases...>;

public:
    select_awaitable(set&& cases, const sys::stop_token& stop, const resume_on& where)
        : base{stop, where}, set_{std::move(cases)} {}
    ~select_awaitable() { base::destroyed(); }

    selected await_resume() {
        base::resume();
        if (!ended_) return {status::stopped, set::none};
        set_.run();
        const bool told = set_.answer() == status::closed && set_.chosen() != set::none;
        return {told ? status::ok : set_.answer(), set_.chosen()};
    }

private:
    friend base;
    struct place_array {
        waiter::entry at[sizeof...(Cases)];
    };
    waiter::entry* places() noexcept { return places_.at; }
    static constexpr std::size_t place_count() noexcept { return sizeof...(Cases); }
    bool done() { return ended_ = set_.done(); }
    void stopped() noexcept {}
    void pass_on() noexcept { set_.pass_on(); }

    set set_;
    place_array places_ = set_.at_waiters([this](auto&... at) {
        return place_array{{{at, base::target_}...}};
    });
    bool ended_ = false;
};

namespace detail {
template <class... Cases>
select_awaitable<Cases...> async_select_of(std::tuple<Cases&&...>&& cases,
                                           const sys::stop_token& stop, const resume_on& where) {
    return {set_of(std::move(cases)), stop, where};
}
}  // namespace detail

/// Arguments: cases, at most one stop token, and an executor for core/async_wait.hpp.
template <class... Args>
auto async_select(Args&&... args) {
    static_assert((!detail::is_timeout<std::remove_cvref_t<Args>> && ...),
                  "a coroutine has no clock to wake it: select on a channel that a timer feeds");
    resume_on where;
    const auto place = [&](auto& a) {
        using arg = std::remove_cvref_t<decltype(a)>;
        if constexpr (!detail::is_case<arg> && !detail::is_stop<arg>) where = resume_on{a};
    };
    (place(args), ...);
    return detail::async_select_of(detail::pick<detail::a_case>(args...),
                                   detail::stop_of(detail::pick<detail::a_stop>(args...)), where);
}

}  // namespace penstock::inline PENSTOCK_ABI
