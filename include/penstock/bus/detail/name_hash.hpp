// SPDX-License-Identifier: BSL-1.0
// Names as they are looked up: hashed and compared in words of the machine, inline. Most have up to 16
// bytes, which two loads hold.
//
// The hash multiplies 64 by 64 bits and folds the product's halves, as wyhash does (Wang Yi, public
// domain). It has no secret: who may choose names can choose such that meet. He can have memory for
// good by each of them as well, so names are not for strangers to choose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// Its first and its last bytes: all of them up to 16, where they and the size say which text it is.
struct text_ends {
    [[gnu::always_inline]] static text_ends of(std::string_view text) noexcept {
        const char* const p = text.data();
        const std::size_t n = text.size();
        if (n >= 8) [[likely]]
            return {at<std::uint64_t>(p), at<std::uint64_t>(p + n - 8)};
        if (n >= 4) return {at<std::uint32_t>(p), at<std::uint32_t>(p + n - 4)};
        if (n == 0) return {0, 0};
        return {
            at<std::uint8_t>(p) << 8 | at<std::uint8_t>(p + n / 2), at<std::uint8_t>(p + n - 1)};
    }
    std::uint64_t first;
    std::uint64_t last;

    template <class Word>
    [[nodiscard]] static std::uint64_t at(const char* p) noexcept {
        Word w;
        std::memcpy(&w, p, sizeof w);
        return w;
    }
};

/// A text beside what is asked of it first.
class hashed_text {
public:
    [[gnu::always_inline]] hashed_text(std::string_view text) noexcept
        : text_{text}, ends_{text_ends::of(text)} {
        std::uint64_t seed = 0x9e3779b97f4a7c15 + text.size();
        if (text.size() > 16) [[unlikely]]
            seed = between(text, seed);
        hash_ = folded(ends_.first ^ odd, ends_.last ^ seed);
    }
    [[nodiscard]] std::string_view text() const noexcept { return text_; }
    [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
    [[nodiscard]] const text_ends& ends() const noexcept { return ends_; }

    /// Whether it is that text with those ends.
    [[nodiscard, gnu::always_inline]] bool is(std::string_view text,
                                              const text_ends& its) const noexcept {
        return ends_.first == its.first && ends_.last == its.last && text_.size() == text.size() &&
               (text_.size() <= 16 || same_between(text_, text));
    }
    [[nodiscard]] bool is(std::string_view text) const noexcept {
        return is(text, text_ends::of(text));
    }

    [[nodiscard]] static std::uint64_t folded(std::uint64_t a, std::uint64_t b) noexcept {
        __extension__ using product = unsigned __int128;
        const product p = static_cast<product>(a) * b;
        return static_cast<std::uint64_t>(p) ^ static_cast<std::uint64_t>(p >> 64);
    }

private:
    static constexpr std::uint64_t odd = 0xe7037ed1a0b428db;

    // Of over 16 bytes, what is between their ends:
    [[nodiscard, gnu::noinline]] static std::uint64_t between(std::string_view text,
                                                              std::uint64_t seed) noexcept {
        for (std::size_t i = 8; i + 8 < text.size(); i += 8)
            seed = folded(text_ends::at<std::uint64_t>(text.data() + i) ^ seed, odd);
        return seed;
    }
    [[nodiscard, gnu::noinline]] static bool same_between(std::string_view a,
                                                          std::string_view b) noexcept {
        return std::memcmp(a.data() + 8, b.data() + 8, a.size() - 16) == 0;
    }

    const std::string_view text_;
    const text_ends ends_;
    std::uint64_t hash_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
