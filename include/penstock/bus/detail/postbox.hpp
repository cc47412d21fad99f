// SPDX-License-Identifier: BSL-1.0
// How messages get into the queue of a subscription, or of a group: the publishers' side of an inbox
// (detail/inbox.hpp, where the members are).
//
//   deliver ──► where ──► lane.try_send ──┬─► in: wake an idle member
//                                         └─► full: wait, refuse or drop, as overflow says
//
// `where` and `on_drop` belong to the inbox, behind its own gate, and go with the last member. A
// publish that waits for room waits outside of that gate: ending the subscription tells it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include <penstock/bus/detail/all_or_none.hpp>
#include <penstock/bus/detail/gate.hpp>
#include <penstock/bus/detail/group_terms.hpp>
#include <penstock/bus/detail/lane.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/members.hpp>
#include <penstock/bus/detail/recorder.hpp>
#include <penstock/bus/detail/registry.hpp>
#include <penstock/bus/options.hpp>
#include <penstock/core/cache_line.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
class postbox : public listener<T>, private admitting, protected gate {
public:
    bool deliver(envelope<T>& e, const patience& p, tally& t, visitor&) override {
        if (!kept_) {
            take_in(e, p, t);
        } else if (!lane_->kept()) {  // else the store has it, and rings
            refused(status::closed, t);
        }
        return false;
    }
    [[nodiscard]] admitting* queue() noexcept override { return kept_ ? nullptr : this; }

    /// Takes places for the newest of them.
    void replay(const retained<T>& from) override { lane_->keep_places(from, replay_); }
    /// Once it is in the routes: what `where` wants of them gets its place.
    void fill_replays() {
        {
            const auto lock = home_.lock();
            if (std::exchange(replay_, 0) == 0) return;
        }
        const wish<T> wanted = [this](const message<T>& m) {
            envelope<T> e{message<T>{m}};
            tally t;
            return passes(e, t);
        };
        for (status answer = status::ok; answer != status::empty;) {
            try {
                answer = lane_->fill_place(wanted);
                if (answer) came_in();
            } catch (...) {  // its key
                home_.report({}, this->by());
            }
        }
        catch_up();
        for (std::size_t n = lane_->size(); n > 1 && wake_one({}); --n) {
        }
        rested();  // where all were unwanted
    }

    void end_intake() override { lane_->close(); }

    [[nodiscard]] std::uint64_t taken_in() const noexcept override {
        return received_.load(std::memory_order_relaxed);  // a count; compared when all rest
    }
    void add_to(subscription_counts& c) const {
        c.received = received_.load(std::memory_order_relaxed);  // counts; they carry nothing
        c.rejected = rejected_.load(std::memory_order_relaxed);
        c.dropped = dropped_.load(std::memory_order_relaxed);
        c.queued = lane_->size();
    }

    [[nodiscard]] bool closed() const { return lane_->closed(); }
    [[nodiscard]] registry& home() const noexcept { return home_; }

    /// Posts an idle member, if there is one. Whoever is not idle looks again before he is.
    bool wake_one(std::string_view topic) {
        const auto m = members_.take_idle();
        if (!m) return false;
        try {
            m->wake();
            return true;
        } catch (...) {  // the executor didn't take the task: the next message tries again
            home_.report(topic, this->by());
            members_.put_back(m);
            return false;
        }
    }
    /// For a new member, or in place of one who has left: he was woken by what is queued, if at all.
    void catch_up() {
        if (kept_ || lane_->size() > 0) wake_one({});  // kept: somebody has to watch
    }

    /// Somebody has found the queue empty, or left.
    void rested() noexcept { rest_.notify_all(); }

protected:
    /// `kept`: where a store keeps its messages, instead of a queue.
    postbox(registry& home, pattern by, subscribe_options<T>&& o, std::unique_ptr<lane<T>> kept)
        : listener<T>{type_of<T>, std::move(by), std::move(o.group)},
          gate{home.visits()},
          home_{home},
          terms_{group_terms::of(o)},
          where_{std::move(o.where)},
          on_drop_{std::move(o.on_drop)},
          kept_{kept != nullptr},
          replay_{o.replay},
          lane_{kept_   ? std::move(kept)
                : o.key ? o.key.lane({o.capacity, o.per_key, o.overflow, to_drop()})
                        : made(o)},
          members_{o.single_active} {}
    ~postbox() override = default;

    void came_in() noexcept {
        received_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
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

    /// Behind the gate: nobody sends any more.
    void drop_all() noexcept {
        while (auto m = lane_->leftover()) drop(std::move(*m));
        where_ = nullptr;
        on_drop_ = {};
    }

    registry& home_;  // stays while members, and topics that lead here, are there
    const group_terms terms_;
    unique_function<bool(const T&)> where_;  // by the gate
    handler<T> on_drop_;                     // by the gate
    const bool kept_;
    std::size_t replay_;  // by the registry's lock; 0: given
    const std::unique_ptr<lane<T>> lane_;
    waiter rest_;
    members members_;

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
        if (answer == status::closed) return;  // it has just ended: no match
        if (answer) return is_in(e, t);
        came_in();
        refused(answer, t);
    }
    void refused(status why, tally& t) noexcept {
        ++t.refused;
        t.why = why;
        if (why == status::dropped) return;
        ++t.rejected;
        rejected_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
    }
    void is_in(const envelope<T>& e, tally& t) {
        came_in();
        ++t.queued;
        wake_one(e.topic());
    }

    // ---- All or none

    static envelope<T>& opened(envelope_base& e) noexcept { return static_cast<envelope<T>&>(e); }
    /// It takes every message, so it keeps no place for any.
    [[nodiscard]] bool takes_all() const noexcept {
        return terms_.overflow == overflow::drop_oldest;
    }

    status ask(envelope_base& b, tally& t, held& h) override {
        envelope<T>& e = opened(b);
        const auto failed = t.failed;
        if (terms_.where && !passes(e, t))
            return t.failed > failed ? status::failed : status::no_subscribers;
        if (!takes_all()) lane_->prepare(e.view(), h);
        (void)e.share();
        return status::ok;
    }
    status hold(held& h) override { return takes_all() ? status::ok : lane_->hold(h); }
    status wait_and_hold(held& h, const patience& p) override {
        status answer = status::full;
        if (terms_.overflow == overflow::block && p.may_wait)
            answer = if_not_for_itself([&] { return lane_->wait_and_hold(h, p.stop); });
        if (answer || answer == status::closed) return answer;
        came_in();
        rejected_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
        return answer;
    }
    bool fill(envelope_base& b, held& h) noexcept override {
        return takes_all() || lane_->fill(h, message<T>{opened(b).share()});
    }
    void let_go(held& h) noexcept override {
        if (!takes_all()) lane_->let_go(h);
    }
    void settle(envelope_base& b, tally& t, held&) override {
        if (!takes_all()) return is_in(opened(b), t);
        const inside here{*this, this};
        const status answer = here ? offer(opened(b), {false, {}}) : status::closed;
        t.dropped += static_cast<std::uint32_t>(here.dropped());
        if (answer) is_in(opened(b), t);
    }
    void settle_refused() override {
        catch_up();
        rested();  // the place may have been the last thing in there
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
    status offer(envelope<T>& e, const patience& p) {
        message<T> m = e.share();
        const status answer = lane_->try_send(std::move(m));
        if (answer != status::full || terms_.overflow != overflow::block || !p.may_wait)
            return answer;
        return if_not_for_itself([&] { return lane_->send(std::move(m), p.stop); });
    }
    template <class Wait>
    status if_not_for_itself(Wait wait) {
        if (visitor::serves(this)) return status::would_block_self;
        executor_ref server;
        const before_wait verdict = members_.begin_wait(server);
        if (verdict == before_wait::refused) return status::would_block_self;
        const status waited = wait();
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

    alignas(cache_line) sys::atomic<std::uint64_t> received_{0};
    sys::atomic<std::uint64_t> rejected_{0};
    sys::atomic<std::uint64_t> dropped_{0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
