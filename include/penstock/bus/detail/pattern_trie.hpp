// SPDX-License-Identifier: BSL-1.0
// Who listens by which pattern: a tree of words, so that a new topic finds its listeners without
// asking each pattern.
//
//   quake.*.strong   (root) ─quake─► ( ) ─*─► ( ) ─strong─► (s)
//   quake.us.#                        └──us─► ( ) ─#──────► (t)
//   quake.#                           └──#──► (u)
//
// match walks the name's words with the set of all places where a pattern can stand by then. A place
// behind `#` stays in the set, and is there as soon as the one in front of it is. No place is twice
// in the set, so that `#.#.#.#` costs no more than words times places.
//
// Cost      match: for each word, a look-up for each place in the set; the patterns that differ from
//           the name are never touched. insert, remove: the pattern's words.
// Memory    About 110 bytes a place; patterns share places. A place goes with its last pattern.
// Threads   One at a time, under the registry's mutex.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <penstock/bus/detail/in_order.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/name_hash.hpp>
#include <penstock/bus/pattern.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class pattern_trie {
public:
    pattern_trie() { places_.emplace_back(); }

    void insert(listener_base& l) {
        place_id at = root;
        ++places_[root].uses;
        try {
            for (words w{l.by().text()}; !w.done(); w.next()) {
                const place_id next = child(at, w.word());
                at = next != none ? next : grow(at, w.word());
                ++places_[at].uses;
            }
            places_[at].here.push_back(l);
        } catch (...) {
            release(at);
            throw;
        }
    }

    void remove(const listener_base& l) noexcept {
        place_id at = root;
        for (words w{l.by().text()}; at != none && !w.done(); w.next()) at = child(at, w.word());
        if (at == none || std::erase_if(places_[at].here, [&](auto& r) { return &*r == &l; }) == 0)
            return;
        release(at);
    }

    /// Of the newest few with that very pattern one of which is(it) is true; or null.
    template <class Is>
    [[nodiscard]] listener_base* newest(const pattern& by, Is&& is) const {
        place_id at = root;
        for (words w{by.text()}; at != none && !w.done(); w.next()) at = child(at, w.word());
        if (at == none) return nullptr;
        const auto& all = places_[at].here;
        for (std::size_t i = all.size(), few = 4; i > 0 && few > 0; --few)
            if (is(*all[--i])) return &*all[i];
        return nullptr;
    }

    /// Calls f with each listener whose pattern matches, as it is ranked.
    template <class F>
    void match(std::string_view name, F&& f) {
        now_.clear();
        ++step_;
        enter(root);
        for (words w{name}; !w.done(); w.next()) {
            const hashed_text word{w.word()};
            ++step_;
            next_.clear();
            std::swap(now_, next_);
            for (const place_id at : next_) {
                const place& p = places_[at];
                if (p.words > 0) enter(child(at, word));
                enter(p.any);
                if (p.is_many) enter(at);
            }
        }
        for (const place_id at : now_)
            for (const ranked& l : places_[at].here) f(l);
    }

    [[nodiscard]] std::size_t places() const noexcept { return places_.size() - free_.size(); }

private:
    using place_id = std::uint32_t;
    static constexpr place_id root = 0;
    static constexpr place_id none = ~place_id{0};

    struct place {
        std::uint64_t step = 0;  // of a match, in whose set it is
        place_id any = none;     // behind *
        place_id many = none;    // behind #
        place_id parent = none;
        std::uint32_t words = 0;  // children by a word
        std::vector<ranked> here{};
        std::uint32_t uses = 0;  // patterns that go through here
        bool is_many = false;
        std::string word{};  // that leads here
    };
    /// To a child by a word: most others differ in the hash, so that they are not looked at.
    struct edge {
        std::uint32_t hash = 0;  // of parent and word; says the slot, too
        place_id to = none;
    };
    [[nodiscard]] static std::uint32_t hashed(place_id parent, const hashed_text& word) noexcept {
        return static_cast<std::uint32_t>(
            hashed_text::folded(word.hash() ^ parent, 0x9e3779b97f4a7c15));
    }

    void enter(place_id at) {
        while (at != none && places_[at].step != step_) {
            places_[at].step = step_;
            now_.push_back(at);
            at = places_[at].many;
        }
    }

    [[nodiscard]] place_id child(place_id at, std::string_view word) const noexcept {
        if (word == "*") return places_[at].any;
        if (word == "#") return places_[at].many;
        return child(at, hashed_text{word});
    }
    [[nodiscard]] place_id child(place_id at, const hashed_text& word) const noexcept {
        if (edges_.empty()) return none;
        const std::uint32_t hash = hashed(at, word);
        for (std::size_t i = hash;; ++i) {
            const edge e = edges_[i & (edges_.size() - 1)];
            if (e.to == none) return none;
            if (e.hash != hash) continue;
            const place& p = places_[e.to];
            if (p.parent == at && word.is(p.word)) return e.to;
        }
    }

    place_id grow(place_id parent, std::string_view word) {
        const bool wild = word == "*" || word == "#";
        if (!wild && 2 * (edges_in_use_ + 1) > edges_.size()) rehash();
        if (free_.capacity() <= places_.size())
            free_.reserve(2 * places_.size() + 1);  // so that giving it back allocates nothing
        place fresh;
        fresh.word = word;
        fresh.parent = parent;
        fresh.is_many = word == "#";
        place_id at;
        if (free_.empty()) {
            at = static_cast<place_id>(places_.size());
            places_.push_back(std::move(fresh));
        } else {
            at = free_.back();
            free_.pop_back();
            places_[at] = std::move(fresh);
        }
        if (wild) {
            (places_[at].is_many ? places_[parent].many : places_[parent].any) = at;
        } else {
            link({hash_of(at), at});
            ++places_[parent].words;
            ++edges_in_use_;
        }
        return at;
    }

    /// One pattern less, from `at` up to the root.
    void release(place_id at) noexcept {
        while (at != none) {
            const place_id parent = places_[at].parent;
            if (--places_[at].uses == 0 && at != root) {
                place& p = places_[at];
                if (p.is_many) {
                    places_[parent].many = none;
                } else if (p.word == "*") {
                    places_[parent].any = none;
                } else {
                    unlink(at);
                    --places_[parent].words;
                    --edges_in_use_;
                }
                p = place{};
                free_.push_back(at);
            }
            at = parent;
        }
    }

    [[nodiscard]] std::uint32_t hash_of(place_id at) const noexcept {
        return hashed(places_[at].parent, std::string_view{places_[at].word});
    }
    void link(edge e) noexcept {
        std::size_t i = e.hash & (edges_.size() - 1);
        while (edges_[i].to != none) i = (i + 1) & (edges_.size() - 1);
        edges_[i] = e;
    }
    /// Those behind it that were pushed on by it move up.
    void unlink(place_id at) noexcept {
        const std::size_t mask = edges_.size() - 1;
        std::size_t hole = hash_of(at) & mask;
        while (edges_[hole].to != at) hole = (hole + 1) & mask;
        for (std::size_t i = (hole + 1) & mask; edges_[i].to != none; i = (i + 1) & mask) {
            if (((i - edges_[i].hash) & mask) < ((i - hole) & mask)) continue;
            edges_[hole] = edges_[i];
            hole = i;
        }
        edges_[hole] = {};
    }
    void rehash() {
        std::vector<edge> bigger(edges_.empty() ? 16 : 2 * edges_.size());
        edges_.swap(bigger);
        for (const edge e : bigger)
            if (e.to != none) link(e);
    }

    std::vector<place> places_;
    std::vector<place_id> free_;
    std::vector<edge> edges_;  // open addressing
    std::size_t edges_in_use_ = 0;
    std::uint64_t step_ = 0;
    std::vector<place_id> now_, next_;  // kept: no allocation once they have found their size
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
