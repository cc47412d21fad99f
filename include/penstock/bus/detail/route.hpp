// SPDX-License-Identifier: BSL-1.0
// From a topic to those who listen to it: a roster, immutable, replaced as a whole when somebody
// comes or goes. A publish reads the one that stands when it begins, without a lock.
//
//   topic ──► route ──► {s, t, u}         what publishers find from now on
//                       {s, t}            retired; freed when no visit reads it any more
//
// A reader says that it is entering, loads the pointer, and then says which roster it reads. Who
// frees looks at all visits after a barrier (detail/visitors.hpp): a roster that was retired before
// it is read by those only who name it, or who are entering and may yet name it. An entering visit
// puts off all freeing, and lasts for three instructions; a handler that sleeps pins the roster
// that its publish reads, and no other. (Hazard pointers, with the entry mark in place of the usual
// loop: what the loop would find out again and again, whoever frees finds out once.)
//
// Progress  Reading is wait-free: a load that says whether anybody listens, then two stores and a
//           load. It never waits for a changer, nor a changer for a reader.
// Threads   Readers and one changer at a time (under the registry's mutex) may overlap.
// Order     Listeners stand in the order in which they subscribed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/visitors.hpp>
#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// The listeners stand behind it in the same piece of memory.
class alignas(void*) roster {
public:
    [[nodiscard]] static roster* made(std::size_t size) {
        void* raw = ::operator new(sizeof(roster) + size * sizeof(listener_base*));
        auto* r = ::new (raw) roster{size};
        std::uninitialized_value_construct_n(r->begin(), size);
        return r;
    }
    static void free(roster* r) noexcept { ::operator delete(r); }
    roster(const roster&) = delete;
    roster& operator=(const roster&) = delete;

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] listener_base** begin() const noexcept {
        return reinterpret_cast<listener_base**>(const_cast<roster*>(this + 1));
    }
    [[nodiscard]] listener_base** end() const noexcept { return begin() + size_; }

    /// `from` with `l` behind the others.
    [[nodiscard]] static roster* with(const roster* from, listener_base& l) {
        roster* r = made((from ? from->size() : 0) + 1);
        auto** at = r->begin();
        if (from)
            for (listener_base* known : *from) *at++ = known;
        *at = &l;
        return r;
    }
    /// `from` without `l`, which is in it; nothing if that was the only one.
    [[nodiscard]] static roster* without(const roster& from, const listener_base& l) {
        if (from.size() == 1) return nullptr;
        roster* r = made(from.size() - 1);
        auto** at = r->begin();
        for (listener_base* known : from)
            if (known != &l) *at++ = known;
        return r;
    }
    [[nodiscard]] bool has(const listener_base& l) const noexcept {
        for (const listener_base* known : *this)
            if (known == &l) return true;
        return false;
    }

    roster* next_retired = nullptr;

private:
    explicit roster(std::size_t size) noexcept : size_{size} {}
    std::size_t size_;
};

class route {
public:
    route() = default;
    route(const route&) = delete;
    route& operator=(const route&) = delete;
    ~route() {
        if (roster* r = now()) roster::free(r);
    }

    /// Whether anybody listens: if not, there is nothing to visit.
    [[nodiscard]] bool empty() const noexcept {
        return first_.load(std::memory_order_relaxed) == nullptr;  // nothing is read through it
    }

    // For changers:
    [[nodiscard]] roster* now() const noexcept {
        return first_.load(std::memory_order_relaxed);  // by the registry's mutex
    }
    void replace(roster* next) noexcept {
        first_.store(next, std::memory_order_seq_cst);  // read by visits
    }

private:
    friend class reading;
    sys::atomic<roster*> first_{nullptr};
};

/// While it lasts, who it found stays.
class reading {
public:
    /// A visit that may still find any roster, or name table.
    static inline const char entering{};

    /// Enters. What is looked up between here and of() stays as well until then.
    explicit reading(visitors& all) : all_{all}, visit_{all.take()} {
        all_.announce(visit_.reading, static_cast<const void*>(&entering));
    }
    reading(visitors& all, const route& r) : reading{all} { of(r); }
    reading(const reading&) = delete;
    reading& operator=(const reading&) = delete;
    ~reading() {
        visit_.reading.store(nullptr, std::memory_order_release);  // (A), pairs with (B)
        all_.put(visit_);
    }

    void of(const route& r) noexcept {
        const roster* found = all_.look(r.first_);
        visit_.reading.store(found, std::memory_order_release);  // (A), pairs with (B)
        if (found) who_ = {found->begin(), found->size()};
    }

    [[nodiscard]] visitor& visit() const noexcept { return visit_; }
    [[nodiscard]] auto begin() const noexcept { return who_.begin(); }
    [[nodiscard]] auto end() const noexcept { return who_.end(); }

private:
    visitors& all_;
    visitor& visit_;
    std::span<listener_base*> who_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
