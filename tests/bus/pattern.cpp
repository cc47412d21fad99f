// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/pattern.hpp>

using penstock::check_name;
using penstock::pattern;

namespace {

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> all{""};
    for (char c : text) {
        if (c == '.') {
            all.emplace_back();
        } else {
            all.back() += c;
        }
    }
    return all;
}

/// By the rules as they are written down: exponential, obvious.
bool reference(const std::vector<std::string>& p, const std::vector<std::string>& n,
               std::size_t i = 0, std::size_t j = 0) {
    if (i == p.size()) return j == n.size();
    if (p[i] == "#")
        return reference(p, n, i + 1, j) || (j < n.size() && reference(p, n, i, j + 1));
    return j < n.size() && (p[i] == "*" || p[i] == n[j]) && reference(p, n, i + 1, j + 1);
}

std::string why(const std::string& text, void (*check)(std::string_view)) {
    try {
        check(text);
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "";
}
void make_pattern(std::string_view text) { (void)pattern{text}; }

}  // namespace

TEST_CASE("* is one word, # none or more") {
    CHECK(pattern{"quake.us.strong"}.matches("quake.us.strong"));
    CHECK(!pattern{"quake.us.strong"}.matches("quake.us"));
    CHECK(!pattern{"quake.us"}.matches("quake.us.strong"));
    CHECK(pattern{"quake.*.strong"}.matches("quake.us.strong"));
    CHECK(!pattern{"quake.*.strong"}.matches("quake.strong"));
    CHECK(!pattern{"quake.*.strong"}.matches("quake.us.ak.strong"));
    CHECK(pattern{"quake.#"}.matches("quake"));
    CHECK(pattern{"quake.#"}.matches("quake.us"));
    CHECK(pattern{"quake.#"}.matches("quake.us.strong"));
    CHECK(!pattern{"quake.#"}.matches("quakes"));
    CHECK(!pattern{"quake.#"}.matches("earth.quake"));
    CHECK(pattern{"#.strong"}.matches("strong"));
    CHECK(pattern{"#.strong"}.matches("strong.strong"));
    CHECK(!pattern{"#.strong"}.matches("strong.weak"));
    CHECK(pattern{"a.#.b.#.c"}.matches("a.b.b.x.c.c"));
    CHECK(!pattern{"a.#.b.#.c"}.matches("a.c.b"));
}

TEST_CASE("RabbitMQ's topic exchange test: the same bindings match the same keys") {
    // rabbit_exchange_type_topic's cases, without those of the empty key and pattern, which are
    // refused here.
    const std::map<int, std::string> bindings{
        {1, "a.b.c"},  {2, "a.*.c"},  {3, "a.#.b"},  {4, "a.b.b.c"}, {5, "#"},
        {6, "#.#"},    {7, "#.b"},    {8, "*.*"},    {9, "a.*"},     {10, "*.b.c"},
        {11, "a.#"},   {12, "a.#.#"}, {13, "b.b.c"}, {14, "a.b.b"},  {15, "a.b"},
        {16, "b.c"},   {18, "*.*.*"}, {20, "a.b.c"}, {21, "*.#"},    {19, "vodka.martini"},
        {22, "#.*.#"}, {23, "*.#.#"}, {24, "#.#.#"}, {25, "*"},      {26, "#.b.#"},
    };
    const std::map<std::string, std::vector<int>> expected{
        {"a.b.c", {1, 2, 5, 6, 10, 11, 12, 18, 20, 21, 22, 23, 24, 26}},
        {"a.b", {3, 5, 6, 7, 8, 9, 11, 12, 15, 21, 22, 23, 24, 26}},
        {"a.b.b", {3, 5, 6, 7, 11, 12, 14, 18, 21, 22, 23, 24, 26}},
        {"b.c.c", {5, 6, 18, 21, 22, 23, 24, 26}},
        {"a.a.a.a.a", {5, 6, 11, 12, 21, 22, 23, 24}},
        {"vodka.gin", {5, 6, 8, 21, 22, 23, 24}},
        {"vodka.martini", {5, 6, 8, 19, 21, 22, 23, 24}},
        {"b.b.c", {5, 6, 10, 13, 18, 21, 22, 23, 24, 26}},
        {"nothing.here.at.all", {5, 6, 21, 22, 23, 24}},
        {"oneword", {5, 6, 21, 22, 23, 24, 25}},
    };
    for (const auto& each : expected) {
        const std::string& key = each.first;
        std::vector<int> matched;
        for (const auto& [number, text] : bindings)
            if (pattern{text}.matches(key)) matched.push_back(number);
        CHECK_MESSAGE(matched == each.second, key);
    }
}

// The issue asks for 1,000,000: PENSTOCK_PATTERN_PAIRS=1000000 (3 s).
TEST_CASE("300,000 random pairs, or as many as asked, match as the rules say") {
    const char* asked = std::getenv("PENSTOCK_PATTERN_PAIRS");
    const int pairs = asked ? std::atoi(asked) : 300'000;
    std::mt19937 random{20180211};
    const auto any = [&](std::initializer_list<const char*> choice) {
        return std::string{choice.begin()[random() % choice.size()]};
    };
    int matched = 0;
    for (int n = 0; n < pairs; ++n) {
        std::string p = any({"a", "b", "*", "#"}), name = any({"a", "b", "ab"});
        for (auto more = random() % 6; more > 0; --more) p += "." + any({"a", "b", "ab", "*", "#"});
        for (auto more = random() % 7; more > 0; --more) name += "." + any({"a", "b", "ab"});
        const bool is = pattern{p}.matches(name);
        const bool should = reference(split(p), split(name));
        if (is != should) FAIL_CHECK(p, " against ", name, ": ", is);
        matched += is;
    }
    MESSAGE(pairs, " pairs, ", matched, " of them match");
    CHECK(matched > pairs / 10);  // or the choice of words would show nothing
    CHECK(matched < pairs / 10 * 9);
}

TEST_CASE("a pattern made to hurt ends: 127 hashes against 128 words that don't match") {
    std::string p = "#", name = "a";
    for (int i = 0; i < 62; ++i) p += ".#.a";
    p += ".z";
    while (name.size() + 2 <= penstock::longest_name) name += ".a";
    CHECK(!pattern{p}.matches(name));
    CHECK(pattern{p.substr(0, p.size() - 2)}.matches(name));
}

TEST_CASE("the worst patterns cost at most words times words; how much is printed") {
    using namespace std::chrono;
    std::string worst;
    double longest = 0;
    for (const std::string unit : {"#", "#.a", "#.*", "*.#", "#.a.#", "#.a.a", "#.*.a"})
        for (const std::string end : {"", ".z", ".a"}) {
            std::string p = unit, name = "a";
            while (p.size() + unit.size() + 1 + end.size() <= penstock::longest_name)
                p += "." + unit;
            p += end;
            for (int words = 1; words < 100; ++words) name += ".a";
            const pattern hurts{p};
            constexpr int repeats = 20;
            const auto from = steady_clock::now();
            int matched = 0;
            for (int i = 0; i < repeats; ++i) matched += hurts.matches(name);
            const double each =
                duration<double, std::micro>(steady_clock::now() - from).count() / repeats;
            CHECK((matched == 0 || matched == repeats));
            if (each > longest) longest = each, worst = p.substr(0, 16) + "..." + end;
        }
    MESSAGE("100 words against ", worst, ": ", longest, " us");
    CHECK(longest < 1e6);  // by the exponential way it would not end
}

TEST_CASE("a bad name says what, why and where") {
    CHECK(why("quake.us.strong", check_name) == "");
    CHECK(
        why("quake..strong", check_name).find("\"quake..strong\" has an empty word (at byte 6)") !=
        std::string::npos);
    CHECK(why("", check_name).find("empty word (at byte 0)") != std::string::npos);
    CHECK(why("quake.", check_name).find("empty word (at byte 6)") != std::string::npos);
    CHECK(why(".quake", check_name).find("empty word (at byte 0)") != std::string::npos);
    CHECK(why("quake.*", check_name).find("wildcard: patterns subscribe") != std::string::npos);
    CHECK(why("quake.#", check_name).find("at byte 6") != std::string::npos);
    CHECK(why("quake.c#", check_name).find("at byte 7") != std::string::npos);
    CHECK(why(std::string(255, 'a'), check_name) == "");
    CHECK(why(std::string(256, 'a'), check_name).find("over 255 bytes") != std::string::npos);
}

TEST_CASE("a bad pattern says what, why and where") {
    CHECK(why("quake.*.#", make_pattern) == "");
    CHECK(why("quake*", make_pattern).find("wildcard inside a word") != std::string::npos);
    CHECK(why("a.##", make_pattern).find("(at byte 2)") != std::string::npos);
    CHECK(why("a..b", make_pattern).find("the pattern \"a..b\" has an empty word") !=
          std::string::npos);
    CHECK(why(std::string(256, 'a'), make_pattern).find("over 255") != std::string::npos);
}
