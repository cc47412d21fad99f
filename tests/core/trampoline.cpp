// SPDX-License-Identifier: BSL-1.0
#include <vector>

#include <doctest/doctest.h>

#include <penstock/core/trampoline.hpp>

using penstock::detail::trampoline;

namespace {
struct recorded : trampoline::item {
    recorded(std::vector<int>& log, int number, recorded* posts = nullptr)
        : item{[](item& i) noexcept { static_cast<recorded&>(i).run(); }},
          log_{log},
          number_{number},
          posts_{posts} {}
    void run() {
        log_.push_back(number_);
        if (posts_) trampoline::of_this_thread().post(*posts_);
        log_.push_back(-number_);
    }
    std::vector<int>& log_;
    int number_;
    recorded* posts_;
};
}  // namespace

TEST_CASE("what is posted by one that runs runs after it, not inside") {
    std::vector<int> log;
    recorded inner{log, 2}, outer{log, 1, &inner};
    trampoline::of_this_thread().post(outer);
    CHECK(log == std::vector<int>{1, -1, 2, -2});
}

TEST_CASE("a hold puts off what is posted to its end, first posted first run") {
    std::vector<int> log;
    recorded a{log, 1}, b{log, 2}, c{log, 3};
    {
        trampoline::hold outer;
        trampoline::of_this_thread().post(a);
        {
            trampoline::hold inner;
            trampoline::of_this_thread().post(b);
        }
        trampoline::of_this_thread().post(c);
        CHECK(log.empty());
        trampoline::of_this_thread().forget(b);
        trampoline::of_this_thread().forget(b);
    }
    CHECK(log == std::vector<int>{1, -1, 3, -3});
}

TEST_CASE("a million that wake each other need no stack") {
    struct chain : trampoline::item {
        explicit chain(int& n)
            : item{[](item& i) noexcept {
                  auto& me = static_cast<chain&>(i);
                  if (--me.left > 0) trampoline::of_this_thread().post(me);
              }},
              left{n} {}
        int& left;
    };
    int left = 1'000'000;
    chain c{left};
    trampoline::of_this_thread().post(c);
    CHECK(left == 0);
}
