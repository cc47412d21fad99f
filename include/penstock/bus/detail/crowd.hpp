// SPDX-License-Identifier: BSL-1.0
// The members of a fan_out (detail/fan_out.hpp): a bit each, in one word that also counts them. A
// publisher reads the word once, counts by it and sends it along; so a message is for those who were
// members then, exactly, whoever comes and goes meanwhile. A bit is used once.
//   (J) add's release -> (M) the acquire of who reads the word: a member is made before it is called.
//
// Threads   add and remove under the registry's lock; all else by any number.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <utility>

#include <penstock/bus/detail/listener.hpp>
#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class crowd {
public:
    using bits = std::uint32_t;
    static constexpr unsigned places = 32;

    struct members {
        std::uint64_t word;
        [[nodiscard]] bits who() const noexcept { return static_cast<bits>(word); }
        [[nodiscard]] std::uint32_t count() const noexcept {
            return static_cast<std::uint32_t>(word >> 32);
        }
    };
    [[nodiscard]] members now() const noexcept {
        return {live_.load(std::memory_order_acquire)};  // (M), pairs with (J)
    }
    [[nodiscard]] bool empty() const noexcept {
        return live_.load(std::memory_order_relaxed) == 0;  // who left last sees his own
    }

    /// How many bits are used.
    [[nodiscard]] unsigned used() const noexcept { return used_; }
    void add(std::unique_ptr<listener_base> m) noexcept {
        all_[used_] = std::move(m);
        live_.fetch_add(one + (bits{1} << used_), std::memory_order_release);  // (J), with (M)
        ++used_;
    }
    /// True: it was the last one.
    bool remove(unsigned which) noexcept {
        const bits its = bits{1} << which;
        const members was{live_.load(std::memory_order_relaxed)};  // by the lock
        if ((was.who() & its) == 0) return false;
        live_.fetch_sub(one + its, std::memory_order_relaxed);  // says less, carries nothing
        return was.count() == 1;
    }

    template <class F>
    void each(bits who, F&& f) const {
        for (; who != 0; who &= who - 1) f(*all_[std::countr_zero(who)]);
    }
    template <class F>
    void everyone(F&& f) const {
        for (auto& m : all_)
            if (m) f(*m);
    }
    /// As direct_calls wants them: `to` has room for all and a null.
    void list(bits who, listener_base** to) const noexcept {
        each(who, [&](listener_base& m) { *to++ = &m; });
        *to = nullptr;
    }

private:
    static constexpr std::uint64_t one = std::uint64_t{1} << 32;
    sys::atomic<std::uint64_t> live_{0};  // how many, and their bits
    unsigned used_ = 0;
    std::unique_ptr<listener_base> all_[places];
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
