// SPDX-License-Identifier: BSL-1.0
// A topic, and how it is found by its name: in a table of cache lines, without a lock.
//
//   line   | tag tag tag  0   0   0   0   - | topic topic topic  .   .   .   .  |
//
// A name's hash says which line, and seven bits of it are its tag, so that one line answers for most
// names, and no topic is looked at for nothing (as F14 and Swiss tables do it). What finds no place
// there goes to the next line. Topics never leave: a place is empty or final. When there are five to
// a line on average a table of four times as many takes over. The old ones stay, all together a
// third of the new one: so who looks up needs no visit.
//
// Memory    112 bytes a topic with its name, of over 15 characters that more; in the table 17 to 68;
//           in detail/topic_lists.hpp 8 to 32; the roster of those who listen comes on top.
// Threads   find by any number; all else one at a time, under the registry's mutex.
// Progress  find is wait-free: as many lines as topics at most.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <penstock/bus/detail/name_hash.hpp>
#include <penstock/bus/detail/route.hpp>
#include <penstock/bus/detail/shared_name.hpp>
#include <penstock/bus/detail/type_name.hpp>
#include <penstock/core/cache_line.hpp>
#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

struct topic_state;
[[noreturn]] void refuse_type(const topic_state& known, const type_id& asked);

struct topic_state final : named {
    topic_state(const type_id& t, const hashed_text& n)
        : named{n.text()}, type{t}, ends{n.ends()} {}
    [[nodiscard]] const topic_state& as(const type_id& asked) const {
        if (&type != &asked) [[unlikely]]
            refuse_type(*this, asked);
        return *this;
    }

    const type_id& type;
    route listeners;
    const text_ends ends;                // of its name
    topic_state* next = nullptr;         // of those that share its first two words
    topic_state* next_ending = nullptr;  // of those that share its last one
};

[[gnu::noinline, gnu::cold]] inline void refuse_type(const topic_state& known,
                                                     const type_id& asked) {
    std::string why{"penstock: the topic \""};
    why.append(known.name).append("\" carries ").append(known.type.name);
    why.append(" and was asked for as ").append(asked.name);
    if (known.type.name == asked.name)
        why.append(" (another type of that name, or one that two libraries both hide)");
    throw std::invalid_argument{why};
}

class topic_table {
public:
    topic_table() { take_over(new lines{2}); }
    topic_table(const topic_table&) = delete;
    topic_table& operator=(const topic_table&) = delete;
    ~topic_table() {
        while (newest_) delete std::exchange(newest_, newest_->older);
    }

    [[nodiscard, gnu::always_inline]] topic_state* find(const hashed_text& name) const noexcept {
        const lines& all = *now_.load(std::memory_order_acquire);  // pairs with (T)
        const line& here = all.at[first_of(name.hash()) & all.mask];
        const auto tags = here.tags.load(std::memory_order_acquire);  // pairs with (S)
        if (const std::uint64_t found = tagged(tags, name.hash())) [[likely]] {
            topic_state* const t = here.at[std::countr_zero(found) / 8];
            if (name.is(t->name, t->ends)) [[likely]]
                return t;
        }
        return search(name.text());
    }

    /// It will be looked for soon: its line comes meanwhile.
    void expect(const hashed_text& name) const noexcept {
        const lines& all = *now_.load(std::memory_order_acquire);  // pairs with (T)
        __builtin_prefetch(&all.at[first_of(name.hash()) & all.mask], 1);
    }

    // For changers:

    /// Makes room for one more; then add() can't throw.
    void reserve() {
        const std::size_t now = newest_->mask + 1;
        if (size_ < most_a_line * now) return;
        auto* const bigger = new lines{4 * now};
        for_each([&](topic_state& t) { put(*bigger, t, hashed_text{t.name}.hash()); });
        take_over(bigger);
    }
    void add(topic_state& t, std::uint64_t hash) noexcept {
        put(*newest_, t, hash);
        ++size_;
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    template <class F>
    void for_each(F&& f) const {
        for (std::size_t i = 0; i <= newest_->mask; ++i) {
            const line& ahead = newest_->at[(i + 2) & newest_->mask];
            for (const topic_state* t : ahead.at) __builtin_prefetch(t);
            const line& here = newest_->at[i];
            const auto tags = here.tags.load(std::memory_order_relaxed);  // by the mutex
            for (std::size_t place = 0; place < taken(tags); ++place) f(*here.at[place]);
        }
    }

private:
    static constexpr std::size_t places = 7, most_a_line = 5;
    struct alignas(cache_line) line {
        sys::atomic<std::uint64_t> tags{0};  // a byte each, from the lowest up; 0: it is empty
        topic_state* at[places]{};
    };
    struct lines {
        explicit lines(std::size_t n) : at{new line[n]}, mask{n - 1} {}
        lines(const lines&) = delete;
        lines& operator=(const lines&) = delete;
        ~lines() { delete[] at; }
        line* const at;
        const std::size_t mask;  // their number, a power of two, less 1
        lines* older = nullptr;
    };

    [[nodiscard]] static std::size_t first_of(std::uint64_t hash) noexcept { return hash >> 7; }
    [[nodiscard]] static std::uint64_t tag_of(std::uint64_t hash) noexcept {
        return (hash & 0x7f) | 0x80;
    }
    [[nodiscard]] static std::size_t taken(std::uint64_t tags) noexcept {
        return static_cast<std::size_t>(std::bit_width(tags)) / 8;  // each has its upper bit
    }

    /// The upper bit of each byte that is that tag, and perhaps of others that are one.
    [[nodiscard]] static std::uint64_t tagged(std::uint64_t tags, std::uint64_t hash) noexcept {
        const std::uint64_t differ = tags ^ (tag_of(hash) * 0x0101010101010101);
        return (differ - 0x0101010101010101) & ~differ & 0x8080808080808080;
    }
    /// As find, from line to line until one has room left.
    [[nodiscard, gnu::noinline]] topic_state* search(std::string_view text) const noexcept {
        const hashed_text name{text};
        const lines& all = *now_.load(std::memory_order_acquire);  // pairs with (T)
        for (std::size_t i = first_of(name.hash());; ++i) {
            const line& here = all.at[i & all.mask];
            const auto tags = here.tags.load(std::memory_order_acquire);  // pairs with (S)
            for (auto found = tagged(tags, name.hash()); found != 0; found &= found - 1) {
                topic_state* const t = here.at[std::countr_zero(found) / 8];
                if (name.is(t->name, t->ends)) return t;
            }
            if (taken(tags) < places) return nullptr;
        }
    }

    static void put(lines& into, topic_state& t, std::uint64_t hash) noexcept {
        for (std::size_t i = first_of(hash);; ++i) {
            line& here = into.at[i & into.mask];
            const auto tags = here.tags.load(std::memory_order_relaxed);  // by the mutex
            const std::size_t place = taken(tags);
            if (place == places) continue;
            here.at[place] = &t;
            here.tags.store(tags | tag_of(hash) << 8 * place,
                            std::memory_order_release);  // (S): built before found
            return;
        }
    }
    void take_over(lines* bigger) noexcept {
        bigger->older = std::exchange(newest_, bigger);
        now_.store(newest_, std::memory_order_release);  // (T): filled before found
    }

    lines* newest_ = nullptr;  // by the mutex
    sys::atomic<const lines*> now_{nullptr};
    std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
