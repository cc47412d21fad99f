// SPDX-License-Identifier: BSL-1.0
#include "memory.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include <sys/mman.h>

#include "engine.hpp"
#include "event.hpp"

namespace model {

int allocating_thread = -1;

namespace {

constexpr std::size_t region_bytes = std::size_t{4} << 20;
constexpr std::size_t header = 16;  // holds the block's size

char* begin_of_regions() {
    static char* const begin = [] {
        void* p = mmap(nullptr, region_bytes * max_threads, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) std::abort();
        return static_cast<char*>(p);
    }();
    return begin;
}
std::size_t used[max_threads];

void* take(std::size_t bytes, std::size_t alignment) {
    const auto t = static_cast<std::size_t>(allocating_thread);
    char* const region = begin_of_regions() + t * region_bytes;
    std::size_t at = used[t] + header;
    at = (at + alignment - 1) / alignment * alignment;
    if (at + bytes > region_bytes) throw std::bad_alloc{};
    std::memcpy(region + at - sizeof bytes, &bytes, sizeof bytes);
    used[t] = (at + bytes + header - 1) / header * header;
    return region + at;
}

bool ours(const void* p) {
    const auto from = reinterpret_cast<std::uintptr_t>(begin_of_regions());
    const auto at = reinterpret_cast<std::uintptr_t>(p);
    return at >= from && at < from + region_bytes * max_threads;
}

}  // namespace

void forget_memory() {
    for (std::size_t t = 0; t < max_threads; ++t) {
        std::memset(begin_of_regions() + t * region_bytes, 0xa5, used[t]);  // the same each time
        used[t] = 0;
    }
}

void* allocate(std::size_t bytes, std::size_t alignment) {
    if (allocating_thread >= 0) return take(bytes, alignment < header ? header : alignment);
    void* p = alignment <= header
                  ? std::malloc(bytes ? bytes : 1)
                  : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (!p) throw std::bad_alloc{};
    return p;
}
void release(void* p) noexcept {
    if (!p) return;
    if (!ours(p)) return std::free(p);
    if (allocating_thread < 0)
        return;  // an execution was abandoned, or its result is being dropped
    std::size_t bytes;
    std::memcpy(&bytes, static_cast<char*>(p) - sizeof bytes, sizeof bytes);
    memory_dies(p, bytes);
}

}  // namespace model

void* operator new(std::size_t n) { return model::allocate(n, 1); }
void* operator new[](std::size_t n) { return model::allocate(n, 1); }
void* operator new(std::size_t n, std::align_val_t a) {
    return model::allocate(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a) {
    return model::allocate(n, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { model::release(p); }
void operator delete[](void* p) noexcept { model::release(p); }
void operator delete(void* p, std::size_t) noexcept { model::release(p); }
void operator delete[](void* p, std::size_t) noexcept { model::release(p); }
void operator delete(void* p, std::align_val_t) noexcept { model::release(p); }
void operator delete[](void* p, std::align_val_t) noexcept { model::release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { model::release(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { model::release(p); }
