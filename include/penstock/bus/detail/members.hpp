// SPDX-License-Identifier: BSL-1.0
// Those who compete for the messages of one queue, and which of them are idle.
//
//   publisher: puts a message in; if (auto m = all.take_idle()) m->wake();
//   member:    if (auto m = all.rest_unless(me, [&] { return queue.try_receive(); })) handle(*m);
//
// A member with a handler sleeps by not being woken: it stands in the list of the idle, as often as it
// may handle messages at once (prefetch) and has no task in flight. (Receivers sleep on the channel.)
//
// single_active: of the members only the first is ever in the list, until it has ended completely;
// then the next is put there, and looks for what is queued.
//
// No wake between "the queue is empty" and "I am idle" is lost. Enlist, look again, then rest:
//   publisher: puts a message in, looks for an idle member (N)
//   member:    enlists (E), looks for a message, rests
// (N) and (E) are read-modify-writes of `idle_`, so one reads the other. (E) -> (N): the publisher
// sees somebody idle and takes him off the list under the mutex. (N) -> (E): the member's second
// look happens after the message was put in. He looks under the mutex, so nobody can take him off
// the list in between. If the look finds a claimed slot that is not yet written, its writer is
// still before his own (N).
//
// Who leaves may have been woken for a message that he doesn't take any more: after remove(), one
// more is to be woken. A publisher that took him off the list did so under the mutex before that.
//
// Threads   Everything by any number of threads at once; join and remove with the registry's lock.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <penstock/bus/executor.hpp>
#include <penstock/core/sync.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class member_base {
public:
    explicit member_base(executor_ref e, bool pulls = false, std::size_t at_once = 1) noexcept
        : runs_on{e}, pulled{pulls}, prefetch{at_once} {}
    member_base(const member_base&) = delete;
    member_base& operator=(const member_base&) = delete;
    virtual ~member_base() = default;

    [[nodiscard]] virtual std::shared_ptr<member_base> self() = 0;
    /// Starts one more round of handling what is in. Not where it is pulled.
    virtual void wake() = 0;
    virtual bool cancel() = 0;

    const executor_ref runs_on;
    const bool pulled;
    const std::size_t prefetch;
    bool joined = false;  // by the mutex of its `members`
};

class members {
public:
    using member = std::shared_ptr<member_base>;

    explicit members(bool one_at_a_time = false) noexcept : one_at_a_time_{one_at_a_time} {}

    void join(const member& m) {
        std::lock_guard lock{mutex_};
        all_.reserve(all_.size() + 1);
        resting_.reserve(places_ + m->prefetch);  // so that going idle allocates nothing
        places_ += m->prefetch;
        all_.push_back(m);
        m->joined = true;
        if (!one_at_a_time_) {
            enlist(m);
        } else if (!active_) {
            active_ = m.get();
            enlist(m);
        }
    }

    [[nodiscard]] bool one_at_a_time() const noexcept { return one_at_a_time_; }

    /// Who left has ended completely. True: he was the active one, and another is it now.
    bool activate_next(const member_base& ended) {
        std::lock_guard lock{mutex_};
        if (active_ != &ended) return false;
        active_ = all_.empty() ? nullptr : all_.front().get();
        if (active_) enlist(all_.front());
        return active_ != nullptr;
    }

    /// True if it was one of them.
    bool remove(member_base& m) noexcept {
        const auto is_it = [&](const member& x) { return x.get() == &m; };
        std::lock_guard lock{mutex_};
        if (!std::exchange(m.joined, false)) return false;
        std::erase_if(all_, is_it);
        places_ -= m.prefetch;
        const auto rested = std::erase_if(resting_, is_it);
        idle_.fetch_sub(rested, std::memory_order_relaxed);  // late: a publisher looks for nothing
        all_left_ = all_.empty();
        return true;
    }

    /// Whether there were some, and all have left.
    [[nodiscard]] bool all_left() const {
        std::lock_guard lock{mutex_};
        return all_left_;
    }

    /// What `take` finds now; if it finds nothing, `me` is idle.
    template <class Take>
    auto rest_unless(member_base& me, Take take) -> decltype(take()) {
        std::lock_guard lock{mutex_};
        idle_.fetch_add(1, std::memory_order_acquire);  // (E), pairs with (N)
        auto found = take();
        if (!found && me.joined) {
            resting_.push_back(me.self());
        } else {
            idle_.fetch_sub(1, std::memory_order_relaxed);  // late: a publisher looks for nothing
        }
        return found;
    }

    /// The one that has been idle for longest, who is idle no more: members take turns.
    [[nodiscard]] member take_idle() {
        if (idle_.fetch_add(0, std::memory_order_release) == 0) return nullptr;  // (N), with (E)
        std::lock_guard lock{mutex_};
        if (resting_.empty()) return nullptr;
        member m = std::move(resting_.front());
        resting_.erase(resting_.begin());
        idle_.fetch_sub(1, std::memory_order_relaxed);  // late: a publisher looks for nothing
        return m;
    }

    /// No member with a handler is at work. Those who pull don't say.
    [[nodiscard]] bool all_rest() const {
        std::lock_guard lock{mutex_};
        std::size_t expected = 0;
        for (const member& m : all_)
            if (!m->pulled && (!one_at_a_time_ || m.get() == active_)) expected += m->prefetch;
        return resting_.size() == expected;
    }

    /// It could not be woken.
    void put_back(const member& m) {
        std::lock_guard lock{mutex_};
        if (m->joined) enlist_once(m);
    }

    [[nodiscard]] std::vector<member> copy() const {
        std::lock_guard lock{mutex_};
        return all_;
    }

    /// Asks the first member's executor under the mutex, where the member and so the executor is
    /// still there. Counted means that the caller is one of its threads, which it can't lose.
    before_wait begin_wait(executor_ref& asked) const {
        std::lock_guard lock{mutex_};
        if (all_.empty()) return before_wait::elsewhere;
        asked = all_.front()->runs_on;
        return asked.begin_wait();
    }

    /// The same where all have to go on, and not only one of them.
    before_wait begin_wait_for_all(executor_ref& asked) const {
        std::lock_guard lock{mutex_};
        for (const member& m : all_) {
            asked = m->runs_on;
            const before_wait verdict = asked.begin_wait();
            if (verdict != before_wait::elsewhere) return verdict;
        }
        return before_wait::elsewhere;
    }

private:
    void enlist(const member& m) {
        if (!m->pulled)
            for (std::size_t n = m->prefetch; n > 0; --n) enlist_once(m);
    }
    void enlist_once(const member& m) {
        resting_.push_back(m);
        idle_.fetch_add(1, std::memory_order_acquire);  // (E), pairs with (N)
    }

    sys::atomic<std::size_t> idle_{0};  // how many rest, or more
    mutable sys::mutex mutex_;
    std::vector<member> all_;
    std::vector<member> resting_;  // once for each task that it may have
    std::size_t places_ = 0;       // of all members
    const bool one_at_a_time_;
    const member_base* active_ = nullptr;  // one_at_a_time: also while he ends
    bool all_left_ = false;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
