// SPDX-License-Identifier: BSL-1.0
// From a topic to those who listen to it: an immutable list, replaced as a whole when somebody
// comes or goes. A publish reads the list that stands when it begins.
//
//   for (auto& l : route<quake>::reader{r}) l->deliver(...);
//
// Version 0: a reader copies a reference to the list inside a mutex of this one topic, held for an
// increment, and released before anybody is called. So publishers of one topic share its line, and
// a changer that is descheduled in those few instructions delays them. Both ends are to be had
// without a lock; this is the only header to change for it.
//
// Threads   Readers and one changer at a time (under the registry's mutex) may overlap.
// Order     Listeners stand in the order in which they subscribed.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <penstock/bus/detail/listener.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
class route {
    using list = std::vector<std::shared_ptr<listener<T>>>;

public:
    class reader {
    public:
        explicit reader(const route& r) : list_{r.now()} {}
        [[nodiscard]] auto begin() const noexcept {
            return list_ ? list_->begin() : nobody.begin();
        }
        [[nodiscard]] auto end() const noexcept { return list_ ? list_->end() : nobody.end(); }

    private:
        static inline const list nobody{};
        std::shared_ptr<const list> list_;
    };

    void add(std::shared_ptr<listener<T>> l) {
        auto next = std::make_shared<list>();
        const reader old{*this};
        next->reserve(static_cast<std::size_t>(old.end() - old.begin()) + 1);
        next->assign(old.begin(), old.end());
        next->push_back(std::move(l));
        replace(std::move(next));
    }

    void remove(const listener_base& gone) {
        auto next = std::make_shared<list>();
        for (auto& l : reader{*this})
            if (l.get() != &gone) next->push_back(l);
        replace(std::move(next));
    }

    void clear() noexcept { replace(nullptr); }

private:
    [[nodiscard]] std::shared_ptr<const list> now() const {
        std::lock_guard lock{mutex_};
        return list_;
    }
    void replace(std::shared_ptr<const list> next) noexcept {
        std::lock_guard lock{mutex_};
        list_.swap(next);
    }  // the old list goes after the lock, with its last reader

    mutable sys::mutex mutex_;
    std::shared_ptr<const list> list_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
