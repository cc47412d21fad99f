// SPDX-License-Identifier: BSL-1.0
// A shared_ptr<const T> that is replaced while others copy it, without a lock: writers and readers
// don't wait for each other, whoever stalls.
//
//   auto room = shared_cell<T>::make();           // may throw; nothing has changed
//   cell.put(std::move(room), std::move(t), 7);   // now it is t, numbered 7
//   std::shared_ptr<const T> copy = cell.get(number);
//
// Cost      make: one allocation. put: one exchange. get: two read-modify-writes of the cell's line
//           and a copy of a shared_ptr.
// Progress  put and get are wait-free, but get's last step, which is lock-free.
// Limits    Addresses below 2^48 (user space of x86-64 and AArch64, without tags); 65,535 readers
//           between the two steps of get at one cell.
//
// How a pointer is copied that may be replaced and destroyed at any moment: by counting its readers
// in the same word (split reference counts, as in folly's AtomicSharedPtr). The word is
//   [ readers | node ]
// A reader adds itself, and gets the node that it has pinned by that, in one step. It copies the
// node's shared_ptr, then takes itself off the word. If the node was replaced meanwhile, the count
// that the word had went to the node's `owed` as a debt, and the reader pays its part there; who
// brings `owed` to 0 once the debt is written lets the node go. A node holds itself alive by a
// shared_ptr to itself: readers' copies live on after that.
//
// Edges
//   (P) writer exchange-release the word -> (G) reader RMW-acquire: built before copied.
//   (L) reader RMW-release the word -> (T) writer exchange-acquire: copied before let go. All that
//       change the word are read-modify-writes, so each continues the others' release sequences.
//   (O) RMW-acq_rel of `owed`, readers and writer with each other: the same for those after (T).
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <penstock/core/slot.hpp>
#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
class shared_cell {
    struct node {
        node() = default;
        node(const node&) = delete;
        ~node() {
            if (filled) value.drop();
        }
        slot<T> value;
        std::uint64_t number = 0;
        bool filled = false;
        std::shared_ptr<node> self{};
        sys::atomic<std::int32_t> owed{0};
    };

public:
    using prepared = std::shared_ptr<node>;

    static prepared make() {
        auto n = std::make_shared<node>();
        PENSTOCK_ASSERT(
            (to_word(n.get()) & ~node_bits) == 0,
            "a tagged address: build without memory tagging, the count needs those bits");
        return n;
    }

    void put(prepared&& room, T&& value, std::uint64_t number) noexcept {
        node* n = room.get();
        n->value.put(std::move(value));
        n->filled = true;
        n->number = number;
        sys::wrote(&n->self);
        n->self = std::move(room);
        const std::uint64_t old =
            word_.exchange(to_word(n), std::memory_order_acq_rel);  // (P) with (G), (T) with (L)
        if (node* replaced = node_in(old))
            settle(*replaced, -static_cast<std::int32_t>(old >> node_width));
    }

    /// What is in, and its number; null if nothing has been yet.
    [[nodiscard]] std::shared_ptr<const T> get(std::uint64_t& number) const noexcept {
        // A hint that pairs with nothing: once something is in, something stays in.
        if (node_in(word_.load(std::memory_order_relaxed)) == nullptr) return nullptr;
        const pin held{
            *this, word_.fetch_add(one_reader, std::memory_order_acquire)};  // (G), with (P)
        sys::read(&held.n.self);
        number = held.n.number;
        return {held.n.self, &held.n.value.get()};
    }

    void clear() noexcept {
        const std::uint64_t old = word_.exchange(0, std::memory_order_relaxed);  // alone by now
        if (node* n = node_in(old)) settle(*n, 0);
    }

private:
    static constexpr int node_width = 48;
    static constexpr std::uint64_t one_reader = std::uint64_t{1} << node_width;
    static constexpr std::uint64_t node_bits = one_reader - 1;

    static std::uint64_t to_word(node* n) noexcept { return reinterpret_cast<std::uintptr_t>(n); }
    static node* node_in(std::uint64_t word) noexcept {
        return reinterpret_cast<node*>(static_cast<std::uintptr_t>(word & node_bits));
    }

    static void settle(node& n, std::int32_t part) noexcept {
        const std::int32_t before = n.owed.fetch_add(part, std::memory_order_acq_rel);  // (O)
        if (before + part != 0) return;
        sys::wrote(&n.self);
        const auto last = std::move(n.self);
    }

    struct pin {
        pin(const shared_cell& from, std::uint64_t word) noexcept
            : cell{from}, n{*node_in(word)}, seen{word + one_reader} {}
        pin(const pin&) = delete;
        ~pin() {
            while (node_in(seen) == &n)
                if (cell.word_.compare_exchange_weak(
                        seen, seen - one_reader, std::memory_order_release,
                        std::memory_order_relaxed))  // (L), with (T)
                    return;
            settle(n, 1);
        }
        const shared_cell& cell;
        node& n;
        std::uint64_t seen;
    };

    mutable sys::atomic<std::uint64_t> word_{0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
