// SPDX-License-Identifier: BSL-1.0
// The end of a journal as its users share it: appends, their safety by the policy, and the work
// that helps: preparing segments, syncing full ones and by interval.
//
//   std::unique_lock lock{appends_, std::defer_lock};  // alone
//   if (const status s = enter(lock, h.type, n); !s) return s;  // room for a payload of n bytes
//   std::memcpy(writer_.room(), bytes, n);
//   writer_.commit(h);
//
// Syncing is led by one thread at a time (detail/progress.hpp), because the kernel tells of a failed
// write only once: of two that sync the same file, one would hear ok.
//
// Threads   Everything but construction and destruction may be called by any number of threads at
//           once. Mutexes are taken in the order: append, groups, then the small ones inside.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include <penstock/core/status.hpp>
#include <penstock/durable/detail/append_lock.hpp>
#include <penstock/durable/detail/catalog.hpp>
#include <penstock/durable/detail/findings.hpp>
#include <penstock/durable/detail/progress.hpp>
#include <penstock/durable/detail/readers.hpp>
#include <penstock/durable/detail/recover.hpp>
#include <penstock/durable/detail/segment_cache.hpp>
#include <penstock/durable/detail/segment_supply.hpp>
#include <penstock/durable/detail/space_watch.hpp>
#include <penstock/durable/detail/writer.hpp>
#include <penstock/durable/detail/writer_lock.hpp>
#include <penstock/durable/options.hpp>
#include <penstock/durable/report.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class journal_end {
public:
    journal_end(std::string path, const journal_options& options)
        : options_{options}, directory_{options.files, std::move(path)} {
        directory_.make().raise_if_any(this->path());
        lock_.take(directory_);
        journal_report report;
        recovery search{directory_, report};
        recovered r;
        auto numbers = search.segments(r.spares);
        if (numbers.empty()) {
            report.created = true;
            if (!segment::size_makes_sense(options_.segment_bytes))
                throw std::invalid_argument{
                    "penstock: segment_bytes must be a multiple of 4096, from 16384 to 1073741824"};
            directory_.sync_name().raise_if_any(this->path());
            writer_.create(options_.segment_bytes);
            numbers.push_back(1);
        }
        search.run(r, std::move(numbers), directory_.files()->boot(), lock_.left_clean());
        known_ = std::move(r.known);
        segments_.set_oldest(r.oldest);
        writer_.open(std::move(r), report.created);
        synced_at_.store(now(), std::memory_order_relaxed);  // nobody else is here yet
        found_.set(std::move(report));
    }
    journal_end(const journal_end&) = delete;

    /// What the policy asks for before an append may be answered.
    status make_safe(std::uint64_t end) {
        if (options_.sync == sync::every_append) return sync_to(end);
        if (options_.sync != sync::interval) return status::ok;
        const bool much = end > done_.synced() && end - done_.synced() >= options_.interval.bytes;
        if (options_.helper) {
            if (much) wake_helper();
            return status::ok;
        }
        return much || interval_passed() ? sync_to(end) : status{status::ok};
    }

    /// ok: all before `end` is on disk.
    status sync_to(std::uint64_t end) {
        if (reserved_by_me()) return status::would_block_self;
        return done_.wait_synced(end, [this, end] { lead_sync(end); });
    }

    /// What a helper does, once.
    status maintain() {
        if (closed()) return status::closed;
        if (reserved_by_me()) return status::would_block_self;
        const os::trouble t = supply_.prepare();  // an append that needs it will try again
        std::uint64_t full = 0;
        std::shared_ptr<segment> first;
        {
            std::lock_guard lock{append_mutex_};
            if (writer_.anything_sealed()) full = writer_.tail_begins();
            if (!std::exchange(populated_, true)) first = writer_.tail();
        }
        if (first) first->populate();  // later ones are when they are made
        status s = full > 0 ? sync_to(full) : status{status::ok};
        if (s && options_.sync == sync::interval && done_.appended() > done_.synced() &&
            (interval_passed() || done_.appended() - done_.synced() >= options_.interval.bytes))
            s = sync_to(done_.appended());
        if (s && limits(options_.retention, space_for::record))
            s = make_space(space_for::nobody, segments_too_many(true));
        if (done_.failed()) return status::failed;
        if (!s || !t) return s;
        return t.no_space() ? status::no_space : status::failed;
    }

    [[nodiscard]] const progress& done() const noexcept { return done_; }
    [[nodiscard]] progress& done() noexcept { return done_; }
    [[nodiscard]] segment_cache& segments() noexcept { return segments_; }
    [[nodiscard]] reader_list& readers() noexcept { return readers_; }
    /// Messages before this offset may be handed out.
    [[nodiscard]] std::uint64_t visible() const noexcept {
        return synced_only() ? done_.synced() : done_.appended();
    }
    /// The calling thread holds a reservation: waiting for the append mutex would wait for itself.
    [[nodiscard]] bool reserved_by_me() const noexcept {
        return reserved_by_.load(std::memory_order_relaxed) ==
               me();  // only if stored by this thread
    }
    [[nodiscard]] bool closed() const noexcept {
        return closed_.load(std::memory_order_acquire);  // pairs with close
    }

    /// No more appends; what is in is synced, the lock is given up.
    void close() noexcept {
        PENSTOCK_ASSERT(
            !reserved_by_me(), "commit or drop a reservation before closing its journal");
        {
            std::lock_guard lock{appends_};
            if (closed()) return;
            closed_.store(true, std::memory_order_release);  // pairs with closed
            writer_.end_claims();
        }
        stop_helper();
        lock_.release(static_cast<bool>(sync_to(done_.appended())));
        readers_.notify_everybody();
    }

    [[nodiscard]] findings& found() noexcept { return found_; }
    [[nodiscard]] std::string failure() const { return done_.failure(path()); }
    [[nodiscard]] const std::string& path() const noexcept { return directory_.path(); }
    [[nodiscard]] os::directory& directory() noexcept { return directory_; }
    [[nodiscard]] const journal_options& options() const noexcept { return options_; }
    [[nodiscard]] std::uint64_t segment_bytes() const noexcept { return writer_.segment_bytes(); }
    [[nodiscard]] std::uint64_t largest_payload() const noexcept {
        return writer_.largest_payload();
    }

protected:
    ~journal_end() { stop_helper(); }

    /// Gives up what is too old, and `excess` segments, as far as `who` may ask for that; a message waits.
    /// No lock is held. ok: look again.
    virtual status make_space(space_for who, std::uint64_t excess) = 0;

    /// Locks, with room for that payload when ok. Checks made before are stale: it may have waited.
    status enter(std::unique_lock<append_lock>& lock, format::record_type type,
                 std::uint64_t payload, space_for who = space_for::record) {
        if (reserved_by_me()) return status::would_block_self;
        lock.lock();
        if (!closed() && !done_.failed() && writer_.takes(payload)) return status::ok;
        return enter_slowly(lock, type, payload, who);
    }

    void start_helper() {
        if (options_.helper)
            helper_ = sys::thread{[this](const sys::stop_token& stop) { help(stop); }};
    }

    [[nodiscard]] static const void* me() noexcept { return &sys::per_thread<journal_end, char>(); }

private:
    status enter_slowly(std::unique_lock<append_lock>& lock, format::record_type type,
                        std::uint64_t payload, space_for who) {
        if (!closed() && payload > writer_.largest_payload()) return status::too_large;
        for (bool looked = !limits(options_.retention, who); !closed() && !done_.failed();
             lock.lock()) {
            const bool begins = !writer_.has_room(payload);
            const std::uint64_t excess = segments_too_many(begins);
            const bool over = (begins && !looked) || (who == space_for::message && excess > 0);
            if (!over && !writer_.crowded(payload)) break;
            looked = looked || over;
            lock.unlock();
            const status s = over ? make_space(who, excess) : sync_to(done_.appended());
            if (!s) return s;
        }
        if (closed()) return status::closed;
        const std::uint64_t before = writer_.tail_begins();
        const status s = writer_.make_room(type, payload);
        if (s == status::failed) readers_.notify_everybody();
        if (writer_.tail_begins() != before) wake_helper();
        writer_.hold_messages(segments_too_many(false) > 0);
        return s;
    }

    [[nodiscard]] std::uint64_t segments_too_many(bool begins) const noexcept {
        if (options_.retention.bytes == 0) return 0;
        const auto there = done_.appended() / segment_bytes() - segments_.oldest() + 1 + begins;
        return there - std::min(there, segments_for_messages(options_.retention, segment_bytes()));
    }
    [[nodiscard]] bool synced_only() const noexcept {
        return options_.visible == visible::synced ||
               (options_.visible == visible::by_policy && options_.sync == sync::every_append);
    }
    [[nodiscard]] std::int64_t now() const noexcept {
        return std::chrono::nanoseconds{options_.clock->now().time_since_epoch()}.count();
    }
    [[nodiscard]] bool interval_passed() const noexcept {
        // A guess that is late by one sync at most.
        return now() - synced_at_.load(std::memory_order_relaxed) >= options_.interval.time.count();
    }

    /// Syncs what is unsynced, the tail only when `wanted` is in it.
    void lead_sync(std::uint64_t wanted) {
        unsynced u;
        {
            std::lock_guard lock{append_mutex_};
            u = writer_.to_sync();
        }
        synced_at_.store(now(), std::memory_order_relaxed);  // as in interval_passed
        for (std::size_t i = 0; i < u.count; ++i) {
            const std::uint64_t number = u.segments[i]->number();
            const bool is_tail = i + 1 == u.count;
            if (is_tail && wanted <= number * segment_bytes()) break;
            if (auto t = is_tail ? u.segments[i]->sync() : u.segments[i]->sync_full()) {
                done_.fail(t);
                readers_.notify_everybody();
                return;
            }
            done_.raise_synced(is_tail ? u.end : (number + 1) * segment_bytes());
            if (is_tail) break;
            std::lock_guard lock{append_mutex_};
            writer_.synced_up_to(number);
        }
        // Those who append wake their readers themselves when they wait for the sync.
        if (synced_only() && options_.sync != sync::every_append) readers_.notify_everybody();
    }

    void wake_helper() noexcept {
        if (!options_.helper) return;
        work_.store(true, std::memory_order_relaxed);  // what there is to do is found by mutexes
        helper_waits_.notify_one();
    }
    void help(const sys::stop_token& stop) {
        while (!stop.stop_requested()) {
            (void)maintain();
            deadline until;
            if (options_.sync == sync::interval)
                until = deadline::after(options_.clock, options_.interval.time);
            (void)helper_waits_.wait(
                [&] { return work_.exchange(false, std::memory_order_relaxed); },  // as above
                [] { return false; }, until, stop);
        }
    }
    void stop_helper() noexcept {
        if (helper_.joinable()) {
            helper_.request_stop();
            helper_.join();
        }
    }

    const journal_options options_;
    os::directory directory_;
    writer_lock lock_;
    segment_supply supply_{directory_};
    segment_cache segments_{directory_};
    progress done_;
    reader_list readers_;
    findings found_;
    sys::atomic<bool> closed_{false};
    sys::atomic<std::int64_t> synced_at_{0};
    sys::atomic<bool> work_{false};
    waiter helper_waits_;

protected:
    os::trouble give_up_segments(std::uint64_t end, std::uint64_t& removed) {
        return segments_.trim(supply_, end, removed);
    }

    sys::mutex append_mutex_;  // guards what follows
    catalog known_;
    writer writer_{directory_, segments_, supply_, done_, known_};
    append_lock appends_{append_mutex_, writer_};
    bool populated_ = false;                         // the segment that the journal was opened with
    sys::atomic<const void*> reserved_by_{nullptr};  // who holds the mutex for a reservation

private:
    sys::thread helper_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
