// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/detail/topic_lists.hpp>
#include <penstock/bus/detail/topic_state.hpp>

namespace detail = penstock::detail;
using detail::topic_lists;
using detail::topic_state;
using detail::topic_table;
using penstock::pattern;

namespace {

struct topics {
    topic_table table;
    topic_lists lists;
    std::vector<std::unique_ptr<topic_state>> made;

    topic_state* find(const std::string& name) { return table.find(std::string_view{name}); }
    void make(const std::string& name) {
        if (find(name)) return;
        const detail::hashed_text by{std::string_view{name}};
        table.reserve();
        made.push_back(std::make_unique<topic_state>(detail::type_of<int>, by));
        lists.add(lists.list_of(name), *made.back());
        table.add(*made.back(), by.hash());
    }
};

}  // namespace

TEST_CASE("every topic is found by its name, none by another, while the table grows") {
    topics t;
    for (int i = 0; i < 5000; ++i) {
        const std::string name = "n." + std::to_string(i * 7);
        CHECK(t.find(name) == nullptr);
        t.make(name);
        CHECK(t.find(name) == t.made.back().get());
    }
    CHECK(t.table.size() == 5000);
    for (auto& m : t.made) CHECK(t.find(m->name) == m.get());
}

TEST_CASE("a pattern meets the topics that it matches, each once, as a scan of all would") {
    topics t;
    std::mt19937 random{11};
    const auto words = [&](std::size_t most, std::initializer_list<const char*> choice) {
        std::string text = choice.begin()[random() % choice.size()];
        for (auto more = random() % most; more > 0; --more)
            text.append(".").append(choice.begin()[random() % choice.size()]);
        return text;
    };
    for (int i = 0; i < 500; ++i) t.make(words(4, {"a", "b", "c", "d", "ab"}));
    std::size_t met = 0;
    for (int i = 0; i < 3000; ++i) {
        const pattern by{words(4, {"a", "b", "ab", "*", "#"})};
        std::multiset<const topic_state*> expected, found;
        for (auto& m : t.made)
            if (by.matches(m->name)) expected.insert(m.get());
        t.lists.for_each(by, [&](const topic_state& s) { found.insert(&s); });
        met += found.size();
        if (found != expected) FAIL_CHECK(by.text());
    }
    CHECK(met > 3000);
}

TEST_CASE("texts are the same if each byte is, whatever their size, and hash alike only then") {
    for (std::size_t size = 0; size < 60; ++size) {
        std::string text(size, 'x');
        const std::string copy = text, longer = text + 'x';
        const detail::hashed_text its{std::string_view{copy}};
        CHECK(its.is(text));
        CHECK(!its.is(longer));
        CHECK(its.hash() != detail::hashed_text{std::string_view{longer}}.hash());
        for (char& c : text) {
            c = 'y';
            CHECK(!its.is(text));
            CHECK(its.hash() != detail::hashed_text{std::string_view{text}}.hash());
            c = 'x';
        }
    }
}
