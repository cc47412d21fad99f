// SPDX-License-Identifier: BSL-1.0
// Cells, the subjects that compete in each, and the rounds in which they do.
//
//   bench::suite s{argc, argv};
//   auto& cell = s.cell("spsc, u64", "ns");
//   cell.add("spsc_ring", bench::ours, [](std::size_t n) { return ns_for(n); });
//   return s.run();
//
// In a round every subject of every cell runs once, each round in another order, so that a machine
// that slows down slows all. A ratio is taken between two runs of one round. Before and after each
// run a probe measures the cores' distance. A run during which the hypervisor had placed them far
// apart, or other programs took the cores, is repeated up to three times; the least disturbed counts.
#pragma once

#include <cstdio>
#include <fstream>
#include <functional>
#include <list>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "machine.hpp"
#include "statistics.hpp"

namespace bench {

enum class whose { ours, peers, hardware };
inline constexpr whose ours = whose::ours, peers = whose::peers, hardware = whose::hardware;

struct subject {
    std::string name;
    whose owner;
    std::function<double(std::size_t)> run;  // n elements -> ns for all of them
    std::size_t n = 0;                       // elements a run, found by calibration; 0: no time
    std::vector<double> values{};            // by round, in the cell's unit
};

class cell {
public:
    cell(std::string its_name, std::string its_unit)
        : name{std::move(its_name)}, unit{std::move(its_unit)} {}

    /// `run(n)` passes n elements through and returns the ns that took; it must verify them.
    cell& add(std::string subject_name, whose owner, std::function<double(std::size_t)> run) {
        subjects.push_back({std::move(subject_name), owner, std::move(run), 1});
        return *this;
    }
    /// One whose value is no time: `value()` is asked once a round.
    cell& add_value(std::string subject_name, whose owner, std::function<double()> value) {
        subjects.push_back({std::move(subject_name), owner,
                            [value = std::move(value)](std::size_t) { return value(); }, 0});
        return *this;
    }

    std::string name, unit;
    std::vector<subject> subjects;
};

/// One line that two cores hand to each other: ns there and back, the best of a few short tries.
inline double ping_pong(std::size_t rounds, bool two_lines) {
    struct alignas(64) line {
        std::atomic<std::uint32_t> turn{0};
        char rest[60];
    };
    line lines[2];
    auto& ping = lines[0].turn;
    auto& pong = lines[two_lines ? 1 : 0].turn;
    return timed(
        2,
        [&](std::size_t who) {
            // Even numbers are there, odd ones back; each side waits for the other's.
            for (std::uint32_t i = 0; i < rounds; ++i) {
                patience wait{2};
                if (who == 0) {
                    ping.store(2 * i + 1, std::memory_order_release);  // pairs with the echo's load
                    while (pong.load(std::memory_order_acquire) != 2 * i + 2) {
                        if (cpus().size() == 1) wait();
                    }
                } else {
                    while (ping.load(std::memory_order_acquire) != 2 * i + 1) {
                        if (cpus().size() == 1) wait();
                    }
                    pong.store(2 * i + 2, std::memory_order_release);  // pairs with the load above
                }
            }
        },
        [](std::size_t i) { return i; });
}

/// Knows how far apart the cores are when left alone, and whether they are now.
class distance_probe {
public:
    double look() {
        if (cpus().size() < 2) return 0;
        double best = 1e300;
        for (int i = 0; i < 4; ++i) best = std::min(best, ping_pong(300, false) / 300);
        nearest_ = std::min(nearest_, best);
        return best;
    }
    /// 1 and more: at least twice as far apart as when left alone.
    double disturbance() {
        const double now = look();
        return cpus().size() < 2 ? 0 : now / (2 * nearest_);
    }
    [[nodiscard]] double nearest() const { return nearest_; }

private:
    double nearest_ = 1e300;
};

class suite {
public:
    suite(int argc, char** argv) {
        for (int i = 1; i < argc; ++i) {
            const std::string_view option = argv[i];
            auto value = [&]() -> std::string {
                if (++i >= argc) wrong_usage(std::string{option} + " needs a value");
                return argv[i];
            };
            if (option == "--only") {
                only_ = value();
            } else if (option == "--reps") {
                reps_ = std::atoi(value().c_str());
                if (reps_ < 1) wrong_usage("--reps needs a number of 1 or more");
            } else if (option == "--csv") {
                csv_ = value();
            } else if (option == "--list") {
                list_ = true;
            } else if (option == "--help" || option == "-h") {
                std::puts(usage);
                std::exit(0);
            } else {
                wrong_usage("unknown option " + std::string{option});
            }
        }
    }

    bench::cell& cell(std::string name, std::string unit = "ns") {
        return cells_.emplace_back(std::move(name), std::move(unit));
    }

    /// Runs and reports; the exit code.
    int run() {
        choose();
        if (cells_.empty()) {
            std::fprintf(
                stderr, "No cell and subject matches '%s'; --list shows them.\n", only_.c_str());
            return 2;
        }
        if (list_) {
            for (auto& c : cells_)
                for (auto& s : c.subjects) std::printf("%s/%s\n", c.name.c_str(), s.name.c_str());
            return 0;
        }
        std::ofstream csv;
        if (!csv_.empty()) {
            csv.open(csv_);
            if (!csv) {
                std::fprintf(stderr, "%s can't be written.\n", csv_.c_str());
                return 1;
            }
        }
        std::printf("%s\n", describe().c_str());
        for (int i = 0; i < 20; ++i) probe_.look();
        calibrate();
        for (int round = 0; round < reps_; ++round) {
            std::fprintf(stderr, "round %d of %d\n", round + 1, reps_);
            for (auto& c : cells_) {
                const std::size_t n = c.subjects.size();
                for (std::size_t i = 0; i < n; ++i)
                    measure(c.subjects[(i + static_cast<std::size_t>(round)) % n]);
            }
        }
        report();
        if (csv.is_open()) write(csv);
        return 0;
    }

private:
    static constexpr const char* usage =
        "[--only REGEX] [--reps N] [--csv FILE] [--list]\n"
        "  --only REGEX  cells and subjects whose 'cell/subject' matches\n"
        "  --reps N      rounds, 7 unless told otherwise (fewer than 6 give no 95 % interval)\n"
        "  --csv FILE    every run: cell,subject,run,value,unit\n"
        "  --list        what there is";
    static constexpr double run_ns = 50e6;             // what one run should take
    static constexpr double most_repeating_ns = 40e9;  // and what all repeating may

    [[noreturn]] static void wrong_usage(const std::string& why) {
        std::fprintf(stderr, "%s\n%s\n", why.c_str(), usage);
        std::exit(2);
    }

    void choose() {
        if (only_.empty()) return;
        try {
            const std::regex wanted{only_};
            for (auto& c : cells_)
                std::erase_if(c.subjects, [&](const subject& s) {
                    return !std::regex_search(c.name + "/" + s.name, wanted);
                });
        } catch (const std::regex_error&) {
            wrong_usage("'" + only_ + "' is not a regular expression");
        }
        std::erase_if(cells_, [](const bench::cell& c) { return c.subjects.empty(); });
    }

    /// Finds for each subject how many elements fill a run; warms it up by the way.
    void calibrate() {
        for (auto& c : cells_)
            for (auto& s : c.subjects) {
                if (s.n == 0) continue;
                for (s.n = 2000;; s.n *= 4) {
                    const double ns = s.run(s.n);
                    if (ns < run_ns / 8) continue;
                    s.n = static_cast<std::size_t>(static_cast<double>(s.n) * run_ns / ns);
                    break;
                }
            }
    }

    void measure(subject& s) {
        if (s.n == 0) {
            s.values.push_back(s.run(0));
            return;
        }
        double value = 0, least_disturbed = 1e300;
        for (int attempt = 0; attempt < 4; ++attempt) {
            // Where the whole machine is busy, repeating doesn't help and has to end.
            if (attempt > 0 && repeating_ns_ > most_repeating_ns) break;
            repeated_ += attempt > 0;
            const double start = now_ns();
            const double before = probe_.disturbance();
            const double now = s.run(s.n) / static_cast<double>(s.n);
            const double stolen = stolen_share() / 0.05;  // 1 and more is too much
            const double disturbance = std::max({before, probe_.disturbance(), stolen});
            if (disturbance < least_disturbed) {
                least_disturbed = disturbance;
                value = now;
            }
            if (attempt > 0) repeating_ns_ += now_ns() - start;
            if (disturbance < 1) break;
        }
        ++runs_;
        disturbed_ += least_disturbed >= 1;
        s.values.push_back(value);
    }

    static const subject* reference(const bench::cell& c) {
        for (auto& s : c.subjects)
            if (s.owner == whose::ours) return &s;
        return nullptr;
    }

    void report() const {
        std::printf(
            "%d rounds, subjects interleaved; smaller is better. [..] is the 95 %% interval of "
            "the median, ratios are within a round.\n",
            reps_);
        for (auto& c : cells_) {
            const subject* own = reference(c);
            std::printf("\n%-38s %9s %22s %21s", (c.name + ", " + c.unit).c_str(), "median",
                        "[95 %]", "least .. most");
            if (own) std::printf("  %s / this", own->name.c_str());
            std::printf("\n");
            for (auto& s : c.subjects) {
                const estimate e = estimate_of(s.values);
                std::printf("  %s %-34s %9.2f [%9.2f, %9.2f] %9.2f ..%9.2f",
                            s.owner == whose::ours ? "*" : " ", s.name.c_str(), e.median, e.low,
                            e.high, e.least, e.most);
                if (own && &s != own) {
                    const estimate r = estimate_of(ratios(own->values, s.values));
                    std::printf("  %6.2f [%.2f, %.2f]", r.median, r.low, r.high);
                }
                std::printf("\n");
            }
        }
        std::printf("\nours to the best peer of the cell\n");
        for (auto& c : cells_) {
            const subject *own = reference(c), *best = nullptr;
            for (auto& s : c.subjects)
                if (s.owner == whose::peers &&
                    (!best || estimate_of(s.values).median < estimate_of(best->values).median))
                    best = &s;
            if (!own || !best) continue;
            const estimate r = estimate_of(ratios(own->values, best->values));
            std::printf("  %-36s %s / %s: %.2f [%.2f, %.2f]\n", c.name.c_str(), own->name.c_str(),
                        best->name.c_str(), r.median, r.low, r.high);
        }
        if (cpus().size() > 1)
            std::printf(
                "\ncores' distance at best: %.0f ns there and back\n"
                "%d runs repeated because it was twice that, or other programs took the cores for 5 %% "
                "of the run; %d of %d remained so\n",
                probe_.nearest(), repeated_, disturbed_, runs_);
        else
            std::printf("\none CPU only: figures between threads are those of the scheduler\n");
    }

    void write(std::ofstream& csv) const {
        auto quoted = [](const std::string& s) { return '"' + s + '"'; };
        csv << "cell,subject,run,value,unit\n";
        for (auto& c : cells_)
            for (auto& s : c.subjects)
                for (std::size_t i = 0; i < s.values.size(); ++i)
                    csv << quoted(c.name) << ',' << quoted(s.name) << ',' << i + 1 << ','
                        << s.values[i] << ',' << c.unit << '\n';
    }

    std::list<bench::cell> cells_;
    distance_probe probe_;
    std::string only_, csv_;
    double repeating_ns_ = 0;
    int reps_ = 7, runs_ = 0, repeated_ = 0, disturbed_ = 0;
    bool list_ = false;
};

}  // namespace bench
