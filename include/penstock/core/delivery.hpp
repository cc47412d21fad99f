// SPDX-License-Identifier: BSL-1.0
// A message that waits for a verdict: accepted, it is done with; released, or destroyed without a
// verdict, it is delivered again, to this or another member of its group.
//
//   while (auto d = billing.receive(stop)) { bill(*d); d.accept(); }
//
// A delivery without a message says why by status(), like a result.
//
// Threads   One thread at a time; deliveries of one group may be settled by different threads, in
//           any order. A delivery may outlive what it came from: settling then answers closed.
// Errors    accept that is not ok leaves the delivery unsettled: it may be tried again, or let go.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include <penstock/core/status.hpp>

namespace penstock::inline PENSTOCK_ABI {

enum class verdict : unsigned char { accept, release };

/// What hands out deliveries and hears how they end.
class delivery_source {
public:
    virtual status settle(std::uint64_t token, verdict v) noexcept = 0;
    /// The journal it belongs to: a transaction accepts only deliveries of its own.
    [[nodiscard]] virtual const void* journal() const noexcept { return nullptr; }

protected:
    ~delivery_source() = default;
};

/// What is known of a message besides its content.
struct message_info {
    std::uint64_t id = 0;  ///< unique in its source and growing; of a journal: the offset
    std::chrono::sys_time<std::chrono::nanoseconds> time{};  ///< when it was sent
    std::uint32_t attempt = 1;  ///< which delivery of it this is, counted since the program started
    std::string_view topic{};   ///< that it was sent to, or empty; valid while its source is there
};

namespace detail {
struct delivery_access;  // durable/transaction.hpp
}  // namespace detail

template <class T>
class [[nodiscard]] delivery {
public:
    using value_type = T;

    delivery(penstock::status why) noexcept : status_{why} {
        PENSTOCK_ASSERT(!why, "a delivery without a message needs a status other than ok");
    }
    /// `keeps` is what the value refers to, if it refers to something.
    delivery(T&& value, const message_info& info, std::shared_ptr<delivery_source> source,
             std::uint64_t token, std::shared_ptr<const void> keeps = {})
        : value_{std::move(value)},
          info_{info},
          source_{std::move(source)},
          keeps_{std::move(keeps)},
          token_{token} {}

    delivery(delivery&& other) noexcept
        : value_{std::move(other.value_)},
          info_{other.info_},
          source_{std::move(other.source_)},
          keeps_{std::move(other.keeps_)},
          token_{other.token_},
          status_{other.status_} {}
    delivery& operator=(delivery&& other) noexcept {
        if (this != &other) {
            this->~delivery();
            ::new (static_cast<void*>(this)) delivery(std::move(other));
        }
        return *this;
    }
    ~delivery() {
        if (source_) (void)source_->settle(token_, verdict::release);
    }

    explicit operator bool() const noexcept { return value_.has_value(); }
    [[nodiscard]] penstock::status status() const noexcept { return status_; }

    T& operator*() & noexcept { return *value_; }
    const T& operator*() const& noexcept { return *value_; }
    T* operator->() noexcept { return &*value_; }
    const T* operator->() const noexcept { return &*value_; }
    [[nodiscard]] const message_info& info() const noexcept { return info_; }

    /// Done with: never delivered to this group again.
    penstock::status accept() noexcept { return settle(verdict::accept); }
    /// Delivered again, at once.
    penstock::status release() noexcept { return settle(verdict::release); }
    /// Neither accepted nor released yet.
    [[nodiscard]] bool unsettled() const noexcept { return source_ != nullptr; }

private:
    friend struct detail::delivery_access;

    penstock::status settle(verdict v) noexcept {
        PENSTOCK_ASSERT(source_, "settled already, or moved from, or without a message");
        if (!source_) return penstock::status::closed;
        const penstock::status answer = source_->settle(token_, v);
        if (answer) source_.reset();
        return answer;
    }

    std::optional<T> value_;
    message_info info_;
    std::shared_ptr<delivery_source> source_;  // until settled
    std::shared_ptr<const void> keeps_;
    std::uint64_t token_ = 0;
    penstock::status status_{penstock::status::ok};
};

}  // namespace penstock::inline PENSTOCK_ABI
