// SPDX-License-Identifier: BSL-1.0
// What a journal found when it was opened and read.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {

struct journal_place {
    std::uint64_t segment = 0;
    std::uint64_t byte = 0;
    friend bool operator==(const journal_place&, const journal_place&) = default;
};

/// Bytes that were synced once and no longer hold, or are missing. Never handed out as data.
struct journal_damage {
    journal_place at;
    std::uint64_t bytes = 0;
    std::string what;
};

struct journal_report {
    bool created = false;             ///< there was no journal before
    std::uint64_t segments = 0;       ///< in the directory, when it was opened
    std::uint64_t segments_read = 0;  ///< by the opening: those not synced, mostly one
    std::uint64_t records_read = 0;   ///< by the opening, all kinds
    std::uint64_t torn_bytes = 0;     ///< cut off the end: a crash remnant that nobody was promised
    journal_place torn_at;
    std::uint64_t torn_segments = 0;     ///< behind it, removed
    std::vector<journal_damage> damage;  ///< found by the opening, or since then by reading
};

/// A journal that can't be opened without guessing.
class journal_damaged : public std::runtime_error {
public:
    journal_damaged(const std::string& path, const journal_place& at, const std::string& what)
        : std::runtime_error{"penstock: " + path + ", segment " + std::to_string(at.segment) +
                             ", byte " + std::to_string(at.byte) + ": " + what},
          at_{at} {}
    [[nodiscard]] const journal_place& at() const noexcept { return at_; }

private:
    journal_place at_;
};

}  // namespace penstock::inline PENSTOCK_ABI
