// SPDX-License-Identifier: BSL-1.0
// From a topic to those who listen to it: a roster, immutable, replaced as a whole when somebody
// comes or goes. A publish reads the one that stands when it begins, without a lock.
//
//   topic ──► route ──► {s, t, u}         what publishers find from now on
//                       {s, t}            retired; freed when no visit reads it any more
//
// A reader names the roster that it has found, and looks again: if that one still stands, whoever
// takes it away will find its name. If not, it says that it is entering, looks, and then names what
// it has found: once, not in a loop. Who frees looks at all visits after a barrier
// (detail/visitors.hpp): a roster that was retired before it is read by those only who name it, or
// who are entering and may yet name it. An entering visit puts off all freeing, and lasts for three
// instructions; a handler that sleeps pins the roster that its publish reads, and no other. (Hazard
// pointers, with the entry mark in place of the usual loop: what the loop would find out again and
// again, whoever frees finds out once.)
//
// Progress  Reading is wait-free: two loads and a store, and if a change came in between, two stores
//           and a load more. It never waits for a changer, nor a changer for a reader.
// Threads   Readers and one changer at a time (under the registry's mutex) may overlap.
// Order     Listeners stand in the order in which they subscribed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/visitors.hpp>
#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// The listeners stand behind it in the same piece of memory, and behind them a null.
class alignas(void*) roster {
public:
    [[nodiscard]] static roster* made(std::size_t size) {
        void* raw = ::operator new(sizeof(roster) + (size + 1) * sizeof(listener_base*));
        auto* r = ::new (raw) roster{size};
        std::uninitialized_value_construct_n(r->begin(), size + 1);
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

    /// Whether they are all called with the value, here and now (detail/direct.hpp).
    [[nodiscard]] bool plain() const noexcept { return plain_; }
    /// Says so, when it is filled.
    void judge() noexcept {
        plain_ = true;
        for (const listener_base* l : *this) plain_ = plain_ && l->plain();
    }

    /// `from` with `l` behind the others; a keeper before those that are none.
    [[nodiscard]] static roster* with(const roster* from, listener_base& l) {
        roster* r = made((from ? from->size() : 0) + 1);
        auto** at = r->begin();
        if (from)
            for (listener_base* known : *from) *at++ = known;
        *at = &l;
        if (l.keeps())
            for (; at != r->begin() && !at[-1]->keeps(); --at) std::swap(at[-1], at[0]);
        r->judge();
        return r;
    }
    /// `from` without `l`, which is in it; nothing if that was the only one.
    [[nodiscard]] static roster* without(const roster& from, const listener_base& l) {
        if (from.size() == 1) return nullptr;
        roster* r = made(from.size() - 1);
        auto** at = r->begin();
        for (listener_base* known : from)
            if (known != &l) *at++ = known;
        r->judge();
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
    bool plain_ = false;
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

    /// What stood there before is to be retired.
    [[nodiscard]] roster* exchange(roster* next) noexcept {
        roster* const old = now();
        replace(next);
        return old;
    }

    // For who reads it in a visit:

    /// Names the one that stands there, and returns it.
    template <class Handshake>
    [[nodiscard]] const roster* read(const Handshake& by, visitor& v) const noexcept {
        const roster* const seen = first_.load(std::memory_order_relaxed);  // looked at again
        by.announce(v.reading, static_cast<const void*>(seen));
        if (by.look(first_) == seen) [[likely]]
            return seen;
        enter(by, v);
        return read_entered(by, v);
    }

    /// A visit that may still find any roster, or name table.
    static inline const char entering{};
    template <class Handshake>
    static void enter(const Handshake& by, visitor& v) noexcept {
        by.announce(v.reading, static_cast<const void*>(&entering));
    }
    template <class Handshake>
    [[nodiscard]] const roster* read_entered(const Handshake& by, visitor& v) const noexcept {
        const roster* const found = by.look(first_);
        v.reading.store(found, std::memory_order_release);  // (A), pairs with (B)
        return found;
    }
    static void leave(visitor& v) noexcept {
        v.reading.store(nullptr, std::memory_order_release);  // (A), pairs with (B)
    }

private:
    sys::atomic<roster*> first_{nullptr};
};

/// While it lasts, who it found stays.
class reading {
public:
    /// Enters. What is looked up between here and of() stays as well until then.
    explicit reading(visitors& all) : all_{all}, visit_{all.take()} {
        route::enter(all_.by(), visit_);
    }
    reading(visitors& all, const route& r)
        : all_{all}, visit_{all.take()}, who_{r.read(all.by(), visit_)} {}
    /// Goes on with a visit that has found somebody.
    reading(visitors& all, visitor& begun) noexcept
        : all_{all},
          visit_{begun},
          who_{static_cast<const roster*>(begun.reading.load(std::memory_order_relaxed))} {
    }  // its own thread's
    reading(const reading&) = delete;
    reading& operator=(const reading&) = delete;
    ~reading() {
        route::leave(visit_);
        all_.put(visit_);
    }

    void of(const route& r) noexcept { who_ = r.read_entered(all_.by(), visit_); }

    [[nodiscard]] visitor& visit() const noexcept { return visit_; }
    /// Those who listen; null: nobody.
    [[nodiscard]] const roster* who() const noexcept { return who_; }
    [[nodiscard]] listener_base** begin() const noexcept { return who_ ? who_->begin() : nullptr; }
    [[nodiscard]] listener_base** end() const noexcept { return who_ ? who_->end() : nullptr; }

private:
    visitors& all_;
    visitor& visit_;
    const roster* who_ = nullptr;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
