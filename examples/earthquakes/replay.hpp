// SPDX-License-Identifier: BSL-1.0
// The producers: one thread for each seismic network, as fast as the feed was, or as they can.
//
// make_publish(network) is called in the network's thread and gives what publishes its events.
#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "feed.hpp"
#include "mailer.hpp"
#include "measure.hpp"

struct sent {
    steady::time_point due, begin, end;
    std::size_t backlog;  // of the mailer, right after
};

struct replayed {
    steady::time_point begin;
    std::vector<sent> events;  // in no order
};

/// f(network's name, its place among the networks), each in a thread of its own.
template <class F>
void for_each_network(const feed& week, F f) {
    std::vector<std::jthread> threads;
    for (std::size_t n = 0; n < week.networks.size(); ++n)
        threads.emplace_back([&, n] { f(week.networks[n], n); });
}

/// The whole feed in `length`: each event at its time.
template <class MakePublish, class Backlog>
replayed replay(const feed& week, std::chrono::duration<double> length, std::stop_token stop,
                MakePublish make_publish, Backlog backlog) {
    const auto first = week.quakes.front().at, last = week.quakes.back().at;
    const double scale = last > first ? length / (last - first) : 0;
    const auto begin = steady::now() + std::chrono::milliseconds{20};  // threads have to start

    std::vector<std::vector<sent>> by_network(week.networks.size());
    for_each_network(week, [&](const std::string& network, std::size_t n) {
        auto publish = make_publish(network);
        for (const quake& q : week.quakes) {
            if (q.network != network) continue;
            sent s;
            s.due = begin + std::chrono::duration_cast<steady::duration>((q.at - first) * scale);
            if (!wait_until(s.due, stop)) return;
            s.begin = steady::now();
            publish(q);
            s.end = steady::now();
            s.backlog = backlog();
            by_network[n].push_back(s);
        }
    });

    replayed all{begin, {}};
    for (const auto& part : by_network)
        all.events.insert(all.events.end(), part.begin(), part.end());
    return all;
}

/// The whole feed, `weeks` times, without any waiting of our own.
template <class MakePublish>
void flood(const feed& week, std::uint64_t weeks, std::stop_token stop, MakePublish make_publish) {
    for_each_network(week, [&](const std::string& network, std::size_t) {
        std::vector<quake> own;
        for (const quake& q : week.quakes)
            if (q.network == network) own.push_back(q);
        auto publish = make_publish(network);
        for (std::uint64_t w = 0; w < weeks && !stop.stop_requested(); ++w)
            for (const quake& q : own) publish(q);
    });
}
