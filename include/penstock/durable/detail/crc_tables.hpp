// SPDX-License-Identifier: BSL-1.0
// CRC32C by tables that are computed at compile time, and the arithmetic of its polynomial.
//
// Threads   Any.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

static_assert(std::endian::native == std::endian::little,
              "the word-wise loops read low byte first");

using crc_tables = std::array<std::array<std::uint32_t, 256>, 8>;

consteval crc_tables make_crc_tables() {
    crc_tables t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0x82F63B78u & (0u - (crc & 1)));
        t[0][i] = crc;
    }
    // t[k][i]: what byte i does to the register after k more zero bytes.
    for (std::size_t k = 1; k < 8; ++k) {
        for (std::size_t i = 0; i < 256; ++i)
            t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xFF];
    }
    return t;
}
inline constexpr crc_tables crc_table = make_crc_tables();

inline std::uint64_t load_word(const std::byte* p) noexcept {
    std::uint64_t word;
    std::memcpy(&word, p, sizeof word);
    return word;
}

/// Eight bytes at a time by eight tables ("slicing-by-8", Kounavis and Berry, 2005).
inline std::uint32_t crc_by_table(std::uint32_t crc, const std::byte* p, std::size_t n) noexcept {
    for (; n >= 8; p += 8, n -= 8) {
        const std::uint64_t word = load_word(p) ^ crc;
        crc = 0;
        for (std::size_t k = 0; k < 8; ++k) crc ^= crc_table[7 - k][(word >> (8 * k)) & 0xFF];
    }
    for (; n > 0; ++p, --n)
        crc = (crc >> 8) ^ crc_table[0][(crc ^ std::to_integer<std::uint32_t>(*p)) & 0xFF];
    return crc;
}

/// What Lane zero bytes do to the register, by its four bytes: how the sums of neighbours are joined.
template <std::size_t Lane>
consteval std::array<std::array<std::uint32_t, 256>, 4> make_crc_shift() {
    std::array<std::uint32_t, 32> of_bit{};
    for (std::size_t bit = 0; bit < 32; ++bit) {
        std::uint32_t crc = std::uint32_t{1} << bit;
        for (std::size_t i = 0; i < Lane; ++i) crc = (crc >> 8) ^ crc_table[0][crc & 0xFF];
        of_bit[bit] = crc;
    }
    std::array<std::array<std::uint32_t, 256>, 4> t{};
    for (std::size_t k = 0; k < 4; ++k) {
        for (std::size_t b = 0; b < 256; ++b) {
            for (std::size_t bit = 0; bit < 8; ++bit) {
                if ((b >> bit & 1) != 0) t[k][b] ^= of_bit[8 * k + bit];
            }
        }
    }
    return t;
}
template <std::size_t Lane>
inline constexpr auto crc_shift_table = make_crc_shift<Lane>();

template <std::size_t Lane>
std::uint32_t crc_shift(std::uint32_t crc) noexcept {
    const auto& t = crc_shift_table<Lane>;
    return t[0][crc & 0xFF] ^ t[1][crc >> 8 & 0xFF] ^ t[2][crc >> 16 & 0xFF] ^ t[3][crc >> 24];
}

/// x to the power of n modulo the polynomial, in the register's bit order.
constexpr std::uint32_t crc_power(unsigned n) {
    std::uint32_t r = 0x80000000u;
    for (; n > 0; --n) r = (r >> 1) ^ (0x82F63B78u & (0u - (r & 1)));
    return r;
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
