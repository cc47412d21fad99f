// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/core/slot.hpp>

#include "support/tracked.hpp"

using penstock::slot;

TEST_CASE("a slot holds a T only between put and take") {
    tracked_count count;
    slot<tracked> s;
    CHECK(tracked::alive() == 0);
    s.put(tracked{7});
    CHECK(tracked::alive() == 1);
    CHECK(s.get().value() == 7);
    {
        tracked t = s.take();
        CHECK(t.value() == 7);
        CHECK(tracked::alive() == 1);
    }
    s.put(tracked{8});
    s.drop();
    CHECK(tracked::alive() == 0);
    s.put(tracked{9});
    tracked target{0};
    s.take_into(target);
    CHECK(target.value() == 9);
    CHECK(tracked::alive() == 1);
    CHECK(count.misuses() == 0);
}

TEST_CASE("what may be an element: nothrow movable objects, whatever else they lack") {
    struct moves_may_throw {
        moves_may_throw(moves_may_throw&&) noexcept(false) {}
    };
    using penstock::is_element;
    static_assert(is_element<int> && is_element<std::string> && is_element<std::vector<int>>);
    static_assert(is_element<std::unique_ptr<int>> && is_element<tracked>);
    static_assert(is_element<over_aligned>);
    static_assert(!is_element<moves_may_throw>);
    static_assert(!is_element<int&> && !is_element<const int> && !is_element<void>);
    CHECK(true);
}

TEST_CASE("a slot keeps its element's alignment") {
    static_assert(alignof(slot<over_aligned>) == 256);
    static_assert(sizeof(slot<char>) == 1);
    over_aligned::misplaced = 0;
    slot<over_aligned> s;
    s.put(over_aligned{3});
    CHECK(s.take().value == 3);
    CHECK(over_aligned::misplaced == 0);
}
