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
// Threads   Everything may be called by any number of threads at once: one mutex, which is held
//           while an accept is appended, and not while it is synced.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include <penstock/core/delivery.hpp>
#include <penstock/core/waiter.hpp>
#include <penstock/durable/detail/journal_core.hpp>

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
          reads_{from.stream},
          id_{from.id},
          start_{from.low},
          accepted_before_{from.accepted} {}

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
        const status s = find_next(next);
        if (s == status::empty && stream_closed && reads_at() >= journal_.done().appended())
            return status::closed;
        if (!s) return s;
        const std::uint64_t offset = reads_at();
        out_[last_ % out_.size()] = {offset, scan_.epoch(), 1, state::out};
        to = {next, scan_.in(), offset, last_, 1};
        ++last_;
        scan_.step(next);
        return status::ok;
    }

    status settle(std::uint64_t token, verdict v) noexcept override {
        bool was_full = false;
        std::uint64_t end = 0;
        {
            std::lock_guard lock{mutex_};
            was_full = last_ - first_ == out_.size();
            entry& e = out_[token % out_.size()];
            if (v == verdict::release) {
                e.now = state::released;
                ++released_;
            } else {
                const status s = journal_.accept(id_, e.offset, low_water_without(token), end);
                if (!s) return s;
                e.now = state::accepted;
                while (first_ != last_ && at(first_).now == state::accepted) ++first_;
            }
        }
        if (v == verdict::release || was_full) waiting_.notify_one();
        return v == verdict::release ? status{status::ok} : journal_.make_safe(end);
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

    void notify(bool all) noexcept override { all ? waiting_.notify_all() : waiting_.notify_one(); }

    /// No message before this offset is needed any more.
    std::uint64_t low_water() {
        std::lock_guard lock{mutex_};
        if (first_ == last_) {
            format::record next;
            (void)find_next(next);  // past what other streams wrote
        }
        return low_water_without(last_);
    }

private:
    enum class state : std::uint8_t { out, released, accepted };
    struct entry {
        std::uint64_t offset = 0;
        std::uint64_t epoch = 0;
        std::uint32_t attempts = 0;
        state now = state::accepted;
    };

    entry& at(std::uint64_t token) noexcept { return out_[token % out_.size()]; }

    [[nodiscard]] std::uint64_t offset_of(std::uint64_t number, std::uint64_t byte) const noexcept {
        return number * journal_.segment_bytes() + byte;
    }
    [[nodiscard]] std::uint64_t reads_at() const noexcept {
        return offset_of(segment_, scan_.in() ? scan_.at() : format::records_start);
    }

    /// The low water once `token` is accepted too.
    [[nodiscard]] std::uint64_t low_water_without(std::uint64_t token) noexcept {
        if (!started_) return start_;
        for (std::uint64_t t = first_; t != last_; ++t) {
            if (t != token && at(t).now != state::accepted) return at(t).offset;
        }
        return reads_at();
    }

    /// Something may be there for another member: cheap, and rather yes than no.
    [[nodiscard]] bool something(const stream_state& stream) {
        std::lock_guard lock{mutex_};
        return released_ > 0 || journal_.closed() || journal_.done().failed() ||
               stream.closed.load(std::memory_order_relaxed) ||  // a hint
               (last_ - first_ < out_.size() && reads_at() < journal_.visible());
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
        if (format::read(in->page(), byte, e.epoch, again) != format::found::record) {
            journal_.found().damage({number, byte}, 0, "a record that held before does not hold");
            return status::failed;
        }
        e.now = state::out;
        --released_;
        to = {again, std::move(in), e.offset, token, ++e.attempts};
        return status::ok;
    }

    /// Stands before the next message of the stream when ok.
    status find_next(format::record& next) {
        for (;;) {
            if (!started_ && !start()) return status::failed;
            if (reads_at() >= journal_.visible()) return status::empty;
            if (!scan_.in() && !open()) return status::failed;
            if (!scan_.in()) continue;  // stepped over a whole segment
            if (scan_.look(next) != format::found::record) {
                if (!damage()) return status::failed;
                continue;
            }
            if (next.header.type == format::record_type::seal) {
                begin(segment_ + 1);
                continue;
            }
            if (next.header.type == format::record_type::message && next.header.stream == reads_ &&
                !accepted_before(reads_at()))
                return status::ok;
            scan_.step(next);
        }
    }

    /// Finds the place where the cursor stands. Epochs are followed from the segment's beginning;
    /// damage before the cursor does not matter any more.
    bool start() {
        const std::uint64_t from = std::max(start_, offset_of(journal_.segments().oldest(), 0));
        const std::uint64_t byte = from % journal_.segment_bytes();
        segment_ = from / journal_.segment_bytes();
        if (from < journal_.visible()) {
            if (!open()) return false;
            while (scan_.in() && scan_.at() < byte) {
                format::record passed;
                if (scan_.look(passed) == format::found::record) {
                    scan_.step(passed);
                    if (passed.header.type == format::record_type::seal) begin(segment_ + 1);
                } else {
                    scanner behind = scan_;
                    behind.skip_damage();
                    if (behind.at() > byte) break;  // the cursor stands in it: reading reports it
                    scan_ = std::move(behind);
                }
            }
        }
        started_ = true;
        return true;
    }

    void begin(std::uint64_t number) {
        segment_ = number;
        scan_ = scanner{};
    }

    /// False: can't be opened. A damaged one may be stepped over: then scan_ stays without it.
    bool open() {
        std::shared_ptr<const segment> in;
        if (auto fault = journal_.segments().find(segment_, in)) {
            if (fault.trouble) return false;
            journal_.found().damage({segment_, 0}, journal_.segment_bytes(), fault.damage);
            if (!journal_.options().skip_damage) return false;
            begin(segment_ + 1);
            return true;
        }
        scan_ = scanner{std::move(in)};
        return true;
    }

    /// What stands here was committed, and does not hold. True: stepped over.
    bool damage() {
        scanner behind = scan_;
        const bool more = behind.skip_damage();
        const std::uint64_t end = more ? behind.at() : journal_.segment_bytes();
        journal_.found().damage({segment_, scan_.at()}, end - scan_.at(), "records do not hold");
        if (!journal_.options().skip_damage) return false;
        if (more) {
            scan_ = std::move(behind);
        } else {
            begin(segment_ + 1);
        }
        return true;
    }

    bool accepted_before(std::uint64_t offset) {
        const auto at = std::lower_bound(accepted_before_.begin(), accepted_before_.end(), offset);
        return at != accepted_before_.end() && *at == offset;
    }

    journal_core& journal_;
    const std::uint16_t reads_;
    const std::uint32_t id_;
    const std::uint64_t start_;  // the low water of the former process

    sys::mutex mutex_;  // guards what follows
    bool started_ = false;
    std::uint64_t segment_ = 0;  // where reading is; without scan_.in(): at its beginning
    scanner scan_;
    std::vector<entry> out_;  // a ring: token t is at t % size
    std::uint64_t first_ = 0;
    std::uint64_t last_ = 0;
    std::size_t released_ = 0;
    const std::vector<std::uint64_t> accepted_before_;

    waiter waiting_;
};

/// The one group_state of that group.
inline group_state& group_of(journal_core& journal, const group_entry& g) {
    return static_cast<group_state&>(
        journal.readers().find(g.id, [&] { return std::make_unique<group_state>(journal, g); }));
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
