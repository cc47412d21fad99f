// SPDX-License-Identifier: BSL-1.0
// Messages through many threads, and the account that has to balance afterwards: each was received
// once, whole, and by every receiver in its producer's order.
//
//   flow_account account{producers, messages};
//   q.try_push(account.message(p, i));                     // producer p, in order of i
//   flow_account::reader mine{account};  mine.got(m);      // one for each receiving thread
//   CHECK(account.complaint() == "");
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <string>
#include <thread>
#include <vector>

struct flow_message {
    std::uint32_t producer = 0;
    std::uint32_t number = 0;
    std::uint64_t seal = 0;  // a torn or stale message doesn't fit its seal

    friend bool operator==(const flow_message&, const flow_message&) = default;
};

class flow_account {
public:
    flow_account(std::size_t producers, std::size_t each)
        : producers_{producers}, each_{each}, seen_(producers * each) {}

    static flow_message message(std::size_t producer, std::size_t number) {
        return {static_cast<std::uint32_t>(producer), static_cast<std::uint32_t>(number),
                seal(producer, number)};
    }

    [[nodiscard]] std::size_t total() const { return producers_ * each_; }
    [[nodiscard]] std::size_t received() const { return received_.load(); }
    [[nodiscard]] bool done() const { return received() >= total(); }

    class reader {
    public:
        explicit reader(flow_account& account) : account_{account}, next_(account.producers_, 0) {}

        void got(const flow_message& m) {
            flow_account& a = account_;
            if (m.producer >= a.producers_ || m.number >= a.each_ ||
                m.seal != seal(m.producer, m.number)) {
                ++a.broken_;
            } else {
                if (m.number < next_[m.producer]) ++a.disordered_;
                next_[m.producer] = m.number + 1;
                if (a.seen_[m.producer * a.each_ + m.number]++ != 0) ++a.doubled_;
            }
            ++a.received_;
        }

    private:
        flow_account& account_;
        std::vector<std::uint32_t> next_;
    };

    /// Of one who got them all: numbers without a gap, for each producer.
    [[nodiscard]] std::string complaint(std::size_t missing_allowed = 0) const {
        std::size_t missing = 0;
        for (const auto& s : seen_) missing += s == 0;
        std::string text;
        auto say = [&](std::size_t n, const char* what) {
            if (n > 0) text += std::to_string(n) + " " + what + "; ";
        };
        say(broken_, "broken");
        say(doubled_, "received twice");
        say(disordered_, "out of their producer's order");
        if (missing != missing_allowed) say(missing, "missing");
        return text;
    }

private:
    static std::uint64_t seal(std::uint64_t producer, std::uint64_t number) {
        return (producer * 0x9e3779b97f4a7c15u) ^ ((number + 1) * 0xbf58476d1ce4e5b9u);
    }

    std::size_t producers_, each_;
    std::vector<std::atomic<unsigned char>> seen_;
    std::atomic<std::size_t> received_{0}, broken_{0}, doubled_{0}, disordered_{0};
};

/// Runs f(0) to f(n - 1), each in its thread, from a common start, and waits for them.
template <class F>
void in_threads(std::size_t n, F f) {
    std::latch start{static_cast<std::ptrdiff_t>(n)};
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < n; ++i)
        threads.emplace_back([&f, &start, i] {
            start.arrive_and_wait();
            f(i);
        });
}

/// Waits for what another thread is about to do.
template <class Condition>
void until(Condition condition) {
    while (!condition()) std::this_thread::yield();
}
