// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/detail/topic_state.hpp>

namespace detail = penstock::detail;
using detail::topic_lists;
using detail::topic_state;
using detail::topic_table;
using penstock::pattern;

namespace {

struct topics {
    std::shared_ptr<detail::visitors> all = std::make_shared<detail::visitors>();
    detail::retired old;
    topic_table table;
    topic_lists lists;
    std::vector<std::unique_ptr<topic_state>> made;

    topic_state* find(const std::string& name) {
        return table.find(*all, name, topic_table::hashed(name));
    }
    void make(const std::string& name) {
        if (find(name)) return;
        table.reserve(old);
        made.push_back(
            std::make_unique<topic_state>(detail::type_of<int>, name, topic_table::hashed(name)));
        topic_lists::add(lists.list_of(name), *made.back());
        table.add(*made.back());
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
    for (auto& m : t.made) CHECK(t.find(*m->name) == m.get());
    CHECK(t.old.size() > 5);  // the smaller tables
    CHECK(!t.old.sweep(*t.all));
    CHECK(t.old.size() == 0);
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
            if (by.matches(*m->name)) expected.insert(m.get());
        t.lists.for_each(by, [&](const topic_state& s) { found.insert(&s); });
        met += found.size();
        if (found != expected) FAIL_CHECK(by.text());
    }
    CHECK(met > 3000);
}
