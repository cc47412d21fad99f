// SPDX-License-Identifier: BSL-1.0
// An epoll loop with a timer and a channel: workers make no system call while the loop is busy.
#include <cstdio>
#include <thread>
#include <vector>

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <penstock/channel/event_handle.hpp>

int main() {
    auto [tx, rx] = penstock::make_channel<long>(256);
    penstock::event_handle results{std::move(rx)};

    std::vector<std::jthread> workers;
    for (int w = 0; w < 3; ++w)
        workers.emplace_back([w, tx = tx] {
            for (long i = w; i < 30'000; i += 3)
                if (!tx.send(i * i)) return;
        });
    tx = {};  // the workers have the senders: the channel closes when the last of them ends
    const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    const itimerspec every{.it_interval = {0, 1'000'000}, .it_value = {0, 1'000'000}};
    timerfd_settime(timer, 0, &every, nullptr);
    const int loop = epoll_create1(EPOLL_CLOEXEC);
    for (int fd : {timer, results.fd()}) {
        epoll_event e{};
        e.events = EPOLLIN;
        e.data.fd = fd;
        epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e);
    }

    long received = 0, ticks = 0, rounds = 0;
    double sum = 0;
    for (bool open = true; open; ++rounds) {
        epoll_event ready[2];
        const int n = epoll_wait(loop, ready, 2, -1);
        for (int i = 0; i < n; ++i) {
            if (ready[i].data.fd == timer) {
                unsigned long long expired = 0;
                if (read(timer, &expired, sizeof expired) > 0) ++ticks;
                continue;
            }
            for (int burst = 0; burst < 64; ++burst) {  // the timer has its turn, too
                auto r = results.try_receive();
                if (!r) {
                    open = r.status() != penstock::status::closed;
                    break;
                }
                ++received;
                sum += static_cast<double>(*r);
            }
        }
    }
    std::printf("%ld results in %ld rounds, %ld ticks; mean %.0f\n", received, rounds, ticks,
                sum / static_cast<double>(received));
    return received == 30'000 ? 0 : 1;
}
