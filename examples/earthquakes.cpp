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
        run.mailed = steady::now();
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

struct scene {
    const options& o;
    const std::string& input;
    const feed& week;
    const work_folder& folder;
    std::stop_token stop;
};

/// The week at its own pace: without a queue, and with one.
verdict replay_twice(const scene& s) {
    const seconds mean{s.o.seconds / static_cast<double>(s.week.quakes.size())};
    const seconds each{s.o.mailer_us > 0 ? s.o.mailer_us / 1e6 : mean.count() / 1.03};
    report_input(s.week, s.o, mean, each);

    mailer called{each, s.week, s.stop};
    replayed direct;
    {
        const auto call = [&](const std::string&) {
            return [&](const quake& q) { called.deliver(q); };
        };
        const progress shown{[&] { return grouped(called.delivered()) + " mailed directly"; }};
        direct = replay(s.week, seconds{s.o.seconds}, s.stop, call, [] { return std::size_t{0}; });
    }

    mailer queued{each, s.week, s.stop};
    replayed through;
    bus_run run{s.week};
    run_bus(run, queued, s.o.capacity, s.folder / "archive",
            {.sync = sync::every_append, .segment_bytes = 4 << 20},
            [&](auto make_publisher, auto backlog) {
                const progress shown{[&] {
                    return grouped(run.published) + " published, " + grouped(backlog()) +
                           " wait for the mailer";
                }};
                through = replay(s.week, seconds{s.o.seconds}, s.stop, make_publisher, backlog);
            });
    if (s.stop.stop_requested()) return {};
    read_back(run, s.week, s.folder / "archive");

    const counts subscribers{s.week, run, queued.mails, 1};
    report_waits(direct, through, run.archive_waits);
    report_backlog(run, through, s.o);
    report_counts(subscribers, run);
    return subscribers.result + of_mails(s.week, called.mails);
}

verdict as_fast_as_it_can(const scene& s) {
    mailer instant{{}, s.week, s.stop};
    bus_run run{s.week};
    run_bus(run, instant, 4096, s.folder / "fast",
            {.sync = sync::process_crash, .segment_bytes = 16 << 20},
            [&](auto make_publisher, auto) { flood(s.week, s.o.weeks, s.stop, make_publisher); });
    if (s.stop.stop_requested()) return {};
    read_back(run, s.week, s.folder / "fast");

    const counts subscribers{s.week, run, instant.mails, s.o.weeks};
    report_throughput(subscribers, run, s.o.weeks);
    return subscribers.result;
}

verdict crash_and_recover(const scene& s, const char* argv0) {
    // The child reads the feed by itself.
    const std::string file =
        s.o.file != "-" ? s.o.file : write_text(s.folder / "feed.csv", s.input);
    const std::string path = s.folder / "crash";
    const auto found = crash::run(s.week, {crash::own_file(argv0), "--child", path, "--", file},
                                  path, s.o.crash_after, s.stop);
    return s.stop.stop_requested() ? verdict{} : report_crash(found);
}

int run(const options& o, const char* argv0) {
    const std::string input = read_text(o.file);
    const feed week = read_feed(input, o.file);
    if (!o.child.empty()) return crash::archive_until_killed(week, o.child);

    const interrupts ctrl_c;  // before any other thread
    const work_folder folder{o.archive};
    const scene s{o, input, week, folder, ctrl_c.token()};
    verdict all = replay_twice(s);
    if (!s.stop.stop_requested()) all = all + as_fast_as_it_can(s);
    if (!s.stop.stop_requested()) all = all + crash_and_recover(s, argv0);
    if (s.stop.stop_requested()) return ctrl_c.exit_code();

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
