// SPDX-License-Identifier: BSL-1.0
// Somebody slow: a mail server with one connection that takes its time for each mail.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <utility>

#include "measure.hpp"

/// Sleeps until then. False: told to stop.
inline bool wait_until(steady::time_point at, const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock{mutex};
    never.wait_until(lock, stop, at, [] { return false; });
    return !stop.stop_requested();
}

class mailer {
public:
    /// `each`: what a mail takes. When `stop` says so, the rest of them take no time.
    mailer(std::chrono::duration<double> each, const feed& week, std::stop_token stop)
        : mails{week},
          each_{std::chrono::duration_cast<std::chrono::nanoseconds>(each)},
          stop_{std::move(stop)} {}

    /// Callers are served in the order in which they come.
    void deliver(const quake& q) {
        if (each_ > each_.zero()) {
            std::unique_lock lock{mutex_};
            const std::uint64_t mine = last_++;
            turn_.wait(lock, [&] { return mine == serves_; });
            lock.unlock();
            send();
            lock.lock();
            ++serves_;
            turn_.notify_all();
        }
        mails.got(q);
        delivered_.fetch_add(1, std::memory_order_relaxed);
    }
    std::uint64_t delivered() const { return delivered_.load(std::memory_order_relaxed); }

    tally mails;

private:
    void send() {
        // What one sleep takes too long, the next ones give back: on average a mail takes `each`.
        const auto until = steady::now() + each_ - std::min(owed_, each_);
        owed_ -= std::min(owed_, each_);
        if (wait_until(until, stop_)) owed_ += steady::now() - until;
    }

    const std::chrono::nanoseconds each_;
    const std::stop_token stop_;
    std::mutex mutex_;
    std::condition_variable turn_;
    std::uint64_t last_ = 0, serves_ = 0;
    std::chrono::nanoseconds owed_{};  // whose turn it is has it
    std::atomic<std::uint64_t> delivered_ = 0;
};
