// SPDX-License-Identifier: BSL-1.0
// A slot of a lossy broadcast_ring, for elements that are copied by words and for those that are
// shared. Its stamp is the ring's; (K) is an edge of lossy_ring.hpp.
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <penstock/core/sync.hpp>
#include <penstock/queue/detail/seqlock.hpp>
#include <penstock/queue/detail/shared_cell.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T, class Cursor, bool ByWords = std::is_trivially_copyable_v<T>>
class lossy_cell {
public:
    static constexpr bool in_place = true;  // a push can't throw
    using element = std::optional<T>;
    struct prepared {};

    sys::atomic<Cursor> stamp{0};

    static prepared make() noexcept { return {}; }
    void write(Cursor, prepared&&, T&& value) noexcept { words_.store(value); }
    /// After (K) has found this filled stamp. None: a later element took its place.
    [[nodiscard]] element read(Cursor, Cursor filled) const noexcept {
        return words_.load_while(stamp, filled);
    }
    void clear() noexcept {}

private:
    seqlock_words<T> words_;
};

template <class T, class Cursor>
class lossy_cell<T, Cursor, false> {
public:
    static constexpr bool in_place = false;
    using element = std::shared_ptr<const T>;
    using prepared = typename shared_cell<T>::prepared;

    sys::atomic<Cursor> stamp{0};

    static prepared make() { return shared_cell<T>::make(); }
    void write(Cursor cursor, prepared&& room, T&& value) noexcept {
        value_.put(std::move(room), std::move(value), cursor);
    }
    [[nodiscard]] element read(Cursor cursor, Cursor) const noexcept {
        std::uint64_t number = 0;
        element e = value_.get(number);
        if (number != cursor) return {};  // a later one, whose busy stamp came with it
        return e;
    }
    void clear() noexcept { value_.clear(); }

private:
    shared_cell<T> value_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
