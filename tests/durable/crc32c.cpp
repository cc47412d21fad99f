// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/durable/crc32c.hpp>

using namespace penstock;

namespace {

/// One bit at a time, from the definition.
std::uint32_t by_definition(const unsigned char* p, std::size_t n) {
    std::uint32_t crc = ~0u;
    for (; n > 0; ++p, --n) {
        crc ^= *p;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
    }
    return ~crc;
}

std::uint32_t by_table(const void* p, std::size_t n) {
    return ~detail::crc_by_table(~0u, static_cast<const std::byte*>(p), n);
}

}  // namespace

TEST_CASE("the test vectors of RFC 3720, B.4, come out by hardware and by table") {
    std::array<unsigned char, 32> bytes{};
    const auto expect = [&](const void* p, std::size_t n, std::uint32_t sum) {
        CHECK(crc32c(p, n) == sum);
        CHECK(by_table(p, n) == sum);
    };
    expect(bytes.data(), 32, 0x8A9136AA);
    bytes.fill(0xFF);
    expect(bytes.data(), 32, 0x62A8AB43);
    for (unsigned i = 0; i < 32; ++i) bytes[i] = static_cast<unsigned char>(i);
    expect(bytes.data(), 32, 0x46DD794E);
    for (unsigned i = 0; i < 32; ++i) bytes[i] = static_cast<unsigned char>(31 - i);
    expect(bytes.data(), 32, 0x113FDB5C);
    // An iSCSI Read (10) command.
    std::array<unsigned char, 48> read_command{};
    read_command[0] = 0x01;
    read_command[1] = 0xc0;
    read_command[16] = 0x14;
    read_command[22] = 0x04;
    read_command[27] = 0x14;
    read_command[31] = 0x18;
    read_command[32] = 0x28;
    read_command[40] = 0x02;
    expect(read_command.data(), read_command.size(), 0xD9963A56);
    expect("123456789", 9, 0xE3069283);
    expect("", 0, 0);
}

TEST_CASE("every length and alignment gives what the definition gives, in one piece or two") {
    std::mt19937 random{7};
    std::vector<unsigned char> bytes(3000);
    for (auto& b : bytes) b = static_cast<unsigned char>(random());
    for (std::size_t from = 0; from < 9; ++from) {
        for (std::size_t n = 0; from + n <= bytes.size(); n += n < 40 ? 1 : n < 600 ? 13 : 171) {
            const std::uint32_t sum = by_definition(bytes.data() + from, n);
            CHECK(crc32c(bytes.data() + from, n) == sum);
            CHECK(by_table(bytes.data() + from, n) == sum);
            const std::size_t half = n / 3;
            CHECK(crc32c_state{}
                      .add(bytes.data() + from, half)
                      .add(bytes.data() + from + half, n - half)
                      .value() == sum);
        }
    }
}

TEST_CASE("copying on the way gives the same bytes and the same sum, zeros up to 8 included") {
    std::mt19937 random{8};
    std::vector<unsigned char> bytes(5000);
    for (auto& b : bytes) b = static_cast<unsigned char>(random());
    for (std::size_t from = 0; from < 9; from += 2) {
        for (std::size_t n = 0; from + n <= bytes.size(); n += n < 80 ? 1 : 97) {
            const std::size_t padded = (n + 7) & ~std::size_t{7};
            std::vector<unsigned char> expected(bytes.data() + from, bytes.data() + from + n);
            expected.resize(padded);
            std::vector<unsigned char> copy(padded + 8, 0xEE);
            const auto before = crc32c_state{}.add("seed", 4);
            const std::uint64_t words[]{n, from};
            const auto sum = before.add_copying(
                words, 2, reinterpret_cast<std::byte*>(copy.data()), bytes.data() + from, n);
            CHECK(sum.value() == before.add(words, 16).add(expected.data(), padded).value());
            CHECK(sum.value() == before.add(words, 2, expected.data(), padded).value());
            CHECK(std::equal(expected.begin(), expected.end(), copy.begin()));
            CHECK(copy[padded] == 0xEE);
        }
    }
}

TEST_CASE("each kind of instruction gives the same sum, as far as this machine has it") {
    std::vector<std::byte> bytes(4096), copy(4096);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 31);
    for (std::size_t n = 0; n <= bytes.size(); n += 61) {
        const std::uint32_t sum = detail::crc_by_table(7, bytes.data(), n);
        for (int level = 1; level <= detail::crc_level(); ++level) {
            CHECK(detail::crc_words_then_bytes<false>(
                      level, 7, nullptr, 0, bytes.data(), nullptr, n) == sum);
            if (n % 8 == 0)
                CHECK(detail::crc_words_then_bytes<true>(
                          level, 7, nullptr, 0, bytes.data(), copy.data(), n) == sum);
        }
    }
}
