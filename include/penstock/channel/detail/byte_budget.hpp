// SPDX-License-Identifier: BSL-1.0
// Bytes that are reserved before use, and the line of those who wait for some.
//
// One word holds the bytes in use and a bit, `line`: somebody waits. Who finds the bit leaves the
// bytes to the line. Who stands in line set the bit in the same word in which he saw too few bytes
// left, so whoever gives some back later sees it, takes the mutex and hands them to the first.
// Nothing but numbers depends on the word: all its accesses are relaxed. The line is the mutex's.
// Who has got his bytes leaves without the mutex:
//   (H) serve release state -> (G) reserve acquire: whoever served him is done with his place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include <penstock/core/cache_line.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class byte_budget {
public:
    class place {
    public:
        std::size_t weight = 0;

    private:
        friend byte_budget;
        enum : unsigned char { nothing, in_line, holds };
        sys::atomic<unsigned char> state_{nothing};
        place* next_ = nullptr;
        place* previous_ = nullptr;
    };

    explicit byte_budget(std::size_t max) noexcept : max_{max < limit ? max : limit} {}

    [[nodiscard]] std::size_t max() const noexcept { return max_; }
    [[nodiscard]] std::size_t used_approx() const noexcept {
        return word_.load(std::memory_order_relaxed) / one;  // a number
    }
    /// Whether it would get its bytes now, or has them.
    [[nodiscard]] bool fits(const place& p) const noexcept {
        return p.state_.load(std::memory_order_relaxed) == place::holds ||  // its owner's, notified
               fits(word_.load(std::memory_order_relaxed), p.weight);
    }

    /// True: p holds its bytes. False: too few are left; a patient one stands in line now.
    bool reserve(place& p, bool patient) {
        const auto state = p.state_.load(std::memory_order_acquire);  // (G), pairs with (H)
        if (state != place::nothing) return state == place::holds;
        auto word = word_.load(std::memory_order_relaxed);  // a number
        if ((word & line) == 0 && add(word, p.weight)) return take(p);
        if (!patient) return false;
        std::lock_guard lock{mutex_};
        for (;;) {
            if (!first_ && add(word, p.weight)) return take(p);
            if (word_.compare_exchange_weak(word, word | line, std::memory_order_relaxed,
                                            std::memory_order_relaxed))  // numbers
                break;
        }
        p.previous_ = last_;
        (last_ ? last_->next_ : first_) = &p;
        last_ = &p;
        p.state_.store(place::in_line, std::memory_order_relaxed);  // others need the mutex
        return false;
    }

    /// Its bytes are the element's from now on.
    static void spend(place& p) noexcept {
        p.state_.store(place::nothing, std::memory_order_relaxed);  // it is in no line
    }
    /// True: somebody in the line has got bytes, notify.
    bool give_back(std::size_t weight) {
        const auto before = word_.fetch_sub(weight * one, std::memory_order_relaxed);  // a number
        if ((before & line) == 0) return false;
        std::lock_guard lock{mutex_};
        return serve();
    }
    /// Gives up a place or the bytes. True: as above.
    bool leave(place& p) {
        if (p.state_.load(std::memory_order_relaxed) == place::nothing) return false;  // its own
        {
            std::lock_guard lock{mutex_};
            if (p.state_.load(std::memory_order_relaxed) == place::in_line) {  // by the mutex
                unlink(p);
                spend(p);
                return serve();  // the next one may be lighter
            }
        }
        spend(p);
        return give_back(p.weight);
    }

private:
    static constexpr std::uint64_t line = 1, one = 2;  // of the word
    static constexpr std::size_t limit = static_cast<std::size_t>(-1) / 4;

    [[nodiscard]] bool fits(std::uint64_t word, std::size_t weight) const noexcept {
        return word / one <= max_ - weight;
    }
    bool add(std::uint64_t& word, std::size_t weight) noexcept {
        while (fits(word, weight))
            if (word_.compare_exchange_weak(word, word + weight * one, std::memory_order_relaxed,
                                            std::memory_order_relaxed))  // numbers
                return true;
        return false;
    }
    static bool take(place& p) noexcept {
        p.state_.store(place::holds, std::memory_order_relaxed);  // its own
        return true;
    }
    bool serve() noexcept {
        bool served = false;
        auto word = word_.load(std::memory_order_relaxed);  // a number
        while (first_ && add(word, first_->weight)) {
            place& p = *first_;
            unlink(p);
            p.state_.store(place::holds, std::memory_order_release);  // (H), pairs with (G)
            served = true;
        }
        if (!first_) word_.fetch_and(~line, std::memory_order_relaxed);  // a number
        return served;
    }
    void unlink(place& p) noexcept {
        (p.previous_ ? p.previous_->next_ : first_) = p.next_;
        (p.next_ ? p.next_->previous_ : last_) = p.previous_;
        p.next_ = p.previous_ = nullptr;
    }

    const std::size_t max_;
    sys::mutex mutex_;  // guards the line
    place* first_ = nullptr;
    place* last_ = nullptr;
    alignas(cache_line) sys::atomic<std::uint64_t> word_{0};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
