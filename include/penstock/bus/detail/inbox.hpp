// SPDX-License-Identifier: BSL-1.0
// The queue of a subscription, and the members that compete for what is in it: one for a
// subscription of its own, any number for a group.
//
//   publish ──► deliver ──► lane ──┬─► member, run by its executor  (detail/worker.hpp)
//                    │             ├─► member with a thread of its own
//                    └─► idle members: wake one     └─► receiver (pulled)
//
// detail/members.hpp says who waits where, and why no wake is lost.
//
// `where` and `on_drop` belong to the inbox, behind its own gate, and go with the last member. A
// publish that waits for room waits outside of that gate: ending the subscription tells it.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <penstock/bus/detail/gate.hpp>
#include <penstock/bus/detail/group_terms.hpp>
#include <penstock/bus/detail/lane.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/members.hpp>
#include <penstock/bus/detail/registry.hpp>
#include <penstock/bus/options.hpp>
#include <penstock/channel/ends.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
class inbox final : public listener<T>, public bell, private gate {
public:
    using ends = typename channel_lane<T>::ends;

    /// `kept`: where a store keeps its messages, instead of a queue.
    inbox(registry& home, pattern by, subscribe_options<T>&& o,
          std::unique_ptr<lane<T>> kept = nullptr)
        : listener<T>{type_of<T>, std::move(by), std::move(o.group)},
          gate{home.visits()},
          home_{home},
          terms_{group_terms::of(o)},
          where_{std::move(o.where)},
          on_drop_{std::move(o.on_drop)},
          kept_{kept != nullptr},
          lane_{kept_   ? std::move(kept)
                : o.key ? o.key.lane({o.capacity, o.per_key, o.overflow, to_drop()})
                        : made(o)},
          members_{o.single_active} {}

    // ---- the publishers' side

    bool deliver(envelope<T>& e, const patience& p, tally& t, visitor&) override {
        if (!kept_)
            take_in(e, p, t);
        else if (!lane_->kept())  // else the store has it, and rings
            refused(status::closed, t);
        return false;
    }
    void ring() noexcept override { wake_one({}); }
    void serve(const std::shared_ptr<inbox>& me) noexcept { lane_->serve(me); }

    void end_intake() override { lane_->close(); }

    void finish() override {
        for (auto& m : members_.copy())
            if (m->pulled) return;  // what is in is for those who pull, in their own time
        // If an executor refused the last wake, this is the next try.
        wake_one({});
        (void)rest_.wait([this] { return lane_->size() == 0; }, [] { return false; });
        for (auto& m : members_.copy()) m->cancel();
        (void)end_if_left();  // also where somebody else is just ending it
    }

    // ---- the members' side

    /// Throws if somebody with these options can't be a member of this group.
    void admit(const subscribe_options<T>& o) const {
        terms_.admit(group_terms::of(o), this->group(), this->by());
    }

    // With the registry's lock held:
    void join(const std::shared_ptr<member_base>& m) { members_.join(m); }
    bool remove(member_base& m) noexcept { return members_.remove(m); }

    /// Takes a member out. When it was the last, the inbox leaves the routes and takes no more.
    bool leave(member_base& m) {
        {
            const auto lock = home_.lock();
            if (!remove(m)) return false;
            if (members_.all_left()) home_.detach(*this);
        }
        if (members_.all_left()) {
            lane_->close();
        } else {
            catch_up();
        }
        return true;
    }

    /// When all members have left: waits until no callback of the inbox runs any more, and hands
    /// what is still queued to on_drop.
    bool end_if_left() { return !members_.all_left() || gate::close(); }

    void shut_if_left() {
        if (members_.all_left()) gate::shut_without_waiting();
    }

    bool rests(const deadline& until) override {
        return static_cast<bool>(rest_.wait(
            [this] { return lane_->size() == 0 && members_.all_rest(); }, [] { return false; },
            until));
    }
    [[nodiscard]] std::uint64_t taken_in() const noexcept override {
        return received_.load(std::memory_order_relaxed);  // a count; compared when all rest
    }

    /// For a member with a handler: a message, or it is idle from now on. To be given back.
    std::optional<taken<T>> next(member_base& me) {
        const auto look = [this] { return lane_->take(); };
        for (;;) {
            auto m = look();
            if (!m) m = members_.rest_unless(me, look);
            if (!m) rested();
            if (!m && kept_) tell_trouble();
            bool done_with = false;
            if (!m || !kept_ || wanted(*m, done_with)) return m;
            done(m->claim, done_with);
        }
    }
    void done(void* claim, bool handled) noexcept { (void)lane_->done(claim, handled); }

    /// Who was the only active one has ended completely: the next takes over.
    void take_over(const member_base& from) {
        if (members_.activate_next(from)) catch_up();
    }

    /// Somebody has found the queue empty, or left.
    void rested() noexcept { rest_.notify_all(); }

    /// For a new member, or in place of one who has left: he was woken by what is queued, if at all.
    void catch_up() {
        if (kept_ || lane_->size() > 0) wake_one({});  // kept: somebody has to watch
    }

    /// Posts an idle member, if there is one. Whoever is not idle looks again before he is.
    void wake_one(std::string_view topic) {
        const auto m = members_.take_idle();
        if (!m) return;
        try {
            m->wake();
        } catch (...) {  // the executor didn't take the task: the next message tries again
            home_.report(topic, this->by());
            members_.put_back(m);
        }
    }

    [[nodiscard]] bool closed() const { return lane_->closed(); }
    /// For those who pull; none of the keyed ones does.
    [[nodiscard]] ends& shared() noexcept { return static_cast<channel_lane<T>&>(*lane_).shared(); }
    [[nodiscard]] registry& home() const noexcept { return home_; }

    void add_to(subscription_counts& c) const {
        c.received = received_.load(std::memory_order_relaxed);  // counts; they carry nothing
        c.rejected = rejected_.load(std::memory_order_relaxed);
        c.dropped = dropped_.load(std::memory_order_relaxed);
        c.queued = lane_->size();
    }

private:
    void take_in(envelope<T>& e, const patience& p, tally& t) {
        status answer = status::closed;
        if (drops()) {  // stays inside, for on_drop; it doesn't wait
            const inside here{*this, this};
            if (!here || !wanted(e, t)) return;
            answer = offer(e, p);
            t.dropped += static_cast<std::uint32_t>(here.dropped());
        } else if (!terms_.where || passes(e, t)) {
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
        refused(answer, t);
    }
    void refused(status why, tally& t) noexcept {
        ++t.refused;
        t.why = why;
        if (why == status::dropped) return;
        ++t.rejected;
        rejected_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
    }

    /// From a store come other topics' messages too, and what `where` doesn't want: done with. When it
    /// ends in this moment they are not.
    bool wanted(const taken<T>& m, bool& done_with) {
        const inside here{*this, this};
        tally ignored;
        envelope<T> e{message<T>{m.what}};
        done_with = static_cast<bool>(here);
        if (!here || !m.ours || !wanted(e, ignored)) return false;
        received_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
        return true;
    }
    void tell_trouble() noexcept {
        try {
            lane_->tell_trouble();
        } catch (...) {
            home_.report({}, this->by());
        }
    }

    unique_function<void(message<T>&&)> to_drop() {
        return [this](message<T>&& m) { drop(std::move(m)); };
    }
    std::unique_ptr<lane<T>> made(subscribe_options<T>& o) {
        return std::make_unique<channel_lane<T>>(channel_options<message<T>>{
            .capacity = o.capacity,
            .overflow = o.overflow,
            .on_drop = to_drop(),
            .clock = o.clock});
    }

    [[nodiscard]] bool drops() const noexcept {
        return terms_.overflow == overflow::drop_newest || terms_.overflow == overflow::drop_oldest;
    }
    bool passes(const envelope<T>& e, tally& t) {
        const inside here{*this, this};
        return here && wanted(e, t);
    }
    bool wanted(const envelope<T>& e, tally& t) {
        if (!terms_.where) return true;
        try {
            return where_(e.view());
        } catch (...) {
            ++t.failed;
            t.why = status::failed;
            home_.report(e.topic(), this->by());
            return false;
        }
    }

    status offer(envelope<T>& e, const patience& p) {
        message<T> m = e.share();
        const status answer = lane_->try_send(std::move(m));
        if (answer != status::full || terms_.overflow != overflow::block || !p.may_wait)
            return answer;
        if (visitor::serves(this)) return status::would_block_self;
        executor_ref server;
        const before_wait verdict = members_.begin_wait(server);
        if (verdict == before_wait::refused) return status::would_block_self;
        const status waited = lane_->send(std::move(m), p.stop);
        if (verdict == before_wait::counted) server.end_wait();
        return waited;
    }

    /// Called by the channel, in the thread that drops.
    void drop(message<T>&& m) noexcept {
        dropped_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
        if (visitor::top()) ++visitor::top()->dropped;
        envelope<T> e{std::move(m)};
        e.settle(outcome::dropped);
        if (!terms_.on_drop) return;
        try {
            on_drop_(e);
        } catch (...) {
            home_.report(e.topic(), this->by());
        }
    }

    void last_out() noexcept override {
        while (auto m = lane_->leftover()) drop(std::move(*m));
        where_ = nullptr;
        on_drop_ = {};
        rested();
    }

    registry& home_;  // stays while members, and topics that lead here, are there
    const group_terms terms_;
    unique_function<bool(const T&)> where_;  // by the gate
    handler<T> on_drop_;                     // by the gate
    const bool kept_;
    const std::unique_ptr<lane<T>> lane_;
    waiter rest_;
    members members_;

    alignas(cache_line) sys::atomic<std::uint64_t> received_{0};
    sys::atomic<std::uint64_t> rejected_{0};
    sys::atomic<std::uint64_t> dropped_{0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
