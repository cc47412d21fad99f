// SPDX-License-Identifier: BSL-1.0
// The append mutex as who appends alone takes it: with all claims (detail/claims.hpp) complete and no
// new ones. Who only looks at what the mutex guards takes the mutex itself, and claims go on.
//
//   std::unique_lock lock{appends_};
//
// Threads   Any, as a mutex.
#pragma once

#include <penstock/core/sync_wait.hpp>
#include <penstock/durable/detail/writer.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class append_lock {
public:
    append_lock(sys::mutex& mutex, writer& end) noexcept : mutex_{mutex}, end_{end} {}

    void lock() {
        mutex_.lock();
        end_.begin_alone();
    }
    void unlock() {
        end_.end_alone();
        mutex_.unlock();
    }

private:
    sys::mutex& mutex_;
    writer& end_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
