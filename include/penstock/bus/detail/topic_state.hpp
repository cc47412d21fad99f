// SPDX-License-Identifier: BSL-1.0
// A topic, and how it is found: by its name, without a lock; and by the patterns that can match it,
// so that a change touches no topic outside of the subtree that it can reach.
//
//   by name      a table with open addressing. Topics never leave it, so a reader needs no lock: a
//                slot is empty or final. When it is two thirds full a bigger one takes its place.
//   by pattern   lists of the topics that share their first two words. A pattern that names both
//                meets one list, one that names the first those below it, any other all of them.
//
// Memory    56 bytes a topic, its name 48 or, over 15 characters, 80, in the table 12 to 24, in
//           its list nothing more; the roster of those who listen comes on top.
// Threads   find by any number, in a visit that is entering (detail/route.hpp); all else one at a
//           time, under the registry's mutex.
#pragma once

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <penstock/bus/detail/retired.hpp>
#include <penstock/bus/detail/route.hpp>
#include <penstock/bus/detail/shared_name.hpp>
#include <penstock/bus/detail/type_name.hpp>
#include <penstock/bus/pattern.hpp>
#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

struct topic_state {
    topic_state(const type_id& t, std::string_view n, std::size_t h) : type{t}, name{n}, hash{h} {}
    const type_id& type;
    const shared_name name;
    const std::size_t hash;
    route listeners;
    topic_state* next = nullptr;         // of those that share its first two words
    topic_state* made_before = nullptr;  // of all
};

[[noreturn]] inline void refuse_type(const topic_state& known, const type_id& asked) {
    std::string why{"penstock: the topic \""};
    why.append(*known.name).append("\" carries ").append(known.type.name);
    why.append(" and was asked for as ").append(asked.name);
    if (known.type.name == asked.name)
        why.append(" (another type of that name, or one that two libraries both hide)");
    throw std::invalid_argument{why};
}

class topic_table {
public:
    topic_table() : owner_{std::make_shared<slots>(16)}, now_{owner_.get()} {}
    topic_table(const topic_table&) = delete;
    topic_table& operator=(const topic_table&) = delete;

    [[nodiscard]] static std::size_t hashed(std::string_view name) noexcept {
        return std::hash<std::string_view>{}(name);
    }

    [[nodiscard]] topic_state* find(const visitors& all, std::string_view name,
                                    std::size_t hash) const noexcept {
        const slots& now = *all.by().look(now_);  // pairs with (T)
        for (std::size_t i = hash;; ++i) {
            topic_state* t = now[i & (now.size() - 1)].load(std::memory_order_acquire);  // with (S)
            if (!t || (t->hash == hash && *t->name == name)) return t;
        }
    }

    // For changers:

    /// Makes room for one more; then add() can't throw.
    void reserve(retired& old_ones) {
        if (3 * (size_ + 1) <= 2 * owner_->size()) return;
        auto bigger = std::make_shared<slots>(2 * owner_->size());
        for (auto& s : *owner_)
            if (topic_state* t = s.load(std::memory_order_relaxed))
                put(*bigger, *t);  // by the mutex
        old_ones.add_table(owner_);
        now_.store(bigger.get(), std::memory_order_seq_cst);  // (T): filled before found
        owner_ = std::move(bigger);
    }
    void add(topic_state& t) noexcept {
        put(*owner_, t);
        ++size_;
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    using slots = std::vector<sys::atomic<topic_state*>>;

    static void put(slots& into, topic_state& t) noexcept {
        std::size_t i = t.hash;
        while (into[i & (into.size() - 1)].load(std::memory_order_relaxed)) ++i;  // by the mutex
        into[i & (into.size() - 1)].store(
            &t, std::memory_order_release);  // (S): built before found
    }

    std::shared_ptr<slots> owner_;  // by the mutex
    sys::atomic<slots*> now_;
    std::size_t size_ = 0;
};

/// All topics, by their first two words.
class topic_lists {
public:
    topic_lists() = default;
    topic_lists(const topic_lists&) = delete;
    topic_lists& operator=(const topic_lists&) = delete;
    ~topic_lists() {
        for (group* g : groups_) delete g;
    }

    /// Makes the list that a topic of that name belongs to; then add() can't throw.
    topic_state*& list_of(std::string_view name) {
        words w{name};
        group& head = make(w.word(), heads_);
        w.next();
        if (w.done()) return head.topics;
        return make(name.substr(0, w.position() + w.word().size()), head.below).topics;
    }
    static void add(topic_state*& list, topic_state& t) noexcept {
        t.next = std::exchange(list, &t);
    }

    /// Calls f with each topic that the pattern matches.
    template <class F>
    void for_each(const pattern& by, F&& f) const {
        const std::string_view text{by.text()};
        words w{text};
        if (is_wild(w.word())) {
            for (const group* head = heads_; head; head = head->beside) all_of(*head, by, f);
            return;
        }
        const group* const head = find(w.word());
        w.next();
        if (!head) return;
        if (w.done()) {
            list(head->topics, by, f);
        } else if (is_wild(w.word())) {
            all_of(*head, by, f);
        } else if (const group* g = find(text.substr(0, w.position() + w.word().size()))) {
            list(g->topics, by, f);
        }
    }

private:
    /// Of one word: the topic of that name, and what is below. Of two: all topics that begin so.
    struct group {
        explicit group(std::string_view p) : prefix{p} {}
        const std::string prefix;
        topic_state* topics = nullptr;
        group* below = nullptr;
        group* beside = nullptr;
    };

    static bool is_wild(std::string_view word) noexcept { return word == "*" || word == "#"; }

    group& make(std::string_view prefix, group*& among) {
        if (2 * (size_ + 1) > groups_.size()) grow();
        group*& at = groups_[slot(groups_, prefix)];
        if (!at) {
            at = new group{prefix};
            at->beside = std::exchange(among, at);
            ++size_;
        }
        return *at;
    }
    [[nodiscard]] const group* find(std::string_view prefix) const {
        return groups_.empty() ? nullptr : groups_[slot(groups_, prefix)];
    }
    /// Where it is, or would be. Open addressing; groups never go.
    [[nodiscard]] static std::size_t slot(const std::vector<group*>& all,
                                          std::string_view prefix) noexcept {
        std::size_t i = topic_table::hashed(prefix);
        while (all[i & (all.size() - 1)] && all[i & (all.size() - 1)]->prefix != prefix) ++i;
        return i & (all.size() - 1);
    }
    void grow() {
        std::vector<group*> bigger(groups_.empty() ? 16 : 2 * groups_.size());
        for (group* g : groups_)
            if (g) bigger[slot(bigger, g->prefix)] = g;
        groups_.swap(bigger);
    }
    template <class F>
    static void all_of(const group& head, const pattern& by, F& f) {
        list(head.topics, by, f);
        for (const group* g = head.below; g; g = g->beside) list(g->topics, by, f);
    }
    template <class F>
    static void list(topic_state* t, const pattern& by, F& f) {
        for (; t; t = t->next)
            if (by.matches(*t->name)) f(*t);
    }

    std::vector<group*> groups_;  // by hash
    std::size_t size_ = 0;
    group* heads_ = nullptr;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
