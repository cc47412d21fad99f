// SPDX-License-Identifier: BSL-1.0
// Room for one T whose owner changes by an atomic beside it: raw memory until put(), again after
// take() or drop(). The seam is told of every access, so that a checker sees two owners at once.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include <penstock/core/cache_line.hpp>
#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// What a queue asks of its elements: moving one into or out of a claimed slot can't fail.
template <class T>
inline constexpr bool is_element =
    std::is_object_v<T> && !std::is_const_v<T> && std::is_nothrow_move_constructible_v<T> &&
    std::is_nothrow_destructible_v<T>;

template <class T>
class slot {
    static_assert(is_element<T>,
                  "a queue's element must be nothrow move constructible and destructible: declare "
                  "its move constructor noexcept, or queue a std::unique_ptr to it");

public:
    void put(T&& value) noexcept {
        sys::wrote(raw_);
        ::new (static_cast<void*>(raw_)) T(std::move(value));
    }

    /// Builds one here; if its constructor throws, this is raw memory as before.
    template <class... Args>
    T& emplace(Args&&... args) {
        sys::wrote(raw_);
        return *::new (static_cast<void*>(raw_)) T(std::forward<Args>(args)...);
    }

    [[nodiscard]] T take() noexcept {
        sys::wrote(raw_);
        T& mine = ref();
        T value(std::move(mine));
        mine.~T();
        return value;
    }

    void take_into(T& target) noexcept(std::is_nothrow_move_assignable_v<T>) {
        sys::wrote(raw_);
        T& mine = ref();
        target = std::move(mine);
        mine.~T();
    }

    void drop() noexcept {
        sys::wrote(raw_);
        ref().~T();
    }

    /// Writes to every line of this raw memory that ends in it (queue/detail/line_flow.hpp).
    void touch() noexcept {
        sys::wrote(raw_);
        for (std::size_t at = 0; at < sizeof(T); at += cache_line) raw_[at] = std::byte{0};
    }

    [[nodiscard]] T& get() noexcept {
        sys::read(raw_);
        return ref();
    }

    /// `n` of them at once, in slots that stand next to each other.
    template <class Iterator>
    static void put_n(slot* to, Iterator& first, std::size_t n) {
        if constexpr (std::is_trivially_copyable_v<T> &&
                      (std::is_same_v<Iterator, T*> || std::is_same_v<Iterator, const T*>)) {
            for (std::size_t i = 0; i < n; ++i) sys::wrote(to[i].raw_);
            std::memcpy(static_cast<void*>(to), first, n * sizeof(T));
            first += n;
        } else {
            for (std::size_t i = 0; i < n; ++i, ++first) to[i].emplace(*first);
        }
    }
    template <class Iterator>
    static void take_n(slot* from, Iterator& out, std::size_t n) {
        if constexpr (std::is_trivially_copyable_v<T> && std::is_same_v<Iterator, T*>) {
            for (std::size_t i = 0; i < n; ++i) sys::wrote(from[i].raw_);
            std::memcpy(static_cast<void*>(out), static_cast<const void*>(from), n * sizeof(T));
            out += n;
        } else {
            for (std::size_t i = 0; i < n; ++i, ++out) *out = from[i].take();
        }
    }

private:
    T& ref() noexcept { return *std::launder(reinterpret_cast<T*>(raw_)); }

    alignas(T) std::byte raw_[sizeof(T)];
};

}  // namespace penstock::inline PENSTOCK_ABI
