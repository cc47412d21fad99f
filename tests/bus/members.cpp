// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <optional>
#include <utility>

#include <doctest/doctest.h>

#include <penstock/bus/detail/members.hpp>

#include "bus/manual_executor.hpp"

using penstock::executor_ref;
using penstock::detail::member_base;
using penstock::detail::members;

namespace {

class one final : public member_base, public std::enable_shared_from_this<one> {
public:
    explicit one(executor_ref e, bool pulls = false) : member_base{e, pulls} {}
    [[nodiscard]] std::shared_ptr<member_base> self() override { return shared_from_this(); }
    void wake() override {}
    bool cancel() override { return true; }
};

}  // namespace

TEST_CASE("a message that came between the empty look and the rest is found by the second look") {
    manual_executor loop;
    members all;
    const auto m = std::make_shared<one>(loop);
    all.join(m);
    CHECK(all.take_idle() == m);
    std::optional<int> queue;
    const auto take = [&] { return std::exchange(queue, std::nullopt); };
    CHECK(!take());  // his first look
    queue = 7;       // and then a publisher
    CHECK(all.take_idle() == nullptr);
    CHECK(all.rest_unless(*m, take) == 7);
    CHECK(all.take_idle() == nullptr);  // he is at work
    CHECK(!all.rest_unless(*m, take));
    CHECK(all.take_idle() == m);
}

TEST_CASE("who was idle for longest is woken first; who can't be woken is idle again") {
    manual_executor loop;
    members all;
    const auto a = std::make_shared<one>(loop), b = std::make_shared<one>(loop);
    all.join(a);
    all.join(b);
    CHECK(all.take_idle() == a);
    all.put_back(a);
    CHECK(all.take_idle() == b);
    CHECK(all.take_idle() == a);
    CHECK(all.take_idle() == nullptr);
}

TEST_CASE("who has left is not woken, and doesn't rest; receivers never do") {
    manual_executor loop;
    members all;
    const auto a = std::make_shared<one>(loop), b = std::make_shared<one>(loop);
    const auto c = std::make_shared<one>(executor_ref{}, true);
    all.join(a);
    all.join(b);
    all.join(c);
    CHECK(all.copy().size() == 3);
    CHECK(all.take_idle() == a);
    CHECK(all.remove(*a));
    CHECK(!all.remove(*a));
    all.put_back(a);
    CHECK(!all.rest_unless(*a, [] { return std::optional<int>{}; }));
    CHECK(all.remove(*b));
    CHECK(all.take_idle() == nullptr);
    CHECK(!all.all_left());
    CHECK(all.remove(*c));
    CHECK(all.all_left());
}

TEST_CASE("a member that handles several at once stands in the list as often") {
    manual_executor loop;
    class twice final : public member_base, public std::enable_shared_from_this<twice> {
    public:
        explicit twice(executor_ref e) : member_base{e, false, 2} {}
        [[nodiscard]] std::shared_ptr<member_base> self() override { return shared_from_this(); }
        void wake() override {}
        bool cancel() override { return true; }
    };
    members all;
    const auto m = std::make_shared<twice>(loop);
    all.join(m);
    CHECK(all.take_idle() == m);
    CHECK(all.take_idle() == m);
    CHECK(all.take_idle() == nullptr);
    CHECK(!all.rest_unless(*m, [] { return std::optional<int>{}; }));
    CHECK(all.remove(*m));
    CHECK(all.take_idle() == nullptr);
}

TEST_CASE("one at a time: the next is active when the one before has ended, not when it left") {
    manual_executor loop;
    members all{true};
    const auto a = std::make_shared<one>(loop), b = std::make_shared<one>(loop),
               c = std::make_shared<one>(loop);
    for (const auto& m : {a, b, c}) all.join(m);
    CHECK(all.take_idle() == a);
    CHECK(all.take_idle() == nullptr);
    CHECK(all.remove(*a));
    CHECK(all.take_idle() == nullptr);
    CHECK(all.remove(*b));
    CHECK(!all.activate_next(*b));  // it never was
    CHECK(all.take_idle() == nullptr);
    CHECK(all.activate_next(*a));
    CHECK(all.take_idle() == c);
    CHECK(all.remove(*c));
    CHECK(!all.activate_next(*c));
    all.join(b);
    CHECK(all.take_idle() == b);
}
