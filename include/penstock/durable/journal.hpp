// SPDX-License-Identifier: BSL-1.0
// A directory of mapped segments that holds typed streams of messages, and how far each group of
// readers has got. What returned ok survives a crash; which crash, the policy says (durable/sync.hpp).
//
//   journal books{"books", {.sync = sync::every_append}};
//   durable_queue<order> orders{books, "orders"};      // durable/durable_queue.hpp
//   durable_queue<invoice> invoices{books, "invoices"};
//
// Cost      An append: an atomic exchange (a mutex for an accept, a transaction, a reservation), a copy,
//           a checksum; its share of an fdatasync under every_append.
//           The append that finds its segment full takes the next one, which somebody has made ready:
//           the helper, or who calls maintain(). When nobody helps it makes it itself, as long as
//           writing and syncing segment_bytes of zeros. Opening reads the segments that were not
//           synced, mostly one.
// Threads   Everything may be called by any number of threads at once.
// Progress  Blocking. Messages are copied side by side, each in room of its own, and are told as
//           appended in order: one whose thread is stopped amid its copy delays those behind it.
//           Accepts, transactions and reservations exclude each other and all of these.
// Errors    The constructor throws std::system_error (path and operation; who holds the lock),
//           journal_damaged (nothing can be opened without guessing), std::invalid_argument. After
//           that: no_space on a full disk (what is in is intact, and later calls try again);
//           failed once a sync or a new segment failed, from every later call: the page cache lies
//           after a failed sync, so nothing is tried again. failure() says what it was.
// Order     One order of all appends of all streams; after a crash a prefix of it is there.
// Process   One writer process, kept by a lock that ends with the process. A forked child may only
//           exec: the segments are not mapped there, but the lock stays as long as it lives.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include <penstock/core/result.hpp>
#include <penstock/core/resume_on.hpp>
#include <penstock/durable/detail/find_time.hpp>
#include <penstock/durable/detail/group_state.hpp>
#include <penstock/durable/detail/journal_core.hpp>
#include <penstock/durable/detail/offset_wait.hpp>
#include <penstock/durable/detail/retention.hpp>
#include <penstock/durable/options.hpp>
#include <penstock/durable/report.hpp>
#include <penstock/durable/transaction.hpp>

namespace penstock::inline PENSTOCK_ABI {

class offset_awaitable;  // durable/async.hpp

class journal {
public:
    /// Opens the journal in that directory, creates it where there is none.
    explicit journal(std::string path, const journal_options& options = {})
        : core_{std::make_shared<detail::journal_core>(
              std::move(path), options, &detail::retention_steps::make_space)} {}
    journal(journal&&) noexcept = default;
    journal& operator=(journal&& other) noexcept {
        close();
        core_ = std::move(other.core_);
        return *this;
    }
    ~journal() { close(); }

    /// Syncs what is in and gives up the lock. Whoever still uses the journal gets `closed`.
    void close() noexcept {
        if (core_) core_->close();
    }

    /// Has all that is appended now on disk when ok, under any policy.
    status sync() { return core_->sync_to(core_->done().appended()); }
    /// Waits until somebody else has appended, or synced, all before that offset: ok, timed_out, stopped,
    /// closed (it never will be), failed.
    status wait_appended(std::uint64_t offset, const deadline& until = {},
                         const sys::stop_token& stop = {}) {
        return detail::wait_for(*core_, detail::milestone::appended, offset, until, stop);
    }
    status wait_synced(std::uint64_t offset, const deadline& until = {},
                       const sys::stop_token& stop = {}) {
        return detail::wait_for(*core_, detail::milestone::synced, offset, until, stop);
    }
    /// For coroutines: include durable/async.hpp.
    offset_awaitable async_appended(std::uint64_t offset, const sys::stop_token& stop = {},
                                    const resume_on& where = {});
    offset_awaitable async_synced(std::uint64_t offset, const sys::stop_token& stop = {},
                                  const resume_on& where = {});
    /// What the helper thread does, once: makes the next segment ready, syncs full ones, and what
    /// sync::interval has let pass. Call it from a loop of yours. ok, no_space (tried again with the
    /// next call), closed, failed.
    status maintain() { return core_->maintain(); }

    /// Offsets behind the last append, and behind what is known to be on disk.
    [[nodiscard]] std::uint64_t appended() const noexcept { return core_->done().appended(); }
    [[nodiscard]] std::uint64_t synced() const noexcept { return core_->done().synced(); }

    /// Gives up the segments whose messages every group has accepted, but for what is to be kept;
    /// answers how many. Two of them are kept as files to be used again, the others are removed. A
    /// stream without a group keeps everything. Nothing is removed but by this call, and by
    /// journal_options::retention.
    result<std::uint64_t> trim(const keep& for_replay = {}) {
        if (core_->reserved_by_me()) return status::would_block_self;
        std::uint64_t needed = std::numeric_limits<std::uint64_t>::max();
        std::uint64_t cursors_set = 0;
        for (const auto& g : core_->groups(cursors_set))
            needed = std::min(needed, detail::group_of(*core_, g).low_water());
        const std::uint64_t end = appended();
        if (for_replay.bytes > 0) needed = std::min(needed, end - std::min(end, for_replay.bytes));
        if (for_replay.age.count() > 0) {
            const std::int64_t now = core_->directory().files()->wall_time();
            std::uint64_t young = 0;
            if (const status s = detail::find_time(*core_, now - for_replay.age.count(), young); !s)
                return s;
            needed = std::min(needed, young);
        }
        std::uint64_t removed = 0;
        const status s = core_->trim(needed, cursors_set, removed);
        if (!s) return s;
        return removed;
    }

    /// Calls f(t), which sends and accepts by `t`; then all of that happens, or none of it: see
    /// durable/transaction.hpp.
    template <class F>
    status transact(F&& f) {
        transaction t{*core_};
        std::forward<F>(f)(t);
        return t.commit();
    }

    /// What opening and reading found.
    [[nodiscard]] journal_report report() const { return core_->found().get(); }
    /// What made it answer failed; empty while nothing did.
    [[nodiscard]] std::string failure() const { return core_->failure(); }
    [[nodiscard]] const std::string& path() const noexcept { return core_->path(); }
    [[nodiscard]] std::uint64_t segment_bytes() const noexcept { return core_->segment_bytes(); }
    /// Bytes of the largest message.
    [[nodiscard]] std::uint64_t largest_message() const noexcept {
        return core_->largest_payload();
    }

private:
    template <class T>
    friend class durable_queue;
    std::shared_ptr<detail::journal_core> core_;
};

}  // namespace penstock::inline PENSTOCK_ABI
