// SPDX-License-Identifier: BSL-1.0
// A queue with a gate: push() answers ok, full or closed, and once closed and drained nothing can
// appear in it any more: a send that passed the gate is received, one that came later is refused.
// How the gate closes depends on what the storage brings:
//
//   closable_queue     the queue's own close: a bit in the cursor that pushes exchange
//   single_producer    the producer says `busy` while it is between the gate and its push
//   any other          a word that counts pushes under way and elements ready to take
// The first two need a counting_queue.
//
// something() is never false while an element is in: a waiter may sleep when it and pop_into() say no.
// idle() is true when nothing is in and nobody is between the gate and the end of his push.
// pushed() counts all that ever passed, exactly while nobody pushes.
//
// Batches: push_n constructs elements from *first, which must not throw; pop_n assigns to *out,
// likewise. Both return how many, which may be fewer than would go: try the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>

#include <penstock/channel/detail/transfer.hpp>
#include <penstock/core/backoff.hpp>
#include <penstock/core/cache_line.hpp>
#include <penstock/core/status.hpp>
#include <penstock/core/sync_wait.hpp>
#include <penstock/queue/concepts.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <queue Storage>
class intake;

template <queue Storage>
    requires(closable_queue<Storage> && counting_queue<Storage>)
class intake<Storage> {
public:
    using value_type = typename Storage::value_type;
    explicit intake(std::size_t capacity) : storage_{capacity} {}

    status push(value_type&& value) {
        if (storage_.try_push(std::move(value))) return status::ok;
        return storage_.closed() ? status::closed : status::full;
    }
    template <class Iterator>
    std::size_t push_n(Iterator first, std::size_t n) {
        return push_some(storage_, first, n);
    }
    /// Where the storage builds elements in their slots.
    template <class... Args>
    bool emplace(Args&&... args) {
        return storage_.try_emplace(std::forward<Args>(args)...);
    }
    /// A place for one that is pushed later, if the storage can keep one.
    auto reserve() { return storage_.reserve(); }
    bool skip_abandoned() { return storage_.skip_abandoned(); }
    bool pop_into(std::optional<value_type>& empty) { return pop_one(storage_, empty); }
    bool pop_into(value_type& target) { return storage_.try_pop(target); }
    template <class Iterator>
    std::size_t pop_n(Iterator out, std::size_t n) {
        return pop_some(storage_, out, n);
    }
    [[nodiscard]] bool something() const { return storage_.size_approx() > 0; }
    [[nodiscard]] bool idle() const { return storage_.size_approx() == 0; }
    [[nodiscard]] std::uint64_t pushed() const { return storage_.pushed_approx(); }

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
    requires(Storage::single_producer && !closable_queue<Storage> && counting_queue<Storage>)
class intake<Storage> {
public:
    using value_type = typename Storage::value_type;
    explicit intake(std::size_t capacity) : storage_{capacity}, asymmetric_{sys::asymmetric()} {}

    status push(value_type&& value) {
        status answer = status::closed;
        if (enters()) answer = storage_.try_push(std::move(value)) ? status::ok : status::full;
        set_busy(false);
        return answer;
    }
    template <class Iterator>
    std::size_t push_n(Iterator first, std::size_t n) {
        std::size_t pushed = 0;
        if (enters()) pushed = push_some(storage_, first, n);
        set_busy(false);
        return pushed;
    }
    bool pop_into(std::optional<value_type>& empty) { return pop_one(storage_, empty); }
    template <class Iterator>
    std::size_t pop_n(Iterator out, std::size_t n) {
        return pop_some(storage_, out, n);
    }
    [[nodiscard]] bool something() const { return storage_.size_approx() > 0; }
    [[nodiscard]] bool idle() const {
        return !busy_.load(std::memory_order_acquire) &&  // pairs with set_busy
               storage_.size_approx() == 0;
    }
    [[nodiscard]] std::uint64_t pushed() const { return storage_.pushed_approx(); }

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

    /// Announces a push, then looks whether the gate is open. Every call ends by set_busy(false).
    [[nodiscard]] bool enters() noexcept {
        set_busy(true);
        return gate_.load(std::memory_order_seq_cst) == open;
    }
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
    requires(!counting_queue<Storage> || !(Storage::single_producer || closable_queue<Storage>))
class intake<Storage> {
public:
    using value_type = typename Storage::value_type;
    explicit intake(std::size_t capacity) : storage_{capacity} {}

    status push(value_type&& value) {
        visit here{word_};
        if (!here.admitted) return status::closed;
        if (!storage_.try_push(std::move(value))) return status::full;
        here.pushed = 1;
        return status::ok;
    }
    template <class Iterator>
    std::size_t push_n(Iterator first, std::size_t n) {
        visit here{word_};
        if (here.admitted) here.pushed = push_some(storage_, first, n);
        return here.pushed;
    }

    bool pop_into(std::optional<value_type>& empty) {
        if (claim(1) == 0) return false;
        // One completely pushed element is ours; the storage may say empty while others are busy.
        for (backoff wait; !pop_one(storage_, empty);) wait();
        return true;
    }
    template <class Iterator>
    std::size_t pop_n(Iterator out, std::size_t n) {
        n = claim(n);
        backoff wait;
        for (std::size_t popped = 0; popped < n;) {
            const auto some = pop_some(storage_, out, n - popped);
            std::advance(out, some);
            popped += some;
            if (some == 0) wait();
        }
        return n;
    }
    [[nodiscard]] bool something() const {
        return word_.load(std::memory_order_relaxed) >= one_ready;  // a hint
    }

    [[nodiscard]] bool idle() const {
        return (word_.load(std::memory_order_relaxed) & ~closed_bit) == 0;  // a hint
    }
    [[nodiscard]] std::uint64_t pushed() const {
        return popped_.load(std::memory_order_relaxed) +  // counts; they carry nothing
               word_.load(std::memory_order_relaxed) / one_ready;
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

    /// From the gate to the end of a push. All agree on the order of the word's changes, and the
    /// storage orders its elements: hence relaxed, but where the comment says more.
    struct visit {
        explicit visit(sys::atomic<std::uint64_t>& w) noexcept
            : word{w},
              // Relaxed: the order of the word's changes decides, as said above.
              admitted{(w.fetch_add(one_under_way, std::memory_order_relaxed) & closed_bit) == 0} {}
        visit(const visit&) = delete;
        ~visit() {
            word.fetch_add(pushed * one_ready - one_under_way,
                           std::memory_order_release);  // (T): pop finds them at once
        }
        sys::atomic<std::uint64_t>& word;
        const bool admitted;
        std::size_t pushed = 0;
    };

    std::size_t claim(std::size_t wanted) {
        auto word = word_.load(std::memory_order_relaxed);  // the exchange decides
        std::size_t n;
        do {
            n = static_cast<std::size_t>(word / one_ready);
            if (n > wanted) n = wanted;
            if (n == 0) return 0;
        } while (!word_.compare_exchange_weak(word, word - n * one_ready, std::memory_order_acquire,
                                              std::memory_order_relaxed));  // pairs with (T)
        popped_.fetch_add(n, std::memory_order_relaxed);  // a count, on the line that is ours now
        return n;
    }

    Storage storage_;
    alignas(cache_line) sys::atomic<std::uint64_t> word_{0};
    sys::atomic<std::uint64_t> popped_{0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
