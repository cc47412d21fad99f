// SPDX-License-Identifier: BSL-1.0
// Coroutines that were woken by this thread and run on it: one after the other, never one inside
// another. Else two that wake each other would use up the stack.
//
//   trampoline::hold later;                   // what is posted from here on runs at its end,
//   trampoline::of_this_thread().post(item);  // or where an outer hold ends
//
// Cost      A look at this thread's own list; no allocation, no lock.
// Threads   A list belongs to its thread. An item that is queued is taken back in that thread.
// Order     First posted, first run.
#pragma once

#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class trampoline {
public:
    class item {
    public:
        explicit constexpr item(void (*run)(item&) noexcept) noexcept : run_{run} {}
        item(const item&) = delete;

    private:
        friend trampoline;
        void (*run_)(item&) noexcept;
        item* next_ = nullptr;
        item* previous_ = nullptr;
        bool queued_ = false;
    };

    static trampoline& of_this_thread() noexcept {
        struct tag;
        return sys::per_thread<tag, trampoline>();
    }

    void post(item& i) noexcept {
        i.previous_ = last_;
        i.next_ = nullptr;
        (last_ ? last_->next_ : first_) = &i;
        last_ = &i;
        i.queued_ = true;
        if (!held_) hold{*this};
    }

    /// Takes it back, if it is queued: it is about to be destroyed.
    void forget(item& i) noexcept {
        if (!i.queued_) return;
        (i.previous_ ? i.previous_->next_ : first_) = i.next_;
        (i.next_ ? i.next_->previous_ : last_) = i.previous_;
        i.queued_ = false;
    }

    class hold {
    public:
        hold() noexcept : hold{of_this_thread()} {}
        explicit hold(trampoline& t) noexcept : at_{t}, outermost_{!t.held_} { t.held_ = true; }
        hold(const hold&) = delete;
        /// Whether its end will run somebody.
        [[nodiscard]] bool something_to_run() const noexcept {
            return outermost_ && at_.first_ != nullptr;
        }
        ~hold() {
            if (!outermost_) return;
            while (item* i = at_.first_) {
                at_.forget(*i);
                i->run_(*i);
            }
            at_.held_ = false;
        }

    private:
        trampoline& at_;
        const bool outermost_;
    };

private:
    item* first_ = nullptr;
    item* last_ = nullptr;
    bool held_ = false;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
