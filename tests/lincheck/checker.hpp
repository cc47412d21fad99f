// SPDX-License-Identifier: BSL-1.0
// Is there an order of these operations, each at one instant between its invocation and its return,
// that a queue of the specification could have answered like this?
//
//   verdict v = check(history, fifo{.capacity = 2});
//   if (!v.linearizable) std::puts(v.why.c_str());
//
// Source    Wing and Gong, Testing and Verifying Concurrent Objects (1993), with the just-in-time
//           linearization of Lowe, Testing for Linearizability (2017): invocations and returns are
//           gone through in order with the set of all configurations that are possible so far. A
//           configuration is a state of the sequential queue and the set of pending operations that
//           have taken effect in it. An operation takes effect no earlier than it must: when one
//           returns that has not, every sequence of pending ones that ends with it is tried. The
//           history is linearizable while a configuration is left.
//
// An answer that is allowed because another operation is in mid-air must take effect before that one
// returns, so it can't always wait for its own return: for a specification that looks around, the
// sequences are continued behind the returning operation.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "history.hpp"

namespace lincheck {

/// What the specifications know besides their own state: who is in mid-operation.
struct surroundings {
    const history& h;
    std::uint64_t pending;  // by index in the history
    std::uint64_t effective;

    /// Has taken effect and not returned: its slot may be claimed and not yet written, or emptied.
    [[nodiscard]] bool in_mid_air(operation::kind what, value v) const {
        for (std::uint64_t left = pending & effective; left != 0; left &= left - 1) {
            const operation& o = h[static_cast<std::size_t>(std::countr_zero(left))];
            if (o.what == what && (what == operation::push ? o.argument : o.popped) == v)
                return true;
        }
        return false;
    }
    [[nodiscard]] bool others_pending(std::size_t me) const {
        return (pending & ~(std::uint64_t{1} << me)) != 0;
    }
};

/// A bounded FIFO. `sequenced` allows what queue/mpmc_ring.hpp documents, and nothing else: empty
/// also while the oldest is being written, full also while the element that a push would replace,
/// the one `capacity` before it, is still being taken out.
struct fifo {
    std::size_t capacity;
    bool sequenced = false;

    struct state {
        std::vector<value> recent;  // at most `capacity`: the last pushed, taken out or not
        std::size_t out = 0;        // how many of these have been taken out
        auto operator<=>(const state&) const = default;
    };

    [[nodiscard]] bool looks_around() const { return sequenced; }

    bool apply(state& s, std::size_t me, const surroundings& around) const {
        const operation& o = around.h[me];
        const std::size_t size = s.recent.size() - s.out;
        if (o.what == operation::push) {
            if (o.answered) {
                if (size == capacity) return false;
                if (s.recent.size() == capacity) {
                    s.recent.erase(s.recent.begin());
                    --s.out;
                }
                s.recent.push_back(o.argument);
                return true;
            }
            if (size == capacity) return true;
            return sequenced && s.recent.size() == capacity &&
                   around.in_mid_air(operation::pop, s.recent.front());
        }
        if (o.answered) {
            if (size == 0 || s.recent[s.out] != o.popped) return false;
            ++s.out;
            return true;
        }
        if (size == 0) return true;
        return sequenced && around.in_mid_air(operation::push, s.recent[s.out]);
    }
};

/// Never full; in order for each producer; empty is a hint while others are at work.
struct fifo_per_producer {
    using state = std::vector<std::vector<value>>;  // by thread

    [[nodiscard]] bool looks_around() const { return true; }

    bool apply(state& s, std::size_t me, const surroundings& around) const {
        const operation& o = around.h[me];
        if (o.what == operation::push) {
            if (!o.answered) return false;
            if (s.size() <= o.thread) s.resize(o.thread + std::size_t{1});
            s[o.thread].push_back(o.argument);
            return true;
        }
        if (o.answered) {
            for (auto& q : s)
                if (!q.empty() && q.front() == o.popped) {
                    q.erase(q.begin());
                    return true;
                }
            return false;
        }
        return around.others_pending(me) ||
               std::all_of(s.begin(), s.end(), [](auto& q) { return q.empty(); });
    }
};

struct verdict {
    bool linearizable;
    std::string why;
    std::size_t configurations;  // the most at one time
};

template <class Specification>
class checker {
public:
    checker(const history& h, const Specification& spec) : h_{h}, spec_{spec} {}

    verdict run() {
        if (h_.size() > 64) return {false, "more than 64 operations: record shorter histories", 0};
        struct event {
            std::uint32_t at;
            std::size_t who;
            bool returns;
        };
        std::vector<event> events;
        for (std::size_t i = 0; i < h_.size(); ++i) {
            events.push_back({h_[i].invoked, i, false});
            events.push_back({h_[i].returned, i, true});
        }
        std::sort(events.begin(), events.end(), [](auto& a, auto& b) { return a.at < b.at; });

        possible_.emplace();
        std::size_t most = 1;
        for (auto& e : events) {
            const auto bit = std::uint64_t{1} << e.who;
            if (!e.returns) {
                pending_ |= bit;
                continue;
            }
            std::set<configuration> after;
            for (auto& c : possible_) linearize(c, e.who, after);
            possible_.clear();
            for (auto c : after) {
                c.effective &= ~bit;
                possible_.insert(std::move(c));
            }
            pending_ &= ~bit;
            most = std::max(most, possible_.size());
            if (possible_.empty())
                return {false,
                        "no order explains this answer:\n  " + text_of(h_[e.who]) + "\nof\n" +
                            text_of(h_),
                        most};
        }
        return {true, "", most};
    }

private:
    struct configuration {
        typename Specification::state state{};
        std::uint64_t effective = 0;  // of the pending ones
        auto operator<=>(const configuration&) const = default;
    };

    /// All configurations that follow from `c` and in which `who` has taken effect last, or had.
    void linearize(const configuration& c, std::size_t who, std::set<configuration>& found) {
        if (c.effective >> who & 1) {
            if (!found.insert(c).second || !spec_.looks_around()) return;
        }
        for (std::uint64_t left = pending_ & ~c.effective; left != 0; left &= left - 1) {
            const auto next = static_cast<std::size_t>(std::countr_zero(left));
            configuration then = c;
            if (!spec_.apply(then.state, next, {h_, pending_, c.effective})) continue;
            then.effective |= std::uint64_t{1} << next;
            linearize(then, who, found);
        }
    }

    const history& h_;
    const Specification& spec_;
    std::set<configuration> possible_;
    std::uint64_t pending_ = 0;
};

template <class Specification>
verdict check(const history& h, const Specification& spec) {
    return checker<Specification>{h, spec}.run();
}

}  // namespace lincheck
