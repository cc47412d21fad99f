// SPDX-License-Identifier: BSL-1.0
// Runs the model programs: model [NAME]... [--list] [--replay STRING] [--max-seconds N]
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "mutants.hpp"
#include "program.hpp"
#include "replay.hpp"

namespace model {

std::vector<program>& programs() {
    static std::vector<program> all;
    return all;
}
limits limits_of(const program_options& options, bool asymmetric) {
    limits l;
    l.asymmetric = asymmetric;
    l.spurious_wakes = options.spurious_wakes;
    l.repeats = options.repeats;
    l.steps = options.steps;
    l.departures = options.departures;
    return l;
}
std::string suffix_of(const program_options& options, bool asymmetric) {
    return options.barriers != barriers::both ? "" : asymmetric ? " [membarrier]" : " [rmw]";
}

}  // namespace model

namespace {

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string join(const std::set<std::string>& all) {
    std::string out;
    for (auto& s : all) out += (out.empty() ? "{" : ", ") + s;
    return out.empty() ? "{}" : out + "}";
}

// What is wrong with the result, or nothing.
std::string judge(const model::program& p, const model::findings& f) {
    if (p.options.red) {
        if (!f.failure) return "should fail, and does not";
        if (!contains(*f.failure, p.options.red))
            return "should fail with \"" + std::string{p.options.red} + "\", but:\n" + *f.failure;
        return {};
    }
    if (f.failure) return *f.failure;
    if (!p.options.outcomes.empty() && f.outcomes != p.options.outcomes)
        return "should have the outcomes " + join(p.options.outcomes) + "\nbut has " +
               join(f.outcomes);
    if (f.executions == 0) return "no execution came to its end";
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 2 && std::string{argv[1]} == "--mutants") {
        model::mutant_options m;
        m.root = argv[2];
        for (int i = 3; i < argc; ++i) {
            const std::string a = argv[i];
            if (a == "--verbose")
                m.verbose = true;
            else if (a == "--seconds" && i + 1 < argc)
                m.seconds = std::atof(argv[++i]);
            else if (a == "--jobs" && i + 1 < argc)
                m.at_once = static_cast<std::size_t>(std::atoi(argv[++i]));
            else
                m.files.push_back(a);
        }
        return model::run_mutants(m);
    }
    std::vector<std::string> wanted;
    std::string replay;
    double seconds = 0;
    bool all = false;
    std::string group;
    unsigned departures = 0;
    for (int i = 1; i < argc; ++i) {
        const std::string a = argv[i];
        if (a == "--list") {
            for (auto& p : model::programs()) std::printf("%s\n", p.name.c_str());
            return 0;
        }
        if (a == "--replay" && i + 1 < argc)
            replay = argv[++i];
        else if (a == "--group" && i + 1 < argc)
            group = std::string{"/"} + argv[++i] + ".cpp";
        else if (a == "--all")
            all = true;
        else if (a == "--departures" && i + 1 < argc)
            departures = static_cast<unsigned>(std::atoi(argv[++i]));
        else if (a == "--seconds" && i + 1 < argc)
            seconds = std::atof(argv[++i]);
        else
            wanted.push_back(a);
    }
    int failed = 0, ran = 0;
    double total = 0;
    std::printf("%-78s %10s %9s %8s  %s\n", "program", "executions", "cut", "seconds", "result");
    for (auto& p : model::programs()) {
        for (bool asymmetric : {false, true}) {
            if (asymmetric ? p.options.barriers == model::barriers::symmetric
                           : p.options.barriers == model::barriers::asymmetric)
                continue;
            const std::string name = p.name + model::suffix_of(p.options, asymmetric);
            bool pick = wanted.empty();
            for (auto& w : wanted) pick = pick || contains(name, w);
            if (!pick || !contains(p.file, group)) continue;
            model::limits l = model::limits_of(p.options, asymmetric);
            l.seconds = seconds;
            if (departures > 0) l.departures = departures;
            if (all) l.departures = 0;
            model::explorer e{l, p.body};
            model::findings f;
            if (p.check) {
                f = p.check();
            } else if (!replay.empty()) {
                model::replayer r{replay};
                f = e.one(r);
            } else {
                f = e.all();
            }
            ++ran;
            total += f.seconds;
            const std::string wrong = judge(p, f);
            std::printf(
                "%-78s %10llu %9llu %8.2f  %s\n", name.c_str(),
                static_cast<unsigned long long>(f.executions),
                static_cast<unsigned long long>(f.blocked), f.seconds,
                !wrong.empty()  ? "FAILED"
                : p.options.red ? "red, as it must be"
                : !f.exhaustive
                    ? l.departures > 0
                          ? ("ok, up to " + std::to_string(l.departures) + " departures").c_str()
                          : "ok, as far as time went"
                    : "ok, all");
            std::fflush(stdout);
            if (wrong.empty() && !replay.empty() && f.failure)
                std::printf("%s\n", f.failure->c_str());
            if (!wrong.empty()) {
                ++failed;
                std::printf("%s\n", wrong.c_str());
                if (f.failure)
                    std::printf("  again: tests/run model '%s' --replay %s\n", name.c_str(),
                                f.replay.c_str());
            }
        }
    }
    std::printf("\n%d programs, %d failed, %.1f s\n", ran, failed, total);
    return failed == 0 && ran > 0 ? 0 : 1;
}
