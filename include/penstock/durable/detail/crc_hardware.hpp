// SPDX-License-Identifier: BSL-1.0
// CRC32C by instructions, optionally copying on the way: a word is then read once, stored and summed.
// A sum that reads back what was just copied waits for stores of other sizes than its loads, which
// is dearer than the sum.
//
//   1  the CRC32 instruction, SSE4.2 or ARMv8
//   2  also, from 256 bytes on, carry-less multiplication of four 64-byte vectors at a time (AVX-512
//      with VPCLMULQDQ): Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
//      Instruction", 2009
//
// Threads   Any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

#include <penstock/durable/detail/crc_tables.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

#if defined(__x86_64__)
#define PENSTOCK_CRC_TARGET __attribute__((target("sse4.2")))
PENSTOCK_CRC_TARGET inline std::uint64_t crc_of(std::uint64_t crc, std::uint64_t word) noexcept {
    return _mm_crc32_u64(crc, word);
}
PENSTOCK_CRC_TARGET inline std::uint32_t crc_byte(std::uint32_t crc, std::byte b) noexcept {
    return _mm_crc32_u8(crc, std::to_integer<unsigned char>(b));
}
inline int crc_ask_level() noexcept {
    if (!__builtin_cpu_supports("sse4.2")) return 0;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq") ? 2 : 1;
}
inline const int crc_found_level = crc_ask_level();
// Asked before it is initialised it says 0, and the tables give the same sum.
inline int crc_level() noexcept { return crc_found_level; }
#elif defined(__ARM_FEATURE_CRC32)
#define PENSTOCK_CRC_TARGET
inline std::uint64_t crc_of(std::uint64_t crc, std::uint64_t word) noexcept {
    return __crc32cd(static_cast<std::uint32_t>(crc), word);
}
inline std::uint32_t crc_byte(std::uint32_t crc, std::byte b) noexcept {
    return __crc32cb(crc, std::to_integer<unsigned char>(b));
}
inline int crc_level() noexcept { return 1; }
#else
inline int crc_level() noexcept { return 0; }
#endif

#ifdef PENSTOCK_CRC_TARGET
/// The word at p + i summed, and stored at to + i when copying.
template <bool Copy>
PENSTOCK_CRC_TARGET inline std::uint64_t crc_word(std::uint64_t crc, const std::byte* p,
                                                  std::byte* to, std::size_t i) noexcept {
    const std::uint64_t word = load_word(p + i);
    if constexpr (Copy) std::memcpy(to + i, &word, sizeof word);
    return crc_of(crc, word);
}

/// The instruction takes three cycles and one may begin in each: three neighbours of Lane bytes at a
/// time (Gopal et al., "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction", 2011).
template <std::size_t Lane, bool Copy>
PENSTOCK_CRC_TARGET std::uint32_t crc_by_lanes(std::uint32_t crc, const std::byte*& p,
                                               std::byte*& to, std::size_t& n) noexcept {
    for (; n >= 3 * Lane; p += 3 * Lane, n -= 3 * Lane) {
        std::uint64_t a = crc, b = 0, c = 0;
        for (std::size_t i = 0; i < Lane; i += 8) {
            a = crc_word<Copy>(a, p, to, i);
            b = crc_word<Copy>(b, p, to, Lane + i);
            c = crc_word<Copy>(c, p, to, 2 * Lane + i);
        }
        crc = crc_shift<Lane>(static_cast<std::uint32_t>(a)) ^ static_cast<std::uint32_t>(b);
        crc = crc_shift<Lane>(crc) ^ static_cast<std::uint32_t>(c);
        if constexpr (Copy) to += 3 * Lane;
    }
    return crc;
}

/// Sums n bytes at p, and copies them to `to` when copying, followed by zeros, summed as well, up to a
/// multiple of 8.
template <bool Copy>
PENSTOCK_CRC_TARGET inline std::uint32_t crc_by_words(std::uint32_t crc, const std::byte* p,
                                                      std::byte* to, std::size_t n) noexcept {
    if (n >= 192) {
        crc = crc_by_lanes<1024, Copy>(crc, p, to, n);
        crc = crc_by_lanes<256, Copy>(crc, p, to, n);
        crc = crc_by_lanes<64, Copy>(crc, p, to, n);
    }
    std::uint64_t wide = crc;
    std::size_t i = 0;
    for (; n - i >= 32; i += 32) {
        wide = crc_word<Copy>(wide, p, to, i);
        wide = crc_word<Copy>(wide, p, to, i + 8);
        wide = crc_word<Copy>(wide, p, to, i + 16);
        wide = crc_word<Copy>(wide, p, to, i + 24);
    }
    for (; n - i >= 8; i += 8) wide = crc_word<Copy>(wide, p, to, i);
    crc = static_cast<std::uint32_t>(wide);
    if (i == n) return crc;
    if constexpr (Copy) {
        std::uint64_t word = 0;
        if (i > 0) {  // the bytes before are there to be read again
            word = load_word(p + n - 8) >> 8 * (i + 8 - n);
        } else {
            for (std::size_t k = n; k > 0; --k)
                word = word << 8 | std::to_integer<std::uint64_t>(p[k - 1]);
        }
        std::memcpy(to + i, &word, sizeof word);
        crc = static_cast<std::uint32_t>(crc_of(crc, word));
    } else {
        for (; i < n; ++i) crc = crc_byte(crc, p[i]);
    }
    return crc;
}

#if defined(__x86_64__)
using crc_vector = long long __attribute__((vector_size(64)));
#define PENSTOCK_CRC_WIDE __attribute__((target("sse4.2,avx512f,vpclmulqdq")))

/// What moves 16 bytes Bits bits further on: the factors of their low and high half. One bit more, as
/// the product of two reflected numbers stands one bit off.
template <unsigned Bits>
inline constexpr long long crc_low = static_cast<long long>(crc_power(Bits + 32)) << 1;
template <unsigned Bits>
inline constexpr long long crc_high = static_cast<long long>(crc_power(Bits - 32)) << 1;
template <unsigned A, unsigned B = A, unsigned C = A>
inline constexpr crc_vector crc_factors{
    crc_low<A>, crc_high<A>, crc_low<B>, crc_high<B>, crc_low<C>, crc_high<C>, 0, 0};
template <unsigned A>
inline constexpr crc_vector crc_same_factors{crc_low<A>, crc_high<A>, crc_low<A>, crc_high<A>,
                                             crc_low<A>, crc_high<A>, crc_low<A>, crc_high<A>};

/// Moves `a` by the factors k onto `onto`. By the compilers' builtins: <immintrin.h> takes 0.2 s.
PENSTOCK_CRC_WIDE inline void crc_fold(crc_vector& a, const crc_vector& k,
                                       const crc_vector& onto) noexcept {
#if defined(__clang__)
    a = __builtin_ia32_pclmulqdq512(a, k, 0x00) ^ __builtin_ia32_pclmulqdq512(a, k, 0x11) ^ onto;
#else
    a = __builtin_ia32_vpclmulqdq_v8di(a, k, 0x00) ^ __builtin_ia32_vpclmulqdq_v8di(a, k, 0x11) ^
        onto;
#endif
}
template <bool Copy>
PENSTOCK_CRC_WIDE inline void crc_take(crc_vector& v, const std::byte* p, std::byte* to,
                                       std::size_t i) noexcept {
    std::memcpy(&v, p + i, sizeof v);
    if constexpr (Copy) std::memcpy(to + i, &v, sizeof v);
}

/// The first bytes of n >= 256; leaves fewer than 64.
template <bool Copy>
PENSTOCK_CRC_WIDE std::uint32_t crc_by_folding(std::uint32_t crc, const std::byte*& p,
                                               std::byte*& to, std::size_t& n) noexcept {
    crc_vector a, b, c, d, next;
    crc_take<Copy>(a, p, to, 0);
    crc_take<Copy>(b, p, to, 64);
    crc_take<Copy>(c, p, to, 128);
    crc_take<Copy>(d, p, to, 192);
    a ^= crc_vector{static_cast<long long>(crc)};
    std::size_t i = 256;
    for (; n - i >= 256; i += 256) {
        crc_take<Copy>(next, p, to, i);
        crc_fold(a, crc_same_factors<2048>, next);
        crc_take<Copy>(next, p, to, i + 64);
        crc_fold(b, crc_same_factors<2048>, next);
        crc_take<Copy>(next, p, to, i + 128);
        crc_fold(c, crc_same_factors<2048>, next);
        crc_take<Copy>(next, p, to, i + 192);
        crc_fold(d, crc_same_factors<2048>, next);
    }
    crc_fold(a, crc_same_factors<512>, b);
    crc_fold(a, crc_same_factors<512>, c);
    crc_fold(a, crc_same_factors<512>, d);
    for (; n - i >= 64; i += 64) {
        crc_take<Copy>(next, p, to, i);
        crc_fold(a, crc_same_factors<512>, next);
    }
    p += i;
    n -= i;
    if constexpr (Copy) to += i;
    // The last 16 bytes stay, the others are moved onto them.
    const crc_vector nothing{};
    const auto low = a[6], high = a[7];
    crc_fold(a, crc_factors<384, 256, 128>, nothing);
    const auto word = [](long long bits) { return static_cast<std::uint64_t>(bits); };
    return static_cast<std::uint32_t>(
        crc_of(crc_of(0, word(a[0] ^ a[2] ^ a[4] ^ low)), word(a[1] ^ a[3] ^ a[5] ^ high)));
}
#undef PENSTOCK_CRC_WIDE
#endif

/// Sums `count` words, which may be 0, then what crc_by_words does: what a record takes, in one call.
template <bool Copy>
PENSTOCK_CRC_TARGET inline std::uint32_t crc_words_then_bytes(
    int level, std::uint32_t crc, const std::uint64_t* words, std::size_t count, const std::byte* p,
    std::byte* to, std::size_t n) noexcept {
    std::uint64_t wide = crc;
    for (std::size_t i = 0; i < count; ++i) wide = crc_of(wide, words[i]);
    crc = static_cast<std::uint32_t>(wide);
#if defined(__x86_64__)
    if (level >= 2 && n >= 256) crc = crc_by_folding<Copy>(crc, p, to, n);
#endif
    return crc_by_words<Copy>(crc, p, to, n);
}
#undef PENSTOCK_CRC_TARGET
#else
template <bool>
std::uint32_t crc_words_then_bytes(int, std::uint32_t crc, const std::uint64_t*, std::size_t,
                                   const std::byte*, std::byte*, std::size_t) noexcept {
    return crc;
}
#endif

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
