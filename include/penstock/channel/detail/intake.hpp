// SPDX-License-Identifier: BSL-1.0
// A queue with a gate: push() answers ok, full or closed, and once closed and drained nothing can
// appear in it any more: a send that passed the gate is received, one that came later is refused.
// How the gate closes depends on what the storage brings:
//
//   closable_queue     the queue's own close: a bit in the cursor that pushes exchange
//   single_producer    the producer says `busy` while it is between the gate and its push
//   any other          a word that counts pushes under way and elements ready to take
//
// something() is never false while an element is in: a waiter may sleep when it and pop() say no.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <penstock/core/backoff.hpp>
#include <penstock/core/cache_line.hpp>
#include <penstock/core/status.hpp>
#include <penstock/core/sync_wait.hpp>
#include <penstock/queue/concepts.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <queue Storage>
class intake;

template <closable_queue Storage>
class intake<Storage> {
public:
    using value_type = typename Storage::value_type;
    explicit intake(std::size_t capacity) : storage_{capacity} {}

    status push(value_type&& value) {
        if (storage_.try_push(std::move(value))) return status::ok;
        return storage_.closed() ? status::closed : status::full;
    }
    std::optional<value_type> pop() { return storage_.try_pop(); }
    [[nodiscard]] bool something() const { return storage_.size_approx() > 0; }

    void close() { storage_.close(); }
    [[nodiscard]] bool closed() const { return storage_.closed(); }
    [[nodiscard]] bool drained() const { return storage_.drained(); }
    [[nodiscard]] const Storage& storage() const noexcept { return storage_; }

private:
    Storage storage_;
};

// The producer and the closer each write one word and then read the other's; one of them must see
// the other. With asymmetric fences the closer pays for both (core/waiter.hpp says why that is
// enough); without, all four accesses are sequentially consistent. The same order makes sure, when
// the producer leaves, that it sees the closed gate or the receiver sees it gone.
template <queue Storage>
    requires(Storage::single_producer && !closable_queue<Storage>)
class intake<Storage> {
public:
    using value_type = typename Storage::value_type;
    explicit intake(std::size_t capacity) : storage_{capacity}, asymmetric_{sys::asymmetric()} {}

    status push(value_type&& value) {
        set_busy(true);
        status answer = status::closed;
        if (gate_.load(std::memory_order_seq_cst) == open)
            answer = storage_.try_push(std::move(value)) ? status::ok : status::full;
        set_busy(false);
        return answer;
    }
    std::optional<value_type> pop() { return storage_.try_pop(); }
    [[nodiscard]] bool something() const { return storage_.size_approx() > 0; }

    void close() {
        gate_t expected = open;
        gate_.compare_exchange_strong(expected, closing, std::memory_order_seq_cst);
        if (asymmetric_) sys::process_barrier();
        gate_.store(shut, std::memory_order_release);  // pairs with drained
    }
    [[nodiscard]] bool closed() const {
        return gate_.load(std::memory_order_relaxed) != open;  // final once set
    }
    [[nodiscard]] bool drained() const {
        return gate_.load(std::memory_order_seq_cst) == shut &&
               !busy_.load(std::memory_order_seq_cst) && storage_.size_approx() == 0;
    }
    [[nodiscard]] const Storage& storage() const noexcept { return storage_; }

private:
    // `closing` refuses pushes; only `shut`, behind the barrier, lets `busy_` be believed.
    using gate_t = unsigned char;
    static constexpr gate_t open = 0, closing = 1, shut = 2;

    void set_busy(bool busy) noexcept {
        if (asymmetric_) {
            busy_.store(busy, std::memory_order_release);  // pairs with drained, close's barrier
            sys::compiler_barrier();
        } else {
            busy_.store(busy, std::memory_order_seq_cst);
        }
    }

    Storage storage_;
    const bool asymmetric_;
    sys::atomic<gate_t> gate_{open};
    alignas(cache_line) sys::atomic<bool> busy_{false};
};

template <queue Storage>
    requires(!Storage::single_producer && !closable_queue<Storage>)
class intake<Storage> {
public:
    using value_type = typename Storage::value_type;
    explicit intake(std::size_t capacity) : storage_{capacity} {}

    status push(value_type&& value) {
        // All agree on the order of the word's changes, and the storage orders its elements: hence
        // relaxed, but where the comment says more.
        if (word_.fetch_add(one_under_way, std::memory_order_relaxed) & closed_bit) {
            word_.fetch_sub(one_under_way, std::memory_order_relaxed);  // carries nothing
            return status::closed;
        }
        bool pushed = false;
        try {
            pushed = storage_.try_push(std::move(value));
        } catch (...) {
            word_.fetch_sub(one_under_way, std::memory_order_relaxed);  // carries nothing
            throw;
        }
        word_.fetch_add((pushed ? one_ready : 0) - one_under_way,
                        std::memory_order_release);  // (T): pop finds it at once
        return pushed ? status::ok : status::full;
    }

    std::optional<value_type> pop() {
        auto word = word_.load(std::memory_order_relaxed);  // the exchange decides
        do {
            if (word < one_ready) return std::nullopt;
        } while (!word_.compare_exchange_weak(word, word - one_ready, std::memory_order_acquire,
                                              std::memory_order_relaxed));  // pairs with (T)
        // One completely pushed element is ours; the storage may say empty while others are busy.
        for (backoff wait;; wait()) {
            if (auto value = storage_.try_pop()) return value;
        }
    }
    [[nodiscard]] bool something() const {
        return word_.load(std::memory_order_relaxed) >= one_ready;  // a hint
    }

    void close() { word_.fetch_or(closed_bit, std::memory_order_release); }  // (Z), with drained
    [[nodiscard]] bool closed() const {
        return (word_.load(std::memory_order_relaxed) & closed_bit) != 0;  // final once set
    }
    [[nodiscard]] bool drained() const {
        return word_.load(std::memory_order_acquire) == closed_bit;  // pairs with (Z)
    }
    [[nodiscard]] const Storage& storage() const noexcept { return storage_; }

private:
    static constexpr std::uint64_t closed_bit = 1;
    static constexpr std::uint64_t one_under_way = 2;                   // up to a million at once
    static constexpr std::uint64_t one_ready = std::uint64_t{1} << 21;  // and 8.8e12 elements

    Storage storage_;
    alignas(cache_line) sys::atomic<std::uint64_t> word_{0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
