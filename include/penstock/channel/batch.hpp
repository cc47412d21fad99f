// SPDX-License-Identifier: BSL-1.0
// The answer to a batch: how many went through, and if not all did, why the next one didn't.
//
//   const batch_result sent = tx.send_n(std::make_move_iterator(jobs.begin()), jobs.size());
//   if (!sent) keep(jobs.begin() + sent.count, jobs.end());  // sent.status: closed, full, ...
#pragma once

#include <cstddef>
#include <iterator>
#include <type_traits>

#include <penstock/core/status.hpp>

namespace penstock::inline PENSTOCK_ABI {

struct [[nodiscard]] batch_result {
    std::size_t count = 0;
    penstock::status status = penstock::status::ok;
    explicit operator bool() const noexcept { return static_cast<bool>(status); }
};

namespace detail {

/// Whether what a batch could not send can be found again by who holds the iterator.
template <class Iterator>
inline constexpr bool can_be_refused =
    std::is_base_of_v<std::forward_iterator_tag,
                      typename std::iterator_traits<Iterator>::iterator_category>;

/// What *it refers to, as something to send: in place where it may be moved from, else a copy.
template <class T, class Iterator>
decltype(auto) to_send(Iterator& it) {
    if constexpr (std::is_same_v<decltype(*it), T&&>) {
        return static_cast<T&&>(*it);
    } else {
        return T(*it);
    }
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
