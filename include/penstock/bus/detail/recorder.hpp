// SPDX-License-Identifier: BSL-1.0
// The last messages of a topic that retains some, for those who subscribe later (`.replay`).
//
//   topic ──► route ──► recorder ──► route ──► {s, t, u}
//                       m7 m8 m9
//
// It stands between the topic and those who listen, alone in the topic's roster. A publish adds its
// message and reads who listens in one turn of a mutex; who comes takes what is kept and enters the
// inner route in one turn of it. So each message is either among those that he was given or is
// delivered to him, never both, and what he was given stands in his queue before anything later: he
// takes places for them there in that same turn (detail/postbox.hpp fills them afterwards, because
// `where` is user code).
//
// Cost      A publish: that mutex, and one allocation for the message, also if nobody listens.
// Progress  Publishers of this topic wait for each other's few instructions, and for those of who
//           comes or goes. No user code runs in that turn.
// Order     Of one publisher. Two at once may be kept in one order and delivered in the other.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <penstock/bus/detail/envelope.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/route.hpp>
#include <penstock/bus/detail/topic_state.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// Messages of a topic, the oldest first; at most so many.
template <class T>
class retained {
public:
    [[nodiscard]] std::size_t size() const noexcept { return kept_.size(); }
    [[nodiscard]] const message<T>& operator[](std::size_t i) const noexcept {
        return kept_[(oldest_ + i) % kept_.size()];
    }

    void keep_up_to(std::size_t n) {
        if (n <= most_) return;
        std::vector<message<T>> more;
        more.reserve(n);
        for (std::size_t i = 0; i < size(); ++i) more.push_back((*this)[i]);
        kept_.swap(more);
        oldest_ = 0;
        most_ = n;
    }
    /// What it takes the place of, for somebody else to destroy.
    message<T> add(message<T>&& m) noexcept {
        if (most_ == 0) return std::move(m);  // forgotten
        if (kept_.size() < most_) {
            kept_.push_back(std::move(m));
            return {};
        }
        std::swap(kept_[oldest_], m);
        oldest_ = (oldest_ + 1) % most_;
        return std::move(m);
    }

private:
    std::vector<message<T>> kept_;
    std::size_t most_ = 0;
    std::size_t oldest_ = 0;
};

/// What the registry knows of it.
class recorder_base {
public:
    // With the registry's lock held:
    [[nodiscard]] roster* now() const noexcept { return inner_.now(); }
    /// Who comes is given what is kept. Throws std::bad_alloc, and has then changed nothing.
    [[nodiscard]] virtual displaced replace(roster* next, listener_base* newcomer) = 0;
    /// At least so many from now on.
    virtual void keep_up_to(std::size_t n) = 0;
    /// Nobody subscribes any more. Without the lock.
    virtual void forget() noexcept = 0;

protected:
    ~recorder_base() = default;
    route inner_;
};

/// Of that topic, if it has one.
[[nodiscard]] inline recorder_base* recorder_of(const topic_state& t) noexcept {
    const roster* const now = t.listeners.now();
    return now && now->size() == 1 ? (*now->begin())->records() : nullptr;
}
/// Who listens to it.
[[nodiscard]] inline roster* listening(const topic_state& t) noexcept {
    const recorder_base* const r = recorder_of(t);
    return r ? r->now() : t.listeners.now();
}
/// From now on these do. Returns who did, to be retired. Throws only where somebody comes to a topic
/// that retains messages, and has then changed nothing and freed `next`.
[[nodiscard]] inline displaced reroute(topic_state& t, roster* next, listener_base* newcomer) {
    recorder_base* const r = recorder_of(t);
    if (!r) return t.listeners.exchange(next);
    std::unique_ptr<roster, void (*)(roster*)> owned{next, &roster::free};
    const displaced old = r->replace(next, newcomer);
    (void)owned.release();
    return old;
}

template <class T>
class recorder final : public listener<T>, public recorder_base {
public:
    recorder(visitors& all, std::string_view topic)
        : listener<T>{type_of<T>, pattern{topic}, {}}, all_{all} {}

    /// That topic's; a new one stands between it and those who listen to it now. Changes nothing if it
    /// throws.
    static recorder_base& before(topic_state& t, visitors& all,
                                 std::vector<std::shared_ptr<listener_base>>& known) {
        if (recorder_base* const r = recorder_of(t)) return *r;
        known.reserve(known.size() + 1);
        auto made = std::make_shared<recorder>(all, t.name);
        const displaced now = t.listeners.exchange(roster::with(nullptr, *made));
        (void)made->inner_.exchange(now.who, now.found);  // it was empty
        recorder& r = *made;
        known.push_back(std::move(made));
        return r;
    }

    bool deliver(envelope<T>& e, const patience& p, tally& t, visitor&) override {
        const listener_base* kept_by = nullptr;
        {
            const reading first{all_, inner_};  // what its store refuses is not retained either
            if (first.who() && (*first.begin())->keeps()) kept_by = *first.begin();
            if (kept_by) deliver_to(**first.begin(), e, p, t, first.visit());
            if (t.halted) return false;
        }
        std::optional<reading> who;
        const message<T> gone = keep(e.untracked(), [&] {
            who.emplace(all_, inner_);
            return true;
        });
        for (listener_base* l : *who) {
            if (l != kept_by) deliver_to(*l, e, p, t, who->visit());
            if (t.halted) break;
        }
        return false;
    }

    /// For an all-or-none publish: false, and not kept, if others than `who` listen by now.
    bool keep_if(const roster* who, message<T>&& m) {
        bool same = false;
        const message<T> gone = keep(std::move(m), [&] { return same = inner_.now() == who; });
        return same;
    }
    [[nodiscard]] const route& inner() const noexcept { return inner_; }

    [[nodiscard]] recorder_base* records() noexcept override { return this; }
    [[nodiscard]] displaced replace(roster* next, listener_base* newcomer) override {
        std::lock_guard lock{mutex_};
        if (newcomer) static_cast<listener<T>*>(newcomer)->replay(kept_);
        return inner_.exchange(next);
    }
    void keep_up_to(std::size_t n) override {
        std::lock_guard lock{mutex_};
        kept_.keep_up_to(n);
    }
    void forget() noexcept override {
        retained<T> gone;
        const std::lock_guard lock{mutex_};  // unlocked before what is gone goes
        std::swap(gone, kept_);
    }

    void end_intake() override {}
    void finish() override {}

private:
    static void deliver_to(listener_base& l, envelope<T>& e, const patience& p, tally& t,
                           visitor& v) {
        t.handled += static_cast<listener<T>&>(l).deliver(e, p, t, v);  // its type was compared
    }

    template <class Look>
    message<T> keep(message<T>&& m, Look look) {
        std::lock_guard lock{mutex_};
        return look() && m ? kept_.add(std::move(m)) : message<T>{};
    }

    visitors& all_;
    sys::mutex mutex_;
    retained<T> kept_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
