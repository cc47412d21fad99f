// SPDX-License-Identifier: BSL-1.0
#include <memory>

#include <doctest/doctest.h>

#include <penstock/bus/executor.hpp>
#include <penstock/bus/thread_pool.hpp>

#include "bus/manual_executor.hpp"

using penstock::before_wait;
using penstock::executor;
using penstock::executor_ref;
using penstock::task;
using penstock::thread_pool;

static_assert(executor<manual_executor>);
static_assert(executor<thread_pool>);
static_assert(!executor<int>);
static_assert(penstock::counts_waits<thread_pool>);
static_assert(!penstock::counts_waits<manual_executor>);
static_assert(std::is_convertible_v<manual_executor&, executor_ref>);
static_assert(!std::is_convertible_v<manual_executor, executor_ref>);  // it would dangle

TEST_CASE("a reference to an executor posts to it, and copies refer to the same") {
    manual_executor loop;
    const executor_ref ref = loop;
    executor_ref copy = ref;
    int ran = 0;
    copy.post([&ran, owned = std::make_unique<int>(7)] { ran += *owned; });
    executor_ref{copy}.post([&ran] { ++ran; });
    CHECK(loop.waiting() == 2);
    loop.run_all();
    CHECK(ran == 8);
    CHECK(ref.posts());
    CHECK(ref.begin_wait() == before_wait::elsewhere);
    ref.end_wait();  // nothing to it for an executor that doesn't count
}

TEST_CASE("direct is the default, and is not posted to") {
    CHECK(executor_ref{}.is_direct());
    CHECK(executor_ref{penstock::direct}.is_direct());
    CHECK(executor_ref{penstock::own_thread}.is_own_thread());
    CHECK(!executor_ref{penstock::own_thread}.posts());
}
