// SPDX-License-Identifier: BSL-1.0
// What threads did to a queue, and when: short histories from real threads.
//
//   runner r{threads};
//   history h = r.record(queue, plan);
//
// Each operation takes a number before it begins and one after it has ended, from one counter, so
// that numbers are ordered as the moments were. The interval between them holds the operation: a
// history may look more concurrent than it was, never less, so that no verdict is a false alarm.
//
// On two cores short operations seldom meet. So elements linger now and then while they are moved,
// which is in mid-operation: between the claim of a slot and its publication, until another thread
// begins or ends an operation. It is user code that any queue has to live with, and it works on one
// CPU and on a busy machine too.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace lincheck {

using value = std::uint16_t;
inline constexpr value none = 0;  // of a push: full; of a pop: empty

struct operation {
    enum kind : std::uint8_t { push, pop } what;
    value argument;  // of a push
    bool answered;   // false: full or empty
    value popped;    // what a pop found
    std::uint8_t thread;
    std::uint32_t invoked, returned;
};

using history = std::vector<operation>;

inline std::string text_of(const operation& o) {
    std::string text = "thread " + std::to_string(o.thread) + " [" + std::to_string(o.invoked) +
                       ", " + std::to_string(o.returned) + "] ";
    if (o.what == operation::push)
        return text + "push " + std::to_string(o.argument) + (o.answered ? "" : ": full");
    return text + "pop: " + (o.answered ? std::to_string(o.popped) : "empty");
}

inline std::string text_of(const history& h) {
    std::string text;
    for (auto& o : h) text += text_of(o) + "\n";
    return text;
}

/// How many operations overlap one of another thread.
inline std::size_t overlapped(const history& h) {
    std::size_t n = 0;
    for (auto& a : h)
        for (auto& b : h)
            if (a.thread != b.thread && a.invoked < b.returned && b.invoked < a.returned) {
                ++n;
                break;
            }
    return n;
}

/// A generator of each thread's own.
struct dice {
    std::uint64_t state = 0x9e3779b97f4a7c15u;
    std::uint32_t operator()(std::uint32_t below) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        return static_cast<std::uint32_t>((state >> 32) % below);
    }
    static dice& mine() {
        static thread_local dice d;
        return d;
    }
};

/// Who is at it in the history that is being recorded.
struct crowd {
    static inline std::atomic<std::uint32_t> now{0}, running{0}, waiting{0};

    /// In mid-operation: until another thread begins or ends one, unless all that still run are here.
    static void meet() noexcept {
        ++waiting;
        until_moved([] { return waiting >= running; });
        --waiting;
    }
    /// After a refusal, or a thread runs ahead of those that it has to meet.
    static void let_others_on() noexcept {
        until_moved([] { return waiting > 0 || running < 2; });
    }

private:
    /// Not for ever: the others may wait for what the caller holds.
    template <class Enough>
    static void until_moved(Enough enough) noexcept {
        const auto seen = now.load();
        for (int i = 0; i < 150 && now == seen && !enough(); ++i)
            if (i > 100) std::this_thread::yield();
    }
};

/// Now and then lets another thread get on, or some time pass.
inline void linger() noexcept {
    const auto how = dice::mine()(8);
    if (how < 5) {
        crowd::meet();
    } else if (how < 7) {
        for (auto n = dice::mine()(300); n > 0; --n)
            std::atomic_signal_fence(std::memory_order_seq_cst);  // keeps the loop
    }
}

/// The element of all queues here.
struct item {
    explicit item(value its = none) noexcept : v{its} {}
    item(item&& other) noexcept : v{other.v} { linger(); }
    item& operator=(item&& other) noexcept {
        linger();
        v = other.v;
        return *this;
    }
    value v;
};

/// What a history looks like before chance fills it in.
struct plan {
    std::size_t threads, operations;  // of each thread
    bool roles;                       // thread 0 only pushes, thread 1 only pops
};

class runner {
public:
    explicit runner(std::size_t threads) : jobs_(threads), done_(threads) {
        for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this, i] { work(i); });
    }
    ~runner() {
        over_ = true;
        ++round_;
    }

    /// First, alone: `before` elements pushed and popped (so that the ring wraps), `filled` pushed.
    /// Then the threads at once; then, alone, everything is popped.
    template <class Queue>
    history record(Queue& q, const plan& p, std::size_t before, std::size_t filled) {
        history all;
        crowd::now = 0;
        value next = 1;
        for (std::size_t i = 0; i < before + filled; ++i) {
            all.push_back(push(q, next++, alone));
            if (i < before) all.push_back(pop(q, alone));
        }
        std::vector<history> parts(p.threads);
        for (std::size_t t = 0; t < p.threads; ++t) {
            const value from = next;
            next = static_cast<value>(next + p.operations);
            auto& part = parts[t];
            part.reserve(p.operations);
            jobs_[t] = [&q, &part, from, t, p, this] {
                for (std::size_t i = 0; i < p.operations; ++i) {
                    const bool pushes = p.roles ? t == 0 : dice::mine()(2) == 0;
                    const auto who = static_cast<std::uint8_t>(t);
                    part.push_back(
                        pushes ? push(q, static_cast<value>(from + i), who) : pop(q, who));
                    if (!part.back().answered) crowd::let_others_on();
                }
                --crowd::running;
            };
        }
        ready_ = 0;
        crowd::running = static_cast<std::uint32_t>(p.threads);
        ++round_;
        for (std::size_t t = 0; t < p.threads; ++t)
            while (done_[t].load() != round_) std::this_thread::yield();
        for (auto& part : parts) all.insert(all.end(), part.begin(), part.end());
        do {
            all.push_back(pop(q, alone));
        } while (all.back().answered && all.size() < 200);
        return all;
    }

private:
    static constexpr std::uint8_t alone = 7;

    template <class Queue>
    operation push(Queue& q, value v, std::uint8_t thread) {
        operation o{operation::push, v, false, none, thread, 0, 0};
        item mine{v};
        o.invoked = crowd::now++;
        o.answered = q.try_push(std::move(mine));
        o.returned = crowd::now++;
        return o;
    }
    template <class Queue>
    operation pop(Queue& q, std::uint8_t thread) {
        operation o{operation::pop, none, false, none, thread, 0, 0};
        o.invoked = crowd::now++;
        auto found = q.try_pop();
        o.returned = crowd::now++;
        o.answered = found.has_value();
        if (found) o.popped = found->v;
        return o;
    }

    void work(std::size_t me) {
        dice::mine().state += me * 0x2545f4914f6cdd1du;
        for (std::uint32_t round = 1;; ++round) {
            for (int i = 0; round_.load() != round; ++i)
                if (i > 200) std::this_thread::yield();
            if (over_) return;
            if (!jobs_[me]) {
                done_[me] = round;
                continue;
            }
            ++ready_;
            const auto all = active();
            for (int i = 0; ready_.load() < all; ++i)
                if (i > 200) std::this_thread::yield();
            jobs_[me]();
            done_[me] = round;
        }
    }
    std::size_t active() const {
        std::size_t n = 0;
        for (auto& j : jobs_) n += j != nullptr;
        return n;
    }

    std::vector<std::function<void()>> jobs_;  // written between rounds only
    std::vector<std::atomic<std::uint32_t>> done_;
    std::atomic<std::uint32_t> round_{0};
    std::atomic<std::size_t> ready_{0};
    std::atomic<bool> over_{false};
    std::vector<std::jthread> threads_;
};

}  // namespace lincheck
