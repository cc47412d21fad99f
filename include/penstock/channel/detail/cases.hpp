// SPDX-License-Identifier: BSL-1.0
// What select chooses from, and how it chooses: a set of cases, of which one is taken.
//
// A case tries (ok: it is taken; closed; anything else: not now), has a waiter where it is waited
// for, and afterwards passes on a wake that it can't use. The set tries from a random place on, so
// that a case that is always ready doesn't keep the others from their turn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <penstock/channel/ends.hpp>
#include <penstock/core/status.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// A handler that is not there.
struct nothing {
    template <class... Args>
    void operator()(Args&&...) const noexcept {}
};

template <class T, class Storage, class F, class Closed>
class receive_case {
public:
    static constexpr bool has_closed = !std::is_same_v<Closed, nothing>;

    receive_case(conduit<T, Storage>& from, F&& f, Closed&& closed)
        : from_{from}, f_{std::move(f)}, closed_{std::move(closed)} {}

    [[nodiscard]] waiter& where() const noexcept { return from_.receivers(); }
    status attempt() {
        if (auto got = from_.take()) return value_.emplace(std::move(*got)), status::ok;
        return from_.drained() ? status::closed : status::empty;
    }
    void pass_on() noexcept {
        if (from_.receivable()) from_.receivers().notify_one();
    }
    void run(status answer) {
        if (answer == status::closed) {
            closed_();
        } else {
            f_(std::move(*value_));
        }
    }

private:
    conduit<T, Storage>& from_;
    F f_;
    Closed closed_;
    std::optional<T> value_{};
};

template <class T, class Storage, class F, class Closed>
class send_case {
public:
    static constexpr bool has_closed = !std::is_same_v<Closed, nothing>;

    send_case(conduit<T, Storage>& to, T& value, F&& f, Closed&& closed)
        : to_{to}, value_{value}, f_{std::move(f)}, closed_{std::move(closed)} {}
    send_case(send_case&& other) noexcept
        : to_{other.to_},
          value_{other.value_},
          f_{std::move(other.f_)},
          closed_{std::move(other.closed_)} {}

    [[nodiscard]] waiter& where() const noexcept { return to_.senders(); }
    status attempt() {
        if (to_.policy() == overflow::drop_newest || to_.policy() == overflow::drop_oldest) {
            const status answer = to_.try_put(std::move(value_));
            return answer == status::dropped ? status::ok : answer;
        }
        if (!pass_) pass_.emplace(to_);
        const status answer = to_.try_put(std::move(value_), *pass_);
        if (answer == status::full) pass_->stand_in_line();
        return answer;
    }
    void pass_on() noexcept {
        pass_.reset();
        if (to_.sendable()) to_.senders().notify_one();
        to_.sender_left();
    }
    void run(status answer) {
        if (answer == status::closed) {
            closed_();
        } else {
            f_();
        }
    }

private:
    conduit<T, Storage>& to_;
    T& value_;
    F f_;
    Closed closed_;
    std::optional<typename conduit<T, Storage>::pass> pass_{};
};

/// Each thread's own numbers, by Marsaglia's xorshift; never 0.
inline std::uint32_t next_random() noexcept {
    struct tag;
    auto& x = sys::per_thread<tag, std::uint32_t>();
    if (x == 0) x = 2463534242u;
    x ^= x << 13;
    x ^= x >> 17;
    return x ^= x << 5;
}

/// The cases of one select.
template <class... Cases>
class case_set {
public:
    static constexpr std::size_t size = sizeof...(Cases);
    static constexpr std::size_t none = size;

    explicit case_set(std::tuple<Cases...>&& cases) : cases_{std::move(cases)} {}

    /// True: one was taken, or all are closed.
    bool done() {
        bool all_closed = true;
        const std::size_t first = next_random() % size;
        for (std::size_t k = 0; k < size; ++k) {
            const std::size_t i = (first + k) % size;
            bool tells_closed = false;
            const status s = attempt(i, tells_closed, std::index_sequence_for<Cases...>{});
            if (s == status::ok || s == status::too_large ||
                (s == status::closed && tells_closed)) {
                chosen_ = i;
                answer_ = s;
                return true;
            }
            if (s != status::closed) all_closed = false;
        }
        if (all_closed) answer_ = status::closed;
        return all_closed;
    }
    void pass_on() noexcept {
        std::apply([](Cases&... c) { (c.pass_on(), ...); }, cases_);
    }
    /// Calls the handler of the one that was taken.
    void run() {
        if (answer_ == status::ok || answer_ == status::closed)
            run(std::index_sequence_for<Cases...>{});
    }
    [[nodiscard]] std::size_t chosen() const noexcept { return chosen_; }
    [[nodiscard]] status answer() const noexcept { return answer_; }

    /// Calls f with all the waiters.
    template <class F>
    auto at_waiters(F&& f) {
        return std::apply([&](Cases&... c) { return f(c.where()...); }, cases_);
    }

private:
    template <std::size_t... I>
    status attempt(std::size_t i, bool& tells_closed, std::index_sequence<I...>) {
        status answer = status::empty;
        const auto one = [&](auto& c) {
            tells_closed = c.has_closed;
            answer = c.attempt();
        };
        ((i == I ? one(std::get<I>(cases_)) : void()), ...);
        return answer;
    }
    template <std::size_t... I>
    void run(std::index_sequence<I...>) {
        ((chosen_ == I ? std::get<I>(cases_).run(answer_) : void()), ...);
    }

    std::tuple<Cases...> cases_;
    std::size_t chosen_ = none;
    status answer_{status::empty};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
