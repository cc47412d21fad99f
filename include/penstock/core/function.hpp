// SPDX-License-Identifier: BSL-1.0
// A callable kept by value, movable and not copyable: a callback or a task that may own a sender,
// a std::unique_ptr or another task. What std::move_only_function is in C++23.
//
//   unique_function<void(job&&)> on_drop = [log = std::move(log)](job&& j) { log->lost(j); };
//
// Memory    Up to three pointers of state are kept inside; more is allocated once.
// Threads   As the callable kept. Const calls are const only in name: handlers keep state.
#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class Signature>
class unique_function;

template <class R, class... Args>
class unique_function<R(Args...)> {
public:
    unique_function() = default;
    unique_function(std::nullptr_t) noexcept {}

    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, unique_function> &&
                 std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
    unique_function(F&& f) {
        using kept = std::decay_t<F>;
        if constexpr (fits<kept>) {
            ::new (static_cast<void*>(space_)) kept(std::forward<F>(f));
        } else {
            ::new (static_cast<void*>(space_)) kept*(new kept(std::forward<F>(f)));
        }
        table_ = &table_of<kept>;
    }

    unique_function(unique_function&& other) noexcept : table_{other.table_} {
        if (table_) table_->move(other.space_, space_);
        other.table_ = nullptr;
    }
    unique_function& operator=(unique_function&& other) noexcept {
        if (this != &other) {
            this->~unique_function();
            ::new (static_cast<void*>(this)) unique_function(std::move(other));
        }
        return *this;
    }
    ~unique_function() {
        if (table_) table_->destroy(space_);
    }

    explicit operator bool() const noexcept { return table_ != nullptr; }

    R operator()(Args... args) const {
        PENSTOCK_ASSERT(table_, "an empty unique_function was called: test it first");
        return table_->call(space_, std::forward<Args>(args)...);
    }

private:
    struct table {
        R (*call)(void*, Args&&...);
        void (*move)(void* from, void* to) noexcept;  // leaves `from` as raw memory
        void (*destroy)(void*) noexcept;
    };

    static constexpr std::size_t room = 3 * sizeof(void*);
    template <class F>
    static constexpr bool fits = sizeof(F) <= room && alignof(F) <= alignof(void*) &&
                                 std::is_nothrow_move_constructible_v<F>;

    template <class F>
    static F& in(void* space) noexcept {
        if constexpr (fits<F>) {
            return *std::launder(static_cast<F*>(space));
        } else {
            return **std::launder(static_cast<F**>(space));
        }
    }

    template <class F>
    static constexpr table table_of{
        [](void* space, Args&&... args) -> R {
            if constexpr (std::is_void_v<R>) {
                in<F>(space)(std::forward<Args>(args)...);
            } else {
                return in<F>(space)(std::forward<Args>(args)...);
            }
        },
        [](void* from, void* to) noexcept {
            if constexpr (fits<F>) {
                ::new (to) F(std::move(in<F>(from)));
                in<F>(from).~F();
            } else {
                ::new (to) F*(&in<F>(from));
            }
        },
        [](void* space) noexcept {
            if constexpr (fits<F>) {
                in<F>(space).~F();
            } else {
                delete &in<F>(space);
            }
        }};

    const table* table_ = nullptr;
    alignas(void*) mutable std::byte space_[room];
};

}  // namespace penstock::inline PENSTOCK_ABI
