// SPDX-License-Identifier: BSL-1.0
// Appends side by side, and those that have to be alone between them.
#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/durable/detail/claims.hpp>
#include <penstock/durable/durable_queue.hpp>

#include "durable/scratch.hpp"

using namespace penstock;

namespace {

const journal_options small{.sync = sync::process_crash, .segment_bytes = 16 * 1024};
constexpr std::uint64_t senders = 3, each = 150;

/// What all of them sent is there once, in each one's order.
class checker {
public:
    void take(std::uint64_t value) {
        const std::uint64_t sender = value / 1'000'000;
        REQUIRE(sender < senders);
        CHECK(value % 1'000'000 == next_[sender]);
        ++next_[sender];
        ++count_;
    }
    [[nodiscard]] std::uint64_t count() const { return count_; }

private:
    std::uint64_t next_[senders]{};
    std::uint64_t count_ = 0;
};

}  // namespace

TEST_CASE(
    "a claim is refused without room, for a closed stream, while somebody is alone, and at the end") {
    detail::progress done;
    detail::claims c{done};
    sys::atomic<bool> closed{false};
    std::uint64_t at = 0;
    CHECK_FALSE(c.claim(8, closed, at));  // nobody has said yet where
    done.set_appended(1064);
    c.thaw(64, 80);
    REQUIRE(c.claim(16, closed, at));
    CHECK(at == 64);
    CHECK_FALSE(c.claim(8, closed, at));
    c.complete(1064, 1080);
    CHECK(done.appended() == 1080);
    CHECK(c.freeze(1000) == 80);
    CHECK_FALSE(c.claim(8, closed, at));
    c.thaw(80, 1000);
    closed = true;
    CHECK_FALSE(c.claim(8, closed, at));
    closed = false;
    REQUIRE(c.claim(8, closed, at));
    CHECK(at == 80);
    c.complete(1080, 1088);
    CHECK(c.freeze(1000) == 88);
    c.end();
    c.thaw(88, 1000);
    CHECK_FALSE(c.claim(8, closed, at));
}

TEST_CASE("a claim is told as appended when those before it are, in whatever order they are done") {
    detail::progress done;
    detail::claims c{done};
    const sys::atomic<bool> open{false};
    c.thaw(0, 1024);
    std::uint64_t first = 0, second = 0;
    REQUIRE(c.claim(8, open, first));
    REQUIRE(c.claim(8, open, second));
    std::atomic<bool> told{false};
    std::thread later{[&] {
        c.complete(second, second + 8);
        CHECK(done.appended() >= second + 8);
        told = true;
    }};
    CHECK_FALSE(told);
    CHECK(done.appended() == 0);
    c.complete(first, first + 8);
    later.join();
    CHECK(done.appended() == 16);
}

TEST_CASE(
    "several send while segments roll, and others accept, reserve and transact: all is there, once") {
    scratch dir;
    {
        journal j{dir.path("j"), small};
        durable_queue<std::uint64_t> q{j, "q"}, other{j, "other"};
        auto g = q.group("g");
        std::vector<std::thread> threads;
        for (std::uint64_t s = 0; s < senders; ++s)
            threads.emplace_back([&, s] {
                for (std::uint64_t i = 0; i < each; ++i) {
                    const std::uint64_t value = s * 1'000'000 + i;
                    if (i % 7 == 3) {
                        auto r = q.reserve(sizeof value);
                        std::memcpy(r->bytes().data(), &value, sizeof value);
                        CHECK(r->commit());
                    } else if (i % 7 == 5) {
                        CHECK(j.transact([&](auto& t) { t.send(q, value); }));
                    } else if (i % 7 == 6) {
                        const std::uint64_t batch[]{value};
                        CHECK(q.send_all(batch));
                    } else {
                        CHECK(q.send(value));
                    }
                }
            });
        threads.emplace_back([&] {
            for (std::uint64_t i = 0; i < each; ++i) CHECK(other.send(i));
        });
        checker seen;
        while (seen.count() < senders * each) {
            auto d = g.receive();
            REQUIRE(d);
            seen.take(*d);
            REQUIRE(d.accept());
        }
        for (auto& t : threads) t.join();
        CHECK(g.try_receive().status() == status::empty);
    }
    journal j{dir.path("j"), small};
    CHECK(j.report().damage.empty());
    CHECK(j.report().torn_bytes == 0);
    durable_queue<std::uint64_t> q{j, "q"};
    CHECK(q.group("g").try_receive().status() == status::empty);
    auto again = q.group("again");
    checker seen;
    while (auto d = again.try_receive()) {
        seen.take(*d);
        REQUIRE(d.accept());
    }
    CHECK(seen.count() == senders * each);
}

TEST_CASE("what was sent before a close by another thread is received, the rest is refused") {
    for (int round = 0; round < 8; ++round) {
        scratch dir;
        journal j{dir.path("j"), small};
        durable_queue<std::uint64_t> q{j, "q"};
        auto g = q.group("g");
        std::atomic<std::uint64_t> ok{0};
        std::vector<std::thread> threads;
        for (int s = 0; s < 2; ++s)
            threads.emplace_back([&] {
                for (std::uint64_t i = 0; q.send(i); ++i) ++ok;
            });
        while (ok < 20) std::this_thread::yield();
        q.close();
        std::uint64_t received = 0;
        while (auto d = g.receive()) {
            ++received;
            REQUIRE(d.accept());
        }
        for (auto& t : threads) t.join();
        CHECK(received == ok);
    }
}
