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
// Found. A roster is fresh until a visit finds it: a bit beside the pointer says so, which the first
// visit after a change clears, while it is entering. The exchange that replaces the roster tells whether
// somebody had. If nobody had, nobody ever will: it is freed at once, and who stood in no other roster
// than such ones can be ended without asking any publisher. So who comes and goes where nobody
// publishes costs publishers elsewhere nothing: no barrier interrupts them, no line of theirs is read.
// Who clears it has said that he is entering and has looked, as above: who frees what he found sees him.
//
// Progress  Reading is wait-free: two loads and a store, and if a change came in between, two stores,
//           a load and a fetch_and more (x86 makes that a loop, which another change within it, some
//           20 ns, repeats). It never waits for a changer, nor a changer for a reader.
// Threads   Readers and one changer at a time (under the registry's mutex) may overlap.
// Order     Listeners stand in the order in which they subscribed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include <penstock/bus/detail/in_order.hpp>
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
    /// How many of them count for the publisher.
    [[nodiscard]] std::uint32_t counting() const noexcept { return counting_; }
    /// Whether all are queues that take a copy (detail/fan_out.hpp).
    [[nodiscard]] bool copies() const noexcept { return copies_; }
    /// Says so, when it is filled.
    void judge() noexcept {
        plain_ = copies_ = true;
        counting_ = 0;
        for (const listener_base* l : *this) judge(*l);
    }

    /// All of them, none of whom is looked at.
    [[nodiscard]] static roster* of(const std::vector<ranked>& all) {
        roster* r = made(all.size());
        r->plain_ = r->copies_ = true;
        for (std::size_t i = 0; i < all.size(); ++i) {
            r->begin()[i] = &*all[i];
            r->judge(all[i]);
        }
        return r;
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
    template <class Listener>
    void judge(const Listener& one) noexcept {
        plain_ = plain_ && one.plain();
        copies_ = copies_ && one.copies();
        counting_ += one.is_counted();
    }
    std::size_t size_;
    std::uint32_t counting_ = 0;
    bool plain_ = false, copies_ = false;
};

/// What stood in a route, and whether a visit has ever found it.
struct displaced {
    roster* who;
    bool found;
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
        return first_.load(std::memory_order_relaxed) == 0;  // nothing is read through it
    }

    // For changers:
    [[nodiscard]] roster* now() const noexcept {
        return roster_of(first_.load(std::memory_order_relaxed));  // by the registry's mutex
    }
    /// `found`: also before it stood here.
    [[nodiscard]] displaced exchange(roster* next, bool found = false) noexcept {
        const auto word = reinterpret_cast<std::uintptr_t>(next);
        const auto old = first_.exchange(
            next && !found ? word | fresh : word,
            std::memory_order_seq_cst);  // read by visits; (X), with the acquire of who clears
        return {roster_of(old), old != 0 && (old & fresh) == 0};
    }

    // For who reads it in a visit:

    /// Names the one that stands there, and returns it.
    template <class Handshake>
    [[nodiscard]] const roster* read(const Handshake& by, visitor& v) const noexcept {
        const auto seen = first_.load(std::memory_order_relaxed) & ~fresh;  // looked at again
        const roster* const r = roster_of(seen);
        by.announce(v.reading, static_cast<const void*>(r));
        if (by.look(first_) == seen) [[likely]]  // and was found
            return r;
        enter(by, v);
        return read_entered(by, v);
    }

    /// A visit that may still find any roster.
    static inline const char entering{};
    template <class Handshake>
    static void enter(const Handshake& by, visitor& v) noexcept {
        by.announce(v.reading, static_cast<const void*>(&entering));
    }
    template <class Handshake>
    [[nodiscard]] const roster* read_entered(const Handshake& by, visitor& v) const noexcept {
        auto seen = by.look(first_);
        if ((seen & fresh) != 0)
            seen = first_.fetch_and(~fresh, std::memory_order_acquire);  // pairs with (X)
        const roster* const found = roster_of(seen);
        v.reading.store(found, std::memory_order_release);  // (A), pairs with (B)
        return found;
    }
    /// The one that it names.
    [[nodiscard]] static const roster* named_by(const visitor& v) noexcept {
        return static_cast<const roster*>(
            v.reading.load(std::memory_order_relaxed));  // its thread's
    }
    static void leave(visitor& v) noexcept {
        v.reading.store(nullptr, std::memory_order_release);  // (A), pairs with (B)
    }

private:
    static constexpr std::uintptr_t fresh = 1;
    [[nodiscard]] static roster* roster_of(std::uintptr_t word) noexcept {
        return reinterpret_cast<roster*>(word & ~fresh);
    }

    mutable sys::atomic<std::uintptr_t> first_{0};  // a roster, and whether it is fresh
};

/// While it lasts, who it found stays.
class reading {
public:
    /// Enters, for the time being.
    explicit reading(visitors& all) : all_{all}, visit_{all.take()} {
        route::enter(all_.by(), visit_);
    }
    reading(visitors& all, const route& r)
        : all_{all}, visit_{all.take()}, who_{r.read(all.by(), visit_)} {}
    /// Goes on with a visit that has found somebody.
    reading(visitors& all, visitor& begun) noexcept
        : all_{all}, visit_{begun}, who_{route::named_by(begun)} {}
    reading(const reading&) = delete;
    reading& operator=(const reading&) = delete;
    ~reading() {
        route::leave(visit_);
        all_.put(visit_);
    }

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
