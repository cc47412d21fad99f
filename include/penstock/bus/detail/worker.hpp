// SPDX-License-Identifier: BSL-1.0
// A member of an inbox that has a handler: run by tasks on its executor, or by a thread of its own.
// One message at a time, whichever it is.
//
// Before a message is taken the gate is entered: what was taken is handled, also when the subscription
// ends in that moment. detail/runner.hpp has its turns.
#pragma once

#include <memory>
#include <utility>

#include <penstock/bus/detail/gate.hpp>
#include <penstock/bus/detail/inbox.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/runner.hpp>
#include <penstock/bus/handler.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
class worker final
    : public runner<worker<T>>,
      public subscriber,
      public std::enable_shared_from_this<worker<T>>,
      private gate {
public:
    worker(std::shared_ptr<registry> home, std::shared_ptr<inbox<T>> from, executor_ref on,
           std::size_t at_once, handler<T> h)
        : worker::runner{on, false, at_once},
          gate{from->home().visits()},
          home_{std::move(home)},
          inbox_{std::move(from)},
          handler_{std::move(h)} {}

    /// A new member may find work in the queue of its group; the first one, what is replayed.
    void catch_up() {
        inbox_->fill_replays();
        inbox_->catch_up();
    }

    [[nodiscard]] std::shared_ptr<member_base> self() override { return this->shared_from_this(); }
    void cancel_without_waiting() override {
        const bool mine = inbox_->leave(*this);
        if (mine) this->stop_thread();
        gate::shut_without_waiting();
        inbox_->shut_if_left();
        if (mine) this->detach_thread();
    }
    bool cancel() override {
        const bool mine = inbox_->leave(*this);  // whoever takes it out also ends its thread
        if (mine) this->stop_thread();
        const bool out = gate::close();
        if (mine) this->join_thread(out);
        return inbox_->end_if_left() && out;
    }

    [[nodiscard]] bool active() const override { return !gate::closed(); }
    [[nodiscard]] subscription_counts counts() const override {
        subscription_counts c;
        inbox_->add_to(c);
        c.handled = handled_.load(std::memory_order_relaxed);  // a count; carries nothing
        c.failed = failed_.load(std::memory_order_relaxed);    // a count; carries nothing
        return c;
    }
    [[nodiscard]] const listener_base& listens() const override { return *inbox_; }
    [[nodiscard]] registry& home() const override { return *home_; }

private:
    friend runner<worker<T>>;

    void run() {
        {
            const inside here{*this, inbox_.get()};
            if (!here) return;  // it has ended; whoever ended it woke another member
            for (int n = 1;; ++n) {
                auto m = inbox_->next(*this);
                if (!m) return;
                const bool handled = handle(std::move(m->what));
                inbox_->done(m->claim, handled);
                if (gate::closed()) break;
                if (n % this->batch == 0 && this->posted_again()) return;
            }
        }
        inbox_->rested();
        inbox_->catch_up();  // the next of its key, which nobody else was woken for
    }

    bool handle(message<T>&& m) noexcept {
        envelope<T> e{std::move(m)};
        try {
            handler_(e);
            handled_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
            e.settle(outcome::handled);
            return true;
        } catch (...) {
            failed_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
            e.settle(outcome::failed);
            inbox_->home().report(e.topic(), inbox_->by());
            return false;
        }
    }

    void last_out() noexcept override {
        handler_ = {};
        inbox_->take_over(*this);
    }

    const std::shared_ptr<registry> home_;
    const std::shared_ptr<inbox<T>> inbox_;
    handler<T> handler_;  // by the gate
    sys::atomic<std::uint64_t> handled_{0};
    sys::atomic<std::uint64_t> failed_{0};
};

/// A member that is a receiver. It ends when the receiver and its copies are gone.
template <class T>
class puller final : public member_base, public std::enable_shared_from_this<puller<T>> {
public:
    puller(std::shared_ptr<registry> home, std::shared_ptr<inbox<T>> from) noexcept
        : member_base{executor_ref{}, true}, home_{std::move(home)}, inbox_{std::move(from)} {}

    void start() {}
    [[nodiscard]] std::shared_ptr<member_base> self() override { return this->shared_from_this(); }
    void wake() override {}  // it sleeps on the channel
    bool cancel() override {
        inbox_->leave(*this);
        return inbox_->end_if_left();
    }

    /// A receiver of the inbox's channel. It and its copies keep a ticket alive, whose end is theirs.
    static receiver<message<T>> receiver_of(std::shared_ptr<puller> me) {
        me->inbox_->fill_replays();
        auto& ends = me->inbox_->shared();
        std::shared_ptr<ticket> shared;
        try {
            shared = std::make_shared<ticket>(me);
        } catch (...) {
            me->cancel();
            throw;
        }
        return receiver<message<T>>{
            std::shared_ptr<typename inbox<T>::ends>{std::move(shared), &ends}};
    }

private:
    struct ticket {
        explicit ticket(std::shared_ptr<puller> p) noexcept : of{std::move(p)} {}
        ticket(const ticket&) = delete;
        ~ticket() { of->cancel(); }
        const std::shared_ptr<puller> of;
    };

    const std::shared_ptr<registry> home_;
    const std::shared_ptr<inbox<T>> inbox_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
