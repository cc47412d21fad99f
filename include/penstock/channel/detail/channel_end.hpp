// SPDX-License-Identifier: BSL-1.0
// What the ends of a channel share: the channel, and how many there are of each side.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include <penstock/channel/channel.hpp>
#include <penstock/channel/detail/access.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T, class Storage>
struct shared_channel {
    explicit shared_channel(channel_options<T> options) : pipe{std::move(options)} {}
    channel<T, Storage> pipe;
    sys::atomic<std::size_t> senders{0};
    sys::atomic<std::size_t> receivers{0};
};

struct last_sender {
    template <class Channel>
    static void gone(Channel& c) {
        c.close();
    }
};
struct last_receiver {
    template <class Channel>
    static void gone(Channel& c) noexcept {
        channel_access::core(c).close_and_discard_quietly();
    }
};

/// One of those counted in `Count`; the last to go says so to the channel.
template <class T, class Storage, auto Count, class Last>
class channel_end {
public:
    channel_end() = default;
    explicit channel_end(std::shared_ptr<shared_channel<T, Storage>> c) noexcept
        : shared_{std::move(c)} {
        join();
    }
    channel_end(const channel_end& other) noexcept : shared_{other.shared_} { join(); }
    channel_end(channel_end&& other) noexcept = default;
    channel_end& operator=(channel_end other) noexcept {
        shared_.swap(other.shared_);
        return *this;
    }
    ~channel_end() {
        // Release, then acquire: what was done through the other ends happens before Last.
        if (shared_ && ((*shared_).*Count).fetch_sub(1, std::memory_order_acq_rel) == 1)
            Last::gone(shared_->pipe);
    }
    channel<T, Storage>& operator*() const noexcept {
        PENSTOCK_ASSERT(shared_, "this end was moved from: use the one it was moved to");
        return shared_->pipe;
    }
    explicit operator bool() const noexcept { return shared_ != nullptr; }

private:
    void join() const noexcept {
        if (shared_) ((*shared_).*Count).fetch_add(1, std::memory_order_relaxed);  // own one holds
    }
    std::shared_ptr<shared_channel<T, Storage>> shared_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
