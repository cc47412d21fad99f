// SPDX-License-Identifier: BSL-1.0
// The journal's format, version 1: what the bytes of a segment mean.
//
// A journal is a directory of files of one size, segments, numbered from 1 without gaps:
// `00000000000000000001.segment`, ... An offset names a byte of the journal for ever:
//
//   offset = segment number * segment size + byte within the segment
//
// All numbers are little-endian by definition; everything starts at a multiple of 8.
//
//   segment header, 64 bytes               record, 32 bytes and the payload
//   0   8  "PENSTOCK"                      0   4  CRC32C              }
//   8   4  format version, 1               4   1  type                } the commit word,
//   12  4  where records start, 64         5   1  flags, 0            } stored last
//   16  8  segment number                  6   2  stream id           }
//   24  8  segment size                    8   4  payload bytes
//   32  8  journal id, random              12  4  topic id, 0: none
//   40  8  epoch, random                   16  8  time, ns since 1970-01-01 UTC
//   48  8  boot of the machine, 0: unknown 24  4  synced: all before this byte of the segment was
//   56  4  flags; 1: a file used before           on disk when the record was appended; 0: unknown
//   60  4  CRC32C of bytes 0 to 59         28  4  0
//                                          32  n  payload, then zeros up to a multiple of 8
//
//   segment  = header snapshot record* [seal] zero*      only the last one may lack its seal
//   record   = message | accept | stream | group | opening | several | seek | topic | lost
//   message  = type 1: the payload is the user's
//   accept   = type 2: group id (4), 0 (4), offset of the message accepted (8), low water (8):
//                      every message of the stream before that offset is accepted
//   stream   = type 3: id (2), 0 (2), version of T (4), bytes of T or 0 (4), lengths of the two
//                      names (2, 2), offset of its declaration (8), its name, the name of T
//   group    = type 4: id (4), stream id (2), length of the name (2), low water (8),
//                      number of offsets accepted above it (4), 0 (4), those offsets (8 each), name
//   snapshot = type 5: number of streams (4), of groups (4), each as in its record: opening a
//                      journal needs its last segment and nothing before it. If there are
//                      topics or losses, the topics' number (4), 0 (4), and each follow; if there
//                      are losses, those of each group (8), as in a record of type lost
//   opening  = type 6: epoch so far (8), epoch from here on (8), boot (8), written twice
//   seal     = type 7: empty; the journal goes on in the next segment
//   several  = type 8: messages and accepts, each as a record whose CRC, time and synced are 0, for
//                      those of this one: all of them happened, or none
//   seek     = type 9: group id (4), 0 (4), low water (8): where the group goes on, in either
//                      direction; what it had accepted is forgotten
//   topic    = type 10: id (4), length of the name (2), 0 (2), name: what a message's topic id means
//   lost     = type 11: group id (4), 0 (4), low water (8), how many messages a limit has taken from
//                      the group so far (8)
//   zero     = type 0: space prepared for records
// A reader steps over types from 12 to 63, which it does not know; what it must not step over gets a
// new version.
//
// The CRC is over the epoch (8), the segment number (8), the record's byte in the segment (8) and
// the whole record with the CRC taken as 0. So a record holds only where and under which opening it
// was written: not as a stale byte of a segment used before, not in another journal, not behind a
// torn tail that was cut. Each opening of a journal begins a new random epoch: that of the header
// in segments it creates, of an opening record in the one it goes on with. Both copies of an opening
// are summed under the epoch before, so that one bad bit does not hide all that follows.
//
// A writer fills in everything but the commit word, then stores that with release: whoever finds
// it, in memory or after a crash of the process, finds the rest. After power loss pages may be
// missing in any order; the CRC tells. A segment is not synced before its successor is used: after a
// crash of the process the page cache still has it, which the boot in header and opening tells; after
// one of the machine all that nobody says was synced is looked through.
//
// What a reader does at damage. Let P be the first byte at which no record holds.
//   P is zero and so is all behind it,    the end; in a segment with a successor: damage, no seal
//   or stale, in a file used before
//   else, where bytes may be unsynced     looks for records that hold behind P, later segments
//   (the last segment; after another      included. Does one of them say that P was synced? Then
//   boot all that were not synced)        P is damage: reported, stepped over. Else it is a torn
//                                         tail, never promised to anybody: cut, which is zeroed and
//                                         synced; later segments are removed first
//   else                                  damage: reported with segment, byte and extent, never
//                                         handed out; reading goes on behind it only when told to
//   a segment's header does not hold      damage of the whole segment; of the last one: opening
//                                         is refused
//   the snapshot does not hold            opening starts from the segment before
//   a number is missing below the last    damage, unless no group needs it: a trim cut short
//   the file is shorter than it says      damage of what is missing
//   version is not 1                      refused, nothing is touched. The magic, the version and
//                                         the CRC keep their place in every version
//
// Worked example (a test writes exactly this): a new journal of 16,384-byte segments, id
// 0x1111111111111111, epoch 0x2222222222222222, boot 0x3333333333333333, by a clock that stands at
// 1 s; the stream "n" of std::uint32_t is declared, 7 is sent, each synced. The rest is zero.
//
//   000  50 45 4e 53 54 4f 43 4b  01 00 00 00 40 00 00 00   PENSTOCK, version 1, records at 0x40
//   010  01 00 00 00 00 00 00 00  00 40 00 00 00 00 00 00   segment 1 of 0x4000 bytes
//   020  11 11 11 11 11 11 11 11  22 22 22 22 22 22 22 22   journal id, epoch
//   030  33 33 33 33 33 33 33 33  00 00 00 00 9c 77 43 fb   boot, no flags; CRC
//   040  be b2 1a a3 05 00 00 00  08 00 00 00 00 00 00 00   CRC, snapshot, 8 bytes, no topic
//   050  00 ca 9a 3b 00 00 00 00  40 00 00 00 00 00 00 00   time; the header is synced
//   060  00 00 00 00 00 00 00 00  c1 96 a6 5b 03 00 01 00   0 streams, 0 groups | CRC, stream, id 1
//   070  25 00 00 00 00 00 00 00  00 ca 9a 3b 00 00 00 00   37 bytes, no topic; time
//   080  68 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00   synced to 0x68 | id 1, version 0
//   090  04 00 00 00 01 00 0c 00  68 40 00 00 00 00 00 00   4 bytes, names of 1 and 12, offset 0x4068
//   0a0  6e 75 6e 73 69 67 6e 65  64 20 69 6e 74 00 00 00   "n" "unsigned int", padding
//   0b0  80 60 2b 5d 01 00 01 00  04 00 00 00 00 00 00 00   CRC, message, stream 1 | 4 bytes
//   0c0  00 ca 9a 3b 00 00 00 00  b0 00 00 00 00 00 00 00   time; synced to 0xb0
//   0d0  07 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00   7, padding; prepared space
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

#include <penstock/durable/crc32c.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace format {

static_assert(std::endian::native == std::endian::little,
              "the journal's format is little-endian and read in place: a big-endian machine needs "
              "byte swaps in format.hpp");

inline constexpr std::uint32_t version = 1;
inline constexpr std::uint64_t magic = 0x4B434F54534E4550;  // "PENSTOCK"
inline constexpr std::uint32_t records_start = 64;

struct segment_header {
    std::uint64_t magic = format::magic;
    std::uint32_t version = format::version;
    std::uint32_t records_start = format::records_start;
    std::uint64_t number = 0;
    std::uint64_t segment_bytes = 0;
    std::uint64_t journal_id = 0;
    std::uint64_t epoch = 0;
    std::uint64_t boot = 0;
    std::uint32_t flags = 0;
    std::uint32_t crc = 0;

    static constexpr std::uint32_t used_before = 1;

    [[nodiscard]] std::uint32_t sum() const noexcept { return crc32c(this, 60); }
    [[nodiscard]] bool holds() const noexcept { return magic == format::magic && crc == sum(); }
};
static_assert(sizeof(segment_header) == records_start);

enum class record_type : std::uint8_t {
    none,
    message,
    accept,
    stream,
    group,
    snapshot,
    opening,
    seal,
    several,
    seek,
    topic,
    lost
};
inline constexpr std::uint8_t last_type = 63;

struct record_header {
    std::uint32_t crc = 0;
    record_type type = record_type::none;
    std::uint8_t flags = 0;
    std::uint16_t stream = 0;
    std::uint32_t bytes = 0;
    std::uint32_t topic = 0;
    std::int64_t time = 0;
    std::uint32_t synced = 0;
    std::uint32_t reserved = 0;
};
static_assert(sizeof(record_header) == 32);

/// What an opening record carries.
struct opening_payload {
    std::uint64_t before = 0;
    std::uint64_t after = 0;
    std::uint64_t boot = 0;
};

/// What a record of that payload takes, padding included.
[[nodiscard]] constexpr std::uint64_t record_bytes(std::uint64_t payload) noexcept {
    return (sizeof(record_header) + payload + 7) & ~std::uint64_t{7};
}

/// Room at a segment's end that only the journal itself uses: a seal and a pair of openings.
inline constexpr std::uint64_t closing_room =
    record_bytes(0) + 2 * record_bytes(sizeof(opening_payload));

[[nodiscard]] inline std::string file_name(std::uint64_t number) {
    char name[40];
    std::snprintf(name, sizeof name, "%020llu.segment", static_cast<unsigned long long>(number));
    return name;
}

}  // namespace format
}  // namespace penstock::inline PENSTOCK_ABI
