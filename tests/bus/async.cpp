// SPDX-License-Identifier: BSL-1.0
// A receipt, waited for by coroutines.
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/async.hpp>
#include <penstock/bus/bus.hpp>

#include "support/coroutine.hpp"

using penstock::receipt;
using penstock::resume_on;
using penstock::status;
using strings = std::vector<std::string>;

namespace {

coroutine waits(strings& to, const receipt& of, std::string name, std::stop_token until,
                resume_on there) {
    const status answer = co_await of.async_wait(until, there);
    to.push_back(name + answer.name());
}

}  // namespace

TEST_CASE("a coroutine waits for a receipt: it goes on when all is known, or when it is stopped") {
    penstock::bus events;
    manual_executor handlers, resumes;
    auto x = events.topic<int>("x");
    auto s = events.subscribe<int>("x", {.executor = handlers}, [](int) {});
    auto pulled = events.subscribe<int>("x");
    const receipt r = x.publish_tracked(1);
    strings seen;
    std::stop_source stops;
    {
        auto here = waits(seen, r, "here ", {}, {});
        auto there = waits(seen, r, "there ", {}, resumes);
        auto stopped = waits(seen, r, "", stops.get_token(), {});
        auto gone = waits(seen, r, "gone ", {}, {});
        stops.request_stop();
        handlers.run();
        gone.destroy();
        resumes.run();  // the first outcome has woken it, to look
        CHECK(seen == strings{"stopped"});
        (void)pulled.try_receive();
        CHECK(seen == strings{"stopped", "here ok"});
        resumes.run();
        CHECK(seen == strings{"stopped", "here ok", "there ok"});
        auto late = waits(seen, r, "late ", {}, {});
        CHECK(seen.back() == "late ok");
    }
    CHECK(coroutine::frames() == 0);
}
