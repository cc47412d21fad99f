// SPDX-License-Identifier: BSL-1.0
// From a send to the thread that has the message: one under way, each sent when the one before has
// arrived and a pause is over, which lets a receiver that sleeps fall asleep.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <penstock/durable/durable_queue.hpp>

#include "bare_file.hpp"

namespace bench {

using timed_message = durable_message<100>;

/// Median of ns; send(m), receive(number, m): returns when it is there, settle(): what comes after that.
template <class Send, class Receive, class Settle = decltype([] {})>
double hand_off(std::size_t n, double pause_ns, Send send, Receive receive, Settle settle = {}) {
    std::vector<double> took(n);
    alignas(64) std::atomic<std::size_t> arrived{0};
    std::thread receiver{[&] {
        pin(1);
        for (std::size_t i = 0; i < n; ++i) {
            timed_message m;
            receive(i, m);
            const double now = now_ns();
            double sent = 0;
            std::memcpy(&sent, m.filling.data(), sizeof sent);
            verify(m.number == i, "a message is wrong");
            took[i] = now - sent;
            settle();
            arrived = i + 1;
        }
    }};
    std::thread sender{[&] {
        pin(0);
        timed_message m;
        for (std::size_t i = 0; i < n; ++i) {
            while (arrived != i) penstock::sys::pause();
            for (const double until = now_ns() + pause_ns; now_ns() < until;)
                penstock::sys::pause();
            m.number = i;
            const double now = now_ns();
            std::memcpy(m.filling.data(), &now, sizeof now);
            send(m);
        }
    }};
    sender.join();
    receiver.join();
    std::nth_element(took.begin(), took.begin() + static_cast<std::ptrdiff_t>(n / 2), took.end());
    return took[n / 2];
}

/// The loop: a record into a mapped file, a word that says so; copied and summed on the other side.
inline double bare_hand_off(std::size_t n, double pause_ns, bool sleeps) {
    disk_folder dir;
    const mapped_file file{dir.path() + "/bare", 1 << 20};
    file.populate();
    alignas(64) std::atomic<std::uint32_t> count{0};
    constexpr std::size_t room = (1 << 20) / record_bytes<100>;
    const auto at = [&](std::size_t i) { return file.data() + i % room * record_bytes<100>; };
    const auto futex = [&](int what, std::uint32_t value) {
        ::syscall(SYS_futex, &count, what, value, nullptr, nullptr, 0);
    };
    return hand_off(
        n, pause_ns,
        [&](const timed_message& m) {
            (void)put_record(at(m.number), m);
            count.store(static_cast<std::uint32_t>(m.number + 1));
            if (sleeps) futex(FUTEX_WAKE_PRIVATE, 1);
        },
        [&](std::size_t i, timed_message& m) {
            while (count.load() == i) {
                if (sleeps)
                    futex(FUTEX_WAIT_PRIVATE, static_cast<std::uint32_t>(i));
                else
                    penstock::sys::pause();
            }
            std::uint32_t said = 0;
            std::memcpy(&said, at(i), sizeof said);
            alignas(8) std::byte copy[record_bytes<100>];
            const std::uint64_t header[4]{1, 100, i, 0};
            const auto sum =
                penstock::crc32c_state{}.add_copying(header, 4, copy, at(i) + 32, 100).value();
            std::memcpy(&m, copy, sizeof m);
            verify(sum == said, "a sum is wrong");
        });
}

inline double journal_hand_off(std::size_t n, double pause_ns, bool sleeps) {
    disk_folder dir;
    penstock::durable_queue<timed_message> q{
        dir.path() + "/j", {.sync = penstock::sync::process_crash, .segment_bytes = 8 << 20}};
    auto g = q.group("g");
    auto d = g.try_receive();
    return hand_off(
        n, pause_ns, [&](const timed_message& m) { verify(bool{q.send(m)}, "send failed"); },
        [&](std::size_t, timed_message& m) {
            d = sleeps ? g.receive() : g.try_receive();
            while (!d) d = g.try_receive();
            m = *d;
        },
        [&] { verify(bool{d.accept()}, "accept failed"); });
}

template <class Store>
double store_hand_off(std::size_t n, double pause_ns) {
    disk_folder dir;
    Store store{dir.path(), false};
    return hand_off(
        n, pause_ns, [&](const timed_message& m) { store.append(&m, 1); },
        [&](std::size_t i, timed_message& m) {
            thread_local std::unique_ptr<typename Store::poller> reader;
            if (i == 0) reader = std::make_unique<typename Store::poller>(store, dir.path());
            while (!reader->get(i, m)) {
            }
            if (i + 1 == n) reader.reset();
        });
}

}  // namespace bench
