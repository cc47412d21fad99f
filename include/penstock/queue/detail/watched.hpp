// SPDX-License-Identifier: BSL-1.0
// Waiting for a latest<T> to change: by a thread or by a coroutine. A write notifies all who wait,
// which is one load while nobody does (core/waiter.hpp).
//
// Many may wait, and each sees the newest value when it looks: nobody takes anything from another, so
// there is no wake to pass on.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <penstock/core/async_wait.hpp>
#include <penstock/core/clock.hpp>
#include <penstock/core/resume_on.hpp>
#include <penstock/core/sync_wait.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// `Latest` has read_newer(seen).
template <class Latest, class Element>
class [[nodiscard]] changed_awaitable : public async_wait<changed_awaitable<Latest, Element>> {
    using base = async_wait<changed_awaitable>;

public:
    changed_awaitable(const Latest& of, waiter& at, std::uint64_t& seen,
                      const sys::stop_token& stop, const resume_on& where) noexcept
        : base{stop, where}, of_{of}, seen_{seen}, place_{at, base::target_} {}
    ~changed_awaitable() { base::destroyed(); }

    Element await_resume() noexcept {
        base::resume();
        return std::move(*value_);
    }

private:
    friend base;
    waiter::entry* places() noexcept { return &place_; }
    static constexpr std::size_t place_count() noexcept { return 1; }
    bool done() noexcept {
        return static_cast<bool>(
            value_.emplace(of_.read_newer(seen_)));  // T need not be assignable
    }
    static constexpr void stopped() noexcept {}
    static constexpr void pass_on() noexcept {}

    const Latest& of_;
    std::uint64_t& seen_;
    waiter::entry place_;
    std::optional<Element> value_{};
};

template <class Latest, class Element>
class watched {
public:
    /// Waits for a value newer than the one whose version is `seen` (0: any); then `seen` is its
    /// own. None if the stop, or the time, came first.
    Element changed(std::uint64_t& seen, const sys::stop_token& stop = {}) const {
        return changed_by(seen, {}, stop);
    }
    template <class Rep, class Period>
    Element changed_for(std::uint64_t& seen, std::chrono::duration<Rep, Period> d,
                        const sys::stop_token& stop = {}, clock_ref by = {}) const {
        return changed_by(seen, deadline::after(by, d), stop);
    }
    /// For coroutines: co_await last.async_changed(seen, stop, pool). `seen` outlives the wait.
    changed_awaitable<Latest, Element> async_changed(
        std::uint64_t& seen, const sys::stop_token& stop = {}, const resume_on& where = {}) const {
        return {self(), waiting_, seen, stop, where};
    }

protected:
    void notify() const noexcept { waiting_.notify_all(); }

private:
    const Latest& self() const noexcept { return static_cast<const Latest&>(*this); }

    Element changed_by(std::uint64_t& seen, const deadline& until,
                       const sys::stop_token& stop) const {
        std::optional<Element> value;
        (void)waiting_.wait(
            [&] { return static_cast<bool>(value.emplace(self().read_newer(seen))); },
            [] { return false; }, until, stop);
        return std::move(*value);
    }

    mutable waiter waiting_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
