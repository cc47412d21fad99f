// SPDX-License-Identifier: BSL-1.0
// Where a bus has its messages' memory from: operator new, unless its options name something else.
//
//   std::pmr::synchronized_pool_resource pool;
//   bus events{{.memory = pool}};
//
// Anything with the two functions of a std::pmr::memory_resource will do:
//
//   struct arena {
//       void* allocate(std::size_t bytes, std::size_t alignment);  // may throw
//       void deallocate(void* p, std::size_t bytes, std::size_t alignment) noexcept;
//   };
//
// Of it are the messages, each with its value: what the value allocates itself is the value's matter.
// What is made once for a topic, a subscription or a thread comes from operator new.
//
// Threads   Called by any thread, by several at once: by publishers to allocate, by whoever lets go of
//           a message last to deallocate.
// Lifetime  It refers: what it names outlives the bus, its topics and subscriptions, every message that
//           is kept, and the executors, whose last task may end after all of them. Declare it first.
#pragma once

#include <concepts>
#include <cstddef>
#include <new>
#include <type_traits>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class M>
concept memory_source = requires(M& m, void* p, std::size_t n) {
    { m.allocate(n, n) } -> std::same_as<void*>;
    m.deallocate(p, n, n);
};

class memory_ref {
public:
    memory_ref() noexcept = default;  ///< operator new
    template <memory_source M>
        requires(!std::is_same_v<std::remove_cv_t<M>, memory_ref>)
    memory_ref(M& m) noexcept : at_{&m}, calls_{&calls_of<M>} {}

    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) const {
        if (calls_) return calls_->allocate(at_, bytes, alignment);
        if (is_usual(alignment)) return ::operator new(bytes);
        return ::operator new(bytes, std::align_val_t{alignment});
    }
    void deallocate(void* p, std::size_t bytes, std::size_t alignment) const noexcept {
        if (calls_) return calls_->deallocate(at_, p, bytes, alignment);
        if (is_usual(alignment)) return ::operator delete(p);
        ::operator delete(p, std::align_val_t{alignment});
    }

private:
    static constexpr bool is_usual(std::size_t alignment) noexcept {
        return alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__;
    }
    struct calls {
        void* (*allocate)(void*, std::size_t, std::size_t);
        void (*deallocate)(void*, void*, std::size_t, std::size_t) noexcept;
    };
    template <class M>
    static constexpr calls calls_of{
        [](void* m, std::size_t bytes, std::size_t alignment) {
            return static_cast<M*>(m)->allocate(bytes, alignment);
        },
        [](void* m, void* p, std::size_t bytes, std::size_t alignment) noexcept {
            static_cast<M*>(m)->deallocate(p, bytes, alignment);
        }};

    void* at_ = nullptr;
    const calls* calls_ = nullptr;
};

}  // namespace penstock::inline PENSTOCK_ABI
