// SPDX-License-Identifier: BSL-1.0
#include <set>
#include <string>

#include <doctest/doctest.h>

#include <penstock/core/status.hpp>

using penstock::status;

namespace {

status answer(bool good) { return good ? status::ok : status::full; }

const char* by_switch(status s) {
    switch (s) {
        case status::ok: return "fine";
        case status::full: return "no room";
        case status::closed: return "over";
        default: return "other";
    }
}

const status every[] = {
    status::ok,       status::empty,          status::full,      status::dropped,
    status::closed,   status::stopped,        status::timed_out, status::too_large,
    status::no_space, status::no_subscribers, status::failed,    status::would_block_self,
};

}  // namespace

TEST_CASE("a status is true only when ok") {
    for (status s : every) CHECK(static_cast<bool>(s) == (s == status::ok));
    if (answer(false)) FAIL("full is not ok");
    if (!answer(true)) FAIL("ok is ok");
}

TEST_CASE("a status can be switched on, compared and chosen by a conditional") {
    CHECK(std::string{by_switch(status::ok)} == "fine");
    CHECK(std::string{by_switch(status::full)} == "no room");
    CHECK(std::string{by_switch(status::closed)} == "over");
    CHECK(std::string{by_switch(status::stopped)} == "other");

    CHECK(answer(true) == status::ok);
    CHECK(answer(false) != status::ok);
    CHECK(status::full == answer(false));
    const bool yes = true;
    status s = yes ? answer(false) : status::closed;
    CHECK(s == status::full);
    s = status::closed;
    CHECK(s == status::closed);
}

TEST_CASE("a status works at compile time") {
    static_assert(status::ok == status::ok && status::ok != status::empty);
    static_assert(status::ok && !status::full);
    static_assert(status{status::code::closed} == status::closed);
    static_assert(sizeof(status) == 1);
    CHECK(true);
}

TEST_CASE("every status has a name of its own") {
    std::set<std::string> names;
    for (status s : every) names.insert(s.name());
    CHECK(names.size() == std::size(every));
    CHECK(std::string{status::timed_out.name()} == "timed_out");
    CHECK(std::string{status::would_block_self.name()} == "would_block_self");
}
