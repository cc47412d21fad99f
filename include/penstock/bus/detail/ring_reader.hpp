// SPDX-License-Identifier: BSL-1.0
// One of the readers of a ring (bus/broadcast.hpp): run by tasks on its executor, or by a thread of its
// own, as detail/worker.hpp is. It reads where the message lies, and then passes on: a slow handler
// holds no more than what it has not read.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <penstock/bus/detail/envelope.hpp>
#include <penstock/bus/detail/gate.hpp>
#include <penstock/bus/detail/linger.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/ring_box.hpp>
#include <penstock/bus/detail/runner.hpp>
#include <penstock/bus/handler.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T, class Share>
class ring_reader final
    : public runner<ring_reader<T, Share>>,
      public subscriber,
      public std::enable_shared_from_this<ring_reader<T, Share>>,
      private gate {
    using box = ring_box<T, Share>;

public:
    ring_reader(std::shared_ptr<registry> home, std::shared_ptr<box> from, executor_ref on,
                handler<T> h, handler<T> on_drop)
        : ring_reader::runner{on},
          gate{home->visits()},
          home_{std::move(home)},
          box_{std::move(from)},
          handler_{std::move(h)},
          on_drop_{std::move(on_drop)},
          rejected_before_{box_->rejected()} {}

    /// Its place in the ring: by its handler's thread, and by who begins or ends it.
    [[nodiscard]] Share& share() noexcept { return share_; }

    [[nodiscard]] std::shared_ptr<member_base> self() override { return this->shared_from_this(); }
    bool cancel() override {
        const bool mine = box_->leave(*this);  // whoever takes it out also ends its thread
        if (mine) this->stop_thread();
        const bool out = gate::close();
        if (mine) this->join_thread(out);
        return out;
    }
    void cancel_without_waiting() override {
        const bool mine = box_->leave(*this);
        if (mine) this->stop_thread();
        gate::shut_without_waiting();
        if (mine) this->detach_thread();
    }

    [[nodiscard]] bool active() const override { return !gate::closed(); }
    [[nodiscard]] subscription_counts counts() const override {
        subscription_counts c;
        c.handled = handled_.load(std::memory_order_relaxed);  // counts; they carry nothing
        c.failed = failed_.load(std::memory_order_relaxed);
        c.dropped = dropped_.load(std::memory_order_relaxed);
        c.rejected = box_->rejected() - rejected_before_;
        c.queued = box_->unread(share_, c.handled + c.failed + c.dropped);
        c.received = c.handled + c.failed + c.dropped + c.rejected + c.queued;
        return c;
    }
    [[nodiscard]] const listener_base& listens() const override { return *box_; }
    [[nodiscard]] registry& home() const override { return *home_; }

private:
    friend runner<ring_reader<T, Share>>;

    void run() {
        {
            const inside here{*this, box_.get()};
            if (!here) return;  // it has ended
            for (int n = 1;; ++n) {
                auto m = box_->next(*this, share_, linger_);
                if (!m) return;
                linger_.one_more();
                handle(*m);
                count(dropped_, share_.done());
                box_->has_room();
                if (gate::closed()) break;
                if (n % this->batch == 0 && this->posted_again()) return;
            }
        }
        box_->rested();
    }
    void handle(const message<T>& m) noexcept {
        lent<T> e{m};
        try {
            handler_(e);
            count(handled_, 1);
            e.settle(outcome::handled);
        } catch (...) {
            count(failed_, 1);
            e.settle(outcome::failed);
            home_->report(e.topic(), box_->by());
        }
    }
    static void count(sys::atomic<std::uint64_t>& of, std::uint64_t n) noexcept {
        if (n > 0) of.fetch_add(n, std::memory_order_relaxed);  // a count; carries nothing
    }

    void last_out() noexcept override {
        const auto missed = box_->end(share_, [this](const message<T>& m) {
            count(dropped_, 1);
            lent<T> e{m};
            e.settle(outcome::dropped);
            if (!on_drop_) return;
            try {
                on_drop_(e);
            } catch (...) {
                home_->report(e.topic(), box_->by());
            }
        });
        count(dropped_, missed);
        handler_ = {};
        on_drop_ = {};
        box_->rested();
    }

    const std::shared_ptr<registry> home_;
    const std::shared_ptr<box> box_;
    handler<T> handler_;  // by the gate
    handler<T> on_drop_;  // by the gate
    Share share_;
    linger linger_;  // by the handler's thread
    const std::uint64_t rejected_before_;
    sys::atomic<std::uint64_t> handled_{0}, failed_{0}, dropped_{0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
