// SPDX-License-Identifier: BSL-1.0
// What is in a channel with a byte budget (channel/weighed.hpp): as detail/cargo.hpp, and each
// element's weight beside it.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <penstock/channel/detail/byte_budget.hpp>
#include <penstock/channel/detail/cargo.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// An element and what it weighs; how a storage keeps it.
template <class T>
struct weighed {
    /// A value that is moved from only when it goes in.
    struct bound_for {
        T& value;
        std::size_t weight;
    };
    weighed(const bound_for& b) noexcept : value(std::move(b.value)), weight{b.weight} {}

    T value;
    std::size_t weight;
};

namespace detail {

template <class T, queue Storage>
    requires std::same_as<typename Storage::value_type, weighed<T>>
class cargo<T, Storage> {
    static_assert(batch_queue<Storage>,
                  "a byte budget needs a storage that builds elements in place: use mpmc_ring or "
                  "spsc_ring");

public:
    class pass {
    public:
        explicit pass(cargo& c) noexcept : of_{&c} {}
        void stand_in_line() noexcept { patient_ = true; }
        bool give_up() noexcept { return of_->budget_.leave(place_); }

    private:
        friend cargo;
        cargo* of_;
        byte_budget::place place_;
        bool weighed_ = false;
        bool patient_ = false;
    };

    explicit cargo(channel_options<T>& o)
        : intake_{o.capacity}, budget_{o.max_bytes}, weigh_{std::move(o.weigh)} {
        if (!weigh_)
            throw std::invalid_argument{
                "penstock: a storage that keeps weights needs to know them: set weigh"};
    }

    status push(T&& value, pass& mine) {
        if (!mine.weighed_) {
            mine.place_.weight = weigh_(value);
            mine.weighed_ = true;
        }
        if (closed()) return status::closed;
        if (mine.place_.weight > budget_.max()) return status::too_large;
        if (!budget_.reserve(mine.place_, mine.patient_)) return status::full;
        typename weighed<T>::bound_for item{value, mine.place_.weight};
        if (intake_.push_n(&item, 1) == 0) return closed() ? status::closed : status::full;
        byte_budget::spend(mine.place_);
        return status::ok;
    }
    bool pop_into(std::optional<T>& empty) {
        std::optional<weighed<T>> item;
        if (!intake_.pop_into(item)) return false;
        budget_.give_back(item->weight);  // who pops notifies all
        empty.emplace(std::move(item->value));
        return true;
    }
    /// What goes for the sake of another: as many as it takes.
    struct replaced {
        /// Of all, whatever one throws; the first throw goes on then.
        template <class Use>
        void each(Use use) {
            std::exception_ptr thrown;
            for (weighed<T>& item : all) {
                try {
                    use(std::move(item.value));
                } catch (...) {
                    if (!thrown) thrown = std::current_exception();
                }
            }
            if (thrown) std::rethrow_exception(thrown);
        }
        /// False: there is no memory to keep one more.
        bool keeps_another() {
            if (all.size() < all.capacity()) return true;
            try {
                all.reserve(2 * all.size() + 4);
            } catch (const std::bad_alloc&) {
                if (all.empty()) throw;  // nothing has happened
                return false;
            }
            return true;
        }
        std::vector<weighed<T>> all{};
    };
    /// full: others were faster, and have the room.
    status replace(T&& value, pass& p, replaced& gone) {
        status answer = status::full;
        std::optional<weighed<T>> oldest;
        while (answer == status::full && gone.keeps_another() && intake_.pop_into(oldest)) {
            budget_.give_back(oldest->weight);
            gone.all.push_back(std::move(*oldest));
            oldest.reset();
            answer = push(std::move(value), p);
        }
        return answer;
    }
    template <class Out>
    std::size_t pop_n(Out out, std::size_t n) {
        static_assert(std::is_nothrow_assignable_v<decltype(*out), T&&>,
                      "writing to `out` may throw and lose an element: pass a pointer");
        std::size_t popped = 0;
        for (; popped < n; ++popped, ++out) {
            std::optional<T> value;
            if (!pop_into(value)) break;
            *out = std::move(*value);
        }
        return popped;
    }

    void close() { intake_.close(); }
    [[nodiscard]] bool closed() const { return intake_.closed(); }
    [[nodiscard]] bool drained() const { return intake_.drained(); }
    [[nodiscard]] bool idle() const { return intake_.idle(); }
    [[nodiscard]] bool something() const { return intake_.something(); }
    [[nodiscard]] bool room() const { return size() < capacity(); }
    [[nodiscard]] bool room(const pass& p) const { return room() && budget_.fits(p.place_); }
    [[nodiscard]] std::uint64_t pushed() const { return intake_.pushed(); }
    [[nodiscard]] std::size_t size() const { return intake_.storage().size_approx(); }
    [[nodiscard]] std::size_t capacity() const { return intake_.storage().capacity(); }
    [[nodiscard]] std::size_t bytes() const { return budget_.used_approx(); }

    static constexpr bool has_gaps() noexcept { return false; }
    static constexpr bool one_for_one = false;
    template <class Iterator>
    static constexpr bool in_batches = false;

private:
    intake<Storage> intake_;
    byte_budget budget_;
    unique_function<std::size_t(const T&)> weigh_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
