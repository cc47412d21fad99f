// SPDX-License-Identifier: BSL-1.0
// What is in a channel, who waits for it, and what becomes of what finds no room. Nothing here
// waits, except the destructor; detail/conduit.hpp does.
//
//   try_put ─► cargo.push ─► wake receivers       take ─► cargo.pop_into ─► wake senders, who quiesces
//     full: refuse, as overflow says
//
// Three waiters: receivers() for something to take, senders() for room, `quiet` for an idle channel.
// No lock is held when one of them is notified or user code runs.
//
// Who waits has signed in (`visit`): the destructor closes, which ends every wait, and waits until
// all have signed out, which is each visit's last touch. `sending_` counts senders that wait or were
// woken and have not sent yet, for quiesce: it falls only when what they send is in, and idle() is
// looked at after it.
//   (S) sending_ release -> (Q) quiet acquire: what a sender had put in is seen by idle().
//   (V) inside_ release -> (D) destructor acquire: what a visitor did happens before destruction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>

#include <penstock/channel/detail/cargo.hpp>
#include <penstock/channel/detail/place.hpp>
#include <penstock/channel/options.hpp>
#include <penstock/core/backoff.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T, queue Storage>
class reservoir {
protected:
    using contents = cargo<T, Storage>;

public:
    /// What a sender holds until its value is in or refused for good (detail/cargo.hpp).
    class pass {
    public:
        explicit pass(reservoir& c) noexcept : of_{c}, mine_{c.cargo_} {}
        pass(const pass&) = delete;
        ~pass() { give_up(); }
        void give_up() noexcept {
            if (mine_.give_up()) of_.senders_.notify_all();  // what it held lets others go
        }
        /// From here on a place in the line is kept for it.
        void stand_in_line() noexcept { mine_.stand_in_line(); }

    private:
        friend reservoir;
        reservoir& of_;
        typename contents::pass mine_;
    };

    explicit reservoir(channel_options<T>&& o)
        : cargo_{o},
          receivers_{o.wait},
          senders_{o.wait},
          quiet_{wait_policy::park},
          overflow_{o.overflow},
          on_drop_{std::move(o.on_drop)} {
        if (overflow_ == overflow::drop_oldest && Storage::single_consumer)
            throw std::invalid_argument{
                "penstock: drop_oldest lets a sender pop, which this storage allows to one receiver "
                "only: use mpmc_ring, or drop_newest"};
    }
    reservoir(const reservoir&) = delete;
    ~reservoir() {
        going_.store(true, std::memory_order_relaxed);  // seen by who quiesces, by the notify
        close();
        await_departures(one);
        discard_quietly();
    }

    status try_put(T&& value) {
        pass mine{*this};
        const status answer = try_put(std::move(value), mine);
        return answer == status::full ? refuse(std::move(value), mine) : answer;
    }
    /// For who waits in his own way: full means wait at senders(), then try again with this pass.
    status try_put(T&& value, pass& mine) {
        const status answer = push(std::move(value), mine);
        told(answer);
        return answer;
    }

    template <class... Args>
    bool try_emplace(Args&&... args) {  // built in its slot; false: try_put says why
        const bool done = cargo_.emplace(std::forward<Args>(args)...);
        if (done) receivers_.notify_one();
        return done;
    }
    std::optional<T> take() {
        std::optional<T> value;
        take_into(value);
        return value;
    }
    template <class Target>
    bool take_into(Target& target) {  // an empty optional, or a T to assign to
        const bool found = cargo_.pop_into(target);
        if (found || cargo_.has_gaps()) made_room(1);  // it may have stepped over one
        return found;
    }

    /// A place for an element that comes later (detail/place.hpp).
    [[nodiscard]] auto reserve() { return place{*this, cargo_.reserve()}; }
    void place_filled() { told(status::ok); }
    void place_goes() noexcept { cargo_.will_have_gaps(); }
    void place_gone() noexcept {
        (void)cargo_.skipped_gaps();
        receivers_.notify_one();  // one may sleep because of it, with elements behind it
        made_room(1);
    }

    // ---- Ending

    void close() {
        if (overflow_ == overflow::drop_oldest) {
            std::lock_guard lock{replacing_};  // not between a drop and the send that it is for
            cargo_.close();
        } else {
            cargo_.close();
        }
        receivers_.notify_all();
        senders_.notify_all();
        quiet_.notify_all();
    }
    void discard() {
        while (auto value = take()) drop(std::move(*value), discarded_);
    }
    /// For the last receiver's end, through which somebody may still wait.
    void close_and_discard_quietly() noexcept {
        close();
        if (Storage::single_consumer)  // his role
            await_departures(one_receiver);
        discard_quietly();
    }
    void discard_quietly() noexcept {
        while (auto value = take()) {
            try {
                drop(std::move(*value), discarded_);
            } catch (...) {  // a destructor can't tell anybody
            }
        }
    }
    /// A sender that waited in his own way went without having sent.
    void sender_left() noexcept { quiet_.notify_all(); }

    // ---- Looking

    [[nodiscard]] bool closed() const { return cargo_.closed(); }
    [[nodiscard]] bool drained() const { return cargo_.drained(); }
    [[nodiscard]] bool receivable() const { return closed() || cargo_.something(); }
    [[nodiscard]] bool sendable() const { return closed() || cargo_.room(); }
    [[nodiscard]] const contents& content() const noexcept { return cargo_; }
    [[nodiscard]] waiter& receivers() noexcept { return receivers_; }
    [[nodiscard]] waiter& senders() noexcept { return senders_; }
    [[nodiscard]] const waiter& receivers() const noexcept { return receivers_; }
    [[nodiscard]] const waiter& senders() const noexcept { return senders_; }
    [[nodiscard]] overflow policy() const noexcept { return overflow_; }

    [[nodiscard]] std::uint64_t dropped() const noexcept {
        return dropped_newest_.load(std::memory_order_relaxed) +  // counts; they carry nothing
               discarded_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t rejected() const noexcept {
        return rejected_.load(std::memory_order_relaxed);  // a count; carries nothing
    }
    [[nodiscard]] channel_counts counts() const {
        const auto in = cargo_.size();
        const auto pushed = cargo_.pushed();
        const auto newest = dropped_newest_.load(std::memory_order_relaxed);  // counts, as above
        const auto discarded = discarded_.load(std::memory_order_relaxed);
        const auto left = pushed < in ? 0 : pushed - in;
        return {.sent = pushed + newest,
                .received = left < discarded ? 0 : left - discarded,
                .dropped = newest + discarded,
                .in = in,
                .rejected = rejected()};
    }

protected:
    using counter = sys::atomic<std::uint64_t>;

    static constexpr std::uint32_t one = 1, one_receiver = 1 << 16;  // of inside_

    struct visit {
        explicit visit(reservoir& c, std::uint32_t as = one) noexcept : of{c}, by{as} {
            of.inside_.fetch_add(by, std::memory_order_relaxed);  // by one who may use the channel
        }
        visit(const visit&) = delete;
        ~visit() { of.inside_.fetch_sub(by, std::memory_order_release); }  // (V), pairs with (D)
        reservoir& of;
        const std::uint32_t by;
    };
    struct sender_visit : visit {
        explicit sender_visit(reservoir& c) noexcept : visit{c} {
            c.sending_.fetch_add(1, std::memory_order_relaxed);  // nothing to be seen yet
        }
        ~sender_visit() {
            this->of.sending_.fetch_sub(1, std::memory_order_release);  // (S), pairs with (Q)
            this->of.quiet_.notify_all();
        }
    };

    void await_departures(std::uint32_t least) noexcept {
        backoff wait;
        auto n =
            inside_.fetch_add(0, std::memory_order_acquire);  // (D); reads the last, as RMWs do
        while (n >= least) {
            wait();
            n = inside_.load(std::memory_order_acquire);  // (D), pairs with (V)
        }
    }

    [[nodiscard]] bool quiet() const {
        return sending_.load(std::memory_order_acquire) == 0 &&  // (Q), pairs with (S)
               senders_.waiting_approx() == 0 && cargo_.idle();
    }

    status push(T&& value, pass& mine) { return cargo_.push(std::move(value), mine.mine_); }

    void told(status answer) {
        if (answer == status::ok) {
            receivers_.notify_one();
        } else {
            refused(answer);
        }
    }
    [[gnu::noinline]] void refused(status answer) {
        if (answer == status::too_large)
            rejected_.fetch_add(1, std::memory_order_relaxed);  // count
        if (!closed()) return;
        receivers_.notify_all();  // one may sleep because this sender was still at the gate
        quiet_.notify_all();
    }
    void made_room(std::size_t n) {
        if constexpr (contents::one_for_one) {
            senders_.notify_n(n);
        } else {
            senders_.notify_all();
        }
        // By what this receiver knows itself; who takes the rest, or gives up sending, tells, too.
        quiet_.notify_all_if([this] { return !cargo_.something(); });
    }

    /// What overflow says of a value that found no room, except for waiting.
    status refuse(T&& value, pass& mine) {
        switch (overflow_) {
            case overflow::block: return status::full;
            case overflow::reject:
                rejected_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
                return status::full;
            case overflow::drop_newest:
                mine.give_up();
                drop(T(std::move(value)), dropped_newest_);
                return status::dropped;
            case overflow::drop_oldest: break;
        }
        for (backoff wait;; wait()) {
            typename contents::replaced gone;
            status answer = push(std::move(value), mine);
            if (answer == status::full &&
                !cargo_.room(mine.mine_)) {        // else a receiver is just making some
                std::lock_guard lock{replacing_};  // a close comes before this or after
                answer = closed() ? status::closed
                                  : cargo_.replace(std::move(value), mine.mine_, gone);
            }
            told(answer);
            gone.each([this](T&& oldest) { drop(std::move(oldest), discarded_); });
            if (answer != status::full) return answer;
        }
    }

    void drop(T&& value, counter& of) {
        of.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
        if (on_drop_) on_drop_(std::move(value));
    }

    contents cargo_;
    waiter receivers_;
    waiter senders_;
    waiter quiet_;
    const overflow overflow_;
    unique_function<void(T&&)> on_drop_;
    sys::mutex replacing_;
    sys::atomic<std::uint32_t> inside_{0};   // threads in a wait: receivers, others
    sys::atomic<std::uint32_t> sending_{0};  // senders in a wait
    sys::atomic<bool> going_{false};         // in the destructor
    counter dropped_newest_{0};
    counter discarded_{0};  // dropped from inside
    counter rejected_{0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
