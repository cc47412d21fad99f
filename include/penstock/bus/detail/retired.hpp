// SPDX-License-Identifier: BSL-1.0
// What was taken out of the routes and may still be read: rosters and listeners. Freed in batches, so
// that the process barrier that it takes is shared by many changes.
//
// A roster stays while a visit names it, a listener while it is in a roster that a visit names, and
// everything while a visit is entering (detail/route.hpp). So a handler that sleeps for an hour pins
// its publish's roster and those in it; everything else goes.
//
// Threads   One at a time, under the registry's mutex. What is retired is linked through members of
//           its own: retiring allocates nothing.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/route.hpp>
#include <penstock/bus/detail/visitors.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class retired {
public:
    using listeners = std::shared_ptr<listener_base>;  // a list, by listener_base::next_retired

    retired() = default;
    retired(const retired&) = delete;
    retired& operator=(const retired&) = delete;
    ~retired() {  // nobody visits any more
        while (rosters_) roster::free(std::exchange(rosters_, rosters_->next_retired));
        while (listeners_) listeners_ = std::move(listeners_->next_retired);
    }

    /// If it was found; else nobody reads it, and it is freed.
    void add(displaced d) noexcept {
        if (!d.found) return roster::free(d.who);
        for (listener_base* l : *d.who)
            if (!l->was_found) l->was_found = true;
        d.who->next_retired = std::exchange(rosters_, d.who);
        ++size_;
    }
    /// The same of a listener, which somebody else keeps until the registry's mutex is unlocked.
    void add(std::shared_ptr<listener_base> l) noexcept {
        if (!l->was_found) return;
        l->next_retired = std::move(listeners_);
        listeners_ = std::move(l);
        ++size_;
    }

    [[nodiscard]] bool worth_a_sweep() const noexcept { return size_ >= sweep_at_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// Frees what nobody reads. The listeners among it are the caller's to let go, outside of the
    /// mutex. Throws std::bad_alloc, and has then freed nothing.
    [[nodiscard]] listeners sweep(const visitors& all) {
        listeners gone;
        all.by().barrier();
        bool somebody_enters = false;
        pinned_.clear();
        all.readers([&](const void* what) {
            if (what == &route::entering) {
                somebody_enters = true;
            } else {
                pinned_.push_back(static_cast<const roster*>(what));
            }
        });
        if (!somebody_enters) {
            // Who names late, what is no longer there, looks again and then reads another: the roster
            // may have been freed before it was named.
            std::erase_if(pinned_, [&](const roster* named) { return !is_here(named); });
            sweep_listeners(gone);
            sweep_rosters();
            size_ = left_;
        }
        sweep_at_ = 2 * size_ + batch;
        return gone;
    }

    /// The list's own destruction would take a stack frame a listener.
    static void let_go(listeners all) noexcept {
        while (all) all = std::exchange(all->next_retired, nullptr);
    }

private:
    static constexpr std::size_t batch = 32;

    [[nodiscard]] bool is_here(const roster* which) const noexcept {
        const roster* r = rosters_;
        while (r && r != which) r = r->next_retired;
        return r != nullptr;
    }
    template <class Is>
    [[nodiscard]] bool is_pinned(Is&& is) const noexcept {
        for (const roster* r : pinned_)
            if (is(*r)) return true;
        return false;
    }
    void sweep_listeners(listeners& gone) noexcept {
        left_ = 0;
        listeners all = std::move(listeners_);
        while (all) {
            listeners rest = std::move(all->next_retired);
            const bool pinned = is_pinned([&](const roster& r) { return r.has(*all); });
            listeners& to = pinned ? listeners_ : gone;
            left_ += pinned;
            all->next_retired = std::move(to);
            to = std::move(all);
            all = std::move(rest);
        }
    }
    void sweep_rosters() noexcept {
        for (roster** at = &rosters_; *at;) {
            roster* const r = *at;
            if (is_pinned([&](const roster& p) { return &p == r; })) {
                at = &r->next_retired;
                ++left_;
            } else {
                *at = r->next_retired;
                roster::free(r);
            }
        }
    }

    roster* rosters_ = nullptr;
    listeners listeners_;
    std::vector<const roster*> pinned_;
    std::size_t size_ = 0;
    std::size_t left_ = 0;
    std::size_t sweep_at_ = batch;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
