// SPDX-License-Identifier: BSL-1.0
#include "mutants.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "children.hpp"
#include "engine/mutation.hpp"
#include "engine/source.hpp"
#include "orders.hpp"
#include "program.hpp"

namespace model {
namespace {

using clock = std::chrono::steady_clock;

struct instance {  // of a program, with or without process barriers
    const program* what;
    bool asymmetric;
    double seconds = 0;
    std::vector<order_site> sites;  // their file names are kept in `names`
    bool ok = false;
};

struct mutant {
    std::size_t use;
    std::memory_order weaker;
    std::string killer{};  // the program, and why
    bool done = false;
};

struct justification {
    std::string file, code, reason;
    bool used = false;
};

std::string trimmed(const std::string& s) {
    const auto from = s.find_first_not_of(" \t"), to = s.find_last_not_of(" \t");
    return from == std::string::npos ? std::string{} : s.substr(from, to - from + 1);
}

// file | code that the line contains | reason
std::vector<justification> read_justified(const std::string& path) {
    std::vector<justification> all;
    std::ifstream in{path};
    for (std::string line; std::getline(in, line);) {
        if (line.empty() || line[0] == '#') continue;
        std::vector<std::string> part(1);
        for (std::size_t i = 0; i < line.size(); ++i) {
            if (part.size() < 3 && line.compare(i, 3, " | ") == 0) {
                part.emplace_back();
                i += 2;
            } else {
                part.back() += line[i];
            }
        }
        if (part.size() == 3) all.push_back({trimmed(part[0]), trimmed(part[1]), trimmed(part[2])});
    }
    return all;
}

std::vector<instance> instances() {
    std::vector<instance> all;
    for (const program& p : programs()) {
        if (p.check || p.options.red || !p.options.mutants || !p.options.outcomes.empty()) continue;
        if (p.options.barriers != barriers::asymmetric) all.push_back({&p, false, 0, {}});
        if (p.options.barriers != barriers::symmetric) all.push_back({&p, true, 0, {}});
    }
    return all;
}

findings explore(const instance& i) {
    return explorer{limits_of(i.what->options, i.asymmetric), i.what->body}.all();
}
std::string name_of(const instance& i) {
    return i.what->name + suffix_of(i.what->options, i.asymmetric);
}

// What each program executes, and how long it takes.
void record(std::vector<instance>& all, std::vector<std::string>& names, std::size_t at_once) {
    std::size_t n = 0;
    run_children(at_once, [&]() -> child_task {
        if (n == all.size()) return {};
        instance& i = all[n++];
        return {[&i] {
                    record_sites(true);
                    const findings f = explore(i);
                    std::ostringstream out;
                    out << (f.failure ? 0 : 1) << ' ' << f.seconds << '\n';
                    for (auto& s : recorded_sites())
                        out << s.where.file << ' ' << s.where.line << ' ' << s.argument << ' '
                            << static_cast<int>(s.order) << ' ' << s.operation << '\n';
                    return out.str();
                },
                [&i, &names](const child_result& r) {
                    std::istringstream in{r.text};
                    int ok = 0;
                    in >> ok >> i.seconds;
                    i.ok = ok == 1 && !r.crashed && !r.too_long;
                    std::string file;
                    int order = 0;
                    for (order_site s;
                         in >> file >> s.where.line >> s.argument >> order >> s.operation;) {
                        const auto at = file.rfind("include/penstock/");
                        if (at == std::string::npos) continue;
                        auto known = std::find(names.begin(), names.end(), file.substr(at));
                        if (known == names.end())
                            known = names.insert(names.end(), file.substr(at));
                        s.where.file = known->c_str();
                        s.order = static_cast<std::memory_order>(order);
                        i.sites.push_back(s);
                    }
                },
                300};
    });
}

bool executes(const instance& i, const order_use& use) {
    return std::any_of(i.sites.begin(), i.sites.end(), [&](const order_site& s) {
        return s.where.file == use.file && s.where.line >= use.call_first &&
               s.where.line <= use.call_last && s.argument == use.argument;
    });
}

/// What was executed and does not stand in the text, which are defaulted orders.
void add_executed(std::vector<order_use>& uses, const std::vector<instance>& all,
                  const mutant_options& options) {
    for (const instance& i : all)
        for (const order_site& s : i.sites) {
            if (s.order == std::memory_order_relaxed) continue;
            if (!options.files.empty() && std::find(options.files.begin(), options.files.end(),
                                                    s.where.file) == options.files.end())
                continue;
            const bool known = std::any_of(uses.begin(), uses.end(), [&](const order_use& u) {
                return u.file == s.where.file && u.call_first <= s.where.line &&
                       s.where.line <= u.call_last && u.argument == s.argument;
            });
            if (known) continue;
            order_use u;
            u.file = s.where.file;
            u.line = u.call_first = u.call_last = s.where.line;
            u.argument = s.argument;
            u.order = s.order;
            u.defaulted = true;
            u.operation = s.operation;
            const std::string path = options.root + "/" + u.file;
            u.source = source_line({path.c_str(), u.line});
            uses.push_back(u);
        }
}

// The first program that goes red; nothing when none does.
std::string kill(const mutant& m, const order_use& use, const std::vector<const instance*>& by) {
    for (const instance* i : by) {
        for (const order_site& s : i->sites)
            if (s.where.file == use.file && s.where.line >= use.call_first &&
                s.where.line <= use.call_last && s.argument == use.argument)
                mutate(mutation{use.file, s.where.line, use.argument, m.weaker});
        if (const findings f = explore(*i); f.failure) return name_of(*i) + ": " + f.why;
    }
    return {};
}

}  // namespace

int run_mutants(const mutant_options& options) {
    const auto start = clock::now();
    const auto passed = [&] { return std::chrono::duration<double>(clock::now() - start).count(); };

    std::vector<order_use> uses = orders_in(options.root + "/include");
    if (!options.files.empty())
        std::erase_if(uses, [&](const order_use& u) {
            return std::find(options.files.begin(), options.files.end(), u.file) ==
                   options.files.end();
        });
    auto justified = read_justified(options.root + "/tests/model/justified.txt");

    std::vector<instance> all = instances();
    std::vector<std::string> names;
    names.reserve(1000);  // sites point into it
    if (!uses.empty()) record(all, names, options.at_once);
    std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.seconds < b.seconds; });
    for (const instance& i : all)
        if (!i.ok && !uses.empty()) {
            std::printf(
                "%s is red without any mutant: first `tests/run model`\n", name_of(i).c_str());
            return 1;
        }
    if (!uses.empty()) std::printf("%zu programs in %.0f s\n", all.size(), passed());

    add_executed(uses, all, options);
    std::vector<std::vector<const instance*>> by(uses.size());
    std::vector<mutant> mutants;
    for (std::size_t u = 0; u < uses.size(); ++u) {
        for (const instance& i : all)
            if (executes(i, uses[u])) by[u].push_back(&i);
        if (by[u].empty()) continue;
        // The failure order of a compare-exchange is a load's.
        for (auto w : weaker(uses[u].order, uses[u].argument == 1 ? 'l' : uses[u].operation))
            mutants.push_back({u, w});
    }

    std::size_t n = 0, ended = 0;
    run_children(options.at_once, [&]() -> child_task {
        if (n == mutants.size() || (options.seconds > 0 && passed() > options.seconds)) return {};
        mutant& m = mutants[n++];
        return {[&m, &uses, &by] { return kill(m, uses[m.use], by[m.use]); },
                [&](const child_result& r) {
                    m.done = true;
                    std::fprintf(
                        stderr, "%3zu/%zu %5.0f s  %s:%d to %s: %s\n", ++ended, mutants.size(),
                        passed(), uses[m.use].file.c_str(), uses[m.use].line, name(m.weaker),
                        r.too_long       ? "too long"
                        : r.crashed      ? "crashes"
                        : r.text.empty() ? "lives"
                                         : "dies");
                    m.killer = r.crashed ? "the program crashes" : r.too_long ? "" : r.text;
                    if (r.too_long) m.done = false;
                },
                600};
    });

    std::size_t killed = 0, excused = 0, survivors = 0, deferred = 0;
    for (std::size_t u = 0; u < uses.size(); ++u) {
        const order_use& use = uses[u];
        std::string alive;  // what it can be weakened to
        bool waiting = false;
        std::string killers;
        for (const mutant& m : mutants) {
            if (m.use != u) continue;
            if (!m.done)
                waiting = true;
            else if (m.killer.empty())
                alive += (alive.empty() ? "" : ", ") + std::string{name(m.weaker)};
            else
                killers += std::string{"\n      "} + name(m.weaker) + ": " + m.killer;
        }
        const std::string place = use.file + ":" + std::to_string(use.line);
        const std::string what =
            std::string{name(use.order)} + (use.defaulted ? " (by default)" : "");
        if (waiting) {
            ++deferred;
            std::printf("  deferred   %-52s %s\n", place.c_str(), what.c_str());
            continue;
        }
        if (!by[u].empty() && alive.empty()) {
            ++killed;
            if (options.verbose)
                std::printf(
                    "  killed     %-52s %s%s\n", place.c_str(), what.c_str(), killers.c_str());
            continue;
        }
        const std::string why =
            by[u].empty() ? "not covered: no program executes it" : alive + " does as well";
        const auto reason =
            std::find_if(justified.begin(), justified.end(), [&](const justification& j) {
                return j.file == use.file && use.source.find(j.code) != std::string::npos;
            });
        if (reason != justified.end()) {
            reason->used = true;
            ++excused;
            std::printf("  justified  %-52s %s, %s: %s\n", place.c_str(), what.c_str(), why.c_str(),
                        reason->reason.c_str());
        } else {
            ++survivors;
            std::printf("  SURVIVES   %-52s %s, %s\n             %s\n", place.c_str(), what.c_str(),
                        why.c_str(), trimmed(use.source).c_str());
        }
    }
    if (options.files.empty() && deferred == 0)
        for (auto& j : justified)
            if (!j.used) {
                ++survivors;
                std::printf(
                    "  STALE      justified.txt: %s | %s\n", j.file.c_str(), j.code.c_str());
            }
    std::printf("\n%zu orders: %zu killed, %zu justified, %zu survivors", uses.size(), killed,
                excused, survivors);
    if (deferred > 0) std::printf(", %zu deferred", deferred);
    std::printf(" (%zu mutants, %.0f s)\n", mutants.size(), passed());
    return survivors == 0 ? 0 : 1;
}

}  // namespace model
