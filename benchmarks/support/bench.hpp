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
#include <cstdlib>
#include <fstream>
#include <functional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "hardware.hpp"
#include "record.hpp"
#include "report.hpp"

namespace bench {

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
    /// What is near on this machine, instead of the nearest seen in this run.
    void expect(double ns) { nearest_ = expected_ = ns; }
    /// Returns when the cores are near, or after a minute.
    void wait_until_near() {
        for (const double start = now_ns(); expected_ > 0 && now_ns() - start < 60e9;) {
            if (look() <= expected_) return;
            std::this_thread::sleep_for(std::chrono::milliseconds{200});
        }
    }
    [[nodiscard]] double nearest() const { return nearest_; }

private:
    double nearest_ = 1e300, expected_ = 0;
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
            auto number = [&] {
                const int n = std::atoi(value().c_str());
                if (n < 1) wrong_usage(std::string{option} + " needs a number of 1 or more");
                return n;
            };
            if (option == "--only") {
                only_ = value();
            } else if (option == "--reps") {
                reps_ = number();
            } else if (option == "--ms") {
                run_ns_ = number() * 1e6;
            } else if (option == "--near") {
                probe_.expect(number());
            } else if (option == "--csv") {
                csv_ = value();
            } else if (option == "--read") {
                read_.push_back(value());
            } else if (option == "--table") {
                table_ = true;
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
    /// A line of --table.
    void expect(goal g) { goals_.push_back(std::move(g)); }
    /// Says in the report whose rows are not there, and where to get it.
    void missing(const std::string& name, const std::string& package) {
        missing_.push_back(
            "no rows of " + name + ": its header or library is missing (package " + package + ")");
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
        if (!read_.empty()) return report_what_was_read();
        std::ofstream csv;
        if (!csv_.empty()) {
            csv.open(csv_);
            if (!csv) {
                std::fprintf(stderr, "%s can't be written.\n", csv_.c_str());
                return 1;
            }
        }
        std::printf("%s\n", describe().c_str());
        for (auto& line : missing_) std::printf("%s\n", line.c_str());
        for (int i = 0; i < 20; ++i) probe_.look();
        probe_.wait_until_near();
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
        if (csv.is_open()) write_csv(csv, cells_);
        return 0;
    }

private:
    static constexpr const char* usage =
        "[--only REGEX] [--reps N] [--ms N] [--near NS] [--csv FILE] [--read FILE] [--table] [--list]\n"
        "  --only REGEX  cells and subjects whose 'cell/subject' matches\n"
        "  --reps N      rounds, 7 unless told otherwise (fewer than 6 give no 95 % interval)\n"
        "  --ms N        what one run takes, 50 unless told otherwise\n"
        "  --near NS     first waits, up to a minute, until two cores hand a line there and back in NS\n"
        "  --csv FILE    every run: cell,subject,run,value,unit\n"
        "  --read FILE   runs nothing, reports what --csv wrote; may be given several times\n"
        "  --table       beside each cell what it is to reach, and whether it did\n"
        "  --list        what there is";

    [[noreturn]] static void wrong_usage(const std::string& why) {
        std::fprintf(stderr, "%s\n%s\n", why.c_str(), usage);
        std::exit(2);
    }

    void choose() {
        if (!only_.empty()) try {
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
                    if (ns < run_ns_ / 8) continue;
                    s.n = static_cast<std::size_t>(static_cast<double>(s.n) * run_ns_ / ns);
                    break;
                }
            }
    }

    void measure(subject& s) {
        double value = 0, least_disturbed = 1e300;
        for (int attempt = 0; attempt < 4; ++attempt) {
            // Where the whole machine is busy, repeating doesn't help: it may double the time.
            if (attempt > 0 && repeating_ns_ > planned_ns()) break;
            repeated_ += attempt > 0;
            const double start = now_ns();
            const double before = probe_.disturbance();
            stolen_share() = 0;
            const double now = s.run(s.n) / static_cast<double>(std::max<std::size_t>(s.n, 1));
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

    /// What all rounds take when nothing is repeated.
    [[nodiscard]] double planned_ns() const {
        std::size_t subjects = 0;
        for (auto& c : cells_) subjects += c.subjects.size();
        return run_ns_ * static_cast<double>(subjects) * reps_;
    }

    int report_what_was_read() {
        for (auto& file : read_) {
            std::ifstream csv{file};
            if (!csv) {
                std::fprintf(stderr, "%s can't be read.\n", file.c_str());
                return 1;
            }
            read_csv(csv, cells_);
        }
        for (auto& c : cells_)
            std::erase_if(c.subjects, [](const subject& s) { return s.values.empty(); });
        std::erase_if(cells_, [](const bench::cell& c) { return c.subjects.empty(); });
        print_all();
        return 0;
    }

    void print_all() const {
        print_cells(cells_);
        if (table_ && !goals_.empty()) print_goals(cells_, goals_);
    }

    void report() const {
        std::printf(
            "%d rounds, subjects interleaved; smaller is better. [..] is the 95 %% interval of "
            "the median, ratios are within a round.\n",
            reps_);
        print_all();
        if (cpus().size() > 1)
            std::printf(
                "\ncores' distance at best: %.0f ns there and back\n"
                "%d runs repeated because it was twice that, or other programs took the cores for 5 %% "
                "of the run; %d of %d remained so\n",
                probe_.nearest(), repeated_, disturbed_, runs_);
        else
            std::printf("\none CPU only: figures between threads are those of the scheduler\n");
    }

    cell_list cells_;
    std::vector<goal> goals_;
    std::vector<std::string> missing_, read_;
    distance_probe probe_;
    std::string only_, csv_;
    double run_ns_ = 50e6, repeating_ns_ = 0;
    int reps_ = 7, runs_ = 0, repeated_ = 0, disturbed_ = 0;
    bool list_ = false, table_ = false;
};

}  // namespace bench
