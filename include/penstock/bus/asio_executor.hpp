// SPDX-License-Identifier: BSL-1.0
// Handlers that run on an Asio executor: an io_context, a thread_pool, a strand. Needs Asio (Debian:
// libasio-dev), so nothing includes this header but you.
//
//   asio::io_context ctx;
//   penstock::asio_executor loop{ctx.get_executor()};
//   auto s = events.subscribe<quake>("quake.#", {.executor = loop}, count);
//   ctx.run();
//
// Lifetime  The context, and this, outlive the subscriptions that name it. What the context drops
//           unrun stops those members; their subscriptions can still be ended.
#pragma once

#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <penstock/bus/executor.hpp>

namespace penstock::inline PENSTOCK_ABI {

class asio_executor {
public:
    explicit asio_executor(asio::any_io_executor on) : on_{std::move(on)} {}
    void post(task t) {
        asio::post(on_, [t = std::move(t)] { t(); });
    }

private:
    asio::any_io_executor on_;
};

}  // namespace penstock::inline PENSTOCK_ABI
