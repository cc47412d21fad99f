// SPDX-License-Identifier: BSL-1.0
// A journal's files changed by somebody else: whatever is read then was sent, in its order, and what is
// missing is reported where it is.
#pragma once

#include <functional>
#include <string>

#include <penstock/durable/verify.hpp>

#include "crash/scripts.hpp"

namespace crash {

/// A journal of a few segments with everything in it, and what happened.
inline image written_journal(history& h, std::string_view actions) {
    tally none;
    walk w{sync::process_crash, {.budget = 0, .quiet = true}, none};
    w.run(actions);
    h = w.happened();
    return w.files().after_kill();
}

struct place {
    std::uint64_t segment = 0, byte = 0;
};

/// Opens and reads a journal of which something was changed at `at`. `wrong` says what must not be.
inline bool survives(image damaged, std::uint64_t boot, const history& h, const place& at,
                     bool skip, std::string& wrong) {
    const content whole = h.after(h.units.size());
    const auto covers = [&](std::uint64_t segment, std::uint64_t from, std::uint64_t n) {
        return segment == at.segment && from <= at.byte && at.byte < from + n;
    };
    disk files{std::move(damaged), boot, false};
    try {
        shop s{files, sync::process_crash, skip};
        const content found = s.read();
        const auto report = s.books.report();
        bool reported = report.torn_bytes > 0 &&
                        covers(report.torn_at.segment, report.torn_at.byte, report.torn_bytes);
        reported = reported || (report.torn_segments > 0 && at.segment >= report.torn_at.segment);
        for (const auto& d : report.damage)
            reported = reported || covers(d.at.segment, d.at.byte, d.bytes);
        for (int i = 0; i < streams; ++i) {
            std::vector<std::uint64_t> held = found.messages[i];
            if (!held.empty() && held.back() == ~std::uint64_t{0}) {  // reading stopped
                if (skip) return wrong = "stopped, though damage is to be skipped", false;
                held.pop_back();
            }
            if (!std::includes(
                    whole.messages[i].begin(), whole.messages[i].end(), held.begin(), held.end()))
                return wrong = "handed out what was never sent: " + found.spelled(), false;
        }
        if (found != whole && !reported) return wrong = "silence: found " + found.spelled(), false;
    } catch (const penstock::journal_damaged& e) {
        if (e.at().segment == 0) return wrong = std::string{"no place: "} + e.what(), false;
    } catch (const std::invalid_argument& e) {
        return wrong = e.what(), false;  // a type that does not fit: a declaration was misread
    }
    return true;
}

/// Each byte of the files, or every `step`th, flipped in some bits.
inline void flips(const image& whole, const history& h, std::size_t step, tally& counts) {
    std::string wrong;
    std::size_t turn = 0;
    for (const auto& [path, content] : whole.files) {
        const auto number = penstock::format::numbers_of({path.substr(path.find('/') + 1)});
        if (number.empty()) continue;
        for (std::size_t at = 0; at < content.size(); at += step) {
            const auto mask = std::array{0x01, 0x02, 0x04, 0x40, 0x80, 0xFF}[++turn % 6];
            image damaged = whole;
            auto& b = damaged.files.at(path)[at];
            b ^= static_cast<std::byte>(mask);
            ++counts.points;
            for (const bool skip : {false, true}) {
                ++counts.states;
                const std::uint64_t boot = turn % 4 == 0 ? 2 : 1;
                if (!survives(damaged, boot, h, {number[0], at}, skip, wrong))
                    counts.violation("byte " + std::to_string(at) + " of " + path + " ^ " +
                                     std::to_string(mask) + (skip ? ", skipping: " : ": ") + wrong);
            }
        }
    }
}

}  // namespace crash
