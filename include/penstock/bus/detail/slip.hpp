// SPDX-License-Identifier: BSL-1.0
// What a fan_out's queue keeps of a message (detail/fan_out.hpp): a copy, where that is small and
// trivial, so that nothing is allocated and the reader's line is the one that the publisher has just
// written; else, or where outcomes are waited for, a share of the message.
//
// Trivially copyable, so that a ring moves it as words: whoever pops it opens it, or a share leaks.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include <penstock/bus/detail/envelope.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// Up to four words: above that a copy for each queue costs more than a share.
template <class T>
inline constexpr bool is_copied =
    std::is_trivially_copyable_v<T> && sizeof(T) <= 32 && alignof(T) <= alignof(void*);

template <class T, bool = is_copied<T>>
struct slip_value {
    void copy(const T&) noexcept {}
};
template <class T>
struct slip_value<T, true> {
    void copy(const T& value) noexcept { std::memcpy(bytes, &value, sizeof(T)); }
    alignas(void*) std::byte bytes[sizeof(T)];
};

template <class T>
class slip : private slip_value<T> {
public:
    slip() = default;
    /// For those members, a bit each. Throws what sharing does.
    slip(envelope<T>& e, std::uint32_t to) : to_{to} {
        if (is_copied<T> && !e.is_tracked()) {
            this->copy(e.view());
            from_ = &e.topic();
        } else {
            from_ = e.keep();
            to_ |= is_share;
        }
    }
    slip(const T& value, const std::string& topic, std::uint32_t to) noexcept
        : from_{&topic}, to_{to} {
        this->copy(value);
    }
    [[nodiscard]] std::uint32_t members() const noexcept { return static_cast<std::uint32_t>(to_); }
    [[nodiscard]] std::uint32_t count() const noexcept {
        return static_cast<std::uint32_t>(std::popcount(members()));
    }

    /// Once: calls f(value, its topic's name, a tracked envelope or null).
    template <class F>
    void open(F&& f) const {
        if constexpr (is_copied<T>) {
            if (to_ < is_share) [[likely]] {
                const T& value = *std::launder(reinterpret_cast<const T*>(this->bytes));
                return f(value, *static_cast<const std::string*>(from_),
                         static_cast<const envelope<T>*>(nullptr));
            }
        }
        const auto e = envelope<T>::kept(from_);
        f(e.view(), e.topic(), &e);
    }

    /// Instead of opening it: it did not get in.
    void forget() const noexcept {
        open([](const T&, const std::string&, const envelope<T>*) {});
    }
    /// What became of it at each member, as direct_calls counts; at the others it was dropped.
    void settle(const envelope<T>& e, std::uint64_t done) const noexcept {
        const auto handled = static_cast<std::uint32_t>(done);
        const auto failed = static_cast<std::uint32_t>(done >> 32);
        for (std::uint32_t i = 0; i < count(); ++i)
            e.settle(i < handled            ? outcome::handled
                     : i < handled + failed ? outcome::failed
                                            : outcome::dropped);
    }

private:
    static constexpr std::uint64_t is_share = std::uint64_t{1} << 32;  // above the members' bits

    const void* from_;  // the topic's name, which lasts as long as the registry; or a share
    std::uint64_t
        to_;  // one word, so that it is copied as it was written: see benchmarks/README.md
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
