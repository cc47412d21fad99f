// SPDX-License-Identifier: BSL-1.0
// Waiting until a journal has come to an offset: appended, or synced by somebody.
//
// Who syncs wakes those who wait for it (detail/progress.hpp). Appends wake the readers of their stream;
// who waits for an offset, whatever the stream, reads "all of them", from the first wait on.
//
// Threads   Everything may be called by any number of threads at once.
#pragma once

#include <cstdint>
#include <memory>

#include <penstock/core/clock.hpp>
#include <penstock/core/status.hpp>
#include <penstock/core/waiter.hpp>
#include <penstock/durable/detail/journal_core.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class offset_watch final : public stream_reader {
public:
    explicit offset_watch(journal_core& journal) noexcept
        : stream_reader{every_stream, no_group}, journal_{journal} {}
    void notify(bool all) noexcept override {
        appended_.notify_all();
        if (all) journal_.done().waiting().notify_all();  // the end
    }
    [[nodiscard]] waiter& appended() noexcept { return appended_; }

    /// The one of that journal, made when it is first asked for.
    static offset_watch& of(journal_core& journal) {
        return static_cast<offset_watch&>(journal.readers().find(
            no_group, [&] { return std::make_unique<offset_watch>(journal); }));
    }

private:
    static constexpr std::uint32_t no_group = 0;  // groups count from 1
    journal_core& journal_;
    waiter appended_;
};

enum class milestone : unsigned char { appended, synced };

/// Whether waiting for it is over, and with which answer: ok, closed (it never comes), failed.
inline bool reached(const journal_core& journal, milestone what, std::uint64_t offset,
                    status& answer) noexcept {
    // Asked first: what was appended before the close is found behind it, and close() syncs it.
    const bool closed = journal.closed();
    const progress& done = journal.done();
    const std::uint64_t appended = done.appended();
    if ((what == milestone::appended ? appended : done.synced()) >= offset)
        answer = status::ok;
    else if (done.failed())
        answer = status::failed;
    else if (closed && appended < offset)
        answer = status::closed;
    else
        return false;
    return true;
}

/// Where its changes are told.
inline waiter& changes_of(journal_core& journal, milestone what) {
    offset_watch& watch = offset_watch::of(journal);
    return what == milestone::synced ? journal.done().waiting() : watch.appended();
}

inline status wait_for(journal_core& journal, milestone what, std::uint64_t offset,
                       const deadline& until, const sys::stop_token& stop) {
    status answer = status::ok;
    const status waited = changes_of(journal, what)
                              .wait([&] { return reached(journal, what, offset, answer); },
                                    [] { return false; }, until, stop);
    return waited ? answer : waited;
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
