// SPDX-License-Identifier: BSL-1.0
// Topics as patterns find them, so that a change touches few topics outside of those that it is about:
// lists of those that begin with the same two words, and of those that end with the same one.
//
//   w1.v2.#   the topics that begin with w1.v2
//   w1.*.n3   those that begin with w1, or those that end with n3: whichever are fewer
//   #.n3      those that end with n3
//   *.v2.#    all of them
//
// Threads   One at a time, under the registry's mutex.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <penstock/bus/detail/name_hash.hpp>
#include <penstock/bus/detail/topic_state.hpp>
#include <penstock/bus/pattern.hpp>
#include <penstock/core/cache_line.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class topic_lists {
    /// Of one word: the topic of that name, and what is below. Of two: all topics that begin so.
    struct alignas(cache_line) group {
        group(std::string_view p, group* a) : prefix{p}, above{a} {}
        const std::string prefix;
        group* const above;
        topic_state* topics = nullptr;
        std::size_t size = 0;  // of it and what is below
        group* below = nullptr;
        group* beside = nullptr;
    };

public:
    topic_lists() = default;
    topic_lists(const topic_lists&) = delete;
    topic_lists& operator=(const topic_lists&) = delete;
    ~topic_lists() {
        for (group* g : groups_) delete g;
    }

    /// It may be added soon: where that is comes meanwhile.
    void expect(std::string_view name) const noexcept {
        if (!endings_.empty()) __builtin_prefetch(&endings_[ending(endings_, last_of(name))], 1);
    }
    /// Makes the list that a topic of that name belongs to; then add() can't throw.
    [[nodiscard]] group& list_of(std::string_view name) {
        if (size_ >= endings_.size()) grow_endings();
        const std::string_view two = first_two(name);
        if (group* const known = find(two)) return *known;
        const std::string_view one = words{name}.word();
        group& head = make(one, nullptr);
        return one.size() == two.size() ? head : make(two, &head);
    }
    void add(group& to, topic_state& t) noexcept {
        t.next = std::exchange(to.topics, &t);
        for (group* g = &to; g; g = g->above) ++g->size;
        put(endings_, t);
        ++size_;
    }

    /// Calls f with each topic that the pattern matches.
    template <class F>
    void for_each(const pattern& by, F&& f) const {
        const std::string_view text{by.text()};
        const auto test = [&](topic_state& t) {
            if (by.matches(t.name)) f(t);
        };
        const group* from = nullptr;  // of all that it may match
        const std::string_view one = words{text}.word();
        if (!is_wild(one)) {
            const std::string_view two = first_two(text);
            const bool by_two = two.size() > one.size() && !is_wild(two.substr(one.size() + 1));
            from = find(by_two ? two : one);
            if (!from) return;
        }
        const std::string_view last = last_of(text);
        if (topic_state* t =
                is_wild(last) || size_ == 0 ? nullptr : endings_[ending(endings_, last)];
            !is_wild(last) && is_shorter(t, from ? from->size : size_)) {
            for (; t; t = t->next_ending) test(*t);
        } else if (from) {
            all_of(*from, test);
        } else {
            for (const group* head = heads_; head; head = head->beside) all_of(*head, test);
        }
    }

private:
    static bool is_wild(std::string_view word) noexcept { return word == "*" || word == "#"; }
    static std::string_view first_two(std::string_view text) noexcept {
        const auto dot = text.find('.');
        return dot == text.npos ? text : text.substr(0, text.find('.', dot + 1));
    }
    static std::string_view last_of(std::string_view text) noexcept {
        return text.substr(text.rfind('.') + 1);  // npos + 1 is 0
    }

    // By their first words: open addressing; groups never go.

    group& make(std::string_view prefix, group* above) {
        if (group* const known = find(prefix)) return *known;
        if (2 * (groups_made_ + 1) > groups_.size()) grow();
        group*& at = groups_[slot(groups_, prefix)];
        at = new group{prefix, above};
        at->beside = std::exchange(above ? above->below : heads_, at);
        ++groups_made_;
        return *at;
    }
    [[nodiscard]] group* find(const hashed_text& prefix) const noexcept {
        return groups_.empty() ? nullptr : groups_[slot(groups_, prefix)];
    }
    /// Where it is, or would be.
    [[nodiscard]] static std::size_t slot(const std::vector<group*>& all,
                                          const hashed_text& prefix) noexcept {
        std::size_t i = prefix.hash() & (all.size() - 1);
        while (all[i] && !prefix.is(all[i]->prefix)) i = (i + 1) & (all.size() - 1);
        return i;
    }
    void grow() {
        std::vector<group*> bigger(groups_.empty() ? 16 : 2 * groups_.size());
        for (group* g : groups_)
            if (g) bigger[slot(bigger, std::string_view{g->prefix})] = g;
        groups_.swap(bigger);
    }
    template <class F>
    static void all_of(const group& g, F& f) {
        for (topic_state* t = g.topics; t; t = t->next) f(*t);
        for (const group* b = g.below; b; b = b->beside)
            for (topic_state* t = b->topics; t; t = t->next) f(*t);
    }

    // By their last word: lists that words of equal hash share.

    using endings = std::vector<topic_state*>;
    [[nodiscard]] static std::size_t ending(const endings& all, std::string_view word) noexcept {
        return hashed_text{word}.hash() & (all.size() - 1);
    }
    static void put(endings& into, topic_state& t) noexcept {
        t.next_ending = std::exchange(into[ending(into, last_of(t.name))], &t);
    }
    void grow_endings() {
        endings bigger(endings_.empty() ? 16 : 4 * endings_.size());
        for (std::size_t i = 0; i < endings_.size(); ++i) {
            if (i + 16 < endings_.size()) __builtin_prefetch(endings_[i + 16]);
            for (topic_state* t = endings_[i]; t;) put(bigger, *std::exchange(t, t->next_ending));
        }
        endings_.swap(bigger);
    }
    [[nodiscard]] static bool is_shorter(const topic_state* list, std::size_t than) noexcept {
        for (; list && than > 0; --than) list = list->next_ending;
        return !list;
    }

    std::vector<group*> groups_;  // by hash
    std::size_t groups_made_ = 0;
    group* heads_ = nullptr;
    endings endings_;  // by hash
    std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
