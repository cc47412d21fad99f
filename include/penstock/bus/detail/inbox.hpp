// SPDX-License-Identifier: BSL-1.0
// The queue of a subscription, and the members that compete for what is in it: one for a
// subscription of its own, any number for a group.
//
//   publish ──► deliver ──► lane ──┬─► member, run by its executor  (detail/worker.hpp)
//                    │             ├─► member with a thread of its own
//                    └─► idle members: wake one     └─► receiver (pulled)
//
// detail/postbox.hpp is how messages get in; this is how they get out, and how it ends.
// detail/members.hpp says who waits where, and why no wake is lost.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include <penstock/bus/detail/postbox.hpp>
#include <penstock/channel/ends.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
class inbox final : public postbox<T>, public bell {
    using base = postbox<T>;
    using base::home_, base::kept_, base::lane_, base::members_, base::rest_, base::terms_,
        base::wanted;

public:
    using base::catch_up, base::rested, base::wake_one;
    using ends = typename channel_lane<T>::ends;

    inbox(registry& home, pattern by, subscribe_options<T>&& o,
          std::unique_ptr<lane<T>> kept = nullptr)
        : base{home, std::move(by), std::move(o), std::move(kept)} {}

    void ring() noexcept override { wake_one({}); }
    void serve(const std::shared_ptr<inbox>& me) noexcept { lane_->serve(me); }

    void finish() override {
        if (is_pulled()) return;  // what is in is for those who pull, in their own time
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
        return is_pulled() ||
               rest_.wait([this] { return lane_->size() == 0 && members_.all_rest(); },
                          [] { return false; }, until);
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

    /// For those who pull; none of the keyed ones does.
    [[nodiscard]] ends& shared() noexcept { return static_cast<channel_lane<T>&>(*lane_).shared(); }

private:
    [[nodiscard]] bool is_pulled() const {
        for (auto& m : members_.copy())
            if (m->pulled) return true;
        return false;
    }

    /// From a store come other topics' messages too, and what `where` doesn't want: done with. When it
    /// ends in this moment they are not.
    bool wanted(const taken<T>& m, bool& done_with) {
        const inside here{*this, this};
        tally ignored;
        envelope<T> e{message<T>{m.what}};
        done_with = static_cast<bool>(here);
        if (!here || !m.ours || !wanted(e, ignored)) return false;
        this->came_in();
        return true;
    }
    void tell_trouble() noexcept {
        try {
            lane_->tell_trouble();
        } catch (...) {
            home_.report({}, this->by());
        }
    }

    void last_out() noexcept override {
        this->drop_all();
        rested();
    }
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
