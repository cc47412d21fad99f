// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/durable/durable_queue.hpp>
#include <penstock/durable/format.hpp>
#include <penstock/durable/record.hpp>

#include "durable/faulty_files.hpp"
#include "durable/scratch.hpp"

using namespace penstock;

namespace {

// As it stands at the top of durable/format.hpp.
const std::vector<unsigned char> worked_example{
    0x50, 0x45, 0x4e, 0x53, 0x54, 0x4f, 0x43, 0x4b, 0x01, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00,
    0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22,
    0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x77, 0x43, 0xfb,
    0xbe, 0xb2, 0x1a, 0xa3, 0x05, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0xca, 0x9a, 0x3b, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc1, 0x96, 0xa6, 0x5b, 0x03, 0x00, 0x01, 0x00,
    0x25, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xca, 0x9a, 0x3b, 0x00, 0x00, 0x00, 0x00,
    0x68, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x04, 0x00, 0x00, 0x00, 0x01, 0x00, 0x0c, 0x00, 0x68, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x6e, 0x75, 0x6e, 0x73, 0x69, 0x67, 0x6e, 0x65, 0x64, 0x20, 0x69, 0x6e, 0x74, 0x00, 0x00, 0x00,
    0x80, 0x60, 0x2b, 0x5d, 0x01, 0x00, 0x01, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0xca, 0x9a, 0x3b, 0x00, 0x00, 0x00, 0x00, 0xb0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};

std::vector<unsigned char> contents(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace

TEST_CASE("the worked example is what the journal writes, byte for byte, zeros behind it") {
    scratch dir;
    faulty_files files;
    files.time = 1'000'000'000;
    files.chance = 0x1111111111111111;
    files.boot_id = 0x3333333333333333;
    {
        journal j{dir.path("j"), {.segment_bytes = 16384, .files = files}};
        durable_queue<std::uint32_t> n{j, "n"};
        REQUIRE(n.send(7));
    }
    std::vector<unsigned char> expected = worked_example;
    expected.resize(16384);
    CHECK(contents(dir.path("j/") + format::file_name(1)) == expected);
}

TEST_CASE("the worked example is read: one message, 7") {
    scratch dir;
    std::filesystem::create_directory(dir.path("j"));
    std::vector<unsigned char> bytes = worked_example;
    bytes.resize(16384);
    std::ofstream{dir.path("j/") + format::file_name(1), std::ios::binary}.write(
        reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    journal j{dir.path("j")};
    CHECK_FALSE(j.report().created);
    CHECK(j.report().records_read == 3);
    durable_queue<std::uint32_t> n{j, "n"};
    auto group = n.group("g");
    auto d = group.try_receive();
    REQUIRE(d);
    CHECK(*d == 7);
    CHECK(d.info().time.time_since_epoch() == std::chrono::seconds{1});
    CHECK(group.try_receive().status() == status::empty);
}

TEST_CASE("a record holds only in its segment, at its place and under its epoch") {
    alignas(8) std::array<std::byte, 256> space{};
    format::page page{space.data(), space.size(), 3};
    format::record_header h{.type = format::record_type::message, .stream = 1, .bytes = 5};
    std::memcpy(space.data() + 64 + 32, "hello", 5);
    format::commit(page, 64, 99, h);
    format::record r;
    REQUIRE(format::read(page, 64, 99, r) == format::found::record);
    CHECK(r.payload.size() == 5);
    CHECK(r.end() == 64 + 40);
    CHECK(format::read(page, 64, 98, r) == format::found::damage);
    page.number = 4;
    CHECK(format::read(page, 64, 99, r) == format::found::damage);
    page.number = 3;
    std::memmove(space.data() + 72, space.data() + 64, 40);
    CHECK(format::read(page, 72, 99, r) == format::found::damage);
    CHECK(format::read(page, 112, 99, r) == format::found::space);
    CHECK(format::read(page, 256, 99, r) == format::found::space);
    CHECK(format::read(page, 248, 99, r) == format::found::damage);  // no room for a header
}

TEST_CASE("no bit of a record can change unnoticed, padding and length included") {
    alignas(8) std::array<std::byte, 128> space{};
    const format::page page{space.data(), space.size(), 1};
    std::memcpy(space.data() + 32, "hello", 5);
    format::commit(page, 0, 5, {.type = format::record_type::message, .stream = 1, .bytes = 5});
    format::record r;
    for (std::size_t bit = 0; bit < 40 * 8; ++bit) {
        const auto mask = std::byte{1} << (bit % 8);
        space[bit / 8] ^= mask;
        CHECK(format::read(page, 0, 5, r) == format::found::damage);
        space[bit / 8] ^= mask;
    }
    CHECK(format::read(page, 0, 5, r) == format::found::record);
}

TEST_CASE("both copies of an opening lead to the same epoch") {
    alignas(8) std::array<std::byte, 128> space{};
    const format::page page{space.data(), space.size(), 1};
    const format::opening_payload change{5, 6, 7};
    for (const std::size_t at : {0u, 56u}) {
        std::memcpy(space.data() + at + 32, &change, sizeof change);
        format::commit(page, at, 5, {.type = format::record_type::opening, .bytes = sizeof change});
    }
    format::record r;
    CHECK(format::read(page, 0, 5, r) == format::found::record);
    CHECK(format::read(page, 56, 6, r) == format::found::record);  // after the first
    CHECK(format::read(page, 56, 5, r) == format::found::record);  // the first is lost
    CHECK(format::read(page, 0, 7, r) == format::found::damage);   // of some other time
}
