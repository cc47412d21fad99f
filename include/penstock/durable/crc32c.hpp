// SPDX-License-Identifier: BSL-1.0
// CRC32C, the checksum of iSCSI (RFC 3720, section 12.1 and appendix B.4), as ext4, SCTP and most
// journals use it: reflected polynomial 0x82F63B78. It finds every burst of up to 32 wrong bits.
//
//   std::uint32_t sum = crc32c(data, n);                     // 0xE3069283 for "123456789"
//   crc32c_state s = {}; s = s.add(a, n).add(b, m); s.value();  // of pieces, the same sum
//
// Cost      Asked once at run time. SSE4.2, or ARMv8 where compiled in: about 8 bytes in 3 cycles, from
//           192 bytes on nearly 8 a cycle; AVX-512 with VPCLMULQDQ: from 256 bytes on three times
//           that. Else eight tables of 1 KiB, computed at compile time: about 1.5 bytes a cycle.
// Threads   Any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <penstock/durable/detail/crc_hardware.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// A sum under way. add() may split the bytes anywhere.
class crc32c_state {
public:
    [[nodiscard]] crc32c_state add(const void* data, std::size_t n) const noexcept {
        const auto* p = static_cast<const std::byte*>(data);
        if (const int level = detail::crc_level(); level > 0)
            return crc32c_state{
                detail::crc_words_then_bytes<false>(level, register_, nullptr, 0, p, nullptr, n)};
        return crc32c_state{detail::crc_by_table(register_, p, n)};
    }
    /// Adds `count` words, then n bytes.
    [[nodiscard]] crc32c_state add(const std::uint64_t* words, std::size_t count, const void* data,
                                   std::size_t n) const noexcept {
        if (const int level = detail::crc_level(); level > 0)
            return crc32c_state{detail::crc_words_then_bytes<false>(
                level, register_, words, count, static_cast<const std::byte*>(data), nullptr, n)};
        return add(words, 8 * count).add(data, n);
    }
    /// Adds `count` words, n bytes and zeros up to a multiple of 8, and copies bytes and zeros to
    /// `to`: in one go, as reading back what was just copied is dearer than the sum.
    [[nodiscard]] crc32c_state add_copying(const std::uint64_t* words, std::size_t count,
                                           std::byte* to, const void* data,
                                           std::size_t n) const noexcept {
        if (const int level = detail::crc_level(); level > 0)
            return crc32c_state{detail::crc_words_then_bytes<true>(
                level, register_, words, count, static_cast<const std::byte*>(data), to, n)};
        if (n > 0) std::memcpy(to, data, n);
        const std::size_t padded = (n + 7) & ~std::size_t{7};
        if (n < padded) std::memset(to + n, 0, padded - n);
        return add(words, 8 * count).add(to, padded);
    }
    [[nodiscard]] std::uint32_t value() const noexcept { return ~register_; }

    crc32c_state() = default;

private:
    explicit crc32c_state(std::uint32_t r) noexcept : register_{r} {}
    std::uint32_t register_ = 0xFFFFFFFFu;
};

[[nodiscard]] inline std::uint32_t crc32c(const void* data, std::size_t n) noexcept {
    return crc32c_state{}.add(data, n).value();
}

}  // namespace penstock::inline PENSTOCK_ABI
