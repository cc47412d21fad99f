// SPDX-License-Identifier: BSL-1.0
// One queue for several subscriptions, fanned out where it ends: those to one pattern, on one executor
// that runs one task at a time, with the same capacity and overflow. They would wait for each other
// anyway; so a message is handed over once, however many they are. On any other executor it is a
// queue for one.
//
//   publish ──► slip {value, for whom} ──► channel ──► run ─┬─► handler of s   (detail/direct.hpp)
//                                            │              └─► handler of t
//                                            └─► idle? post run
//
// Who was a member when a message was published gets it (detail/crowd.hpp). Is a crowd's last bit used,
// who comes next gets a queue of his own. For a member that has left, what is queued counts as
// dropped. At most one task empties the queue (detail/turn.hpp), and lingers before it goes idle
// (detail/linger.hpp).
//
// Cost      One publisher copies small messages without an exchange (detail/lone_ring.hpp). No
//           allocation, and no line that publisher and handler share but the queue's own.
// Capacity  A message counts as queued until its first handler begins.
// Threads   deliver by any number; join under the registry's lock.
// Order     The queue's, for each member; members in the order in which they came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <penstock/bus/detail/all_or_none.hpp>
#include <penstock/bus/detail/crowd.hpp>
#include <penstock/bus/detail/direct.hpp>
#include <penstock/bus/detail/direct_calls.hpp>
#include <penstock/bus/detail/fan.hpp>
#include <penstock/bus/detail/gate.hpp>
#include <penstock/bus/detail/linger.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/registry.hpp>
#include <penstock/bus/detail/slip.hpp>
#include <penstock/bus/detail/slip_queue.hpp>
#include <penstock/bus/detail/turn.hpp>
#include <penstock/bus/options.hpp>
#include <penstock/core/cache_line.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
class fan_out final
    : public listener<T>,
      public fan,
      public std::enable_shared_from_this<fan_out<T>>,
      private admitting,
      private gate {
public:
    fan_out(const std::shared_ptr<registry>& home, pattern by, const subscribe_options<T>& o)
        : listener<T>{type_of<T>, std::move(by), {}, is_copied<T> ? &copy_in : nullptr, true, true},
          gate{home->visits()},
          owner_{home},
          home_{*home},
          on_{o.executor},
          overflow_{o.overflow},
          most_{o.executor.serial() ? crowd::places : 1},
          turn_{home->visits().by()},
          pipe_{o.capacity} {}

    // ---- Who belongs to it; with the registry's lock

    [[nodiscard]] bool fans_out(const executor_ref& on, std::size_t capacity,
                                overflow o) const noexcept override {
        return crowd_.used() < most_ && !left_ && on_.is(on) && capacity == pipe_.capacity() &&
               o == overflow_ && !pipe_.closed();
    }
    template <class F>
    std::shared_ptr<subscriber> join(std::unique_ptr<direct_listener<T, F>> made) noexcept {
        auto* const m = made.get();
        m->stand_in(*this, crowd_.used());
        crowd_.add(std::move(made));
        return {this->shared_from_this(), m};
    }
    void leave(unsigned which) noexcept override {
        {
            const auto lock = home_.lock();
            if (!crowd_.remove(which)) return;
            left_ = true;
            home_.detach(*this);
        }
        pipe_.close();
    }
    void has_left(bool out) override {
        if (!crowd_.empty()) return;
        forget_rest();
        if (out) {
            gate::close();
        } else {
            gate::shut_without_waiting();
        }
        rest_.notify_all();
    }
    void add_to(subscription_counts& c) const override { c.queued = pipe_.size_approx(); }
    [[nodiscard]] const listener_base& queue_of() const noexcept override { return *this; }

    // ---- How messages get in

    bool deliver(envelope<T>& e, const patience& p, tally& t, visitor&) override {
        const auto to = crowd_.now();
        if (to.who() == 0) return false;  // it has just ended: no match
        slip<T> s{e, to.who()};
        status answer = pipe_.try_send(std::move(s));
        if (answer == status::full && overflow_ == overflow::block && p.may_wait)
            answer = if_not_for_itself([&] { return pipe_.send(std::move(s), p.stop); });
        if (answer) [[likely]] {
            t.queued += to.count();
            wake_if_idle(e.topic());
            return false;
        }
        s.forget();
        if (answer != status::closed) refused(answer, t);
        return false;
    }
    [[nodiscard]] admitting* queue() noexcept override { return this; }
    [[nodiscard]] std::uint64_t taken_in() const noexcept override { return pipe_.counts().sent; }

    void end_intake() override { pipe_.close(); }
    void finish() override {
        catch_up();
        (void)rest_.wait([this] { return at_rest(); }, [] { return false; });
        crowd_.everyone([](listener_base& m) { m.finish(); });
    }
    [[nodiscard]] bool rests(const deadline& until) override {
        return rest_.wait([this] { return at_rest(); }, [] { return false; }, until) == status::ok;
    }

private:
    static constexpr int batch = 64;

    [[nodiscard]] bool at_rest() const {
        return gate::closed() || (pipe_.size_approx() == 0 && turn_.over());
    }

    /// As listener_base::call of one that copies.
    static void copy_in(listener_base& l, const void* value, visitor&) {
        auto& me = static_cast<fan_out&>(l);
        const auto& what = *static_cast<const listener_base::copied*>(value);
        const auto to = me.crowd_.now();
        if (to.who() == 0 ||
            !me.pipe_.copy_in(*static_cast<const T*>(what.value), *what.topic, to.who()))
            return;
        me.wake_if_idle(*what.topic);
        what.members = to.count();
    }

    void refused(status why, tally& t) noexcept {
        const auto to = crowd_.now();
        crowd_.each(to.who(), [](listener_base& m) { m.was_refused(); });
        t.refused += to.count();
        t.rejected += to.count();
        t.why = why;
    }
    template <class Wait>
    status if_not_for_itself(Wait wait) {
        if (visitor::serves(this)) return status::would_block_self;
        auto verdict = before_wait::elsewhere;
        {
            const inside here{*this, nullptr};  // so that the executor is still there
            if (here) verdict = on_.begin_wait();
        }
        if (verdict == before_wait::refused) return status::would_block_self;
        linger_.stand_back(pipe_.capacity());
        const status waited = wait();
        if (verdict == before_wait::counted) on_.end_wait();
        return waited;
    }

    // ---- Who runs

    void wake_if_idle(std::string_view topic) {
        if (turn_.wanted()) [[unlikely]]
            post(topic);
    }
    /// If the executor refused the last task, this is the next try; or a place was let go.
    void catch_up() {
        if (pipe_.size_approx() > 0) wake_if_idle({});
    }
    [[gnu::noinline, gnu::cold]] void post(std::string_view topic) {
        const inside here{*this, nullptr};  // so that the executor is still there
        if (!here) return;
        try {
            on_.post([me = this->shared_from_this()] { me->run(); });
        } catch (...) {
            turn_.gave_up();
            home_.report(topic, this->by());
        }
    }
    [[nodiscard]] bool posted_again() noexcept {
        try {
            on_.post([me = this->shared_from_this()] { me->run(); });
            return true;
        } catch (...) {
            return false;  // the executor is out of room: go on here
        }
    }

    void run() {
        const auto home = owner_.lock();
        if (!home) return;  // all have ended
        visitors& all = home->visits();
        visitor& v = all.take();
        v.queue = this;
        while (all.by().asymmetric() ? hand_out<handshake_of<is_asymmetric>>(v)
                                     : hand_out<handshake_of<is_symmetric>>(v))
            if (posted_again()) break;
        v.queue = nullptr;
        all.put(v);
    }

    /// True: there may be more, and it is others' turn.
    template <class Handshake>
    bool hand_out(visitor& v) {
        listener_base* to[crowd::places + 1];
        crowd::bits known = 0;
        slip<T> s;
        for (int n = 0; next(s);) {
            linger_.one_more();
            if (s.members() != known || n == 0) crowd_.list(known = s.members(), to);
            s.open([&](const T& value, const std::string& topic, const envelope<T>* tracked) {
                if (!*to) return;  // it came in when all had left
                const auto done = s.count() - call_each(Handshake{}, v, to, &value, topic);
                if (tracked) [[unlikely]]
                    s.settle(*tracked, done);
            });
            if (++n == batch) return true;
        }
        return false;
    }
    /// The next message; false: the task is over, idle from now on.
    bool next(slip<T>& s) {
        const auto found = [&] { return pipe_.take(s); };
        if (found() || linger_.until(found) || turn_.goes_on(found)) return true;
        rest_.notify_all();
        return false;
    }

    /// By who left last, also while a task runs: what is queued is dropped.
    void forget_rest() {
        pipe_.close();  // who has taken the last one out may not have got there yet
        while (auto s = pipe_.receive()) {  // closed: it ends
            crowd_.each(s->members(), [](listener_base& m) { m.missed(); });
            s->open([&](const T&, const std::string&, const envelope<T>* tracked) {
                if (tracked) s->settle(*tracked, 0);
            });
        }
    }

    // ---- All or none

    static envelope<T>& opened(envelope_base& e) noexcept { return static_cast<envelope<T>&>(e); }

    status ask(envelope_base& e, tally&, held&) override {
        if (!is_copied<T> || opened(e).is_tracked()) (void)opened(e).share();
        return status::ok;
    }
    status hold(held& h) override { return pipe_.hold(h); }
    status wait_and_hold(held& h, const patience& p) override {
        status answer = status::full;
        if (overflow_ == overflow::block && p.may_wait)
            answer = if_not_for_itself([&] { return pipe_.wait_and_hold(h, p.stop); });
        tally ignored;
        if (!answer && answer != status::closed) refused(answer, ignored);
        return answer;
    }
    bool fill(envelope_base& e, held& h) noexcept override {
        const auto to = crowd_.now();
        pipe_.fill(h, opened(e), to);
        return to.who() != 0;
    }
    void let_go(held& h) noexcept override { pipe_.let_go(h); }
    void settle(envelope_base& e, tally& t, held& h) override {
        t.queued += pipe_.meant(h).count();
        wake_if_idle(opened(e).topic());
    }
    void settle_refused() override { catch_up(); }
    void last_out() noexcept override {}

    const std::weak_ptr<registry> owner_;  // for a task that starts when all else has ended
    registry& home_;
    const executor_ref on_;
    const overflow overflow_;
    const unsigned most_;
    bool left_ = false;  // by the registry's lock
    crowd crowd_;
    alignas(cache_line) turn turn_;
    waiter rest_;
    alignas(cache_line) linger linger_;  // by the task
    slip_queue<T> pipe_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
