// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <latch>
#include <thread>

#include <doctest/doctest.h>

#include <penstock/bus/detail/gate.hpp>

#include "support/flow.hpp"

using penstock::detail::inside;
using penstock::detail::visitor;
using penstock::detail::visitors;

namespace {

class counting_gate final : public penstock::detail::gate {
public:
    using gate::gate;
    std::atomic<int> ended{0};

private:
    void last_out() noexcept override { ++ended; }
};

}  // namespace

TEST_CASE("an open gate lets in, a closed one doesn't, and ends once") {
    auto all = std::make_shared<visitors>();
    counting_gate g{*all};
    {
        const inside a{g, nullptr}, b{g, nullptr};
        CHECK(a);
        CHECK(b);
        CHECK(visitor::count(visitor::top(), g.id()) == 2);
    }
    CHECK(visitor::top() == nullptr);
    CHECK(!g.closed());
    CHECK(g.ended == 0);
    CHECK(g.close());
    CHECK(g.ended == 1);
    CHECK(g.closed());
    CHECK(!inside{g, nullptr});
    CHECK(g.close());
    CHECK(g.ended == 1);
}

TEST_CASE("closed from inside it ends when the last one comes out") {
    auto all = std::make_shared<visitors>();
    counting_gate g{*all};
    {
        const inside a{g, nullptr};
        {
            const inside b{g, nullptr};
            CHECK(!g.close());
        }
        CHECK(g.ended == 0);
        CHECK(!inside{g, nullptr});
    }
    CHECK(g.ended == 1);
    CHECK(g.close());
}

TEST_CASE("close waits for all others, and for what the last of them does at the end") {
    for (int round = 0; round < 300; ++round) {
        auto all = std::make_shared<visitors>();
        counting_gate g{*all};
        std::atomic<int> in{0};
        in_threads(4, [&](std::size_t i) {
            if (i == 0) {
                CHECK(g.close());
                CHECK(in == 0);
                CHECK(g.ended == 1);
                return;
            }
            for (int n = 0; n < 20; ++n) {
                const inside here{g, nullptr};
                if (!here) return;
                ++in;
                CHECK(g.ended == 0);
                --in;
            }
        });
        CHECK(g.ended == 1);
    }
}

TEST_CASE("who is inside of nothing waits without being found in a circle") {
    auto all = std::make_shared<visitors>();
    counting_gate a{*all}, b{*all};
    std::latch in_a{1}, out{1};
    std::jthread visitor{[&] {
        const inside here{a, nullptr};
        in_a.count_down();
        out.wait();
    }};
    in_a.wait();
    std::jthread releases{[&] {
        const inside here{b, nullptr};
        out.count_down();
        CHECK(a.close());  // inside b, waits for a: nobody waits for b
    }};
    CHECK(a.close());
}
