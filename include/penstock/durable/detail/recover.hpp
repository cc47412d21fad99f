// SPDX-License-Identifier: BSL-1.0
// Opening a journal: finds the last segment in use and a snapshot that holds, replays what is
// behind it, cuts a torn tail. What stands at the top of format.hpp about damage happens here.
//
// A segment may be used before the one before it is synced. While the machine has not started again
// since, the page cache has all, and only the end of the last segment can be torn: several may have
// been killed while they copied there, side by side, so it may have holes. After that the walk
// begins where a record says that all before its segment is on disk, and the first place that does not
// hold, and was promised to nobody, is the end: a prefix is left.
//
// What the page cache has need not be on disk, nor get there by a sync: after one that failed the kernel
// takes the pages for clean. So when the last writer did not say that all is synced, what may not be
// is written once more, then synced, before anything is built on it.
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
    bool sealed = false;                // the tail takes no more records
    bool snapshot_holds = false;        // the tail's own: nothing before it is needed
    std::uint64_t oldest = 0;           // number of the first segment
    std::vector<std::string> spares{};  // files that may be used again
};

/// Whether a segment was made and never written to.
inline bool is_blank(const std::shared_ptr<const segment>& s) {
    if (s->file_bytes() < s->header().segment_bytes) return false;
    if (s->used_from(format::records_start) == format::records_start) return true;
    // Of a file used before, stale bytes may have come back.
    scanner walk{s};
    format::record ignored;
    return s->used_before() && walk.look(ignored) != format::found::record && !walk.skip_damage();
}

class recovery {
public:
    recovery(os::directory& in, journal_report& report) : in_{in}, report_{report} {}

    /// The numbers of the segments there are, in order; removes what a crash left unfinished.
    std::vector<std::uint64_t> segments(std::vector<std::string>& spares) {
        std::vector<std::string> names;
        in_.list(names).raise_if_any(in_.path());
        for (const std::string& name : names) {
            if (name.ends_with(".segment.tmp")) in_.remove(name).raise_if_any(in_.path_of(name));
            if (name.ends_with(".segment.spare")) spares.push_back(name);
        }
        auto numbers = format::numbers_of(names);
        report_.segments = numbers.size();
        return numbers;
    }

    /// Nobody is there yet but the segments of these numbers; `boot` is the machine's. `clean`: the last
    /// writer has synced all.
    void run(recovered& r, std::vector<std::uint64_t> numbers, std::uint64_t boot,
             bool clean = false) {
        drop_blank(r, numbers);
        const std::uint64_t last = numbers.back();
        r.tail = open(last, true);
        like_ = r.tail->header();
        if (r.tail->file_bytes() < like_.segment_bytes)
            damaged({last, r.tail->file_bytes()}, like_.segment_bytes - r.tail->file_bytes(),
                    "the file was cut short");
        // Segments before a gap matter only to groups that still need them; they are looked for
        // when they are read.
        r.oldest = numbers.front();

        std::vector<std::shared_ptr<const segment>> chain{r.tail};
        sight seen = look_at(*r.tail);
        rebooted_ = boot == 0 || seen.boot != boot;
        if (rebooted_ || !clean) in_.sync().raise_if_any(in_.path());
        if (!rebooted_ && !clean) settle(numbers, seen);
        // Until what is known begins, and nothing before it can be torn.
        while (!seen.snapshot || (rebooted_ && !seen.before_is_synced)) {
            const std::uint64_t from = chain.back()->number() - 1;
            if (!std::binary_search(numbers.begin(), numbers.end(), from)) {
                if (seen.snapshot || from == 0) break;  // a journal begins with nothing known
                throw journal_damaged{in_.path(),
                                      {from + 1, format::records_start},
                                      "neither this snapshot nor one before it holds"};
            }
            chain.push_back(open(from, false));
            seen = look_at(*chain.back());
        }
        report_.segments_read = chain.size();
        while (!chain.empty()) {
            const std::shared_ptr<const segment> in = std::move(chain.back());
            chain.pop_back();
            if (replay(r, in, chain)) continue;
            // Torn, and with it all that follows. The names go first: what is appended from here
            // on must not meet them.
            drop_after(*in, chain, numbers.back());
            r.tail = open(in->number(), true);
            cut(*r.tail, r.at);
            break;
        }
        r.snapshot_holds = opens_with_snapshot(*r.tail);
    }

    /// Whether a record behind `p` says that `p` had been synced.
    static bool promised(scanner walk, std::uint64_t p,
                         const std::vector<std::shared_ptr<const segment>>& later) {
        while (walk.skip_damage()) {
            format::record seen;
            while (walk.look(seen) == format::found::record) {
                if (seen.header.synced > p) return true;
                walk.step(seen);
            }
        }
        return std::any_of(
            later.begin(), later.end(), [](const auto& s) { return look_at(*s).before_is_synced; });
    }

private:
    /// What a walk through a segment tells of those before it.
    struct sight {
        bool snapshot = false;          // its own holds: no segment before it is needed to know all
        bool before_is_synced = false;  // a record says so
        std::uint64_t synced = format::records_start;  // up to here, as the records say
        std::uint64_t boot = 0;                        // which wrote it last
    };

    static bool opens_with_snapshot(const segment& s) {
        format::record first;
        return format::read(s.page(), format::records_start, s.header().epoch, first) ==
                   format::found::record &&
               first.header.type == format::record_type::snapshot && catalog{}.apply(first);
    }

    static sight look_at(const segment& s) {
        sight seen{.snapshot = opens_with_snapshot(s), .boot = s.header().boot};
        scanner walk{std::shared_ptr<const segment>{std::shared_ptr<void>{}, &s}};
        format::record r;
        for (;; walk.step(r)) {
            const format::found f = walk.look(r);
            if (f == format::found::damage && walk.skip_damage())
                (void)walk.look(r);
            else if (f != format::found::record)
                break;
            if (r.header.synced >= format::records_start) seen.before_is_synced = true;
            seen.synced = std::max<std::uint64_t>(seen.synced, r.header.synced);
            if (r.header.type == format::record_type::opening) {
                format::opening_payload change;
                std::memcpy(&change, r.payload.data(), sizeof change);
                seen.boot = change.boot;
            }
            if (r.header.type == format::record_type::seal) break;
        }
        return seen;
    }

    /// Has on disk what only the page cache may have, the oldest first; `last` is the sight of the last
    /// segment.
    void settle(const std::vector<std::uint64_t>& numbers, const sight& last) {
        std::vector<std::pair<std::shared_ptr<const segment>, std::uint64_t>> unsynced;
        sight seen = last;
        for (auto n = numbers.rbegin(); n != numbers.rend(); ++n) {
            std::shared_ptr<const segment> s = open(*n, false);
            if (n != numbers.rbegin()) seen = look_at(*s);
            unsynced.emplace_back(std::move(s), seen.synced);
            if (seen.before_is_synced) break;
        }
        for (auto u = unsynced.rbegin(); u != unsynced.rend(); ++u)
            write_again(*u->first, u->second);
    }
    void write_again(const segment& s, std::uint64_t from) {
        const std::string path = in_.path_of(format::file_name(s.number()));
        os::file f{in_.files()};
        f.open(path, O_RDWR).raise_if_any(path);
        const format::page p = s.page();
        const std::uint64_t to = s.used_from(from);
        std::vector<std::byte> piece(64 * 1024);  // not from the mapping: it is the same page
        for (std::uint64_t at = from; at < to; at += piece.size()) {
            const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), to - at));
            std::memcpy(piece.data(), p.data + at, n);
            f.write(piece.data(), n, at).raise_if_any(path);
        }
        f.sync_data().raise_if_any(path);
    }

    std::shared_ptr<segment> open(std::uint64_t number, bool writable) {
        auto s = std::make_shared<segment>();
        if (auto fault = s->open(in_, number, like_, writable)) {
            fault.trouble.raise_if_any(in_.path_of(format::file_name(number)));
            throw journal_damaged{in_.path(), {number, 0}, fault.damage};
        }
        return s;
    }

    /// Sets aside segments at the end that were prepared and never written to.
    void drop_blank(recovered& r, std::vector<std::uint64_t>& numbers) {
        while (numbers.size() > 1) {
            const std::shared_ptr<segment> s = open(numbers.back(), false);
            if (!is_blank(s)) return;
            const std::string spare = format::file_name(numbers.back()) + ".spare";
            in_.rename(format::file_name(numbers.back()), spare).raise_if_any(in_.path_of(spare));
            in_.sync().raise_if_any(in_.path());
            r.spares.push_back(spare);
            numbers.pop_back();
        }
    }

    /// Removes the segments behind this one.
    void drop_after(const segment& in, std::vector<std::shared_ptr<const segment>>& chain,
                    std::uint64_t last) {
        chain.clear();
        if (last == in.number()) return;
        for (std::uint64_t n = last; n > in.number(); --n) {
            const std::string name = format::file_name(n);
            in_.remove(name).raise_if_any(in_.path_of(name));
            in_.sync().raise_if_any(in_.path());  // one by one: no gap may be found among them
            ++report_.torn_segments;
        }
    }

    /// False: the journal ends here, at a torn tail. `later`: the segments behind, the next one last.
    bool replay(recovered& r, const std::shared_ptr<const segment>& in,
                const std::vector<std::shared_ptr<const segment>>& later) {
        scanner walk{in};
        r.sealed = false;
        bool whole = true;
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
            if (later.empty() && used == p) break;
            if ((later.empty() || rebooted_) && !promised(walk, p, later)) {
                whole = false;
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
        return whole;
    }

    void take_in(recovered& r, const segment& in, const format::record& seen) {
        const bool known = seen.header.type != format::record_type::message ||
                           (seen.header.stream > 0 && seen.header.stream <= r.known.streams.size());
        if (!known || !r.known.apply(seen))
            damaged({in.number(), seen.at}, seen.end() - seen.at,
                    "a stream or group whose declaration is lost");
    }

    void cut(segment& tail, std::uint64_t from) {
        const std::uint64_t to = tail.used_from(from);
        report_.torn_bytes = to - from;
        report_.torn_at = {tail.number(), from};
        if (to == from) return;
        const format::page p = tail.page();
        sys::wrote(p.data + from);
        std::memset(p.data + from, 0, static_cast<std::size_t>(to - from));
        tail.sync().raise_if_any(in_.path_of(format::file_name(tail.number())));
    }

    void damaged(const journal_place& at, std::uint64_t bytes, const char* what) {
        report_.damage.push_back({at, bytes, what});
    }

    os::directory& in_;
    journal_report& report_;
    format::segment_header like_{.number = 0};
    bool rebooted_ = false;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
