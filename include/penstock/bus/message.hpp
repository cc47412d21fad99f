// SPDX-License-Identifier: BSL-1.0
// What was published, allocated once and shared by all its readers, who see it const. The last one
// to let go frees it.
//
//   auto feed = events.subscribe<quake>("quake.#");
//   while (auto m = feed.receive(stop)) {
//       std::puts(m->topic().c_str());  // where it was published
//       page(*m);                       // a message<quake> is a const quake&
//       store((*m)->place);
//   }
//
// Cost      Copying is an atomic increment, letting go a decrement; moving is free. Memory is the
//           bus's (bus/memory_ref.hpp), and used again for messages of up to about 1,000 bytes
//           (detail/block_pool.hpp).
// Threads   Distinct messages, also of the same value, from any thread. The value is const: readers
//           in several threads share it as far as T's const members are safe to share.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <penstock/bus/detail/block_pool.hpp>
#include <penstock/bus/detail/shared_name.hpp>
#include <penstock/bus/detail/tracker.hpp>
#include <penstock/core/config.hpp>
#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// T(args...), or, where T is an aggregate and the compiler insists, T{args...}: made where it is
/// returned to.
template <class T, class... Args>
[[nodiscard]] T built(Args&&... args) {
    if constexpr (std::is_constructible_v<T, Args...>) {
        return T(std::forward<Args>(args)...);
    } else {
        return T{std::forward<Args>(args)...};
    }
}

template <class T>
struct parcel {
    /// From that pool, if any, and back to it.
    template <class... Args>
    [[nodiscard]] static parcel* made(block_pool* from, const named& where, Args&&... what) {
        void* const raw =
            from ? from->take<parcel>() : memory_ref{}.allocate(sizeof(parcel), alignof(parcel));
        try {
            return ::new (raw) parcel{from, where, std::forward<Args>(what)...};
        } catch (...) {
            give_back(raw, from);
            throw;
        }
    }
    void free() noexcept {
        block_pool* const to = from_;
        this->~parcel();
        give_back(this, to);
    }
    parcel(const parcel&) = delete;
    sys::atomic<std::size_t> readers{1};
    shared_name topic;
    std::shared_ptr<tracker> tracked;
    T value;

private:
    template <class... Args>
    parcel(block_pool* from, const named& where, Args&&... what)
        : topic{where}, value(built<T>(std::forward<Args>(what)...)), from_{from} {}
    ~parcel() {
        if (tracked) tracked->message_gone();
    }
    static void give_back(void* raw, block_pool* to) noexcept {
        if (to) return to->put<parcel>(raw);
        memory_ref{}.deallocate(raw, sizeof(parcel), alignof(parcel));
    }
    block_pool* const from_;
};

template <class T>
class envelope;

}  // namespace detail

template <class T>
class message {
public:
    using value_type = T;

    message() = default;  ///< holds nothing
    message(const message& other) noexcept : parcel_{other.parcel_} {
        if (parcel_) parcel_->readers.fetch_add(1, std::memory_order_relaxed);  // own one holds
    }
    message(message&& other) noexcept : parcel_{std::exchange(other.parcel_, nullptr)} {}
    message& operator=(message other) noexcept {
        std::swap(parcel_, other.parcel_);
        return *this;
    }
    ~message() {
        // Release, then acquire: what other readers did happens before the value goes.
        if (parcel_ && parcel_->readers.fetch_sub(1, std::memory_order_acq_rel) == 1)
            parcel_->free();
    }

    explicit operator bool() const noexcept { return parcel_ != nullptr; }
    [[nodiscard]] const T& value() const noexcept {
        PENSTOCK_ASSERT(parcel_, "this message was moved from: use the one it was moved to");
        return parcel_->value;
    }
    const T& operator*() const noexcept { return value(); }
    const T* operator->() const noexcept { return &value(); }
    operator const T&() const noexcept { return value(); }

    /// The name that it was published to; a pattern's subscriber can't know otherwise.
    [[nodiscard]] const std::string& topic() const noexcept {
        PENSTOCK_ASSERT(parcel_, "this message was moved from: use the one it was moved to");
        return *parcel_->topic;
    }

private:
    friend class detail::envelope<T>;
    explicit message(detail::parcel<T>* p) noexcept : parcel_{p} {}

    detail::parcel<T>* parcel_ = nullptr;
};

}  // namespace penstock::inline PENSTOCK_ABI
