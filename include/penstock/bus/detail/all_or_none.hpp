// SPDX-License-Identifier: BSL-1.0
// Admission to all queues that a publish is meant for, or to none: two phases. First each queue keeps
// a place for the message, then all are filled; if one has none, the others let theirs go.
//
//   ask     `where` and the key of each queue, then the message is made     (user code)
//   hold    a place in each, in the order in which they subscribed
//   fill    all of them: nothing can fail any more, and no user code runs in between
//   settle  counts, wakes, direct handlers, queues that drop their oldest for it
//
// Who finds no room and may wait lets go of what he holds, waits until he has a place there, and tries
// the others again: nobody waits while he holds a place, so no two wait for each other.
//
// Between hold and fill a queue's next messages wait behind the place (channel/detail/place.hpp): that
// is why no user code runs then, which might wait for them, or end a subscription that has to
// hand them out.
//
// Refused   Two that hold places in each other's way may both be refused where either alone would
//           have gone through; a place that was let go counts as taken until what stands before it in
//           its queue has been received. Never is the message in some queues only.
// Cost      Two calls a queue, and a third when all have it. No allocation in steady state: what is
//           kept of a queue is on the stack, for more than eight in blocks of the messages' memory.
// Progress  Where two that may wait get in each other's way again and again, it ends by chance.
// Meant     Queues whose pattern and `where` say yes. One that ends meanwhile is none of them any more.
//           One that drops its oldest takes every message, so it keeps no place; one that drops its
//           newest is asked as one that rejects: nothing is dropped for a message that nobody gets.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include <penstock/bus/detail/block_pool.hpp>
#include <penstock/bus/published.hpp>
#include <penstock/core/status.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// What carries the message, of a type that both sides know.
struct envelope_base {};
struct patience;

/// What a queue keeps for it, between two calls; the queue knows what is in there.
struct held {
    held() = default;
    held(const held&) = delete;
    held& operator=(const held&) = delete;
    ~held() {
        if (forget) forget(*this);
    }
    void (*forget)(held&) noexcept = nullptr;  ///< what it was prepared for ends
    alignas(void*) std::byte place[6 * sizeof(void*)];
};

/// A queue, as such a publish sees it.
class admitting {
public:
    admitting() = default;
    admitting(const admitting&) = delete;
    admitting& operator=(const admitting&) = delete;

    /// ok: it is meant. no_subscribers: it is not. failed: nobody knows.
    virtual status ask(envelope_base& e, tally& t, held& h) = 0;
    /// ok, full, closed.
    virtual status hold(held& h) = 0;
    /// After full: waits until it has a place, if it may. Else why it is refused, which is counted.
    virtual status wait_and_hold(held& h, const patience& p) = 0;
    /// False: it has ended, and is none of those who are meant any more.
    virtual bool fill(envelope_base& e, held& h) noexcept = 0;
    virtual void let_go(held& h) noexcept = 0;
    /// It is in, and so is everybody else.
    virtual void settle(envelope_base& e, tally& t, held& h) = 0;
    /// A place was let go: who comes past it?
    virtual void settle_refused() = 0;

protected:
    ~admitting() = default;
};

/// One publish. The queues stay while it lasts.
class admission {
    struct entry {
        admitting* queue = nullptr;
        entry* next = nullptr;
        bool meant = true, holds = false, filled = false;
        held what;
    };

public:
    /// For more than a few it takes pieces of that memory.
    explicit admission(block_pool& memory) noexcept : memory_{memory} {}
    admission(const admission&) = delete;
    admission& operator=(const admission&) = delete;
    ~admission() {
        let_go();
        std::size_t n = 0;
        for (entry* x = first_; x;) {
            entry* const gone = std::exchange(x, x->next);
            if (n++ < few) continue;
            std::destroy_at(gone);
            memory_.put<entry>(gone);
        }
    }

    /// False: refused, and nobody has it.
    bool ask(admitting& queue, envelope_base& e, tally& t) {
        if (!*end_) *end_ = size_ < few ? &few_[size_] : ::new (memory_.take<entry>()) entry;
        entry& x = **end_;
        const status answer = queue.ask(e, t, x.what);
        if (answer == status::failed) return false;
        if (!answer) return true;
        x.queue = &queue;
        end_ = &x.next;
        ++size_;
        return true;
    }

    /// ok: all queues have a place. Else why not.
    status hold(const patience& p) {
        for (;;) {
            entry* full = nullptr;
            for (entry* x = first_; x && x->queue && !full; x = x->next) {
                if (x->holds || !x->meant) continue;
                const status answer = x->queue->hold(x->what);
                x->holds = answer == status::ok;
                x->meant = answer != status::closed;  // else it has just ended
                if (answer == status::full) full = x;
            }
            if (!full) return status::ok;
            let_go();
            const status answer = full->queue->wait_and_hold(full->what, p);
            full->holds = answer == status::ok;
            full->meant = answer != status::closed;
            if (!answer && full->meant) return answer;
        }
    }

    void fill(envelope_base& e) noexcept {
        for (entry* x = first_; x; x = x->next)
            if (std::exchange(x->holds, false)) x->filled = x->queue->fill(e, x->what);
        next_ = first_;
    }
    /// After fill, of each queue that may have been asked, in that order: what it knows, if it has it.
    [[nodiscard]] held* filled(const admitting& queue) noexcept {
        if (!next_ || next_->queue != &queue) return nullptr;  // it had said no
        entry& x = *std::exchange(next_, next_->next);
        return x.filled ? &x.what : nullptr;
    }
    /// Queues that were asked and said yes.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    void let_go() noexcept {
        for (entry* x = first_; x; x = x->next)
            if (x->holds) x->queue->let_go(x->what);
        for (entry* x = first_; x; x = x->next)  // wakes, which may run user code: nothing is held
            if (std::exchange(x->holds, false)) x->queue->settle_refused();
    }

    static constexpr std::size_t few = 8;
    block_pool& memory_;
    entry few_[few];
    entry* first_ = nullptr;
    entry** end_ = &first_;  // the one that is asked next is there, or none
    entry* next_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
