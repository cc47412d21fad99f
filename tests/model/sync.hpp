// SPDX-License-Identifier: BSL-1.0
// The other side of the seam: penstock::sys on the model. Named by PENSTOCK_SYNC_HEADER, so that the
// headers in include/ run here as they are. Supplies all that core/sync.hpp and core/sync_wait.hpp do.
//
// The defaulted parameters of each operation are the place of its call, by which a memory order is
// named in failures and in mutants. Outside of a program (static objects, say) an atomic is just its
// value.
#pragma once

#include <atomic>
#include <bit>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <penstock/core/config.hpp>

#include "engine/engine.hpp"

namespace model {
/// In a test that runs one order of steps: what an atomic_ref refers to is in memory itself, where
/// others find it who are not part of the program, a disk for instance.
inline bool words_in_memory = false;
}  // namespace model

#define MODEL_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

namespace penstock::inline PENSTOCK_ABI {
namespace sys {

namespace detail {

template <class T>
std::uint64_t to_bits(const T& value) noexcept {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
}
template <class T>
T from_bits(std::uint64_t bits) noexcept {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

/// What atomic and atomic_ref share; `Self` has object(), a T* whose value is the initial one.
template <class Self, class T>
class atomic_operations {
public:
    using value_type = T;
    using difference = std::conditional_t<std::is_pointer_v<T>, std::ptrdiff_t, T>;
    static constexpr bool is_always_lock_free = true;
    bool is_lock_free() const noexcept { return true; }

    T load(std::memory_order order = std::memory_order_seq_cst, MODEL_HERE) const noexcept {
        if (!model::running()) return *object();
        const model::place here{file, line};
        return from_bits<T>(model::load(cell(), model::as_mutated(here, 0, order, 'l'), here));
    }
    operator T() const noexcept { return load(); }

    void store(T value, std::memory_order order = std::memory_order_seq_cst,
               MODEL_HERE) const noexcept {
        if (!model::running()) return void(*object() = value);
        const model::place here{file, line};
        model::store(cell(), to_bits(value), model::as_mutated(here, 0, order, 's'), here);
    }

    T exchange(T value, std::memory_order order = std::memory_order_seq_cst,
               MODEL_HERE) const noexcept {
        return rmw([&](T) { return value; }, order, {file, line});
    }

    bool compare_exchange_strong(T& expected, T desired, std::memory_order order,
                                 std::memory_order failed, MODEL_HERE) const noexcept {
        if (!model::running()) {
            if (to_bits(*object()) == to_bits(expected)) return *object() = desired, true;
            return expected = *object(), false;
        }
        const model::place here{file, line};
        std::uint64_t bits = to_bits(expected);
        if (model::compare_exchange(
                cell(), bits, to_bits(desired), model::as_mutated(here, 0, order, 'x'),
                model::as_mutated(here, 1, failed, 'l'), here))
            return true;
        expected = from_bits<T>(bits);
        return false;
    }
    bool compare_exchange_strong(T& expected, T desired,
                                 std::memory_order order = std::memory_order_seq_cst,
                                 MODEL_HERE) const noexcept {
        if (!model::running())
            return compare_exchange_strong(
                expected, desired, order, std::memory_order_relaxed, file, line);
        const model::place here{file, line};
        const auto used = model::as_mutated(here, 0, order, 'x');
        const auto failed = used == std::memory_order_acq_rel   ? std::memory_order_acquire
                            : used == std::memory_order_release ? std::memory_order_relaxed
                                                                : used;
        std::uint64_t bits = to_bits(expected);
        if (model::compare_exchange(cell(), bits, to_bits(desired), used, failed, here))
            return true;
        expected = from_bits<T>(bits);
        return false;
    }
    // A spurious failure is a repetition that nobody needs to try: it reads what is there.
    bool compare_exchange_weak(T& expected, T desired, std::memory_order order,
                               std::memory_order failed, MODEL_HERE) const noexcept {
        return compare_exchange_strong(expected, desired, order, failed, file, line);
    }
    bool compare_exchange_weak(T& expected, T desired,
                               std::memory_order order = std::memory_order_seq_cst,
                               MODEL_HERE) const noexcept {
        return compare_exchange_strong(expected, desired, order, file, line);
    }

    T fetch_add(difference d, std::memory_order order = std::memory_order_seq_cst,
                MODEL_HERE) const noexcept {
        return rmw([&](T v) { return static_cast<T>(v + d); }, order, {file, line});
    }
    T fetch_sub(difference d, std::memory_order order = std::memory_order_seq_cst,
                MODEL_HERE) const noexcept {
        return rmw([&](T v) { return static_cast<T>(v - d); }, order, {file, line});
    }
    T fetch_or(T d, std::memory_order order = std::memory_order_seq_cst,
               MODEL_HERE) const noexcept {
        return rmw([&](T v) { return static_cast<T>(v | d); }, order, {file, line});
    }
    T fetch_and(T d, std::memory_order order = std::memory_order_seq_cst,
                MODEL_HERE) const noexcept {
        return rmw([&](T v) { return static_cast<T>(v & d); }, order, {file, line});
    }
    T fetch_xor(T d, std::memory_order order = std::memory_order_seq_cst,
                MODEL_HERE) const noexcept {
        return rmw([&](T v) { return static_cast<T>(v ^ d); }, order, {file, line});
    }
    T operator++() const noexcept { return static_cast<T>(fetch_add(1) + 1); }
    T operator++(int) const noexcept { return fetch_add(1); }
    T operator--() const noexcept { return static_cast<T>(fetch_sub(1) - 1); }
    T operator--(int) const noexcept { return fetch_sub(1); }

    /// For the futex, which reads the word itself.
    model::cell cell() const noexcept { return {object(), to_bits(*object())}; }

private:
    T* object() const noexcept { return static_cast<const Self*>(this)->object(); }

    template <class F>
    T rmw(F&& change, std::memory_order order, model::place here) const noexcept {
        if (!model::running()) {
            const T old = *object();
            *object() = change(old);
            return old;
        }
        order = model::as_mutated(here, 0, order, 'x');
        const auto in_bits = [](const void* how, std::uint64_t bits) {
            return to_bits(
                (*static_cast<const std::remove_reference_t<F>*>(how))(from_bits<T>(bits)));
        };
        const T old = from_bits<T>(model::rmw_read(cell(), order, here, in_bits, &change));
        model::rmw_write(cell(), to_bits(change(old)), order, here);
        return old;
    }
};

}  // namespace detail

template <class T>
class atomic : public detail::atomic_operations<atomic<T>, T> {
public:
    constexpr atomic() noexcept : atomic(T{}) {}
    constexpr atomic(T value, MODEL_HERE) noexcept : value_{value} {
        if (std::is_constant_evaluated() || !model::running()) return;
        model::is_born(this->cell(), {file, line});
    }
    atomic(const atomic&) = delete;
    atomic& operator=(const atomic&) = delete;
    T operator=(T value) noexcept {
        this->store(value);
        return value;
    }
    ~atomic() {
        if (model::running()) model::dies(&value_, sizeof value_);
    }

private:
    friend class detail::atomic_operations<atomic<T>, T>;
    T* object() const noexcept { return &value_; }
    mutable T value_;
};

template <class T>
class atomic_ref : public detail::atomic_operations<atomic_ref<T>, T> {
public:
    static constexpr std::size_t required_alignment = sizeof(T);
    explicit atomic_ref(T& object) noexcept : object_{&object} {}
    atomic_ref(const atomic_ref&) noexcept = default;

    T load(std::memory_order order = std::memory_order_seq_cst, MODEL_HERE) const noexcept {
        if (!model::running() || !model::words_in_memory) return base::load(order, file, line);
        (void)model::choose(1, {file, line});  // a step
        return *object_;
    }
    void store(T value, std::memory_order order = std::memory_order_seq_cst,
               MODEL_HERE) const noexcept {
        if (!model::running() || !model::words_in_memory)
            return base::store(value, order, file, line);
        (void)model::choose(1, {file, line});
        *object_ = value;
    }

private:
    using base = detail::atomic_operations<atomic_ref<T>, T>;
    friend class detail::atomic_operations<atomic_ref<T>, T>;
    T* object() const noexcept { return object_; }
    T* object_;
};

inline void wrote(const void* at, MODEL_HERE) noexcept {
    if (model::running()) model::plain_access(at, true, {file, line});
}
inline void read(const void* at, MODEL_HERE) noexcept {
    if (model::running()) model::plain_access(at, false, {file, line});
}

inline void pause(MODEL_HERE) noexcept {
    if (model::running()) model::pause({file, line});
}
inline void yield(MODEL_HERE) noexcept {
    if (model::running()) model::pause({file, line});
}
inline int usable_cpus() noexcept { return model::usable_cpus(); }

inline void compiler_barrier(MODEL_HERE) noexcept {
    if (model::running()) model::compiler_barrier({file, line});
}
inline bool asymmetric() noexcept { return model::asymmetric(); }
inline void process_barrier(MODEL_HERE) noexcept {
    if (model::running()) model::process_barrier({file, line});
}

/// Each fiber's own T, as new in each execution.
template <class Tag, class T>
T& per_thread() noexcept {
    static thread_local T outside{};
    if (!model::running()) return outside;
    struct one {
        T value{};
        std::uint64_t execution = 0;
    };
    static one mine[model::max_threads];
    one& m = mine[model::this_thread()];
    if (m.execution != model::execution()) m = {T{}, model::execution()};
    return m.value;
}

/// As per_thread. Ends with its thread there; here never: an execution's memory is forgotten whole.
template <class Tag, class T>
T& per_thread_object() {
    alignas(T) static unsigned char raw[model::max_threads][sizeof(T)];
    static std::uint64_t execution[model::max_threads];
    const auto t = static_cast<std::size_t>(model::this_thread());
    if (std::exchange(execution[t], model::execution()) != model::execution()) ::new (raw[t]) T{};
    return *std::launder(reinterpret_cast<T*>(raw[t]));
}

/// One for all, as new in each execution. Made by who asks first: a program's beginning, before its threads.
template <class Tag, class T>
T& process_wide() noexcept {
    alignas(T) static unsigned char raw[sizeof(T)];
    static std::uint64_t execution = ~std::uint64_t{0};
    if (std::exchange(execution, model::execution()) != model::execution()) ::new (raw) T{};
    return *std::launder(reinterpret_cast<T*>(raw));
}

class mutex {
public:
    constexpr mutex(MODEL_HERE) noexcept {
        if (std::is_constant_evaluated() || !model::running()) return;
        model::is_born({address_, 0}, {file, line});
    }
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;
    ~mutex() {
        if (model::running()) model::dies(address_, sizeof address_);
    }
    void lock(MODEL_HERE) {
        if (model::running()) model::lock(address_, {file, line});
    }
    bool try_lock(MODEL_HERE) {
        return !model::running() || model::try_lock(address_, {file, line});
    }
    void unlock(MODEL_HERE) {
        if (model::running()) model::unlock(address_, {file, line});
    }

private:
    char address_[8] = {};  // nothing is in it
};

using time_point = std::chrono::steady_clock::time_point;
inline time_point now() noexcept {
    return time_point{std::chrono::nanoseconds{model::running() ? model::now() : 0}};
}

inline void futex_wait(const atomic<std::uint32_t>& word, std::uint32_t expected,
                       time_point deadline = time_point::max(), MODEL_HERE) noexcept {
    model::futex_wait(
        word.cell(), expected,
        deadline == time_point::max() ? model::no_deadline
                                      : std::int64_t{deadline.time_since_epoch().count()},
        {file, line});
}
inline void futex_wake(const void* word, MODEL_HERE) noexcept {
    if (model::running()) model::futex_wake(word, {file, line});
}

/// What an event loop waits for, as far as a program can see it.
class event {
public:
    [[nodiscard]] static constexpr int fd() noexcept { return -1; }
    void signal() noexcept { readable_.store(true, std::memory_order_relaxed); }
    void clear() noexcept { readable_.store(false, std::memory_order_relaxed); }
    [[nodiscard]] bool readable() const noexcept {
        return readable_.load(std::memory_order_relaxed);
    }

private:
    atomic<bool> readable_{false};
};

}  // namespace sys
}  // namespace penstock::inline PENSTOCK_ABI

#include "sync_stop.hpp"
