// SPDX-License-Identifier: BSL-1.0
// The handshake between somebody who comes to use a thing and somebody who takes it away: one says
// what he uses, then looks whether it is still there; the other takes it away, then looks whether
// somebody uses it. One of the two must see the other:
//   asymmetric (membarrier): the user orders his two steps for the compiler only; the other's
//     process barrier, between his two, is a full fence in the user at some instant. What was
//     announced before that instant is seen; a look after it sees the change.
//   otherwise: all four accesses are sequentially consistent.
//   (A) an announcement's release -> (B) the acquire of who reads it: what the user did under his
//       earlier announcements happened before.
#pragma once

#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class Kind>
class handshake_of {
public:
    // The user:
    template <class T>
    void announce(sys::atomic<T>& where, T what) const noexcept {
        if (is_.asymmetric) {
            where.store(what, std::memory_order_release);  // (A), pairs with (B)
            sys::compiler_barrier();
        } else {
            where.store(what, std::memory_order_seq_cst);
        }
    }
    template <class T>
    [[nodiscard]] T look(const sys::atomic<T>& where) const noexcept {
        return is_.asymmetric ? where.load(std::memory_order_acquire)  // pairs with its writer
                              : where.load(std::memory_order_seq_cst);
    }

    // The other, between the change and the announcements; and these:
    void barrier() const noexcept {
        if (is_.asymmetric) sys::process_barrier();
    }
    template <class T>
    [[nodiscard]] T read(const sys::atomic<T>& where) const noexcept {
        return is_.asymmetric ? where.load(std::memory_order_acquire)  // (B), pairs with (A)
                              : where.load(std::memory_order_seq_cst);
    }

    /// Whether announcements cost nothing.
    [[nodiscard]] bool asymmetric() const noexcept { return is_.asymmetric; }

private:
    [[no_unique_address]] Kind is_{};
};

struct asymmetric_or_not {
    bool asymmetric = sys::asymmetric();
};
using handshake = handshake_of<asymmetric_or_not>;

// Where it is known, for a loop that has no time to ask:
struct is_asymmetric {
    static constexpr bool asymmetric = true;
};
struct is_symmetric {
    static constexpr bool asymmetric = false;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
