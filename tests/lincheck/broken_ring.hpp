// SPDX-License-Identifier: BSL-1.0
// A small ring of sequenced slots with one mistake of choice, each of a kind that has shipped
// somewhere. Its data races are on atomics, so that only its answers are wrong.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "history.hpp"

namespace lincheck {

enum class bug {
    absent,
    swap_on_wrap,         // the last slot and the first change places when both are filled
    lost_element,         // two producers may claim one slot: the tail is stored, not exchanged
    wrong_empty,          // who loses the race for an element says empty
    published_too_early,  // the slot says filled before it is
    full_too_early,       // one slot always stays free
};

template <bug Bug>
class broken_ring {
public:
    explicit broken_ring(std::size_t capacity) : slots_(capacity) {
        for (std::size_t i = 0; i < capacity; ++i) slots_[i].turn = 2 * i;
    }

    bool try_push(item&& mine) {
        for (int tries = 0; tries < most_tries; ++tries) {
            std::uint64_t tail = tail_;
            if (Bug == bug::full_too_early && tail - head_ + 1 >= slots_.size() &&
                slots_.size() > 1)
                return false;
            auto& s = slots_[tail % slots_.size()];
            if (s.turn < free_at(tail)) return false;
            if (s.turn > free_at(tail)) continue;
            if (Bug == bug::lost_element) {
                linger();
                tail_ = tail + 1;
            } else if (!tail_.compare_exchange_strong(tail, tail + 1)) {
                continue;
            }
            if (Bug == bug::published_too_early) s.turn = filled_at(tail);
            item moved{std::move(mine)};  // lingers
            s.content = moved.v;
            s.turn = filled_at(tail);
            return true;
        }
        return false;
    }

    std::optional<item> try_pop() {
        for (int tries = 0; tries < most_tries; ++tries) {
            std::uint64_t head = head_;
            auto& s = slots_[head % slots_.size()];
            if (s.turn < filled_at(head)) return std::nullopt;
            if (s.turn > filled_at(head)) continue;
            if (Bug == bug::swap_on_wrap && head % slots_.size() == slots_.size() - 1) {
                auto& first = slots_[0];
                if (slots_.size() > 1 && first.turn == filled_at(head + 1))
                    first.content = s.content.exchange(first.content);
            }
            if (Bug == bug::wrong_empty) linger();
            if (!head_.compare_exchange_strong(head, head + 1)) {
                if (Bug == bug::wrong_empty) return std::nullopt;
                continue;
            }
            item moved{item{s.content}};  // lingers
            s.turn = free_at(head + slots_.size());
            return moved;
        }
        return std::nullopt;
    }

private:
    static constexpr int most_tries = 1000;  // a broken ring may wait for a turn that never comes

    // Of the element with this number: even while its slot waits for it, odd while it is in.
    static std::uint64_t free_at(std::uint64_t n) { return 2 * n; }
    static std::uint64_t filled_at(std::uint64_t n) { return 2 * n + 1; }

    struct slot {
        std::atomic<std::uint64_t> turn{0};
        std::atomic<value> content{none};
    };
    std::vector<slot> slots_;
    std::atomic<std::uint64_t> head_{0}, tail_{0};
};

}  // namespace lincheck
