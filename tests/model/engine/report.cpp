// SPDX-License-Identifier: BSL-1.0
// A failed execution as text: one line a step, in an order in which they can have happened, and the
// string that brings it back.
#include <cstdint>
#include <cstdio>
#include <map>
#include <sstream>

#include "explorer.hpp"
#include "mutation.hpp"
#include "source.hpp"

namespace model {
namespace {

std::string short_place(place p) {
    std::string file = p.file;
    if (const auto at = file.rfind('/'); at != std::string::npos) file = file.substr(at + 1);
    return file + ":" + std::to_string(p.line);
}

/// What the source calls it where it is used: a member's name if there is one, and a number.
std::string name_of(const graph& g, std::size_t l, std::map<std::size_t, std::string>& known) {
    std::string& name = known[l];
    if (!name.empty()) return name;
    for (auto& thread : g.thread)
        for (const event& e : thread) {
            if (e.location != l || !(e.reads() || e.writes())) continue;
            const std::string line = source_line(e.where);
            for (const char* call :
                 {".load(", ".store(", ".fetch_", ".exchange(", ".compare_exchange"}) {
                const auto dot = line.find(call);
                if (dot == std::string::npos) continue;
                auto from = dot;
                while (from > 0 && (std::isalnum(static_cast<unsigned char>(line[from - 1])) ||
                                    line[from - 1] == '_'))
                    --from;
                const std::string word = line.substr(from, dot - from);
                if (name.empty() || (name.back() != '_' && !word.empty() && word.back() == '_'))
                    name = word;
            }
        }
    if (reinterpret_cast<std::uintptr_t>(g.locations[l].at) % 2 != 0) name = "futex";  // engine.cpp
    name += '#' + std::to_string(l);
    return name;
}

std::string number(std::uint64_t v) {
    char text[32];
    if (v < 1000000 || v > ~std::uint64_t{0} - 1000)
        std::snprintf(text, sizeof text, "%lld", static_cast<long long>(v));
    else
        std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(v));
    return text;
}

std::string what(kind k) {
    switch (k) {
        case kind::begin: return "begins";
        case kind::spawn: return "starts a thread";
        case kind::join: return "joins";
        case kind::end: return "ends";
        case kind::birth: return "constructs";
        case kind::death: return "frees";
        case kind::load: return "load";
        case kind::store: return "store";
        case kind::rmw_read: return "rmw read";
        case kind::rmw_write: return "rmw write";
        case kind::fence: return "fence";
        case kind::compiler_barrier: return "compiler barrier";
        case kind::barrier_in: return "process barrier begins";
        case kind::barrier_out: return "process barrier ends";
        case kind::plain_read: return "reads memory";
        case kind::plain_write: return "writes memory";
        case kind::lock_read: return "lock";
        case kind::unlock: return "unlock";
        case kind::resume: return "is awake again";
        case kind::choice: return "is told";
    }
    return "?";
}

}  // namespace

std::string describe(const graph& g, const std::vector<event_id>& done,
                     const std::array<explorer::actor, max_threads>& actors) {
    std::ostringstream out;
    std::map<std::size_t, std::string> names;
    int last = -1;
    constexpr std::size_t edge = 80;
    for (std::size_t n = 0; n < done.size(); ++n) {
        if (done.size() > 3 * edge && n == edge) {
            n = done.size() - edge;
            out << "  ... " << n - edge << " steps ...\n";
        }
        const event& e = g[done[n]];
        if (e.what == kind::birth || e.what == kind::death) continue;
        const int t = done[n].thread;
        const std::string who = actors[static_cast<std::size_t>(t)].name;
        std::string line = "  " + (t == last ? std::string(who.size(), ' ') : who) + "  ";
        line.resize(std::max<std::size_t>(line.size(), 12), ' ');
        last = t;
        line += what(e.what);
        const bool access = e.reads() || e.writes();
        if (access) {
            line += " " + name_of(g, e.location, names);
            line += std::string{" "} + name(e.effective());
            if (e.writes()) {
                line += " = " + number(e.value);
                if (e.rank < g.newest(e.location))
                    line += ", place " + std::to_string(e.rank) + " of " +
                            std::to_string(g.newest(e.location));
            } else {
                line += " -> " + number(e.value);
                if (e.waits) line += ", waits";
                const auto rank = g.rank(e.from);
                // Stores done by now that it does not see.
                std::size_t unseen = 0;
                for (std::size_t m = 0; m < n; ++m)
                    if (g[done[m]].writes() && g[done[m]].location == e.location &&
                        g[done[m]].rank > rank)
                        ++unseen;
                if (unseen > 0) line += " (stale by " + std::to_string(unseen) + ")";
            }
        } else if (e.what == kind::choice) {
            line += " " + std::to_string(e.value);
        } else if (e.what == kind::fence) {
            line += std::string{" "} + name(e.order);
        } else if (e.what == kind::plain_read || e.what == kind::plain_write) {
            char text[32];
            std::snprintf(text, sizeof text, " %p", e.at);
            line += text;
        }
        line.resize(std::max<std::size_t>(line.size() + 2, 64), ' ');
        if (e.where.line != 0) {
            line += short_place(e.where);
            std::string source = source_line(e.where);
            source.erase(0, source.find_first_not_of(' '));
            line.resize(std::max<std::size_t>(line.size() + 2, 84), ' ');
            line += source;
        }
        out << line << '\n';
    }
    for (auto& a : actors) {
        if (a.is == explorer::state::absent || a.is == explorer::state::finished) continue;
        if (a.pending.what == kind::resume)
            out << "  " << a.name << " sleeps";
        else
            out << "  " << a.name << " is at: " << what(a.pending.what);
        if (a.pending.where.line != 0) out << ", " << short_place(a.pending.where);
        if (a.is == explorer::state::spinning) out << ", spinning";
        out << '\n';
    }
    return out.str();
}

// Letters are threads, a number repeats one, -k says that the last of those steps took not the newest
// store (not the end of the order) but the k-th before it.
std::string encode(const graph& g, const std::vector<event_id>& done) {
    std::string out;
    char who = 0;
    int times = 0;
    const auto flush = [&] {
        if (times == 0) return;
        out += who;
        if (times > 1) out += std::to_string(times);
        times = 0;
    };
    std::vector<std::vector<std::uint16_t>> ranks(g.locations.size());
    for (event_id id : done) {
        const event& e = g[id];
        const char letter = static_cast<char>('a' + id.thread);
        if (letter != who) flush();
        who = letter;
        ++times;
        std::size_t back = 0;
        if (e.what == kind::choice) {
            back = e.value;
        } else if (e.reads() || e.writes()) {
            const auto rank = e.reads() ? g.rank(e.from) : e.rank;
            for (auto r : ranks[e.location])
                if (r > rank) ++back;
            if (e.writes()) ranks[e.location].push_back(rank);
        }
        if (back > 0) {
            flush();
            out += '-' + std::to_string(back);
        }
    }
    flush();
    return out;
}

}  // namespace model
