// SPDX-License-Identifier: BSL-1.0
// A trivially copyable T that is overwritten while others read it: a reader gets it whole or not at
// all, and nobody waits for anybody. Beside it stands a stamp, which its user keeps:
//
//   writer   stamp.store(busy, release); words.store(t); stamp.store(filled, release);
//   reader   if (stamp.load(acquire) == filled)
//                if (std::optional<T> t = words.load_while(stamp, filled)) ...
//
// where busy and filled are values that no other content of these words ever has, and each writer
// comes after the one before: it has seen its filled stamp by an acquire.
//
// Cost      A copy by words, an acquire load or a release store each: plain moves on x86, ldar and
//           stlr on ARM.
//
// This is the sequence lock as H.-J. Boehm makes it right ("Can seqlocks get along with programming
// language memory models?", MSPC 2012), with an order on each word where he has fences:
//   (F) writer store-release filled stamp -> (K) reader load-acquire: finds that content, or later.
//   (W) writer store-release a word -> (V) reader load-acquire: who has read a word of a later
//       content sees that content's busy stamp, or a later one, when it looks again (X).
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <optional>
#include <type_traits>

#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
class seqlock_words {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    void store(const T& value) noexcept {
        std::size_t local[count] = {};
        std::memcpy(local, &value, sizeof(T));
        for (std::size_t i = 0; i < count; ++i)
            words_[i].store(local[i], std::memory_order_release);  // (W), pairs with (V)
    }

    /// The content whose filled stamp (K) has found, if it was there until the last word was read.
    template <class Stamp>
    [[nodiscard]] std::optional<T> load_while(const sys::atomic<Stamp>& stamp,
                                              Stamp filled) const noexcept {
        std::size_t local[count];
        for (std::size_t i = 0; i < count; ++i)
            local[i] = words_[i].load(std::memory_order_acquire);  // (V), pairs with (W)
        if (stamp.load(std::memory_order_relaxed) != filled) return std::nullopt;  // (X), after (V)
        std::array<std::byte, sizeof(T)> bytes;
        std::memcpy(bytes.data(), local, sizeof(T));
        return std::bit_cast<T>(bytes);
    }

private:
    static constexpr std::size_t count =
        (sizeof(T) + sizeof(std::size_t) - 1) / sizeof(std::size_t);

    sys::atomic<std::size_t> words_[count]{};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
