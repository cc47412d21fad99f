// SPDX-License-Identifier: BSL-1.0
// What every queue does, whichever it is.
#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/queue/concepts.hpp>
#include <penstock/queue/mpmc_ring.hpp>
#include <penstock/queue/spsc_ring.hpp>
#include <penstock/queue/unbounded.hpp>

#include "support/flow.hpp"
#include "support/moodycamel_races.hpp"
#include "support/sanitized.hpp"
#include "support/tracked.hpp"

using penstock::mpmc_ring;
using penstock::spsc_ring;
using penstock::unbounded;

namespace {
// By name and not as template template arguments: a ring may have more parameters than its element.
struct spsc {
    template <class T>
    using of = spsc_ring<T>;
    static constexpr bool single_producer = true, single_consumer = true;
};
struct mpmc {
    template <class T>
    using of = mpmc_ring<T>;
    static constexpr bool single_producer = false, single_consumer = false;
};
struct open_end {
    template <class T>
    using of = unbounded<T>;
    static constexpr bool single_producer = false, single_consumer = false;
};

template <class F, class T>
auto made(std::size_t capacity) {
    return std::make_unique<typename F::template of<T>>(capacity);
}

std::string complaint_of(auto f) {
    try {
        f();
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "no std::invalid_argument";
}
}  // namespace

TYPE_TO_STRING(spsc);
TYPE_TO_STRING(mpmc);
TYPE_TO_STRING(open_end);
#define ALL_QUEUES spsc, mpmc, open_end
#define BOUNDED_QUEUES spsc, mpmc

TEST_CASE("the queues model the concept, whatever their element") {
    static_assert(penstock::queue<spsc_ring<int>> && penstock::queue<spsc_ring<tracked>>);
    static_assert(penstock::queue<mpmc_ring<int>> && penstock::queue<mpmc_ring<tracked>>);
    static_assert(penstock::queue<unbounded<int>> && penstock::queue<unbounded<tracked>>);
    static_assert(penstock::closable_queue<mpmc_ring<int>>);
    static_assert(!penstock::queue<std::vector<int>>);
    static_assert(!std::is_copy_constructible_v<spsc_ring<int>>);
    static_assert(!std::is_move_constructible_v<mpmc_ring<int>>);
    CHECK(true);
}

TEST_CASE_TEMPLATE("what goes in comes out in order", F, ALL_QUEUES) {
    auto q = made<F, std::string>(8);
    CHECK(!q->try_pop());
    for (int i = 0; i < 5; ++i) CHECK(q->try_push("number " + std::to_string(i)));
    CHECK(q->size_approx() == 5);
    for (int i = 0; i < 5; ++i) CHECK(q->try_pop() == "number " + std::to_string(i));
    CHECK(!q->try_pop());
    std::string text = "untouched";
    CHECK(!q->try_pop(text));
    CHECK(text == "untouched");
    CHECK(q->try_push(text));
    CHECK(text == "untouched");  // copied
    CHECK(q->try_emplace(3u, 'x'));
    CHECK(q->try_pop(text));
    CHECK(q->try_pop(text));
    CHECK(text == "xxx");
    CHECK(q->size_approx() == 0);
}

TEST_CASE_TEMPLATE("capacity is exact at any number, and stays so when the ring wraps", F,
                   BOUNDED_QUEUES) {
    for (std::size_t capacity :
         {1u, 2u, 3u, 5u, 7u, 8u, 9u, 31u, 32u, 33u, 100u, 1000u, 1023u, 1024u, 1025u}) {
        CAPTURE(capacity);
        auto q = made<F, int>(capacity);
        CHECK(q->capacity() == capacity);
        for (int lap = 0; lap < 3; ++lap) {
            for (std::size_t i = 0; i < capacity; ++i) {
                REQUIRE(q->try_push(static_cast<int>(i)));
                REQUIRE(q->size_approx() == i + 1);
            }
            REQUIRE(!q->try_push(-1));
            REQUIRE(q->size_approx() == capacity);
            for (std::size_t i = 0; i < capacity; ++i) REQUIRE(q->try_pop() == static_cast<int>(i));
            REQUIRE(!q->try_pop());
            REQUIRE(q->size_approx() == 0);
            REQUIRE(q->try_push(0));  // the next lap starts one slot further on
            REQUIRE(q->try_pop() == 0);
        }
    }
}

TEST_CASE_TEMPLATE("one in, one out goes on for many laps", F, ALL_QUEUES) {
    for (std::size_t capacity : {1u, 2u, 3u, 5u}) {
        auto q = made<F, int>(capacity);
        for (int i = 0; i < 10'000; ++i) {
            REQUIRE(q->try_push(i));
            REQUIRE(q->try_pop() == i);
        }
        CHECK(!q->try_pop());
    }
}

TEST_CASE_TEMPLATE("capacity zero is refused with the reason", F, BOUNDED_QUEUES) {
    CHECK(complaint_of([] { made<F, int>(0); }).find("capacity is 1 or more, not 0") !=
          std::string::npos);
}

TEST_CASE_TEMPLATE("a capacity that memory can't hold is refused, not wrapped around", F,
                   BOUNDED_QUEUES) {
    constexpr auto most = std::numeric_limits<std::size_t>::max();
    for (std::size_t capacity :
         {most, most - 1, most / 2 + 1, most / 8 + 1, most / 8, static_cast<std::size_t>(-7)}) {
        CAPTURE(capacity);
        CHECK(complaint_of([&] { made<F, std::uint64_t>(capacity); }).find("negative?") !=
              std::string::npos);
    }
}

TEST_CASE_TEMPLATE("a capacity that this machine's memory can't hold is bad_alloc", F,
                   BOUNDED_QUEUES) {
    if (TESTS_SANITIZED) return;  // their operator new stops the program instead
    CHECK_THROWS_AS((made<F, std::array<char, 4096>>(std::size_t{1} << 48)), std::bad_alloc);
}

TEST_CASE_TEMPLATE("elements are constructed and destroyed exactly once, with no needless move", F,
                   ALL_QUEUES) {
    tracked_count count;
    {
        auto q = made<F, tracked>(4);
        CHECK(tracked::alive() == 0);  // no element is made ahead
        CHECK(q->try_push(tracked{1}));
        CHECK(count.moved() == 1);
        CHECK(q->try_emplace(2));
        CHECK(tracked::alive() == 2);
        CHECK(q->try_pop()->value() == 1);
        tracked target{0};
        CHECK(q->try_pop(target));
        CHECK(target.value() == 2);
        CHECK(tracked::alive() == 1);
        CHECK(!q->try_pop());
        CHECK(q->try_push(tracked{3}));
        CHECK(q->try_push(tracked{4}));
        q->clear();
        CHECK(q->size_approx() == 0);
        CHECK(tracked::alive() == 1);
    }
    CHECK(tracked::alive() == 0);
    CHECK(count.misuses() == 0);
}

TEST_CASE_TEMPLATE("destruction destroys what is in: empty, part full, full and wrapped", F,
                   ALL_QUEUES) {
    tracked_count count;
    for (int capacity : {1, 2, 3, 7, 8})
        for (int shift = 0; shift <= capacity; ++shift)
            for (int in = 0; in <= capacity; ++in) {
                auto q = made<F, tracked>(static_cast<std::size_t>(capacity));
                for (int i = 0; i < shift; ++i) {
                    REQUIRE(q->try_emplace(i));
                    REQUIRE(q->try_pop());
                }
                for (int i = 0; i < in; ++i) REQUIRE(q->try_emplace(i));
                REQUIRE(tracked::alive() == in);
                q.reset();
                REQUIRE(tracked::alive() == 0);
            }
    CHECK(count.misuses() == 0);
}

TEST_CASE_TEMPLATE("a refused element is unmoved", F, BOUNDED_QUEUES) {
    auto q = made<F, std::unique_ptr<int>>(1);
    CHECK(q->try_push(std::make_unique<int>(1)));
    auto mine = std::make_unique<int>(2);
    CHECK(!q->try_push(std::move(mine)));
    REQUIRE(mine);
    CHECK(*mine == 2);
    CHECK(**q->try_pop() == 1);
    CHECK(q->try_push(std::move(mine)));
    CHECK(!mine);
}

TEST_CASE_TEMPLATE("a copy that throws leaves the queue as it was", F, ALL_QUEUES) {
    auto q = made<F, throws_on_copy>(2);
    const throws_on_copy original{7};
    CHECK(q->try_push(original));
    throws_on_copy::armed = true;
    CHECK_THROWS_AS((void)q->try_push(original), std::runtime_error);
    CHECK_THROWS_AS((void)q->try_emplace(original), std::runtime_error);
    throws_on_copy::armed = false;
    CHECK(q->size_approx() == 1);
    CHECK(q->try_push(throws_on_copy{8}));
    CHECK(q->try_pop()->value == 7);
    CHECK(q->try_pop()->value == 8);
    CHECK(!q->try_pop());
}

TEST_CASE_TEMPLATE("over-aligned elements stand where they must", F, ALL_QUEUES) {
    over_aligned::misplaced = 0;
    {
        auto q = made<F, over_aligned>(3);
        for (int i = 0; i < 10; ++i) {
            CHECK(q->try_push(over_aligned{i}));
            CHECK(q->try_emplace(i));
            CHECK(q->try_pop()->value == i);
            CHECK(q->try_pop()->value == i);
        }
        CHECK(q->try_emplace(1));
    }
    CHECK(over_aligned::misplaced == 0);
}

TEST_CASE_TEMPLATE("a default value, a null pointer and an empty type are elements like others", F,
                   ALL_QUEUES) {
    auto numbers = made<F, int>(2);
    CHECK(numbers->try_push(0));
    CHECK(numbers->try_pop() == 0);
    auto pointers = made<F, int*>(2);
    CHECK(pointers->try_push(nullptr));
    CHECK(pointers->try_pop() == nullptr);
    CHECK(!pointers->try_pop().has_value());
    struct nothing {};
    auto signals = made<F, nothing>(2);
    CHECK(signals->try_push(nothing{}));
    CHECK(signals->try_pop());
    CHECK(!signals->try_pop());
    auto flags = made<F, bool>(2);
    CHECK(flags->try_push(false));
    CHECK(flags->try_pop() == false);
}

TEST_CASE_TEMPLATE("an element that can't be assigned is popped by construction", F, ALL_QUEUES) {
    struct fixed {
        const int value;
    };
    auto q = made<F, fixed>(2);
    CHECK(q->try_push(fixed{7}));
    CHECK(q->try_push(fixed{8}));
    CHECK(q->try_pop()->value == 7);
    CHECK(q->try_pop()->value == 8);
}

TEST_CASE_TEMPLATE("a huge element goes through whole", F, ALL_QUEUES) {
    struct huge {
        std::array<int, 5000> numbers;
    };
    auto q = made<F, huge>(2);
    auto in = std::make_unique<huge>();
    for (std::size_t i = 0; i < in->numbers.size(); ++i) in->numbers[i] = static_cast<int>(i);
    CHECK(q->try_push(*in));
    CHECK(q->try_pop(*in));
    CHECK(in->numbers[4999] == 4999);
}

TEST_CASE_TEMPLATE("batches count what went through and keep the order, also across the wrap", F,
                   BOUNDED_QUEUES) {
    for (std::size_t capacity : {1u, 2u, 5u, 8u}) {
        auto q = made<F, int>(capacity);
        const std::vector<int> in{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
        std::array<int, 10> out{};
        for (std::size_t shift = 0; shift < 2 * capacity; ++shift) {
            REQUIRE(q->try_push_n(in.begin(), in.size()) == capacity);
            REQUIRE(q->try_push_n(in.begin(), 1) == 0);
            REQUIRE(q->try_push_n(in.begin(), 0) == 0);
            REQUIRE(q->try_pop_n(out.data(), 0) == 0);
            REQUIRE(q->try_pop_n(out.data(), 1) == 1);
            REQUIRE(out[0] == 0);
            REQUIRE(q->try_pop_n(out.data(), out.size()) == capacity - 1);
            for (std::size_t i = 1; i < capacity; ++i) REQUIRE(out[i - 1] == static_cast<int>(i));
            REQUIRE(q->try_pop_n(out.data(), out.size()) == 0);
            REQUIRE(q->try_push(1));  // so that the next round starts elsewhere
            REQUIRE(q->try_pop());
        }
    }
}

TEST_CASE_TEMPLATE("a batch moves what has to be moved and leaves the rest with its owner", F,
                   BOUNDED_QUEUES) {
    auto q = made<F, std::unique_ptr<int>>(3);
    std::vector<std::unique_ptr<int>> in;
    for (int i = 0; i < 5; ++i) in.push_back(std::make_unique<int>(i));
    CHECK(q->try_push_n(std::make_move_iterator(in.begin()), in.size()) == 3);
    CHECK(!in[2]);
    CHECK(in[3]);
    std::unique_ptr<int> out[5];
    CHECK(q->try_pop_n(out, 5) == 3);
    CHECK(*out[2] == 2);
    CHECK(!out[3]);
}

TEST_CASE_TEMPLATE("batches construct and destroy each element once", F, BOUNDED_QUEUES) {
    tracked_count count;
    {
        auto q = made<F, tracked>(5);
        std::vector<tracked> in, out;
        for (int i = 0; i < 4; ++i) in.emplace_back(i), out.emplace_back(100);
        for (int lap = 0; lap < 7; ++lap) {
            REQUIRE(q->try_push_n(std::make_move_iterator(in.begin()), 4) == 4);
            REQUIRE(q->try_pop_n(out.begin(), 4) == 4);
            for (int i = 0; i < 4; ++i) REQUIRE(out[static_cast<std::size_t>(i)].value() == i);
            in.swap(out);
        }
        CHECK(q->try_push_n(std::make_move_iterator(in.begin()), 4) == 4);
    }
    CHECK(tracked::alive() == 0);
    CHECK(count.misuses() == 0);
}

TEST_CASE_TEMPLATE("threads lose, double and reorder nothing", F, ALL_QUEUES) {
    const std::size_t producers = F::single_producer ? 1 : 3;
    const std::size_t consumers = F::single_consumer ? 1 : 3;
    for (std::size_t capacity : {1u, 2u, 7u, 64u, 1000u}) {
        CAPTURE(capacity);
        flow_account account{producers, 6000};
        auto q = made<F, flow_message>(capacity);
        in_threads(producers + consumers, [&](std::size_t who) {
            if (who < producers) {
                for (std::size_t i = 0; i < 6000; ++i)
                    until([&] { return q->try_push(account.message(who, i)); });
            } else {
                flow_account::reader mine{account};
                while (!account.done()) {
                    if (auto m = q->try_pop()) {
                        mine.got(*m);
                    } else {
                        std::this_thread::yield();
                    }
                }
            }
        });
        CHECK(account.complaint() == "");
        CHECK(!q->try_pop());
    }
}

TEST_CASE_TEMPLATE("threads that use batches lose, double and reorder nothing", F, BOUNDED_QUEUES) {
    const std::size_t producers = F::single_producer ? 1 : 3;
    const std::size_t consumers = F::single_consumer ? 1 : 3;
    for (std::size_t capacity : {1u, 5u, 64u}) {
        CAPTURE(capacity);
        constexpr std::size_t each = 20'000;
        flow_account account{producers, each};
        auto q = made<F, flow_message>(capacity);
        in_threads(producers + consumers, [&](std::size_t who) {
            std::array<flow_message, 16> some;
            std::size_t size = who % 15 + 1;  // who takes more, who takes less
            if (who < producers) {
                for (std::size_t i = 0; i < each;) {
                    size = size % 16 + 1;
                    const std::size_t n = std::min(size, each - i);
                    for (std::size_t k = 0; k < n; ++k) some[k] = account.message(who, i + k);
                    const std::size_t went = q->try_push_n(some.data(), n);
                    if (went == 0) std::this_thread::yield();
                    i += went;
                }
            } else {
                flow_account::reader mine{account};
                while (!account.done()) {
                    size = size % 16 + 1;
                    const std::size_t n = q->try_pop_n(some.data(), size);
                    for (std::size_t k = 0; k < n; ++k) mine.got(some[k]);
                    if (n == 0) std::this_thread::yield();
                }
            }
        });
        CHECK(account.complaint() == "");
        CHECK(!q->try_pop());
    }
}

TEST_CASE_TEMPLATE("move-only elements survive many threads, each destroyed once", F, ALL_QUEUES) {
    const std::size_t producers = F::single_producer ? 1 : 3;
    const std::size_t consumers = F::single_consumer ? 1 : 3;
    constexpr int each = 5000;
    tracked_count count;
    std::atomic<long> sum{0};
    {
        auto q = made<F, tracked>(16);
        std::atomic<std::size_t> sending{producers};
        in_threads(producers + consumers, [&](std::size_t who) {
            if (who < producers) {
                for (int i = 0; i < each; ++i) {
                    tracked mine{i};
                    until([&] { return q->try_push(std::move(mine)); });
                }
                --sending;
            } else {
                // Half of them: the rest is in when the queue is destroyed, or goes below.
                for (int i = 0; i < each / 2; ++i)
                    until([&] {
                        auto t = q->try_pop();
                        if (t) sum += t->value();
                        return t || (sending == 0 && q->size_approx() == 0);
                    });
                while (sending > 0) {
                    if (auto t = q->try_pop()) sum += t->value();
                    std::this_thread::yield();
                }
            }
        });
        while (auto t = q->try_pop()) sum += t->value();
        CHECK(q->try_push(tracked{1}));
    }
    CHECK(sum == static_cast<long>(producers) * each * (each - 1) / 2);
    CHECK(tracked::alive() == 0);
    CHECK(count.misuses() == 0);
}

TEST_CASE_TEMPLATE("size_approx stays between 0 and capacity while others push and pop", F,
                   BOUNDED_QUEUES) {
    auto q = made<F, int>(5);
    std::atomic<bool> over{false};
    std::size_t most = 0;
    in_threads(3, [&](std::size_t who) {
        if (who == 0) {
            for (int i = 0; i < 20'000; ++i) until([&] { return q->try_push(i); });
        } else if (who == 1) {
            for (int i = 0; i < 20'000; ++i) until([&] { return q->try_pop().has_value(); });
            over = true;
        } else {
            do {
                most = std::max(most, q->size_approx());
                std::this_thread::yield();
            } while (!over);
        }
    });
    CHECK(most <= 5);
    CHECK(q->size_approx() == 0);
}
