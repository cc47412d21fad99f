// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/detail/pattern_trie.hpp>

using penstock::pattern;
using penstock::detail::listener_base;
using penstock::detail::pattern_trie;

namespace {

class one final : public listener_base {
public:
    explicit one(const std::string& by)
        : listener_base{penstock::detail::type_of<int>, pattern{by}, ""} {}
    void end_intake() override {}
    void finish() override {}
};

std::string random_words(std::mt19937& random, std::size_t most,
                         std::initializer_list<const char*> choice) {
    std::string text;
    for (auto more = 1 + random() % most; more > 0; --more) {
        if (!text.empty()) text += '.';
        text += choice.begin()[random() % choice.size()];
    }
    return text;
}

std::vector<const listener_base*> found(pattern_trie& trie, const std::string& name) {
    std::vector<const listener_base*> all;
    trie.match(name, [&](const penstock::detail::ranked& l) { all.push_back(&*l); });
    std::sort(all.begin(), all.end());
    return all;
}

}  // namespace

TEST_CASE("finds whom a linear scan finds, each once, while patterns come and go") {
    std::mt19937 random{7};
    pattern_trie trie;
    std::vector<std::unique_ptr<one>> all;
    std::size_t matches = 0;
    for (int n = 0; n < 20'000; ++n) {
        if (all.size() < 200 && random() % 2 == 0) {
            all.push_back(
                std::make_unique<one>(random_words(random, 6, {"a", "b", "c", "*", "#"})));
            trie.insert(*all.back());
        } else if (!all.empty() && random() % 2 == 0) {
            std::swap(all[random() % all.size()], all.back());
            trie.remove(*all.back());
            all.pop_back();
        }
        const std::string name = random_words(random, 7, {"a", "b", "c", "d"});
        std::vector<const listener_base*> expected;
        for (auto& l : all)
            if (l->by().matches(name)) expected.push_back(l.get());
        std::sort(expected.begin(), expected.end());
        matches += expected.size();
        if (found(trie, name) != expected) FAIL_CHECK(name);
    }
    CHECK(matches > 100'000);
    for (auto& l : all) trie.remove(*l);
    CHECK(trie.places() == 1);  // the root: a place goes with its last pattern
}

TEST_CASE("places are shared, and given back with the last that goes through them") {
    pattern_trie trie;
    one a{"quake.us.strong"}, b{"quake.us.weak"}, c{"quake.us.strong"}, never{"quake.eu"};
    for (one* l : {&a, &b, &c}) trie.insert(*l);
    CHECK(trie.places() == 5);
    CHECK(found(trie, "quake.us.strong").size() == 2);
    trie.remove(never);  // was never in
    trie.remove(a);
    trie.remove(a);  // twice
    CHECK(trie.places() == 5);
    trie.remove(c);
    CHECK(trie.places() == 4);
    CHECK(found(trie, "quake.us.weak") == std::vector<const listener_base*>{&b});
}

TEST_CASE("a pattern made to hurt costs words times places: 128 words against 127 hashes") {
    pattern_trie trie;
    std::string p = "#", name = "a";
    for (int i = 0; i < 62; ++i) p += ".#.a";
    one hurts{p}, misses{p + ".z"};
    trie.insert(hurts);
    trie.insert(misses);
    while (name.size() + 2 <= penstock::longest_name) name += ".a";
    CHECK(found(trie, name) == std::vector<const listener_base*>{&hurts});
}
