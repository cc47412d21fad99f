// SPDX-License-Identifier: BSL-1.0
#include <cstring>
#include <map>
#include <stdexcept>

#include <doctest/doctest.h>

#include <penstock/durable/codec.hpp>
#include <penstock/durable/durable_queue.hpp>
#include <penstock/durable/tail.hpp>

#include "durable/scratch.hpp"

using namespace penstock;

namespace shop {

struct order {
    std::uint32_t id;
    std::uint32_t amount;
};
struct invoice {
    std::uint32_t id;
    std::uint32_t amount;
};
struct no_default {
    explicit no_default(int n) : value{n} {}
    int value;
};
struct basket {
    std::string customer;
    std::vector<int> items;
};

}  // namespace shop

template <>
struct penstock::codec<shop::basket> {
    static constexpr std::string_view name = "shop.basket";
    static constexpr std::uint32_t version = 2;
    static inline bool broken = false;

    static void encode(const shop::basket& b, std::vector<std::byte>& out) {
        if (b.customer.empty()) throw std::invalid_argument{"nobody's basket"};
        out.resize(1 + b.customer.size() + b.items.size() * sizeof(int));
        out[0] = static_cast<std::byte>(b.customer.size());
        std::memcpy(out.data() + 1, b.customer.data(), b.customer.size());
        if (!b.items.empty())
            std::memcpy(
                out.data() + 1 + b.customer.size(), b.items.data(), b.items.size() * sizeof(int));
    }
    static shop::basket decode(std::span<const std::byte> in) {
        if (broken) throw std::runtime_error{"can't read this"};
        shop::basket b;
        const auto n = std::to_integer<std::size_t>(in[0]);
        b.customer.assign(reinterpret_cast<const char*>(in.data()) + 1, n);
        b.items.resize((in.size() - 1 - n) / sizeof(int));
        if (!b.items.empty())
            std::memcpy(b.items.data(), in.data() + 1 + n, b.items.size() * sizeof(int));
        return b;
    }
};

/// As the basket was before.
struct old_basket : shop::basket {};
template <>
struct penstock::codec<old_basket> {
    static constexpr std::string_view name = "shop.basket";
    static constexpr std::uint32_t version = 1;
    static void encode(const old_basket& b, std::vector<std::byte>& out) {
        codec<shop::basket>::encode(b, out);
    }
    static old_basket decode(std::span<const std::byte> in) {
        return {codec<shop::basket>::decode(in)};
    }
};

namespace {

const journal_options small{.sync = sync::process_crash, .segment_bytes = 32 * 1024};

struct hidden {
    int x;
};

}  // namespace

static_assert(durable_message<shop::order> && durable_message<shop::basket> &&
              durable_message<std::string_view> && durable_message<std::span<const std::byte>>);
static_assert(!durable_message<std::map<int, int>> && !durable_message<int*>);

TEST_CASE("a type's name is the same by every compiler") {
    CHECK(detail::stream_type_name<shop::order>() == "shop::order");
    CHECK(detail::stream_type_name<int>() == "int");
    CHECK(detail::stream_type_name<hidden>() == "{anonymous}::hidden");
    CHECK(detail::stream_type_name<shop::basket>() == "shop.basket");
}

TEST_CASE(
    "a type without default constructor, one with a codec of its own, strings, bytes, views") {
    scratch dir;
    journal j{dir.path("j"), small};

    durable_queue<shop::no_default> plain{j, "plain"};
    REQUIRE(plain.send(shop::no_default{42}));
    CHECK(plain.group("g").try_receive()->value == 42);

    durable_queue<shop::basket> baskets{j, "baskets"};
    REQUIRE(baskets.send({"ann", {1, 2, 3}}));
    REQUIRE(baskets.send({"bob", {}}));
    auto shop_group = baskets.group("g");
    {
        auto d = shop_group.try_receive();
        REQUIRE(d);
        CHECK(d->customer == "ann");
        CHECK(d->items == std::vector{1, 2, 3});
        REQUIRE(d.accept());
    }
    CHECK(shop_group.try_receive()->items.empty());

    durable_queue<std::string> strings{j, "strings"};
    REQUIRE(strings.send(""));
    REQUIRE(strings.send(std::string(3000, 'x')));
    auto views = durable_queue<std::string_view>{j, "strings"}.group("v");
    auto first = views.try_receive();
    auto second = views.try_receive();
    REQUIRE(first);
    CHECK(first->empty());
    REQUIRE(second);
    CHECK(*second == std::string(3000, 'x'));

    durable_queue<std::vector<std::byte>> bytes{j, "bytes"};
    REQUIRE(bytes.send({std::byte{1}, std::byte{0}, std::byte{255}}));
    auto spans = durable_queue<std::span<const std::byte>>{j, "bytes"}.group("v");
    CHECK(spans.try_receive()->size() == 3);
}

TEST_CASE("a view stays valid while its delivery lives, whatever becomes of the journal") {
    scratch dir;
    std::optional<delivery<std::string_view>> kept;
    {
        journal j{dir.path("j"), small};
        durable_queue<std::string_view> q{j, "q"};
        const std::string text(1000, 'k');
        for (int i = 0; i < 100; ++i) REQUIRE(q.send(text));
        auto g = q.group("g");
        kept.emplace(g.try_receive());
        REQUIRE(*kept);
        REQUIRE(kept->accept());
        for (int i = 1; i < 100; ++i) {
            auto d = g.try_receive();
            REQUIRE(d.accept());
        }
        auto removed = j.trim();
        REQUIRE(removed);
        CHECK(*removed > 0);
    }
    CHECK(**kept == std::string(1000, 'k'));
}

TEST_CASE("a stream opened with another type is refused with both named, and stays as it was") {
    scratch dir;
    journal j{dir.path("j"), small};
    REQUIRE(durable_queue<shop::order>{j, "orders"}.send({1, 2}));
    REQUIRE(durable_queue<shop::basket>{j, "baskets"}.send({"ann", {}}));
    try {
        durable_queue<shop::invoice> wrong{j, "orders"};
        FAIL("opened");
    } catch (const std::invalid_argument& e) {
        const std::string what = e.what();
        CHECK(what.find("shop::order") != std::string::npos);
        CHECK(what.find("shop::invoice") != std::string::npos);
        CHECK(what.find("\"orders\"") != std::string::npos);
    }
    CHECK_THROWS_AS((durable_queue<std::string>{j, "baskets"}), std::invalid_argument);
    CHECK(durable_queue<shop::order>{j, "orders"}.group("g").try_receive()->amount == 2);
}

TEST_CASE("a codec's other version is refused by queues and tails, both versions named") {
    scratch dir;
    journal j{dir.path("j"), small};
    durable_queue<shop::basket> baskets{j, "baskets"};
    REQUIRE(baskets.send({"ann", {3}}));
    const auto refused = [](auto open) {
        try {
            open();
        } catch (const std::invalid_argument& e) {
            const std::string what = e.what();
            CHECK(what.find("version 1") != std::string::npos);
            CHECK(what.find("version 2") != std::string::npos);
            return true;
        }
        return false;
    };
    CHECK(refused([&] { durable_queue<old_basket> wrong{j, "baskets"}; }));
    CHECK(refused([&] { journal_tail<old_basket> wrong{j.path(), "baskets"}; }));
    CHECK(baskets.group("g").try_receive()->items == std::vector{3});
}

TEST_CASE("an encode that throws appends nothing; a decode that throws releases the message") {
    scratch dir;
    journal j{dir.path("j"), small};
    durable_queue<shop::basket> baskets{j, "baskets"};
    auto g = baskets.group("g");
    CHECK_THROWS_AS((void)baskets.send({"", {}}), std::invalid_argument);
    CHECK(g.try_receive().status() == status::empty);
    REQUIRE(baskets.send({"ann", {7}}));
    codec<shop::basket>::broken = true;
    CHECK_THROWS_AS((void)g.try_receive(), std::runtime_error);
    codec<shop::basket>::broken = false;
    auto d = g.try_receive();
    REQUIRE(d);
    CHECK(d->items == std::vector{7});
    CHECK(d.info().attempt == 2);
}
