// SPDX-License-Identifier: BSL-1.0
// A journal at work on a disk whose power goes at every step, and what must be there after it.
//
// What happened is kept as units: a send, a batch, a transaction, an accept, a seek. What is found after a
// crash must be exactly what the first n units make, where n is at least as many as were promised:
// so nothing that was synced is missing, nothing stands behind a hole, a transaction is whole or
// absent, and no cursor is ahead of its data.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <penstock/core/manual_clock.hpp>
#include <penstock/durable/durable_queue.hpp>

#include "crash/disk.hpp"

namespace crash {

using penstock::delivery;
using penstock::durable_group;
using penstock::durable_queue;
using penstock::journal;
using penstock::journal_options;
using penstock::status;
using penstock::sync;

inline constexpr int streams = 2;
inline const char* const stream_names[streams]{"orders", "invoices"};
inline const char* const group_names[streams]{"billing", "audit"};

/// A message says which it is, and every byte of it follows from that.
inline std::string message(std::uint64_t id, std::size_t size) {
    std::string m = std::to_string(id) + ":";
    while (m.size() < size) m += static_cast<char>('a' + (id * 7 + m.size() * 13) % 26);
    return m;
}
/// Its number; 0 for what was never sent.
inline std::uint64_t id_of(const std::string& m) {
    const std::uint64_t id = std::strtoull(m.c_str(), nullptr, 10);
    return m == message(id, m.size()) ? id : 0;
}

/// All of it happened, or none.
struct unit {
    std::vector<std::pair<int, std::uint64_t>> sent{};      // stream, message
    std::vector<std::pair<int, std::uint64_t>> accepted{};  // by the stream's group
    int sought = -1;                                        // that group went back to the oldest
    std::uint64_t end = 0;                                  // offset behind it, once it returned ok
    bool may_be = true;                                     // false: refused, and nothing happened
};

/// What is in a journal.
struct content {
    std::vector<std::uint64_t> messages[streams];
    std::vector<std::uint64_t> waiting[streams];  // for the group
    std::uint64_t lost[streams]{};                // by the group, to a limit

    friend bool operator==(const content&, const content&) = default;
    [[nodiscard]] std::string spelled() const {
        std::string s;
        for (int i = 0; i < streams; ++i) {
            s += std::string{stream_names[i]} + " {";
            for (const auto id : messages[i]) s += std::to_string(id) + ' ';
            s += "} waiting {";
            for (const auto id : waiting[i]) s += std::to_string(id) + ' ';
            s += "} ";
            if (lost[i] > 0) s += "lost " + std::to_string(lost[i]) + ' ';
        }
        return s;
    }
};

struct history {
    std::vector<unit> units;
    std::size_t promised = 0;  // so many of them must be there after power loss,
    std::size_t returned = 0;  // and after a kill
    bool trimmed = false;      // messages that were accepted may be gone
    bool dropped = false;      // and the oldest that were not, counted

    [[nodiscard]] content after(std::size_t n) const {
        content c;
        std::set<std::uint64_t> accepted[streams];
        for (std::size_t i = 0; i < n; ++i) {
            for (const auto& [stream, id] : units[i].sent) c.messages[stream].push_back(id);
            for (const auto& [stream, id] : units[i].accepted) accepted[stream].insert(id);
            if (units[i].sought >= 0) accepted[units[i].sought].clear();
        }
        for (int s = 0; s < streams; ++s)
            for (const auto id : c.messages[s])
                if (!accepted[s].contains(id)) c.waiting[s].push_back(id);
        return c;
    }
    /// Whether the first n units make what was found.
    [[nodiscard]] bool makes(std::size_t n, const content& found) const {
        content c = after(n);
        for (int s = 0; s < streams; ++s) {
            auto& all = c.messages[s];
            auto& waits = c.waiting[s];
            const auto& there = found.messages[s];
            c.lost[s] = dropped ? std::min<std::uint64_t>(found.lost[s], waits.size()) : 0;
            waits.erase(waits.begin(), waits.begin() + static_cast<std::ptrdiff_t>(c.lost[s]));
            if (!trimmed || there.size() >= all.size()) continue;
            const auto gone = static_cast<std::ptrdiff_t>(all.size() - there.size());
            for (auto id = all.begin(); id != all.begin() + gone; ++id)
                if (std::erase(waits, *id) > 0) return false;
            all.erase(all.begin(), all.begin() + gone);
        }
        return c == found;
    }
};

/// A file system's journal, opened, with its queues and groups.
struct shop {
    shop(disk& files, sync policy, bool skip_damage = false, const penstock::retention& limit = {})
        : books{"j",
                {.sync = policy,
                 .segment_bytes = room,
                 .retention = limit,
                 .skip_damage = skip_damage,
                 .clock = time,
                 .files = files}} {
        for (int s = 0; s < streams; ++s) {
            queues[s].emplace(books, stream_names[s]);
            groups[s].emplace(queues[s]->group(group_names[s], {.prefetch = 64}));
        }
    }
    penstock::manual_clock time;  // sync::interval's
    journal books;
    std::optional<durable_queue<std::string>> queues[streams];
    std::optional<durable_group<std::string>> groups[streams];

    content read() {
        content c;
        for (int s = 0; s < streams; ++s) {
            auto all = queues[s]->group("all", {.prefetch = 160});
            take(all, c.messages[s]);
            c.lost[s] = groups[s]->lagged();
            take(*groups[s], c.waiting[s]);
        }
        return c;
    }

private:
    static void take(durable_group<std::string>& from, std::vector<std::uint64_t>& to) {
        std::vector<delivery<std::string>> held;  // released: they come again
        for (;;) {
            auto d = from.try_receive();
            if (!d) {
                if (d.status() != status::empty) to.push_back(~std::uint64_t{0});
                return;
            }
            to.push_back(id_of(*d));
            held.push_back(std::move(d));
        }
    }
};

/// Counts, and the first violation.
struct tally {
    std::uint64_t points = 0, states = 0, exhaustive = 0, violations = 0;
    std::string first;

    void violation(const std::string& what) {
        if (violations++ == 0) first = what;
    }
};

/// Opens a journal that a crash has left and compares. Answers how many units are there; none when it
/// is wrong, which `wrong` then tells.
inline std::optional<std::size_t> recovered(disk& files, const history& h, std::size_t promised,
                                            std::string& wrong) try {
    shop s{files, sync::process_crash};
    const auto report = s.books.report();
    if (!report.damage.empty()) {
        const auto& d = report.damage[0];
        wrong = "called damage: segment " + std::to_string(d.at.segment) + ", byte " +
                std::to_string(d.at.byte) + ": " + d.what;
        return {};
    }
    const content found = s.read();
    std::optional<std::size_t> n;
    for (std::size_t i = h.units.size() + 1; i-- > promised && !n;)
        if (h.makes(i, found)) n = i;
    if (!n) {
        wrong = "found " + found.spelled() + "promised " + std::to_string(promised) + " of " +
                std::to_string(h.units.size()) + " units: " + h.after(promised).spelled();
        return {};
    }
    // It goes on: what is appended now is there after the next start.
    if (!s.queues[0]->send(message(999'999, 24)) || !s.books.sync()) {
        wrong = "can't go on";
        return {};
    }
    return n;
} catch (const std::exception& e) {
    wrong = std::string{"can't be opened: "} + e.what();
    return {};
}

/// The same, and once more after a power loss that comes when all was synced.
inline std::optional<std::size_t> recovered_twice(disk& files, const history& h,
                                                  std::size_t promised, std::string& wrong) {
    const auto n = recovered(files, h, promised, wrong);
    if (!n) return n;
    history more = h;
    more.units.resize(*n);
    more.units.push_back({.sent = {{0, 999'999}}});
    disk later{files.only_synced(), ~files.boot(), false};
    return recovered(later, more, *n + 1, wrong) ? n : std::nullopt;
}

}  // namespace crash
