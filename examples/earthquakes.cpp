// SPDX-License-Identifier: BSL-1.0
// A real week of messages through every layer: peaks shaved, nothing lost, not even by SIGKILL.
// Test: --seconds 2 --weeks 5 --crash-after 100
//
//                                      ┌─► alert       quake.*.strong, major, great   direct
//   one producer        quake.         ├─► statistics  quake.#, a group of two        a pool
//   for each      ──►   <network>. ──► ┤
//   network             <class>        ├─► mailer      quake.#, a bounded channel     pulled
//                                      └─► archive     quake.#, a durable queue       its own thread
#include <array>
#include <atomic>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <penstock/penstock.hpp>

#include "earthquakes/archive.hpp"
#include "earthquakes/crash.hpp"
#include "earthquakes/feed.hpp"
#include "earthquakes/mailer.hpp"
#include "earthquakes/options.hpp"
#include "earthquakes/progress.hpp"
#include "earthquakes/replay.hpp"
#include "earthquakes/report.hpp"
#include "earthquakes/system.hpp"

using penstock::journal_options, penstock::own_thread, penstock::sync;

/// Everything but the pace: `produce` is given what makes publishers, and the mailer's backlog.
template <class Produce>
void run_bus(bus_run& run, mailer& mails, std::size_t capacity, const std::string& path,
             const journal_options& durability, Produce produce) {
    penstock::durable_queue<quake> archive{path, durability};
    penstock::thread_pool pool{2};  // before the bus that uses it
    penstock::bus events;

    std::vector<penstock::subscription> alerts;
    for (const char* pattern : {"quake.*.strong", "quake.*.major", "quake.*.great"})
        alerts.push_back(
            events.subscribe<quake>(pattern, [&](const quake& q) { run.alerts.got(q); }));

    std::array<statistics, 2> worked_out;
    const auto hire = [&](statistics& own) {
        const auto count = [&](const quake& q) { own.add(q), run.counted.got(q); };
        return events.subscribe<quake>("quake.#", {.group = "statistics", .executor = pool}, count);
    };
    const auto first = hire(worked_out[0]), second = hire(worked_out[1]);

    const auto inbox = events.subscribe<quake>("quake.#", {.capacity = capacity});
    std::jthread mailing{[&](const std::stop_token& over) {
        while (auto m = inbox.receive(over)) {
            run.backlog.emplace_back(steady::now(), inbox.size_approx());
            mails.deliver(**m);
        }
    }};

    const auto archiving =
        events.subscribe<quake>("quake.#", {.executor = own_thread}, [&](const quake& q) {
            const auto begin = steady::now();
            const auto answer = archive.send(q);
            run.archive_waits.add(steady::now() - begin);
            if (!answer) run.archive_answer = answer;
        });

    const auto make_publisher = [&](const std::string& network) {
        std::vector<penstock::topic<quake>> topics;  // resolved once
        for (const auto name : magnitude_classes)
            topics.push_back(events.topic<quake>("quake." + network + "." + std::string{name}));
        return [&run, topics = std::move(topics)](const quake& q) {
            const auto p = topics[magnitude_class(q.magnitude)].publish(q);
            run.published += 1;
            run.matched += p.matched();
            run.not_taken += p.matched() - p.handled() - p.queued();
        };
    };
    run.begin = steady::now();
    produce(make_publisher, [&] { return inbox.size_approx(); });
    run.produced = steady::now();
    events.close();  // no more events; handlers finish what is queued, ...
    mailing.join();  // ... and so does the mailer: a channel is drained before it ends
    run.end = steady::now();

    run.counted_by = {first.counts().handled, second.counts().handled};
    run.worked_out = worked_out[0];
    run.worked_out.add(worked_out[1]);
}

int run(const options& o, const char* argv0) {
    const std::string input = read_text(o.file);
    const feed week = read_feed(input, o.file);
    if (!o.child.empty()) return crash::archive_until_killed(week, o.child);

    const interrupts ctrl_c;  // before any other thread
    const std::stop_token stop = ctrl_c.token();
    const work_folder folder{o.archive};
    const seconds mean{o.seconds / static_cast<double>(week.quakes.size())};
    const seconds each{o.mailer_us > 0 ? o.mailer_us / 1e6 : mean.count() / 1.03};
    report_input(week, o.file, o.seconds, mean, each);
    verdict all;

    say("\nThe week twice, ", o.seconds,
        " s each: producers call the mailer, then they publish ...");
    mailer called{each, week, stop};
    const auto call = [&](const std::string&) {
        return [&](const quake& q) { called.deliver(q); };
    };
    replayed direct;
    {
        const progress shown{[&] { return grouped(called.delivered()) + " mailed directly"; }};
        direct = replay(week, seconds{o.seconds}, stop, call, [] { return std::size_t{0}; });
    }
    mailer queued{each, week, stop};
    bus_run paced{week};
    replayed through;
    run_bus(paced, queued, o.capacity, folder / "archive",
            {.sync = sync::every_append, .segment_bytes = 4 << 20},
            [&](auto make_publisher, auto backlog) {
                const progress shown{[&] {
                    return grouped(paced.published) + " published, " + grouped(backlog()) +
                           " wait for the mailer";
                }};
                through = replay(week, seconds{o.seconds}, stop, make_publisher, backlog);
            });
    if (stop.stop_requested()) return ctrl_c.exit_code();
    read_back(paced, week, folder / "archive");
    const counts paced_counts{week, paced, queued.mails, 1};
    report_waits(direct, through, paced.archive_waits);
    report_backlog(paced, through, o.capacity);
    report_counts(paced_counts, paced);
    report_failures(paced);
    all.add(paced_counts.result);
    const auto mailed = called.mails.compare(week, 1, counts::everything);
    all.add({mailed.lost, mailed.twice});

    mailer instant{{}, week, stop};
    bus_run fast{week};
    run_bus(fast, instant, 4096, folder / "fast",
            {.sync = sync::process_crash, .segment_bytes = 16 << 20},
            [&](auto make_publisher, auto) { flood(week, o.weeks, stop, make_publisher); });
    if (stop.stop_requested()) return ctrl_c.exit_code();
    read_back(fast, week, folder / "fast");
    const counts fast_counts{week, fast, instant.mails, o.weeks};
    report_throughput(fast_counts, fast, o.weeks);
    report_failures(fast);
    all.add(fast_counts.result);

    const std::string file = o.file != "-" ? o.file : write_text(folder / "feed.csv", input);
    const auto crashed = crash::run(
        week, {crash::own_file(argv0), file, "--child", folder / "crash"}, folder / "crash",
        o.crash_after, stop);
    if (stop.stop_requested()) return ctrl_c.exit_code();
    all.add(report_crash(crashed));

    report_verdict(week, all);
    if (folder.kept()) say("The archives are in ", folder.path());
    return all.fine() ? 0 : 1;
}

int main(int argc, char** argv) {
    int exit_code = 0;
    const auto o = parse(argc, argv, exit_code);
    if (!o) return exit_code;
    try {
        return run(*o, argv[0]);
    } catch (const input_error& e) {
        std::fprintf(stderr, "earthquakes: %s\n", e.what());
        return 2;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "earthquakes: %s\n", e.what());
        return 1;
    }
}
