// SPDX-License-Identifier: BSL-1.0
// Listeners in the order in which they subscribed. Without <algorithm>, which would cost more than the
// registry to compile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include <penstock/bus/detail/listener.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// A listener beside what is asked of all who match a topic, so that none of them is looked at.
class ranked {
public:
    ranked(listener_base& l) noexcept
        : number_{l.number},
          who_{&l},
          plain_{l.plain()},
          copies_{l.copies()},
          is_counted_{l.is_counted()} {}
    [[nodiscard]] listener_base& operator*() const noexcept { return *who_; }
    // As the listener says it, for good:
    [[nodiscard]] bool plain() const noexcept { return plain_; }
    [[nodiscard]] bool copies() const noexcept { return copies_; }
    [[nodiscard]] bool is_counted() const noexcept { return is_counted_; }
    [[nodiscard]] bool before(const ranked& other) const noexcept {
        return number_ < other.number_;
    }

private:
    std::uint64_t number_;
    listener_base* who_;
    bool plain_, copies_, is_counted_;
};

/// Few are mostly those of a few patterns, each of which has its own in order.
inline void put_in_order(std::vector<ranked>& all) noexcept {
    constexpr std::size_t few = 64;
    if (all.size() > few) {
        std::qsort(all.data(), all.size(), sizeof(ranked), [](const void* a, const void* b) {
            const auto& x = *static_cast<const ranked*>(a);
            const auto& y = *static_cast<const ranked*>(b);
            return x.before(y) ? -1 : y.before(x);
        });
        return;
    }
    for (std::size_t i = 1; i < all.size(); ++i) {
        const ranked moved = all[i];
        std::size_t to = i;
        for (; to > 0 && moved.before(all[to - 1]); --to) all[to] = all[to - 1];
        all[to] = moved;
    }
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
