// SPDX-License-Identifier: BSL-1.0
// What is in a channel, between the gate and the receivers: elements, and, where the storage keeps
// weights (channel/weighed.hpp, detail/weighed_cargo.hpp), their bytes.
//
// `pass` is what a sender holds from its first try until its value is in or refused for good. Here
// it is nothing; with a byte budget it is the value's weight, its bytes and its place in the line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <penstock/channel/batch.hpp>
#include <penstock/channel/detail/intake.hpp>
#include <penstock/channel/options.hpp>
#include <penstock/core/status.hpp>
#include <penstock/core/sync.hpp>
#include <penstock/queue/concepts.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T, queue Storage>
class cargo {
    static_assert(std::is_same_v<T, typename Storage::value_type>,
                  "this storage holds elements of another type than the channel's");

public:
    struct pass {
        explicit pass(cargo&) noexcept {}
        void stand_in_line() noexcept {}
        /// True: others may go now.
        static constexpr bool give_up() noexcept { return false; }
    };

    explicit cargo(channel_options<T>& o) : intake_{o.capacity} {
        if (o.weigh || o.max_bytes != no_limit)
            throw std::invalid_argument{
                "penstock: weigh and max_bytes need a storage that keeps weights: include "
                "channel/weighed.hpp and use mpmc_ring<weighed<T>>, or spsc_ring<weighed<T>>"};
    }

    status push(T&& value, pass&) {
        const status answer = intake_.push(std::move(value));
        return answer == status::full && skipped_gaps() ? intake_.push(std::move(value)) : answer;
    }
    /// As many as go at once; constructs them from *first, which must not throw.
    template <class Iterator>
    std::size_t push_n(Iterator first, std::size_t n) {
        return intake_.push_n(first, n);
    }
    template <class... Args>
    bool emplace(Args&&... args) {
        return intake_.emplace(std::forward<Args>(args)...);
    }
    /// A place for an element that comes later (detail/place.hpp).
    auto reserve() {
        auto slot = intake_.reserve();
        return slot || !skipped_gaps() ? std::move(slot) : intake_.reserve();
    }
    /// Before one is let go.
    void will_have_gaps() noexcept {
        gaps_.store(true, std::memory_order_relaxed);  // released by the storage's slot
    }
    /// True: places that were let go stood before the receivers, and are room now. So a gap holds up
    /// a sender no longer than the elements before it; who sleeps is told when it comes to be.
    bool skipped_gaps() {
        if constexpr (requires(Storage& s) { s.skip_abandoned(); }) {
            return has_gaps() && intake_.skip_abandoned();
        } else {
            return false;
        }
    }
    /// Whether a pop may have stepped over some without finding an element.
    [[nodiscard]] bool has_gaps() const noexcept {
        return gaps_.load(std::memory_order_relaxed);  // acquired by the pop
    }
    bool pop_into(std::optional<T>& empty) { return intake_.pop_into(empty); }
    bool pop_into(T& target) { return intake_.pop_into(target); }

    /// What goes for the sake of another.
    struct replaced {
        template <class Use>
        void each(Use use) {
            if (oldest) use(std::move(*oldest));
        }
        std::optional<T> oldest{};
    };
    /// Takes the oldest out and puts `value` in. full: another was faster.
    status replace(T&& value, pass& p, replaced& gone) {
        return pop_into(gone.oldest) ? push(std::move(value), p) : status::full;
    }
    template <class Iterator>
    std::size_t pop_n(Iterator out, std::size_t n) {
        return intake_.pop_n(out, n);
    }

    void close() { intake_.close(); }
    [[nodiscard]] bool closed() const { return intake_.closed(); }
    [[nodiscard]] bool drained() const { return intake_.drained(); }
    [[nodiscard]] bool idle() const { return intake_.idle(); }
    [[nodiscard]] bool something() const { return intake_.something(); }
    [[nodiscard]] bool room() const { return size() < capacity(); }
    [[nodiscard]] bool room(const pass&) const { return room(); }
    [[nodiscard]] std::uint64_t pushed() const { return intake_.pushed(); }
    [[nodiscard]] std::size_t size() const { return intake_.storage().size_approx(); }
    [[nodiscard]] std::size_t capacity() const { return intake_.storage().capacity(); }

    /// An element that is popped makes room for one sender, whoever it is.
    static constexpr bool one_for_one = true;
    /// Whether elements can be built in place from what an iterator refers to, several at once.
    template <class Iterator>
    static constexpr bool in_batches =
        std::is_nothrow_constructible_v<T, decltype(*std::declval<Iterator&>())>;

private:
    intake<Storage> intake_;
    sys::atomic<bool> gaps_{false};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
