// SPDX-License-Identifier: BSL-1.0
// A group's messages where a store keeps them (bus/persist.hpp): nothing is put in here, a publish has
// sent it to the store before. A message that is taken is a delivery, which `done` settles.
//
// Who finds nothing leaves a wake_target at the store's group, as a coroutine would, so that the next
// message calls an idle member, wherever it comes from:
//
//   member: nothing there ──► watch(): enlists, looks once more, arms
//   sender: notifies ──► resumed(): the watch is over; rings ──► an idle member takes, or finds nothing
//
// One watch at a time. While it is armed it holds the inbox, which the sender that resumes it takes
// over: the lane is there until that one has left. close() takes it back, or leaves it to him.
//
// Threads   Everything by any number of threads at once. take() may be called with the members' mutex
//           held; ring() is called with no lock.
#pragma once

#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <penstock/bus/detail/envelope.hpp>
#include <penstock/bus/detail/lane.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/pattern.hpp>
#include <penstock/core/delivery.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T, class Group>
class kept_lane final : public lane<T> {
public:
    /// `whole`: all topics of the keeper are its.
    kept_lane(Group group, const pattern& by, bool whole, std::shared_ptr<const keeper<T>> of)
        : group_{std::move(group)}, by_{by}, whole_{whole}, keeper_{std::move(of)} {}
    ~kept_lane() override { PENSTOCK_ASSERT(!hold_, "a kept group was destroyed while it waits"); }

    void serve(const std::weak_ptr<bell>& who) noexcept override { bell_ = who; }
    [[nodiscard]] bool kept() const noexcept override { return keeper_->keeping(); }

    // What was published is in the store already.
    status try_send(message<T>&&) override { return status::ok; }
    status send(message<T>&&, const sys::stop_token&) override { return status::ok; }

    std::optional<taken<T>> take() override {
        while (runs()) {
            try {
                auto d = group_.try_receive();
                if (d) return made(std::move(d));
                if (d.status() != status::empty) end(d.status());
            } catch (...) {
                end(std::current_exception());
            }
            if (watch()) break;
        }
        return std::nullopt;
    }

    bool done(void* claim, bool handled) noexcept override {
        const std::unique_ptr<delivery<T>> d{static_cast<delivery<T>*>(claim)};
        // Refused, it is as if the program had died before: it comes again.
        if (handled) (void)d->accept();
        return false;
    }

    void close() override {
        std::shared_ptr<bell> held;
        std::lock_guard lock{mutex_};
        closed_ = true;
        if (hold_ && target_.disarm()) {
            waiter::delist(&place_, 1);
            held = std::move(hold_);
        }
    }
    [[nodiscard]] bool closed() const override {
        std::lock_guard lock{mutex_};
        return closed_;
    }
    /// 0 or 1: it is not counted how many there are.
    [[nodiscard]] std::size_t size() const override { return runs() && group_.ready() ? 1 : 0; }
    [[nodiscard]] std::size_t capacity() const override { return 0; }
    /// It stays in the store.
    std::optional<message<T>> leftover() override { return std::nullopt; }

    void tell_trouble() override {
        std::exception_ptr told;
        {
            std::lock_guard lock{mutex_};
            told = std::exchange(trouble_, nullptr);
        }
        if (told) std::rethrow_exception(told);
    }

private:
    taken<T> made(delivery<T>&& d) {
        const std::string_view topic = d.info().topic;
        const bool ours = topic.empty() ? whole_ : by_.matches(topic);
        const shared_name name = name_of(topic);
        envelope<T> e{std::move(*d), name};
        e.use(visitor::top()->memory());  // of who takes it, inside his gate
        taken<T> t{e.share(), nullptr, ours};
        t.claim = new delivery<T>(std::move(d));
        return t;
    }
    /// Mostly that of the message before.
    shared_name name_of(std::string_view topic) {
        std::lock_guard lock{mutex_};
        if (!last_topic_ || **last_topic_ != topic) last_topic_.emplace(topic);
        return *last_topic_;
    }

    /// False: something may have come meanwhile. True: the next message rings, or it has ended.
    bool watch() {
        const std::shared_ptr<bell> owner = bell_.lock();
        std::lock_guard lock{mutex_};
        if (closed_ || over_ || hold_ || !owner) return true;
        target_.look();
        waiter::enlist(&place_, 1);
        if (!group_.ready()) {
            hold_ = owner;
            if (target_.arm()) return true;
            hold_ = nullptr;
        }
        waiter::delist(&place_, 1);
        return false;
    }
    /// By the one who notified: the watch is over.
    void resumed() noexcept {
        std::shared_ptr<bell> owner;
        bool left = false;
        {
            std::lock_guard lock{mutex_};
            owner = std::move(hold_);
            left = closed_;
        }
        if (left && group_.ready()) {
            group_.receivers().notify_one();  // it was meant for somebody
        } else if (!left) {
            owner->ring();
        }
    }

    [[nodiscard]] bool runs() const {
        std::lock_guard lock{mutex_};
        return !closed_ && !over_;
    }
    void end(status why) {
        if (why != status::failed) return end(std::exception_ptr{});
        end(std::make_exception_ptr(std::runtime_error{
            "penstock: the store of a kept group has failed: nothing more "
            "will come"}));
    }
    void end(std::exception_ptr why) noexcept {
        std::lock_guard lock{mutex_};
        over_ = true;
        trouble_ = std::move(why);
    }

    mutable Group group_;
    const pattern by_;
    const bool whole_;
    const std::shared_ptr<const keeper<T>> keeper_;
    std::weak_ptr<bell> bell_;

    wake_target target_{[](void* me) noexcept { static_cast<kept_lane*>(me)->resumed(); }, this};
    waiter::entry place_{group_.receivers(), target_};
    mutable sys::mutex mutex_;    // guards what follows
    std::shared_ptr<bell> hold_;  // while armed
    bool closed_ = false;
    bool over_ = false;  // the store has ended, or this can't go on
    std::exception_ptr trouble_;
    std::optional<shared_name> last_topic_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
