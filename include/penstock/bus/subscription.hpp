// SPDX-License-Identifier: BSL-1.0
// Who holds it is subscribed: when it goes, no handler of it is running any more.
//
//   auto s = events.subscribe<quake>("quake.#", {.executor = pool}, count);
//   std::printf("%llu handled\n", s.counts().handled);
//   s.cancel();  // or its destructor
//
// The handler's captures, and those of `where` and `on_drop`, are destroyed before that. So they
// may refer to whatever outlives the subscription. (A group's `where` and `on_drop` are its first
// member's; they stay until the last member goes.) What is still queued goes to on_drop when the
// last member ends; before that the other members get it.
//
// One exception, without which it would wait for ever: ended by its own handler (directly, or by one
// that the handler called through a publish), or while that handler waits in turn for the caller's
// to end. Then it doesn't wait, cancel() answers false, and the captures go when the handler ends.
//
// Threads   cancel and the const members by any number of threads at once; the handle itself, as any
//           object, is moved, assigned and destroyed by one. A queued handler may run before
//           subscribe has returned in the thread that called it: one that uses its own subscription
//           has to wait until it is assigned.
// Progress  cancel blocks while the handler runs; never called again once it has begun to wait.
// Lifetime  It may outlive the bus, whose end has then cancelled it.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/registry.hpp>

namespace penstock::inline PENSTOCK_ABI {

class [[nodiscard]] subscription {
public:
    subscription() = default;  ///< to none
    subscription(std::shared_ptr<detail::registry> home,
                 std::shared_ptr<detail::subscriber> s) noexcept
        : home_{std::move(home)}, is_{std::move(s)} {}
    subscription(subscription&&) noexcept = default;
    subscription& operator=(subscription&& other) noexcept {
        if (this == &other) return *this;
        cancel();
        is_ = std::move(other.is_);
        home_ = std::move(other.home_);
        return *this;
    }
    ~subscription() { cancel(); }

    /// Ends it. True: no handler of it is running any more. False: the caller is in it.
    bool cancel() noexcept { return !is_ || is_->cancel(); }

    /// Ends it without waiting for a handler that runs, wherever it is called: its captures go when
    /// it returns.
    void cancel_without_waiting() noexcept {
        if (is_) is_->cancel_without_waiting();
    }

    /// Whether it gets messages: not after cancel, nor after the bus has closed.
    [[nodiscard]] bool active() const { return is_ && is_->active(); }
    /// Also after it has ended.
    [[nodiscard]] subscription_counts counts() const {
        return is_ ? is_->counts() : subscription_counts{};
    }
    [[nodiscard]] std::string pattern() const { return is_ ? is_->listens().by().text() : ""; }
    [[nodiscard]] std::string group() const { return is_ ? is_->listens().group() : ""; }
    /// How many topics its pattern meets now, and how many that carry another type: those are the
    /// usual reason why nothing comes.
    [[nodiscard]] pattern_reach reach() const {
        return is_ ? is_->home().reached_by(is_->listens()) : pattern_reach{};
    }

private:
    std::shared_ptr<detail::registry> home_;
    std::shared_ptr<detail::subscriber> is_;
};

}  // namespace penstock::inline PENSTOCK_ABI
