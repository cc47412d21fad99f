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

/// Opens and reads a journal of which something was changed at one of these. `wrong` says what must not be.
inline bool survives(image damaged, std::uint64_t boot, const history& h,
                     const std::vector<place>& changed, bool skip, std::string& wrong) {
    const content whole = h.after(h.units.size());
    const auto covers = [&](std::uint64_t segment, std::uint64_t from, std::uint64_t n) {
        return std::any_of(changed.begin(), changed.end(), [&](const place& at) {
            return segment == at.segment && from <= at.byte && at.byte < from + n;
        });
    };
    disk files{std::move(damaged), boot, false};
    try {
        shop s{files, sync::process_crash, skip};
        const content found = s.read();
        const auto report = s.books.report();
        bool reported = report.torn_bytes > 0 &&
                        covers(report.torn_at.segment, report.torn_at.byte, report.torn_bytes);
        for (const place& at : changed)
            reported = reported ||
                       (report.torn_segments > 0 && at.segment >= report.torn_at.segment);
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
                if (!survives(damaged, boot, h, {{number[0], at}}, skip, wrong))
                    counts.violation("byte " + std::to_string(at) + " of " + path + " ^ " +
                                     std::to_string(mask) + (skip ? ", skipping: " : ": ") + wrong);
            }
        }
    }
}

/// Whole segments missing, doubled, swapped, or out of `other`, a journal of its own. That the oldest is
/// gone looks like a trim, and that the last is nobody knows who is left.
inline void misplaced(const image& whole, const image& other, const history& h, tally& counts) {
    std::vector<std::string> files;
    std::vector<std::uint64_t> numbers;
    for (const auto& [path, content] : whole.files) {
        const auto number = penstock::format::numbers_of({path.substr(path.find('/') + 1)});
        if (number.empty()) continue;
        files.push_back(path);
        numbers.push_back(number[0]);
    }
    const std::string folder = files[0].substr(0, files[0].find('/') + 1);
    const auto attempt =
        [&](const image& damaged, std::vector<place> changed, const std::string& what) {
            ++counts.points;
            std::string wrong;
            for (const std::uint64_t boot : {1u, 2u})
                for (const bool skip : {false, true}) {
                    ++counts.states;
                    if (!survives(damaged, boot, h, changed, skip, wrong))
                        counts.violation(what + (skip ? ", skipping: " : ": ") + wrong);
                }
        };
    for (std::size_t a = 0; a < files.size(); ++a) {
        const std::string name = "segment " + std::to_string(numbers[a]);
        image damaged = whole;
        if (a > 0 && a + 1 < files.size()) {
            damaged.files.erase(files[a]);
            attempt(damaged, {{numbers[a], 0}}, name + " missing");
        }
        damaged = whole;
        damaged.files[folder + penstock::format::file_name(numbers.back() + 1)] =
            whole.files.at(files[a]);
        attempt(damaged, {{numbers.back() + 1, 0}}, name + " once more behind the last");
        if (other.files.contains(files[a])) {
            damaged = whole;
            damaged.files[files[a]] = other.files.at(files[a]);
            std::vector<place> changed{{numbers[a], 0}};
            if (a + 1 == files.size())  // the last one says which journal it is: the others are not
                for (const std::uint64_t n : numbers) changed.push_back({n, 0});
            attempt(damaged, std::move(changed), name + " of another journal");
        }
        for (std::size_t b = 0; b < files.size(); ++b) {
            if (b == a) continue;
            damaged = whole;
            damaged.files[files[b]] = whole.files.at(files[a]);
            attempt(damaged, {{numbers[b], 0}},
                    name + " in the place of " + std::to_string(numbers[b]));
            if (b < a) continue;
            damaged.files[files[a]] = whole.files.at(files[b]);
            attempt(damaged, {{numbers[a], 0}, {numbers[b], 0}},
                    name + " and " + std::to_string(numbers[b]) + " swapped");
        }
    }
}

}  // namespace crash
