// SPDX-License-Identifier: BSL-1.0
// The report of a journal, as opening and reading add to it.
//
// Threads   Everything may be called by any number of threads at once.
#pragma once

#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

#include <penstock/core/sync_wait.hpp>
#include <penstock/durable/report.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class findings {
public:
    [[nodiscard]] journal_report get() const {
        std::lock_guard lock{mutex_};
        return report_;
    }
    void set(journal_report&& r) {
        std::lock_guard lock{mutex_};
        report_ = std::move(r);
    }
    /// Once for each place, however often it is read.
    void damage(const journal_place& at, std::uint64_t bytes, const char* what) noexcept try {
        std::lock_guard lock{mutex_};
        for (const auto& d : report_.damage) {
            if (d.at == at) return;
        }
        report_.damage.push_back({at, bytes, what});
    } catch (const std::bad_alloc&) {
        return;  // the answer `failed` has to do
    }

private:
    mutable sys::mutex mutex_;  // guards report_
    journal_report report_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
