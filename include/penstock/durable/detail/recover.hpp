// SPDX-License-Identifier: BSL-1.0
// Opening a journal: finds the last segment in use and a snapshot that holds, replays what is
// behind it, cuts a torn tail. What stands at the top of format.hpp about damage happens here.
//
// Only the last segment in use can hold bytes that were never synced: a segment is synced before
// its successor is written to.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <penstock/durable/detail/catalog.hpp>
#include <penstock/durable/report.hpp>
#include <penstock/durable/segment.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// Where a recovered journal goes on.
struct recovered {
    catalog known;
    std::shared_ptr<segment> tail;
    std::uint64_t at = format::records_start;
    std::uint64_t epoch = 0;
    bool sealed = false;          // the tail takes no more records
    bool snapshot_holds = false;  // the tail's own: nothing before it is needed
    std::uint64_t oldest = 0;     // number of the first segment
};

class recovery {
public:
    recovery(os::directory& in, journal_report& report) : in_{in}, report_{report} {}

    /// The numbers of the segments there are, in order; removes what a crash left unfinished.
    std::vector<std::uint64_t> segments() {
        std::vector<std::string> names;
        in_.list(names).raise_if_any(in_.path());
        std::vector<std::uint64_t> numbers;
        for (const std::string& name : names) {
            if (name.ends_with(".segment.tmp")) in_.remove(name).raise_if_any(in_.path_of(name));
            if (name.size() != format::file_name(0).size() || !name.ends_with(".segment")) continue;
            std::uint64_t n = 0;
            const bool digits = std::all_of(name.begin(), name.begin() + 20, [&](char c) {
                n = n * 10 + static_cast<std::uint64_t>(c - '0');
                return c >= '0' && c <= '9';
            });
            if (digits && n > 0) numbers.push_back(n);
        }
        std::sort(numbers.begin(), numbers.end());
        report_.segments = numbers.size();
        return numbers;
    }

    recovered run(std::vector<std::uint64_t> numbers) {
        recovered r;
        drop_blank(numbers);
        const std::uint64_t last = numbers.back();
        r.tail = open(last, true);
        like_ = r.tail->header();
        if (r.tail->file_bytes() < like_.segment_bytes)
            damaged({last, r.tail->file_bytes()}, like_.segment_bytes - r.tail->file_bytes(),
                    "the file was cut short");
        // Segments before a gap matter only to groups that still need them; they are looked for
        // when they are read.
        r.oldest = numbers.front();

        r.snapshot_holds = opens_with_snapshot(*r.tail);
        std::uint64_t from = last;
        std::vector<std::shared_ptr<const segment>> chain{r.tail};
        while (!opens_with_snapshot(*chain.back())) {
            if (--from < numbers.front() ||
                !std::binary_search(numbers.begin(), numbers.end(), from)) {
                if (chain.back()->number() == 1) break;  // a journal begins with nothing known
                throw journal_damaged{in_.path(),
                                      {from + 1, format::records_start},
                                      "neither this snapshot nor one before it holds"};
            }
            chain.push_back(open(from, false));
        }
        report_.segments_read = chain.size();
        for (std::size_t i = chain.size(); i-- > 0;) replay(r, chain[i], i == 0);
        return r;
    }

private:
    std::shared_ptr<segment> open(std::uint64_t number, bool writable) {
        auto s = std::make_shared<segment>();
        if (auto fault = s->open(in_, number, like_, writable)) {
            fault.trouble.raise_if_any(in_.path_of(format::file_name(number)));
            throw journal_damaged{in_.path(), {number, 0}, fault.damage};
        }
        return s;
    }

    /// Removes segments at the end that were prepared and never written to.
    void drop_blank(std::vector<std::uint64_t>& numbers) {
        while (numbers.size() > 1) {
            const std::shared_ptr<segment> s = open(numbers.back(), false);
            if (s->file_bytes() < s->header().segment_bytes) return;
            if (s->used_from(format::records_start) != format::records_start) return;
            const std::string name = format::file_name(numbers.back());
            in_.remove(name).raise_if_any(in_.path_of(name));
            in_.sync().raise_if_any(in_.path());
            numbers.pop_back();
        }
    }

    static bool opens_with_snapshot(const segment& s) {
        format::record first;
        return format::read(s.page(), format::records_start, s.header().epoch, first) ==
                   format::found::record &&
               first.header.type == format::record_type::snapshot && catalog{}.apply(first);
    }

    void replay(recovered& r, const std::shared_ptr<const segment>& in, bool is_last) {
        scanner walk{in};
        r.sealed = false;
        for (format::record seen;;) {
            if (walk.look(seen) == format::found::record) {
                ++report_.records_read;
                walk.step(seen);
                take_in(r, *in, seen);
                if (seen.header.type != format::record_type::seal) continue;
                r.sealed = true;
                break;
            }
            const std::uint64_t p = walk.at();
            const std::uint64_t used = in->used_from(p);
            if (is_last && (used == p || !promised(walk, p))) {
                if (used > p) cut(*r.tail, p, used);
                break;
            }
            const bool more = walk.skip_damage();
            const std::uint64_t end = more ? walk.at() : in->header().segment_bytes;
            damaged({in->number(), p}, end - p,
                    used == p ? "records are missing" : "records do not hold");
            if (!more) break;
        }
        r.at = walk.at();
        r.epoch = walk.epoch();
    }

    void take_in(recovered& r, const segment& in, const format::record& seen) {
        const bool known = seen.header.type != format::record_type::message ||
                           (seen.header.stream > 0 && seen.header.stream <= r.known.streams.size());
        if (!known || !r.known.apply(seen))
            damaged({in.number(), seen.at}, seen.end() - seen.at,
                    "a stream or group whose declaration is lost");
    }

    /// Whether a record behind `p` says that `p` had been synced.
    static bool promised(scanner walk, std::uint64_t p) {
        while (walk.skip_damage()) {
            format::record seen;
            while (walk.look(seen) == format::found::record) {
                if (seen.header.synced > p) return true;
                walk.step(seen);
            }
        }
        return false;
    }

    void cut(segment& tail, std::uint64_t from, std::uint64_t to) {
        const format::page p = tail.page();
        sys::wrote(p.data + from);
        std::memset(p.data + from, 0, static_cast<std::size_t>(to - from));
        tail.sync().raise_if_any(in_.path_of(format::file_name(tail.number())));
        report_.torn_bytes = to - from;
        report_.torn_at = {tail.number(), from};
    }

    void damaged(const journal_place& at, std::uint64_t bytes, const char* what) {
        report_.damage.push_back({at, bytes, what});
    }

    os::directory& in_;
    journal_report& report_;
    format::segment_header like_{.number = 0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
