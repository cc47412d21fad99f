// SPDX-License-Identifier: BSL-1.0
// Ends a program that hangs, and says why: when nothing has moved for a minute. No test waits for it.
//
//   watchdog dog{[&] { return done.load(); }, [&] { std::printf(...who waits, for what...); }};
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <utility>

class watchdog {
public:
    template <class Moves, class Report>
    watchdog(Moves moves, Report report)
        : thread_{[this, moves, report](std::stop_token stop) {
              std::unique_lock lock{mutex_};
              for (long seen = -1; !stop.stop_requested();) {
                  woken_.wait_for(lock, stop, std::chrono::minutes{1}, [] { return false; });
                  if (stop.stop_requested()) return;
                  if (std::exchange(seen, moves()) == seen) {
                      report();
                      std::fflush(stdout);
                      std::abort();
                  }
              }
          }} {}

private:
    std::mutex mutex_{};
    std::condition_variable_any woken_{};
    std::jthread thread_;
};
