// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <memory>
#include <optional>

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <penstock/channel/event_handle.hpp>
#include <penstock/queue/spsc_ring.hpp>

#include "support/flow.hpp"

using penstock::event_handle;
using penstock::make_channel;
using penstock::status;

namespace {
bool readable(int fd) {
    pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&p, 1, 0) == 1;
}
void wait_readable(int fd) {
    pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
    while (poll(&p, 1, -1) != 1) {
    }
}
}  // namespace

TEST_CASE("the descriptor is readable while there is something, and not after empty was answered") {
    auto [tx, rx] = make_channel<int>(4);
    event_handle h{rx};
    CHECK(h.try_receive().status() == status::empty);
    CHECK_FALSE(readable(h.fd()));
    CHECK(tx.send(1));
    CHECK(tx.send(2));
    CHECK(readable(h.fd()));
    CHECK(*h.try_receive() == 1);
    CHECK(readable(h.fd()));  // one is left
    CHECK(*h.try_receive() == 2);
    CHECK(h.try_receive().status() == status::empty);
    CHECK_FALSE(readable(h.fd()));
}

TEST_CASE("what is in before the handle is made makes it readable") {
    auto [tx, rx] = make_channel<int>(4);
    CHECK(tx.send(1));
    event_handle h{rx};
    CHECK(readable(h.fd()));
    CHECK(*h.try_receive() == 1);
}

TEST_CASE("closed makes it readable, for ever") {
    auto [tx, rx] = make_channel<int>(4);
    event_handle h{rx};
    CHECK(h.try_receive().status() == status::empty);
    CHECK(tx.send(1));
    tx.close();
    CHECK(readable(h.fd()));
    CHECK(*h.try_receive() == 1);
    for (int i = 0; i < 3; ++i) {
        CHECK(readable(h.fd()));
        CHECK(h.try_receive().status() == status::closed);
    }
}

TEST_CASE("an awake loop costs its senders no wake") {
    auto [tx, rx] = make_channel<int>(4);
    event_handle h{rx};
    CHECK(h.try_receive().status() == status::empty);
    auto& core = penstock::detail::channel_access::core(rx);
    CHECK(core.receivers().waiting_approx() == 1);
    CHECK(tx.send(0));
    for (int i = 1; i < 100; ++i) {
        CHECK(core.receivers().waiting_approx() == 0);
        CHECK(tx.send(i));
        CHECK(*h.try_receive() == i - 1);
    }
}

TEST_CASE("the handle holds an end: the channel has a receiver while it lives") {
    auto [tx, rx] = make_channel<int>(4);
    auto h = std::make_unique<event_handle<int>>(std::move(rx));
    CHECK(tx.send(1));
    h.reset();
    CHECK(tx.send(1) == status::closed);
}

TEST_CASE("a handle that is destroyed with a wake passes it on to a thread that waits") {
    auto [tx, rx] = make_channel<int>(4);
    auto h = std::make_unique<event_handle<int>>(rx);
    CHECK(h->try_receive().status() == status::empty);
    std::optional<int> got;
    std::jthread thread{[&got, r = rx] { got = *r.receive(); }};
    auto& core = penstock::detail::channel_access::core(rx);
    until([&] { return core.receivers().waiting_approx() == 2; });
    CHECK(tx.send(7));  // wakes the handle, the first in line
    h.reset();
    thread.join();
    CHECK(got == 7);
}

TEST_CASE("an epoll loop gets all that many threads send, and sleeps in between") {
    constexpr std::size_t producers = 3, each = 3000;
    flow_account account{producers, each};
    auto [tx, rx] = make_channel<flow_message>(16);
    event_handle h{std::move(rx)};
    std::jthread sending{[&, own = std::move(tx)]() mutable {
        in_threads(producers, [&](std::size_t p) {
            for (std::size_t i = 0; i < each; ++i) {
                CHECK(own.send(account.message(p, i)));
                if (i % 64 == 0) std::this_thread::yield();
            }
        });
        own.close();
    }};
    const int loop = epoll_create1(EPOLL_CLOEXEC);
    epoll_event e{};
    e.events = EPOLLIN;
    CHECK(epoll_ctl(loop, EPOLL_CTL_ADD, h.fd(), &e) == 0);
    flow_account::reader mine{account};
    for (bool open = true; open;) {
        epoll_event ready{};
        if (epoll_wait(loop, &ready, 1, -1) != 1) continue;
        for (int i = 0; i < 5; ++i) {  // not all at once
            auto m = h.try_receive();
            if (m) {
                mine.got(*m);
            } else {
                open = m.status() != status::closed;
                break;
            }
        }
    }
    close(loop);
    CHECK(account.done());
    CHECK(account.complaint() == "");
}

TEST_CASE("handles and threads share a channel; each message goes to one of them") {
    constexpr std::size_t each = 4000;
    flow_account account{2, each};
    auto [tx, rx] = make_channel<flow_message>(8);
    in_threads(4, [&account, &own = tx, &in = rx](std::size_t who) {
        if (who < 2) {
            for (std::size_t i = 0; i < each; ++i) CHECK(own.send(account.message(who, i)));
            until([&] { return account.done(); });
            own.close();
        } else if (who == 2) {
            flow_account::reader mine{account};
            while (auto m = in.receive()) mine.got(*m);
        } else {
            flow_account::reader mine{account};
            event_handle h{in};
            for (;;) {
                wait_readable(h.fd());
                auto m = h.try_receive();
                if (m.status() == status::closed) break;
                if (m) mine.got(*m);
            }
        }
    });
    CHECK(account.complaint() == "");
}

TEST_CASE("handles come and go while messages are sent") {
    auto [tx, rx] = make_channel<int>(4);
    std::atomic<int> received{0};
    constexpr int n = 2000;
    std::jthread sending{[&own = tx] {
        for (int i = 0; i < n; ++i) CHECK(own.send(i));
        own.close();
    }};
    for (bool open = true; open;) {
        event_handle h{rx};
        for (int i = 0; i < 3; ++i) {
            auto m = h.try_receive();
            if (m) ++received;
            if (m.status() == status::closed) open = false;
        }
    }
    CHECK(received == n);
}

TEST_CASE("over a ring for one consumer the handle takes the end") {
    auto [tx, rx] = make_channel<int, penstock::spsc_ring<int>>(4);
    event_handle h{std::move(rx)};
    CHECK(tx.send(3));
    CHECK(*h.try_receive() == 3);
    CHECK(h.try_receive().status() == status::empty);
    CHECK_FALSE(readable(h.fd()));
}
