// SPDX-License-Identifier: BSL-1.0
// Several messages of a group taken at once, and settled by one append.
//
// Threads   As group_state: everything may be called by any number of threads at once, on one batch
//           by one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <penstock/durable/detail/group_state.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// One of several: where it stands in a segment that the batch keeps mapped.
struct claimed_message {
    std::span<const std::byte> payload;
    std::uint64_t offset = 0;
    std::int64_t time = 0;
    std::uint32_t topic = 0;
};

struct claimed_batch {
    std::vector<claimed_message> messages;
    std::vector<std::shared_ptr<const segment>> in;
    std::uint64_t first_token = 0;  // the others follow
    std::uint32_t attempt = 1;      // of all of them

    void add(const format::record& r, std::uint64_t offset,
             const std::shared_ptr<const segment>& from) {
        if (in.empty() || in.back() != from) in.push_back(from);
        messages.push_back({r.payload, offset, r.header.time, r.header.topic});
    }
};

class group_batches {
public:
    /// At most that many: ok, with at least one, or as group_state::take. One that was released comes
    /// alone.
    static status take(group_state& g, const stream_state& stream, std::size_t most,
                       claimed_batch& to) {
        claimed one;
        if (const status s = g.take(stream, one); !s) return s;
        to.first_token = one.token;
        to.attempt = one.attempt;
        try {
            std::lock_guard lock{g.mutex_};
            to.messages.reserve(std::min(most, g.out_.size()));
            to.add(one.record, one.offset, one.in);
            if (one.attempt > 1) return status::ok;
            const scanner& here = g.cursor_.scan();
            auto place = static_cast<std::size_t>(one.token % g.out_.size());
            // Only what is next to it: the tokens of a batch are neighbours.
            for (format::record next;
                 g.last_ == one.token + to.messages.size() && to.messages.size() < most &&
                 room(g) && g.cursor_.next(next);) {
                const std::uint64_t offset = g.cursor_.at();
                to.add(next, offset, here.in());
                if (++place == g.out_.size()) place = 0;
                g.out_[place] = {
                    offset, here.summed_at(), here.epoch(), 1, group_state::state::out};
                ++g.last_;
                g.cursor_.step(next);
            }
            return status::ok;
        } catch (...) {
            release(g, to, one.token);
            throw;
        }
    }
    static status wait_and_take(group_state& g, const stream_state& stream, std::size_t most,
                                claimed_batch& to, const deadline& until,
                                const sys::stop_token& stop) {
        status answer = take(g, stream, most, to);
        if (answer != status::empty) return answer;
        const status waited = g.waiting_.wait(
            [&] { return (answer = take(g, stream, most, to)) != status::empty; },
            [&] { return g.something(stream); }, until, stop);
        return waited ? answer : waited;
    }

    /// One append when no earlier message is out: then its low water says all. Else one each; those
    /// that were accepted have left the batch when one is refused.
    static status accept(group_state& g, claimed_batch& taken) noexcept {
        const std::uint64_t begin = taken.first_token, end = begin + taken.messages.size();
        bool first = true, was_full = false;
        const auto mark = [&](accept_payload& what) {
            std::lock_guard lock{g.mutex_};
            first = begin == g.first_;
            each(g, taken, [&](auto& e) { first = first && e.now == group_state::state::out; });
            if (!first) return status::closed;
            was_full = !room(g);
            each(g, taken, [](auto& e) { e.now = group_state::state::accepted; });
            g.first_ = end;
            what = {g.id_, 0, g.at(end - 1).offset, g.low_water_marked()};
            g.pass_accepted();
            return status::ok;
        };
        std::uint64_t appended = 0;
        const status s = g.journal_.accept(mark, appended);
        if (!first) return accept_each(g, taken);
        if (!s) return s;
        if (was_full) g.waiting_.notify_all();
        const status safe = g.journal_.make_safe(appended);
        g.journal_.told_of_record();
        return safe;
    }
    static void release(group_state& g, const claimed_batch& taken) noexcept {
        for (std::size_t i = 0; i < taken.messages.size(); ++i)
            (void)g.settle(taken.first_token + i, verdict::release);
    }

private:
    static bool room(const group_state& g) noexcept { return g.last_ - g.first_ < g.out_.size(); }

    /// Calls f for the place of each, without a division for each.
    template <class F>
    static void each(group_state& g, const claimed_batch& taken, F&& f) {
        auto at = static_cast<std::size_t>(taken.first_token % g.out_.size());
        for (std::size_t i = 0; i < taken.messages.size(); ++i, ++at) {
            if (at == g.out_.size()) at = 0;
            f(g.out_[at]);
        }
    }
    static status accept_each(group_state& g, claimed_batch& taken) noexcept {
        std::size_t done = 0;
        status s = status::ok;
        while (s && done < taken.messages.size())
            if ((s = g.settle(taken.first_token + done, verdict::accept))) ++done;
        taken.first_token += done;
        taken.messages.erase(
            taken.messages.begin(), taken.messages.begin() + static_cast<std::ptrdiff_t>(done));
        return s;
    }
    /// When it throws while it is filled: what was claimed is more than it shows.
    static void release(group_state& g, claimed_batch& taken, std::uint64_t one) noexcept {
        (void)g.settle(one, verdict::release);
        for (std::size_t i = 1; i < taken.messages.size(); ++i)
            (void)g.settle(one + i, verdict::release);
    }
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
