// SPDX-License-Identifier: BSL-1.0
// The ring that all readers of one pattern share (bus/broadcast.hpp): the publishers' side of it.
//
//   deliver ──► ring.try_push ──┬─► in: wake all idle readers
//                               └─► full: wait or refuse, as overflow says
//
// No callback belongs to the ring itself, so it needs no gate. detail/members.hpp says why no wake is
// lost: a reader looks at the ring once more after it has entered the list of the idle.
//
// Room. A reader passes its gate in the ring, then notifies; a publisher that found no room looks again
// once it is enlisted (core/waiter.hpp). Whoever leaves does the same.
//
// Who is there. Readers come and go under `coming_`. A tracked publish pushes under it, so that it
// knows how many outcomes there will be; any other looks at the count beforehand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <penstock/bus/detail/all_or_none.hpp>
#include <penstock/bus/detail/envelope.hpp>
#include <penstock/bus/detail/linger.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/members.hpp>
#include <penstock/bus/detail/registry.hpp>
#include <penstock/bus/detail/ring_share.hpp>
#include <penstock/channel/overflow.hpp>
#include <penstock/core/cache_line.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T, class Share>
class ring_box final
    : public listener<T>,
      public std::enable_shared_from_this<ring_box<T, Share>>,
      private admitting {
public:
    ring_box(registry& home, pattern by, std::size_t capacity, overflow full)
        : listener<T>{type_of<T>, std::move(by), std::string{}},
          home_{home},
          terms_{capacity, full},
          ring_{capacity} {}

    [[nodiscard]] ring_terms broadcasts() const noexcept override { return terms_; }

    bool deliver(envelope<T>& e, const patience& p, tally& t, visitor&) override {
        status answer = offer(e, t);
        if (answer == status::full) answer = once_there_is_room(p, [&] { return offer(e, t); });
        if (answer) {
            wake_all(e.topic());
        } else if (answer != status::closed) {  // else it has just ended: no match
            refused(answer, t);
        }
        return false;
    }
    [[nodiscard]] admitting* queue() noexcept override { return this; }

    void end_intake() override {
        ring_.close();
        room_.notify_all();
    }
    void finish() override {
        wake_all({});  // where an executor refused the last wake
        (void)rest_.wait([this] { return all_read(); }, [] { return false; });
        for (auto& m : members_.copy()) m->cancel();
    }
    [[nodiscard]] bool rests(const deadline& until) override {
        return static_cast<bool>(
            rest_.wait([this] { return all_read(); }, [] { return false; }, until));
    }
    [[nodiscard]] std::uint64_t taken_in() const noexcept override {
        return taken_in_.load(std::memory_order_relaxed);  // a count; compared when all rest
    }
    [[nodiscard]] std::uint64_t rejected() const noexcept {
        return rejected_.load(std::memory_order_relaxed);  // a count; carries nothing
    }

    // ---- the readers' side

    // With the registry's lock held:
    template <class Reader>
    void join(const std::shared_ptr<Reader>& r) {
        std::lock_guard lock{coming_};
        if (!r->share().join(ring_))
            throw std::runtime_error{"penstock: this ring has 64 readers already, its most"};
        try {
            members_.join(r);
        } catch (...) {
            r->share().leave();
            throw;
        }
        readers_.fetch_add(1, std::memory_order_relaxed);  // by the mutex, or a count
    }
    /// It could not begin.
    template <class Reader>
    void remove(Reader& r) noexcept {
        (void)members_.remove(r);
        std::lock_guard lock{coming_};
        r.share().leave();
        readers_.fetch_sub(1, std::memory_order_relaxed);  // by the mutex, or a count
    }

    /// Takes a reader out. When it was the last, the ring leaves the routes and takes no more.
    bool leave(member_base& m) {
        {
            const auto lock = home_.lock();
            if (!members_.remove(m)) return false;
            if (members_.all_left()) home_.detach(*this);
        }
        if (members_.all_left()) end_intake();
        return true;
    }

    /// For a reader whose handler runs no more: calls `lost` for what it has not read. Returns how many
    /// it had been too slow for.
    template <class Lost>
    std::uint64_t end(Share& s, Lost lost) noexcept {
        for (std::uint64_t missed = 0;;) {
            auto m = s.take();
            if (!m) {
                std::unique_lock lock{coming_};
                m = s.take();
                if (!m) {
                    s.leave();
                    readers_.fetch_sub(1, std::memory_order_relaxed);  // by the mutex, or a count
                    lock.unlock();
                    has_room();
                    return missed;
                }
            }
            lost(*m);
            missed += s.done();
        }
    }
    [[nodiscard]] std::uint64_t unread(const Share& s, std::uint64_t seen) const {
        std::lock_guard lock{coming_};
        return s.unread(seen);
    }

    /// The next message, or it is idle from now on.
    auto next(member_base& me, Share& s, linger& before) {
        auto m = s.take();
        if (!m) (void)before.until([&] { return static_cast<bool>(m = s.take()); });
        if (!m) m = members_.rest_unless(me, [&s] { return s.take(); });
        if (!m) {
            has_room();  // it may have stepped over a place that was let go
            rest_.notify_all();
        }
        return m;
    }
    void has_room() noexcept { room_.notify_all(); }
    /// Somebody has ended a turn without looking for more.
    void rested() noexcept { rest_.notify_all(); }

private:
    /// No reader is at work, and none has anything to read.
    [[nodiscard]] bool all_read() const {
        if constexpr (!Share::drops)
            if (ring_.size_approx() > 0) return false;
        return members_.all_rest();
    }
    /// ok, full or closed.
    status offer(envelope<T>& e, tally& t) {
        if (readers_.load(std::memory_order_relaxed) == 0) return status::closed;  // a count
        std::unique_lock lock{coming_, std::defer_lock};
        if (e.tracked()) lock.lock();
        message<T> m = e.share();
        const std::uint32_t readers = readers_.load(std::memory_order_relaxed);  // as it says above
        if (!ring_.try_push(std::move(m))) return ring_.closed() ? status::closed : status::full;
        is_in(readers, t);
        return status::ok;
    }
    void is_in(std::uint32_t readers, tally& t) noexcept {
        taken_in_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
        t.queued += readers;
    }
    void refused(status why, tally& t) noexcept {
        ++t.refused;
        ++t.rejected;
        t.why = why;
        rejected_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
    }

    void wake_all(std::string_view topic) {
        std::vector<members::member> failed;
        while (auto m = members_.take_idle()) {
            try {
                m->wake();
            } catch (...) {  // its executor didn't take the task: the next message tries again
                home_.report(topic, this->by());
                failed.push_back(std::move(m));
            }
        }
        for (const auto& m : failed) members_.put_back(m);
    }

    /// What `attempt` answers when it isn't full any more, where that may be waited for.
    template <class Attempt>
    status once_there_is_room(const patience& p, Attempt attempt) {
        if (terms_.full != overflow::block || !p.may_wait) return status::full;
        return if_not_for_itself([&] {
            status found = status::full;
            const status waited = room_.wait([&] { return (found = attempt()) != status::full; },
                                             [] { return false; }, {}, p.stop);
            return waited ? found : waited;
        });
    }
    template <class Wait>
    status if_not_for_itself(Wait wait) {
        if (visitor::serves(this)) return status::would_block_self;
        executor_ref server;
        const before_wait verdict = members_.begin_wait_for_all(server);
        if (verdict == before_wait::refused) return status::would_block_self;
        const status waited = wait();
        if (verdict == before_wait::counted) server.end_wait();
        return waited;
    }

    // ---- All or none. A ring that overwrites always has room, so it keeps no place.

    static envelope<T>& opened(envelope_base& e) noexcept { return static_cast<envelope<T>&>(e); }
    static constexpr bool takes_all = Share::drops;

    status ask(envelope_base& b, tally&, held&) override {
        (void)opened(b).share();
        return readers_.load(std::memory_order_relaxed) == 0
                   ? status::no_subscribers  // a count
                   : status::ok;
    }
    status hold(held& h) override {
        if constexpr (!takes_all) {
            auto found = ring_.reserve();
            if (!found) return ring_.closed() ? status::closed : status::full;
            static_assert(sizeof(found) <= sizeof(h.place));
            ::new (static_cast<void*>(h.place)) place{std::move(found)};
        }
        return status::ok;
    }
    status wait_and_hold(held& h, const patience& p) override {
        const status answer = once_there_is_room(p, [&] { return hold(h); });
        if (!answer && answer != status::closed)
            rejected_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
        return answer;
    }
    bool fill(envelope_base& b, held& h) noexcept override {
        if constexpr (!takes_all) {
            at(h).emplace(opened(b).share());
            at(h).commit();
            std::destroy_at(&at(h));
        }
        return true;
    }
    void let_go(held& h) noexcept override {
        if constexpr (!takes_all) std::destroy_at(&at(h));
    }
    void settle(envelope_base& b, tally& t, held&) override {
        if constexpr (takes_all) {
            if (!offer(opened(b), t)) return;
        } else {
            is_in(readers_.load(std::memory_order_relaxed), t);  // a count
        }
        wake_all(opened(b).topic());
    }
    void settle_refused() override {
        wake_all({});  // what stands behind the place can be read
    }

    using place = typename Share::place;
    static place& at(held& h) noexcept { return *std::launder(reinterpret_cast<place*>(h.place)); }

    registry& home_;  // stays while readers, and topics that lead here, are there
    const ring_terms terms_;
    typename Share::ring ring_;
    members members_;
    waiter room_, rest_;
    mutable sys::mutex coming_;
    alignas(cache_line) sys::atomic<std::uint32_t> readers_{0};  // changed by coming_
    alignas(cache_line) sys::atomic<std::uint64_t> taken_in_{0};
    sys::atomic<std::uint64_t> rejected_{0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
