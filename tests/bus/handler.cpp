// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <penstock/bus/handler.hpp>

using penstock::handler;
using penstock::is_handler;
using penstock::message;

namespace {
struct takes_text {
    void operator()(const std::string&) const {}
};
struct takes_message {
    void operator()(const message<std::string>&) const {}
};
struct changes_text {
    void operator()(std::string&) const {}
};
}  // namespace

static_assert(is_handler<takes_text, std::string>);
static_assert(is_handler<takes_message, std::string>);
static_assert(!is_handler<changes_text, std::string>, "a shared message is const");
static_assert(!is_handler<takes_text, int>);
static_assert(!is_handler<int, std::string>);
static_assert(std::is_nothrow_move_constructible_v<handler<int>>);

TEST_CASE("a handler that looks gets the publisher's object, one that keeps gets a message") {
    const penstock::detail::shared_name name{"n"};
    std::string mine = "a text that is too long to be kept inside of a string";
    penstock::detail::envelope<std::string> e{std::move(mine), name};
    const std::string* seen = nullptr;
    message<std::string> kept;
    handler<std::string> looks = [&](const auto& s) { seen = &s; };
    handler<std::string> keeps = [&, owns = std::make_unique<int>(1)](message<std::string> m) {
        kept = std::move(m);
    };
    CHECK(!handler<std::string>{});
    looks(e);
    CHECK(seen == &mine);
    CHECK(!mine.empty());
    keeps(e);
    looks(e);  // from now on in the message, of which there is one
    CHECK(seen == &*kept);
    CHECK(&e.share().value() == &*kept);
    CHECK(kept.topic() == "n");
    e.give_back();  // not while somebody keeps it
    CHECK(kept.value() == "a text that is too long to be kept inside of a string");
}
