// SPDX-License-Identifier: BSL-1.0
// Opening and reading what a crash or a disk has left: one test per kind of damage.
#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/durable/detail/recover.hpp>
#include <penstock/durable/durable_queue.hpp>

#include "durable/faulty_files.hpp"
#include "durable/scratch.hpp"

using namespace penstock;
namespace fs = std::filesystem;

namespace {

using numbers = durable_queue<std::uint64_t>;
using bytes = std::vector<unsigned char>;

constexpr std::uint64_t segment_bytes = 16 * 1024;
constexpr std::size_t one_record = 40;

std::string segment_path(const scratch& dir, std::uint64_t number) {
    return dir.path("j/") + format::file_name(number);
}
bytes load(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}
/// In place: truncating would have ext4 write the file out when it is closed.
void store(const std::string& path, const bytes& b) {
    if (!fs::exists(path)) std::ofstream{path};
    std::fstream{path, std::ios::binary | std::ios::in | std::ios::out}.write(
        reinterpret_cast<const char*>(b.data()), static_cast<std::streamsize>(b.size()));
    if (fs::file_size(path) != b.size()) fs::resize_file(path, b.size());
}
/// Makes these the only segment.
void restore(const scratch& dir, const bytes& first) {
    for (std::uint64_t n = 2; fs::remove(segment_path(dir, n)); ++n) {
    }
    store(segment_path(dir, 1), first);
}
std::size_t used(const bytes& b) {
    std::size_t n = b.size();
    while (n > 0 && b[n - 1] == 0) --n;
    return (n + 7) / 8 * 8;
}

/// The syncs of these tests say ok and do nothing: what is on disk is what the test puts there.
struct quick {
    quick() { files.real_syncs = false; }
    faulty_files files;
    [[nodiscard]] journal_options options(bool skip_damage = false,
                                          penstock::sync policy = sync::every_append) {
        return {.sync = policy,
                .segment_bytes = segment_bytes,
                .skip_damage = skip_damage,
                .files = files};
    }
};

struct found {
    std::vector<std::uint64_t> values;
    status end = status::ok;
    journal_report report;
};

/// What the group gets until it is told why there is no more.
found accept_all(auto& g) {
    found f;
    for (;;) {
        auto d = g.try_receive();
        if (!d) {
            f.end = d.status();
            break;
        }
        f.values.push_back(*d);
        REQUIRE(d.accept());
    }
    return f;
}

/// Opens and reads everything as a new group, whose cursor no damage has touched.
found read_all(const scratch& dir, bool skip_damage = false, const char* group = "reader") {
    quick q;
    numbers n{dir.path("j"), q.options(skip_damage)};
    auto g = n.group(group, {.prefetch = 8});
    found f = accept_all(g);
    f.report = n.report();
    return f;
}

void write_numbers(const scratch& dir, std::uint64_t from, std::uint64_t to,
                   penstock::sync policy = sync::every_append) {
    quick q;
    numbers n{dir.path("j"), q.options(false, policy)};
    for (; from < to; ++from) REQUIRE(n.send(from));
}

std::vector<std::uint64_t> from_to(std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> v;
    for (; from < to; ++from) v.push_back(from);
    return v;
}

/// Byte in the segment of the last record.
std::size_t last_record(const bytes& b) { return used(b) - one_record; }

bool is_part_of(const std::vector<std::uint64_t>& part, const std::vector<std::uint64_t>& whole) {
    return std::includes(whole.begin(), whole.end(), part.begin(), part.end());
}

}  // namespace

TEST_CASE("a torn last record of every length is cut and reported, and stays away") {
    scratch dir;
    write_numbers(dir, 0, 5);
    const bytes whole = load(segment_path(dir, 1));
    const std::size_t last = last_record(whole);
    for (const bool garbage : {false, true}) {
        for (std::size_t kept = 0; kept <= one_record; ++kept) {
            bytes torn = whole;
            for (std::size_t i = last + kept; i < last + one_record; ++i)
                torn[i] = garbage ? static_cast<unsigned char>(i * 37 + 11) : 0;
            store(segment_path(dir, 1), torn);
            const bool intact = torn == whole;
            const found f = read_all(dir);
            CAPTURE(kept);
            CAPTURE(garbage);
            CHECK(f.end == status::empty);
            CHECK(f.report.damage.empty());
            CHECK(f.values == from_to(0, intact ? 5 : 4));
            if (intact || (kept == 0 && !garbage)) {
                CHECK(f.report.torn_bytes == 0);
            } else {
                CHECK(f.report.torn_bytes > 0);
                CHECK(f.report.torn_bytes <= one_record);
                CHECK(f.report.torn_at == journal_place{1, last});
            }
            if (intact) continue;
            write_numbers(dir, 100, 102);
            const found after = read_all(dir, false, "later");
            CHECK(after.values == std::vector<std::uint64_t>{0, 1, 2, 3, 100, 101});
            CHECK(after.report.torn_bytes == 0);
        }
    }
}

TEST_CASE(
    "records that hold behind a torn one, never promised, are cut with it: a prefix is left") {
    scratch dir;
    write_numbers(dir, 0, 6, sync::process_crash);
    bytes b = load(segment_path(dir, 1));
    b[last_record(b) - 2 * one_record + 33] ^= 1;  // 3 of 0..5; 4 and 5 still hold
    store(segment_path(dir, 1), b);
    const found f = read_all(dir);
    CHECK(f.values == from_to(0, 3));
    CHECK(f.report.torn_bytes == 3 * one_record);
    CHECK(f.report.torn_at.segment == 1);
    write_numbers(dir, 100, 103, sync::process_crash);
    CHECK(read_all(dir, false, "later").values ==
          std::vector<std::uint64_t>{0, 1, 2, 100, 101, 102});
}

TEST_CASE("an old record that lines up behind new ones does not come back: another epoch") {
    // Records of 56 bytes: the pair of openings takes the place of two.
    using wide = std::array<std::uint64_t, 3>;
    constexpr std::size_t size = 56;
    const auto open = [](const scratch& dir, quick& q) {
        return durable_queue<wide>{dir.path("j"), q.options(false, sync::process_crash)};
    };
    scratch dir;
    {
        quick q;
        auto n = open(dir, q);
        for (std::uint64_t i = 0; i < 10; ++i) REQUIRE(n.send({i, i, i}));
    }
    const bytes before = load(segment_path(dir, 1));
    const std::size_t torn_at = used(before) - 6 * size;  // message 4
    bytes b = before;
    b[torn_at + 33] ^= 1;
    store(segment_path(dir, 1), b);
    {
        quick q;
        auto n = open(dir, q);
        CHECK(n.report().torn_at == journal_place{1, torn_at});
        REQUIRE(n.send({100, 100, 100}));
    }
    // As if the zeros of the cut had not reached the disk: 7 and what follows is back at its own
    // place, right behind 100.
    b = load(segment_path(dir, 1));
    const std::size_t back = torn_at + 3 * size;
    REQUIRE(used(b) == back);
    std::copy(before.begin() + static_cast<std::ptrdiff_t>(back), before.end(),
              b.begin() + static_cast<std::ptrdiff_t>(back));
    store(segment_path(dir, 1), b);
    quick q;
    auto n = open(dir, q);
    CHECK(n.report().torn_at == journal_place{1, back});
    auto g = n.group("g", {.prefetch = 8});
    for (const std::uint64_t expected : {0u, 1u, 2u, 3u, 100u}) {
        auto d = g.try_receive();
        REQUIRE(d);
        CHECK(*d == wide{expected, expected, expected});
        REQUIRE(d.accept());
    }
    CHECK(g.try_receive().status() == status::empty);
}

TEST_CASE("a hole that killed senders left in the last segment is cut, and what was behind it") {
    scratch dir;
    std::vector<std::uint64_t> ends;
    bytes before;
    {
        quick q;
        journal j{dir.path("j"), q.options(false, sync::process_crash)};
        numbers n{j, "queue"};
        for (std::uint64_t i = 0; i < 10; ++i) {
            REQUIRE(n.send(i));
            ends.push_back(j.appended() % segment_bytes);
        }
        before = load(segment_path(dir, 1));  // closing would sync
    }
    for (std::size_t missing = 1; missing < ends.size(); ++missing) {
        // Its sender had copied the message, and was killed before the commit word.
        bytes b = before;
        for (std::size_t i = 0; i < 8; ++i) b[ends[missing - 1] + i] = 0;
        store(segment_path(dir, 1), b);
        const found f = read_all(dir);
        CHECK(f.end == status::empty);
        CHECK(f.values == from_to(0, missing));
        CHECK(f.report.damage.empty());
        CHECK(f.report.torn_bytes > 0);
        CHECK(f.report.torn_at.byte == ends[missing - 1]);
    }
}

TEST_CASE("what is cut is zeroed: the next opening finds nothing torn") {
    scratch dir;
    write_numbers(dir, 0, 20, sync::process_crash);
    bytes b = load(segment_path(dir, 1));
    b[last_record(b) - 14 * one_record + 33] ^= 1;
    store(segment_path(dir, 1), b);
    for (int opening = 0; opening < 2; ++opening) {
        quick q;
        journal j{dir.path("j"), q.options(false, sync::process_crash)};
        CHECK(j.report().torn_bytes == (opening == 0 ? 15 * one_record : 0));
    }
}

TEST_CASE("every byte of a small journal flipped: never wrong data, never silence") {
    scratch dir;
    {
        quick q;
        journal j{dir.path("j"), q.options()};
        numbers n{j, "queue"};
        durable_queue<std::string> other{j, "other"};
        auto g = n.group("old", {.prefetch = 8});
        for (std::uint64_t i = 0; i < 8; ++i) {
            REQUIRE(n.send(i));
            REQUIRE(other.send("something else"));
            if (i % 2 == 0) REQUIRE(g.try_receive().accept());
        }
    }
    write_numbers(dir, 8, 12);  // behind an opening
    const bytes whole = load(segment_path(dir, 1));
    const std::size_t end = used(whole);
    REQUIRE(read_all(dir).values == from_to(0, 12));
    int refused = 0, damaged = 0, torn = 0;
    for (std::size_t at = 0; at < whole.size(); at += at < end + 64 ? 1 : 499) {
        for (const int mask : {0x01, 0x80, 0xFF}) {
            bytes b = whole;
            b[at] = static_cast<unsigned char>(b[at] ^ mask);
            restore(dir, b);
            CAPTURE(at);
            found f;
            try {
                f = read_all(dir);
            } catch (const journal_damaged& e) {
                CHECK(e.at().segment == 1);
                CHECK(at < format::records_start);
                ++refused;
                continue;
            } catch (const std::invalid_argument&) {
                FAIL("a wrong type was seen");
            }
            REQUIRE(is_part_of(f.values, from_to(0, 12)));
            REQUIRE((!f.report.damage.empty() || f.report.torn_bytes > 0));
            damaged += !f.report.damage.empty();
            torn += f.report.torn_bytes > 0;
            // Torn means never promised: of what a later record knows to be synced nothing is cut.
            if (f.report.torn_bytes > 0) CHECK(f.report.torn_at.byte >= end - one_record);

            restore(dir, b);
            const found more = read_all(dir, true);
            REQUIRE(is_part_of(more.values, from_to(0, 12)));
            REQUIRE(more.end == status::empty);
            // One record is lost, unless a declaration or an opening is.
            REQUIRE((more.values.size() >= 11 || !more.report.damage.empty()));
        }
    }
    CHECK(refused == 64 * 3);
    MESSAGE(refused << " refused, " << damaged << " damaged, " << torn << " torn");
}

TEST_CASE("damage in a sealed segment is reported with its extent when it is read") {
    scratch dir;
    write_numbers(dir, 0, 1200);
    bytes b = load(segment_path(dir, 2));
    const std::size_t at = 64 + one_record * 200;
    // Somewhere in the middle; where the record begins depends on the snapshot's size.
    b[at] ^= 0x10;
    b[at + 100] ^= 0x10;
    store(segment_path(dir, 2), b);

    const found stopped = read_all(dir);
    CHECK(stopped.end == status::failed);
    REQUIRE(stopped.report.damage.size() == 1);
    CHECK(stopped.report.torn_bytes == 0);
    const journal_damage& d = stopped.report.damage[0];
    CHECK(d.at.segment == 2);
    CHECK(d.at.byte <= at);
    CHECK(d.at.byte + one_record > at);
    CHECK(d.bytes == one_record);
    CHECK(stopped.values == from_to(0, stopped.values.size()));

    const found skipped = read_all(dir, true, "skipping");
    CHECK(skipped.end == status::empty);
    CHECK(skipped.report.damage.size() == 2);
    CHECK(skipped.values.size() == 1198);
    CHECK(is_part_of(skipped.values, from_to(0, 1200)));
}

TEST_CASE("damage before a group's cursor does not stop it") {
    scratch dir;
    {
        quick q;
        numbers n{dir.path("j"), q.options()};
        auto g = n.group("g", {.prefetch = 8});
        for (std::uint64_t i = 0; i < 100; ++i) REQUIRE(n.send(i));
        for (int i = 0; i < 50; ++i) REQUIRE(g.try_receive().accept());
    }
    bytes b = load(segment_path(dir, 1));
    b[64 + 40 + 72 + 64 + 20 * one_record] ^= 4;  // about the 20th message
    store(segment_path(dir, 1), b);
    const found f = read_all(dir, false, "g");
    CHECK(f.end == status::empty);
    CHECK(f.values == from_to(50, 100));
    CHECK(f.report.damage.size() == 1);
}

TEST_CASE("a file cut short at any place: what is missing is reported, nothing else is lost") {
    scratch dir;
    write_numbers(dir, 0, 10);
    const bytes whole = load(segment_path(dir, 1));
    for (std::size_t size = 0; size < used(whole) + 80; size += 9) {
        CAPTURE(size);
        store(segment_path(dir, 1),
              bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
        try {
            const found f = read_all(dir);
            REQUIRE(f.values == from_to(0, f.values.size()));
            REQUIRE_FALSE(f.report.damage.empty());
            CHECK(f.report.damage[0].at == journal_place{1, size});
            CHECK(f.report.damage[0].bytes == segment_bytes - size);
            CHECK(fs::file_size(segment_path(dir, 1)) == segment_bytes);
        } catch (const journal_damaged&) {
            CHECK(size < format::records_start);
        }
    }
}

TEST_CASE("a sealed segment cut short, emptied, missing, doubled, swapped or foreign is reported") {
    scratch dir;
    write_numbers(dir, 0, 1500);
    const bytes first = load(segment_path(dir, 1));
    const bytes second = load(segment_path(dir, 2));
    const bytes third = load(segment_path(dir, 3));
    REQUIRE_FALSE(third.empty());

    scratch elsewhere;
    {
        quick q;
        numbers n{elsewhere.path("j"), q.options()};
        for (std::uint64_t i = 0; i < 1500; ++i) REQUIRE(n.send(i + 7'000'000));
    }
    const bytes foreign = load(segment_path(elsewhere, 2));

    int reader = 0;
    const auto check = [&](const char* what, const bytes* two, const bytes* three) {
        CAPTURE(what);
        two ? store(segment_path(dir, 2), *two) : (void)fs::remove(segment_path(dir, 2));
        store(segment_path(dir, 3), *three);
        const found f = read_all(dir, false, ("r" + std::to_string(++reader)).c_str());
        CHECK(f.end == status::failed);
        CHECK_FALSE(f.report.damage.empty());
        CHECK(f.values == from_to(0, f.values.size()));
        CHECK(f.values.size() < 800);
        const found skipped = read_all(dir, true, ("r" + std::to_string(++reader)).c_str());
        CHECK(skipped.end == status::empty);
        CHECK(is_part_of(skipped.values, from_to(0, 1500)));
        CHECK(skipped.values.back() == 1499);
        store(segment_path(dir, 2), second);
        store(segment_path(dir, 3), third);
    };
    bytes cut{second.begin(), second.begin() + 5000};
    const bytes none;
    bytes zeros(segment_bytes);
    check("cut short", &cut, &third);
    check("emptied", &none, &third);
    check("zeroed", &zeros, &third);
    check("missing", nullptr, &third);
    check("doubled", &first, &third);
    check("swapped", &third, &second);
    check("foreign", &foreign, &third);
    CHECK(read_all(dir, false, "last").values == from_to(0, 1500));
}

TEST_CASE("a later version is refused and nothing is touched") {
    scratch dir;
    write_numbers(dir, 0, 3);
    bytes b = load(segment_path(dir, 1));
    format::segment_header h;
    std::memcpy(static_cast<void*>(&h), b.data(), sizeof h);
    h.version = format::version + 1;
    h.crc = h.sum();
    std::memcpy(b.data(), &h, sizeof h);
    store(segment_path(dir, 1), b);
    CHECK_THROWS_WITH_AS((void)read_all(dir), doctest::Contains("version"), journal_damaged);
    CHECK(load(segment_path(dir, 1)) == b);
}

TEST_CASE("what a crash left of making a segment is removed or used") {
    scratch dir;
    write_numbers(dir, 0, 3);
    const bytes one = load(segment_path(dir, 1));
    format::segment_header h;
    std::memcpy(static_cast<void*>(&h), one.data(), sizeof h);
    h.number = 2;
    h.crc = h.sum();
    bytes blank(segment_bytes);
    std::memcpy(blank.data(), &h, sizeof h);

    store(segment_path(dir, 2) + ".tmp", bytes(100, 1));  // not renamed yet
    CHECK(read_all(dir).values == from_to(0, 3));
    CHECK_FALSE(fs::exists(segment_path(dir, 2) + ".tmp"));

    store(segment_path(dir, 2), blank);  // renamed, the one before not sealed
    const found f = read_all(dir, false, "second");
    CHECK(f.values == from_to(0, 3));
    CHECK(f.report.damage.empty());
    write_numbers(dir, 3, 1000);
    CHECK(read_all(dir, false, "third").values == from_to(0, 1000));
}

TEST_CASE("a journal that crashed before its first record opens as an empty one") {
    scratch dir;
    { journal j{dir.path("j"), {.segment_bytes = segment_bytes}}; }
    bytes b = load(segment_path(dir, 1));
    std::fill(b.begin() + format::records_start, b.end(), static_cast<unsigned char>(0));
    store(segment_path(dir, 1), b);
    write_numbers(dir, 0, 3);
    CHECK(read_all(dir).values == from_to(0, 3));
}

TEST_CASE("a segment sealed, its successor not made yet: the journal goes on in a new one") {
    scratch dir;
    write_numbers(dir, 0, 700);
    // Segment 2 is removed as far as its first record: as if the crash came right after the seal.
    std::uint64_t last = 1;
    while (fs::exists(segment_path(dir, last + 1))) ++last;
    REQUIRE(last >= 2);
    fs::remove(segment_path(dir, last));
    const std::size_t kept = read_all(dir).values.size();
    CHECK(kept > 300);
    write_numbers(dir, kept, 700);
    CHECK(read_all(dir, false, "second").values == from_to(0, 700));
}

TEST_CASE(
    "a record where only a seal may be: opening is refused, and nothing written behind the end") {
    for (const std::size_t left : {0u, 8u, 24u, 32u, 40u}) {
        CAPTURE(left);
        scratch dir;
        write_numbers(dir, 0, 3);
        bytes b = load(segment_path(dir, 1));
        const std::size_t at = used(b);
        std::uint64_t epoch = 0;
        std::memcpy(&epoch, b.data() + 40, sizeof epoch);
        const std::vector<std::byte> payload(b.size() - at - sizeof(format::record_header) - left);
        format::put({reinterpret_cast<std::byte*>(b.data()), b.size(), 1}, at,
                    format::detail::sum_in(epoch, 1),
                    {.type = format::record_type::message,
                     .stream = 1,
                     .bytes = static_cast<std::uint32_t>(payload.size())},
                    payload.data());
        store(segment_path(dir, 1), b);
        if (left < 32) {
            CHECK_THROWS_AS(write_numbers(dir, 3, 4), journal_damaged);
            CHECK(load(segment_path(dir, 1)) == b);
        } else {
            write_numbers(dir, 3, 4);
        }
    }
}

TEST_CASE("a damaged snapshot of the last segment: opening starts from the one before") {
    scratch dir;
    {
        quick q;
        numbers n{dir.path("j"), q.options()};
        auto g = n.group("g", {.prefetch = 8});
        for (std::uint64_t i = 0; i < 900; ++i) REQUIRE(n.send(i));
        for (int i = 0; i < 25; ++i) REQUIRE(g.try_receive().accept());
        for (std::uint64_t i = 900; i < 1000; ++i) REQUIRE(n.send(i));
    }
    std::uint64_t last = 1;
    while (fs::exists(segment_path(dir, last + 1))) ++last;
    REQUIRE(last >= 3);
    bytes b = load(segment_path(dir, last));
    b[format::records_start + 40] ^= 2;
    store(segment_path(dir, last), b);
    for (int opening = 0; opening < 2; ++opening) {
        quick q;
        numbers n{dir.path("j"), q.options(true)};
        const journal_report report = n.report();
        CHECK(report.segments_read == 2);
        CHECK(report.damage.size() == 1);
        auto g = n.group("g", {.prefetch = 8});
        CHECK(*g.try_receive() == 25);
        if (opening == 1) {
            auto removed = n.trim();
            CHECK(removed);
        }
        // The next segment begins with a snapshot that holds.
        REQUIRE(n.send(1000));
        break;
    }
    const found f = read_all(dir, true);
    CHECK(f.report.segments_read == 1);
    CHECK(f.values == from_to(0, 1001));
}

TEST_CASE("a trim that power loss cut short leaves a gap that nobody minds") {
    scratch dir;
    {
        quick q;
        numbers n{dir.path("j"), q.options()};
        auto g = n.group("g", {.prefetch = 8});
        for (std::uint64_t i = 0; i < 2000; ++i) REQUIRE(n.send(i));
        for (std::uint64_t i = 0; i < 1500; ++i) REQUIRE(g.try_receive().accept());
    }
    fs::remove(segment_path(dir, 2));  // 1 is still there, 2 is gone, 3 is needed by nobody
    const found f = read_all(dir, false, "g");
    CHECK(f.end == status::empty);
    CHECK(f.values == from_to(1500, 2000));
    CHECK(f.report.damage.empty());
    quick q;
    numbers n{dir.path("j"), q.options()};
    (void)n.group("g", {.prefetch = 8});
    CHECK(*n.trim() > 1);
    CHECK_FALSE(fs::exists(segment_path(dir, 1)));
}

// ---- After another boot, segments that were not synced may have lost pages anywhere ----

namespace {

/// 1,500 numbers over several segments, none of them synced since the first; then the machine
/// "starts again".
struct rebooted {
    explicit rebooted(const scratch& in, bool synced_up_to_third = false) : dir{in} {
        quick q;
        q.files.boot_id = 1;
        journal_options options = q.options(false, sync::manual);
        const std::string copy = dir.path("copy");
        fs::remove_all(dir.path("j"));
        {
            journal j{dir.path("j"), options};
            numbers n{j, "queue"};
            for (std::uint64_t i = 0; i < 1500; ++i) {
                REQUIRE(n.send(i));
                if (synced_up_to_third && j.appended() / segment_bytes == 3) {
                    REQUIRE(j.sync());
                    synced_up_to_third = false;
                }
            }
            // Closing would sync; this is how it stands before.
            fs::remove_all(copy);
            fs::copy(dir.path("j"), copy);
        }
        fs::remove_all(dir.path("j"));
        fs::rename(copy, dir.path("j"));
        while (fs::exists(segment_path(dir, last + 1))) ++last;
    }
    found read(std::uint64_t boot) {
        quick q;
        q.files.boot_id = boot;
        journal j{dir.path("j"), q.options(false, sync::manual)};
        numbers n{j, "queue"};
        auto g = n.group("r", {.prefetch = 8});
        found f = accept_all(g);
        f.report = j.report();
        return f;
    }
    void flip(std::uint64_t segment, std::size_t at) const {
        bytes b = load(segment_path(dir, segment));
        b[at] ^= 0x10;
        store(segment_path(dir, segment), b);
    }
    const scratch& dir;
    std::uint64_t last = 1;
};

}  // namespace

TEST_CASE("in the same boot only the last segment is read; in another all that was not synced") {
    scratch dir;
    for (const std::uint64_t boot : {1u, 2u}) {
        rebooted r{dir};
        REQUIRE(r.last >= 4);
        const found f = r.read(boot);
        CHECK(f.report.segments_read == (boot == 1 ? 1 : r.last));
        CHECK(f.report.torn_bytes == 0);
        CHECK(f.report.damage.empty());
        CHECK(f.values == from_to(0, 1500));
    }
}

TEST_CASE("after another boot a hole in what was never synced is the end: a prefix is left") {
    scratch dir;
    for (const std::uint64_t hole : {2u, 3u}) {
        rebooted r{dir};
        r.flip(hole, 8000);
        const found f = r.read(2);
        CHECK(f.end == status::empty);
        CHECK(f.report.damage.empty());
        CHECK(f.report.torn_at.segment == hole);
        CHECK(f.report.torn_segments == r.last - hole);
        CHECK(f.values == from_to(0, f.values.size()));
        CHECK(f.values.size() > 100);
        CHECK(f.values.size() < 1400);
        // What was cut off does not come back when the journal grows over it.
        const std::uint64_t kept = f.values.size();
        {
            quick q;
            q.files.boot_id = 2;
            numbers n{dir.path("j"), q.options(false, sync::manual)};
            for (std::uint64_t i = kept; i < kept + 1500; ++i) REQUIRE(n.send(i));
        }
        CHECK(read_all(dir, false, "later").values == from_to(0, kept + 1500));
    }
}

TEST_CASE("a hole in what a later record knows to be synced is damage, also after another boot") {
    scratch dir;
    rebooted r{dir, true};
    r.flip(2, 8000);
    const found f = r.read(2);
    CHECK(f.end == status::failed);
    CHECK(f.report.torn_segments == 0);
    CHECK_FALSE(f.report.damage.empty());
    CHECK(f.report.damage[0].at.segment == 2);
    CHECK(fs::exists(segment_path(dir, r.last)));
}

TEST_CASE("a hole in the same boot is damage: the process's crash can't have made it") {
    scratch dir;
    rebooted r{dir};
    r.flip(2, 8000);
    const found f = r.read(1);
    CHECK(f.end == status::failed);
    CHECK_FALSE(f.report.damage.empty());
    CHECK(fs::exists(segment_path(dir, r.last)));
}

TEST_CASE("a journal kept from the day the format got its version opens and says what it holds") {
    scratch dir;
    fs::create_directory(dir.path("kept"));
    {
        // As text: place and sixteen bytes a line; what is not there is zero.
        bytes b(segment_bytes);
        std::ifstream in{fs::path{__FILE__}.parent_path() / "kept" / "version_1"};
        for (std::string line; std::getline(in, line);) {
            std::istringstream numbers{line};
            std::size_t at = 0;
            numbers >> std::hex >> at;
            for (unsigned n = 0; numbers >> n; ++at) b.at(at) = static_cast<unsigned char>(n);
        }
        store(dir.path("kept/") + format::file_name(1), b);
    }
    journal j{dir.path("kept")};
    CHECK(j.report().damage.empty());
    CHECK(j.report().torn_bytes == 0);
    numbers n{j, "numbers"};
    durable_queue<std::string> words{j, "words"};
    auto g = n.group("g");
    for (const std::uint64_t expected : {2u, 4u, 5u, 6u}) {  // 1 and 3 were accepted
        auto d = g.try_receive();
        REQUIRE(d);
        CHECK(*d == expected);
        REQUIRE(d.accept());
    }
    auto w = words.group("w", {.prefetch = 8});
    for (const char* const expected : {"one", "", "three"}) {
        auto d = w.try_receive();
        REQUIRE(d);
        CHECK(*d == expected);
        REQUIRE(d.accept());
    }
    CHECK(*words.group("moved").try_receive() == "three");
}
