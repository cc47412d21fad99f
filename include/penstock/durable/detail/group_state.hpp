// SPDX-License-Identifier: BSL-1.0
// A group as its members share it: where it reads, which messages are out, which come again.
//
//      low water          what is out, in the order of the stream          reading
//   ───────┴──────┬───────┬───────┬───────┬───────┬───────┬──────────────────┴───────▶ stream
//    accepted     │  out  │ acc.  │  out  │ rel.  │ acc.  │
//                 └──────────── at most `prefetch` ───────┘
//
// An accept is appended before it counts, together with the low water that follows from it. What a
// former process accepted above its low water is stepped over while reading.
//
// Threads   Everything may be called by any number of threads at once: one mutex, which is taken
//           inside of the append mutex, so that who holds a reservation never waits for who waits for
//           him.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include <penstock/core/cache_line.hpp>
#include <penstock/core/delivery.hpp>
#include <penstock/core/waiter.hpp>
#include <penstock/durable/detail/journal_core.hpp>
#include <penstock/durable/detail/stream_cursor.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// A message that is handed out.
struct claimed {
    format::record record;
    std::shared_ptr<const segment> in;
    std::uint64_t offset = 0;
    std::uint64_t token = 0;
    std::uint32_t attempt = 0;
};

class group_state final : public stream_reader, public delivery_source {
public:
    group_state(journal_core& journal, const group_entry& from)
        : stream_reader{from.stream, from.id},
          journal_{journal},
          id_{from.id},
          cursor_{journal, from},
          lagged_{from.lost} {}

    /// How many may be out; asked for by each member, and the same for all.
    void allow(std::uint32_t prefetch) {
        if (prefetch == 0 || prefetch > 1 << 20)
            throw std::invalid_argument{"penstock: prefetch must be from 1 to 1048576"};
        std::lock_guard lock{mutex_};
        if (out_.empty()) out_.resize(prefetch);
        if (out_.size() != prefetch)
            throw std::invalid_argument{
                "penstock: a member of this group uses another prefetch: all must agree"};
    }

    /// ok, empty, closed, failed.
    status take(const stream_state& stream, claimed& to) {
        std::lock_guard lock{mutex_};
        if (journal_.done().failed()) return status::failed;
        if (journal_.closed()) return status::closed;
        if (released_ > 0) return take_released(to);
        if (last_ - first_ == out_.size()) return status::empty;
        // Looked at before reading: what was appended before the close is found by it.
        const bool stream_closed = stream.closed.load(std::memory_order_acquire);  // with close
        format::record next;
        const status s = cursor_.next(next);
        if (s == status::empty && stream_closed && cursor_.at() >= journal_.done().appended())
            return status::closed;
        if (!s) return s;
        const std::uint64_t offset = cursor_.at();
        const scanner& here = cursor_.scan();
        out_[last_ % out_.size()] = {offset, here.summed_at(), here.epoch(), 1, state::out};
        to = {next, here.in(), offset, last_, 1};
        ++last_;
        cursor_.step(next);
        return status::ok;
    }

    status settle(std::uint64_t token, verdict v) noexcept override {
        if (v == verdict::release) {
            {
                std::lock_guard lock{mutex_};
                if (token < first_) return status::closed;  // the group was moved by seek
                at(token).now = state::released;
                ++released_;
            }
            waiting_.notify_one();
            return status::ok;
        }
        bool was_full = false;
        std::uint64_t end = 0;
        const auto mark = [&](accept_payload& what) {
            std::lock_guard lock{mutex_};
            if (!is_out(token)) return status::closed;
            was_full = last_ - first_ == out_.size();
            mark_accepted(token, what);
            pass_accepted();
            return status::ok;
        };
        if (const status s = journal_.accept(mark, end); !s) return s;
        if (was_full) waiting_.notify_one();
        const status safe = journal_.make_safe(end);
        journal_.told_of_record();
        return safe;
    }

    /// Waits until take() has an answer other than empty.
    status wait_and_take(const stream_state& stream, claimed& to, const deadline& until,
                         const sys::stop_token& stop) {
        status answer = take(stream, to);
        if (answer != status::empty) return answer;
        const status waited = waiting_.wait(
            [&] { return (answer = take(stream, to)) != status::empty; },
            [&] { return something(stream); }, until, stop);
        return waited ? answer : waited;
    }

    /// Something may be there for one who waits: he is told.
    void pass_on(const stream_state& stream) noexcept {
        if (something(stream)) waiting_.notify_one();
    }
    [[nodiscard]] waiter& receivers() noexcept { return waiting_; }
    /// take() would find a message now.
    [[nodiscard]] bool ready() {
        std::lock_guard lock{mutex_};
        if (journal_.done().failed() || journal_.closed()) return false;
        if (released_ > 0) return true;
        format::record next;
        return last_ - first_ < out_.size() && cursor_.next(next);
    }

    void notify(bool all) noexcept override { all ? waiting_.notify_all() : waiting_.notify_one(); }

    /// No message before this offset is needed any more.
    std::uint64_t low_water() {
        std::lock_guard lock{mutex_};
        if (first_ == last_) {
            format::record next;
            (void)cursor_.next(next);  // past what other streams wrote
        }
        return low_water_without(last_);
    }

    /// How many messages a limit has taken from it (detail/retention.hpp).
    [[nodiscard]] std::uint64_t lagged() {
        std::lock_guard lock{mutex_};
        return lagged_;
    }

    /// Goes on at that offset, or at the first message behind it. What is out is forgotten.
    status seek(std::uint64_t to) {
        std::uint64_t end = 0;
        const auto move = [&](std::uint64_t where) {
            std::lock_guard lock{mutex_};
            cursor_.seek(where);
            first_ = last_;
            released_ = 0;
        };
        if (const status s = journal_.seek(id_, to, move, end); !s) return s;
        waiting_.notify_all();
        const status safe = journal_.make_safe(end);
        journal_.told_of_record();
        return safe;
    }

    // A transaction accepts several of several groups at once, their mutexes held.
    [[nodiscard]] const void* journal() const noexcept override { return &journal_; }
    sys::mutex& mutex() noexcept { return mutex_; }
    [[nodiscard]] bool is_out(std::uint64_t token) noexcept {
        return token >= first_ && at(token).now == state::out;
    }
    void mark_accepted(std::uint64_t token, accept_payload& what) noexcept {
        what = {id_, 0, at(token).offset, low_water_without(token)};
        at(token).now = state::accepted;
    }
    void pass_accepted() noexcept {
        while (first_ != last_ && at(first_).now == state::accepted) ++first_;
    }
    [[nodiscard]] std::uint64_t low_water_marked() noexcept { return low_water_without(last_); }
    void notify_members() noexcept { waiting_.notify_all(); }

private:
    friend class group_batches;
    friend class retention_steps;
    enum class state : std::uint8_t { out, released, accepted };
    struct entry {
        std::uint64_t offset = 0;
        std::uint64_t summed_at = 0;  // byte of the record with its CRC
        std::uint64_t epoch = 0;
        std::uint32_t attempts = 0;
        state now = state::accepted;
    };

    entry& at(std::uint64_t token) noexcept { return out_[token % out_.size()]; }

    /// The low water once `token` is accepted too.
    [[nodiscard]] std::uint64_t low_water_without(std::uint64_t token) noexcept {
        for (std::uint64_t t = first_; t != last_; ++t) {
            if (t != token && at(t).now != state::accepted) return at(t).offset;
        }
        return cursor_.at();
    }

    /// Something may be there for another member: cheap, and rather yes than no.
    [[nodiscard]] bool something(const stream_state& stream) {
        std::lock_guard lock{mutex_};
        return released_ > 0 || journal_.closed() || journal_.done().failed() ||
               stream.closed.load(std::memory_order_relaxed) ||  // a hint
               (last_ - first_ < out_.size() && cursor_.at() < journal_.visible());
    }

    status take_released(claimed& to) {
        std::uint64_t token = first_;
        while (at(token).now != state::released) ++token;
        entry& e = at(token);
        const std::uint64_t number = e.offset / journal_.segment_bytes();
        std::shared_ptr<const segment> in;
        if (journal_.segments().find(number, in)) return status::failed;
        format::record again;
        const std::uint64_t byte = e.offset % journal_.segment_bytes();
        if (format::read(in->page(), e.summed_at, e.epoch, again) != format::found::record) {
            journal_.found().damage(
                {number, e.summed_at}, 0, "a record that held before does not hold");
            return status::failed;
        }
        if (byte != e.summed_at)
            format::read_inside(in->page(), byte, std::int64_t{again.header.time}, again);
        e.now = state::out;
        --released_;
        to = {again, std::move(in), e.offset, token, ++e.attempts};
        return status::ok;
    }

    journal_core& journal_;
    const std::uint32_t id_;

    // On a line of its own: who appends reads what is before it, while members take turns.
    alignas(cache_line) sys::mutex mutex_;  // guards what follows
    stream_cursor cursor_;
    std::vector<entry> out_;  // a ring: token t is at t % size
    std::uint64_t first_ = 0;
    std::uint64_t last_ = 0;
    std::size_t released_ = 0;
    std::uint64_t lagged_;

    waiter waiting_;
};

/// The one group_state of that group.
inline group_state& group_of(journal_core& journal, const group_entry& g) {
    return static_cast<group_state&>(
        journal.readers().find(g.id, [&] { return std::make_unique<group_state>(journal, g); }));
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
