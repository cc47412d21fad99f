// SPDX-License-Identifier: BSL-1.0
// The queue of a subscription, and the members that compete for what is in it: one for a
// subscription of its own, any number for a group.
//
//   publish ──► deliver ──► channel<message<T>> ──┬─► member, run by its executor (detail/worker.hpp)
//                    │                            ├─► member with a thread of its own
//                    └─► idle members: wake one   └─► receiver (pulled)
//
// Members with a thread, and receivers, sleep on the channel. A member on an executor sleeps by not
// being posted: it stands in the list of idle members, and has at most one task in flight.
//
// No wake between "the queue is empty" and "I am idle" is lost. Enlist, look again, then rest:
//   publisher: puts a message in, looks for an idle member (N)
//   member:    enlists (E), looks for a message, rests
// (N) and (E) are read-modify-writes of `idle_`, so one reads the other. (E) -> (N): the publisher
// sees somebody idle and takes him off the list under the mutex. (N) -> (E): the member's second
// look happens after the message was put in. He looks under the mutex, so nobody can take him off
// the list in between. If the look finds a claimed slot that is not yet written, its writer is
// still before his own (N). Who leaves wakes another one, for the message that he was woken for.
//
// `where` and `on_drop` belong to the inbox, behind its own gate, and go with the last member. A
// publish that waits for room waits outside of that gate: ending the subscription tells it.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <penstock/bus/detail/gate.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/registry.hpp>
#include <penstock/bus/options.hpp>
#include <penstock/channel/ends.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// One of those who compete for an inbox's messages.
class member_base {
public:
    explicit member_base(executor_ref e, bool pulls = false) noexcept : runs_on{e}, pulled{pulls} {}
    member_base(const member_base&) = delete;
    member_base& operator=(const member_base&) = delete;
    virtual ~member_base() = default;

    [[nodiscard]] virtual std::shared_ptr<member_base> self() = 0;
    /// Posts the task that handles what is in. Only for those that `runs_on` is to be posted to.
    virtual void wake() = 0;
    virtual bool cancel() = 0;

    const executor_ref runs_on;
    const bool pulled;
    bool joined = false;  // by the inbox's mutex
};

template <class T>
class inbox final : public listener<T>, private gate {
public:
    using queue_type = channel<message<T>>;
    using ends = shared_channel<message<T>, typename queue_type::storage_type>;
    using member = std::shared_ptr<member_base>;

    inbox(std::shared_ptr<registry> home, pattern by, subscribe_options<T>&& o)
        : listener<T>{type_of<T>, std::move(by), std::move(o.group)},
          gate{home->waits()},
          home_{std::move(home)},
          overflow_{o.overflow},
          filters_{static_cast<bool>(o.where)},
          tells_drops_{static_cast<bool>(o.on_drop)},
          where_{std::move(o.where)},
          on_drop_{std::move(o.on_drop)},
          ends_{{.capacity = o.capacity,
                 .overflow = o.overflow,
                 .on_drop = [this](message<T>&& m) { drop(std::move(m)); },
                 .clock = o.clock}} {
        // The inbox counts as a receiver: the channel ends with the last member, of whatever kind.
        ends_.receivers.store(1, std::memory_order_relaxed);  // nobody else is here yet
    }

    // ---- the publishers' side

    void deliver(envelope<T>& e, const patience& p, tally& t) override {
        status answer = status::closed;
        if (drops()) {  // stays inside, for on_drop; it doesn't wait
            const inside here{*this, this};
            if (!here || !wanted(e, t)) return;
            answer = offer(e, p);
            t.dropped += static_cast<std::uint32_t>(here.dropped());
        } else if (!filters_ || passes(e, t)) {
            answer = offer(e, p);
        } else {
            return;
        }
        if (answer == status::closed) return;               // it has just ended: no match
        received_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
        if (answer) {
            ++t.queued;
            wake_one(e.topic());
            return;
        }
        ++t.refused;
        t.why = answer;
        if (answer == status::dropped) return;
        ++t.rejected;
        rejected_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
    }

    void end_intake() override { pipe().close(); }

    void finish() override {
        std::vector<member> ending;
        {
            std::lock_guard lock{mutex_};
            for (auto& m : members_)
                if (m->pulled) return;  // what is in is for those who pull, in their own time
        }
        wake_one({});  // if an executor refused the last wake, this is the next try
        (void)rest_.wait([this] { return pipe().size_approx() == 0; }, [] { return false; });
        {
            std::lock_guard lock{mutex_};
            ending = members_;
        }
        for (auto& m : ending) m->cancel();
    }

    // ---- the members' side

    /// Throws if somebody with these options can't be a member of this group.
    void admit(const subscribe_options<T>& o) const {
        const char* why = o.capacity != pipe().capacity() ? "another capacity"
                          : o.overflow != overflow_       ? "another overflow"
                          : o.where && !filters_          ? "a where, and the first member had none"
                          : o.on_drop && !tells_drops_ ? "an on_drop, and the first member had none"
                                                       : nullptr;
        if (why)
            throw std::invalid_argument{"penstock: a member of the group \"" + this->group() +
                                        "\" on \"" + this->by().text() + "\" asks for " + why};
    }

    /// With the registry's lock held.
    void join(const member& m) {
        std::lock_guard lock{mutex_};
        members_.reserve(members_.size() + 1);
        idle_members_.reserve(members_.size() + 1);  // so that going idle allocates nothing
        members_.push_back(m);
        m->joined = true;
        if (!m->runs_on.posts()) return;
        idle_members_.push_back(m);
        idle_.fetch_add(1, std::memory_order_acq_rel);  // (E), pairs with (N)
    }

    /// With the registry's lock held: true if it was a member.
    bool remove(member_base& m) noexcept {
        std::lock_guard lock{mutex_};
        if (!std::exchange(m.joined, false)) return false;
        std::erase_if(members_, [&](auto& x) { return x.get() == &m; });
        if (std::erase_if(idle_members_, [&](auto& x) { return x.get() == &m; }) > 0)
            idle_.fetch_sub(1, std::memory_order_relaxed);  // more than counted: a needless look
        ended_ = members_.empty();
        return true;
    }

    /// Takes a member out. When it was the last, the inbox leaves the routes and takes no more.
    bool leave(member_base& m) {
        {
            const auto lock = home_->lock();
            if (!remove(m)) return false;
            if (ended()) home_->detach(*this);
        }
        if (ended()) {
            pipe().close();
        } else {
            wake_one({});
        }
        return true;
    }

    /// When all members have left: waits until no callback of the inbox runs any more, and hands
    /// what is still queued to on_drop.
    bool end_if_left() { return !ended() || gate::close(); }

    /// For a member on an executor: a message, or he is idle from now on.
    std::optional<message<T>> next(member_base& me) {
        if (auto m = pipe().try_receive()) return std::move(*m);
        std::unique_lock lock{mutex_};
        if (me.joined) {
            idle_.fetch_add(1, std::memory_order_acq_rel);  // (E), pairs with (N)
            if (auto m = pipe().try_receive()) {
                idle_.fetch_sub(
                    1, std::memory_order_relaxed);  // more than counted: a needless look
                return std::move(*m);
            }
            idle_members_.push_back(me.self());
        }
        lock.unlock();
        rested();
        return std::nullopt;
    }

    /// Somebody has found the queue empty, or left.
    void rested() noexcept { rest_.notify_all(); }

    /// Posts an idle member, if there is one. Whoever is not idle looks again before he is.
    void wake_one(std::string_view topic) {
        if (idle_.fetch_add(0, std::memory_order_acq_rel) == 0) return;  // (N), pairs with (E)
        member m;
        {
            std::lock_guard lock{mutex_};
            if (idle_members_.empty()) return;
            m = std::move(idle_members_.front());  // the longest idle: members take turns
            idle_members_.erase(idle_members_.begin());
            idle_.fetch_sub(1, std::memory_order_relaxed);  // more than counted: a needless look
        }
        try {
            m->wake();
        } catch (...) {  // the executor didn't take the task: the next message tries again
            home_->report(topic, this->by());
            std::lock_guard lock{mutex_};
            if (!m->joined) return;
            idle_members_.push_back(std::move(m));
            idle_.fetch_add(1, std::memory_order_acq_rel);  // (E), pairs with (N)
        }
    }

    [[nodiscard]] queue_type& pipe() noexcept { return ends_.pipe; }
    [[nodiscard]] const queue_type& pipe() const noexcept { return ends_.pipe; }
    [[nodiscard]] ends& shared() noexcept { return ends_; }
    [[nodiscard]] registry& home() const noexcept { return *home_; }

    void add_to(subscription_counts& c) const {
        c.received = received_.load(std::memory_order_relaxed);  // counts; they carry nothing
        c.rejected = rejected_.load(std::memory_order_relaxed);
        c.dropped = dropped_.load(std::memory_order_relaxed);
        c.queued = pipe().size_approx();
    }

private:
    [[nodiscard]] bool drops() const noexcept {
        return overflow_ == overflow::drop_newest || overflow_ == overflow::drop_oldest;
    }
    [[nodiscard]] bool ended() const {
        std::lock_guard lock{mutex_};
        return ended_;
    }

    bool passes(const envelope<T>& e, tally& t) {
        const inside here{*this, this};
        return here && wanted(e, t);
    }
    bool wanted(const envelope<T>& e, tally& t) {
        if (!filters_) return true;
        try {
            return where_(e.view());
        } catch (...) {
            ++t.failed;
            t.why = status::failed;
            home_->report(e.topic(), this->by());
            return false;
        }
    }

    status offer(envelope<T>& e, const patience& p) {
        message<T> m = e.share();
        const status answer = pipe().try_send(std::move(m));
        if (answer != status::full || overflow_ != overflow::block || !p.may_wait) return answer;
        if (frame::serves(this)) return status::would_block_self;
        executor_ref server;
        const before_wait verdict = begin_wait(server);
        if (verdict == before_wait::refused) return status::would_block_self;
        const status waited = pipe().send(std::move(m), p.stop);
        if (verdict == before_wait::counted) server.end_wait();
        return waited;
    }

    /// Under the mutex, where a member and so its executor is still there. Counted means that this
    /// is one of the executor's threads, which it can't lose.
    before_wait begin_wait(executor_ref& server) const {
        std::lock_guard lock{mutex_};
        if (members_.empty()) return before_wait::elsewhere;
        server = members_.front()->runs_on;
        return server.begin_wait();
    }

    /// Called by the channel, in the thread that drops.
    void drop(message<T>&& m) noexcept {
        dropped_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
        if (frame::top()) ++frame::top()->dropped;
        if (!tells_drops_) return;
        envelope<T> e{std::move(m)};
        try {
            on_drop_(e);
        } catch (...) {
            home_->report(e.topic(), this->by());
        }
    }

    void last_out() noexcept override {
        while (auto m = pipe().receive()) drop(std::move(*m));  // closed: it ends
        where_ = nullptr;
        on_drop_ = {};
        rested();
    }

    const std::shared_ptr<registry> home_;
    const overflow overflow_;
    const bool filters_;
    const bool tells_drops_;
    unique_function<bool(const T&)> where_;  // by the gate
    handler<T> on_drop_;                     // by the gate
    ends ends_;
    waiter rest_;

    mutable sys::mutex mutex_;
    std::vector<member> members_;       // by the mutex
    std::vector<member> idle_members_;  // by the mutex
    bool ended_ = false;                // by the mutex: the last member has left
    sys::atomic<std::size_t> idle_{0};  // how many idle members there are, or more

    alignas(cache_line) sys::atomic<std::uint64_t> received_{0};
    sys::atomic<std::uint64_t> rejected_{0};
    sys::atomic<std::uint64_t> dropped_{0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
