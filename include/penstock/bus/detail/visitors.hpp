// SPDX-License-Identifier: BSL-1.0
// Who is inside of a bus right now: for each thread and each level of nesting one record that says
// which route it reads and which subscription's callbacks it runs. Who takes something away looks
// here whether somebody still uses it.
//
//   first ──► {A's: reads R, calls s} ──► {A's, nested: reads Q, calls t} ──► {free} ──► ...
//               ▲ below                     │
//               └───────────────────────────┘      the handler stack of thread A, from its top
//
// These are hazard pointers (Michael: "Hazard Pointers: Safe Memory Reclamation for Lock-Free
// Objects", IEEE TPDS 2004), one of each kind a level. A visitor announces, then looks; who takes
// away changes, then reads the announcements. One of the two must see the other:
//   asymmetric (membarrier): the visitor orders its two steps for the compiler only; the other's
//     process barrier, between its two, is a full fence in the visitor at some instant. What was
//     announced before that instant is seen; a look after it sees the change.
//   otherwise: all four accesses are sequentially consistent.
//   (A) an announcement's release -> (B) the acquire of who reads it: what the visitor did under
//       its earlier announcements happened before.
//
// Cost      A visit: two loads and five stores to memory of the thread's own, once its records are
//           known. The first visit of a thread looks for free records, or allocates.
// Threads   take and put by anybody; a record belongs to one thread until that thread ends, and
//           then to the next that needs one. Records are freed with the bus, or, if it went first,
//           when the last thread that has some ends or meets another bus.
// Progress  Wait-free, but for the first visit. readers() and callers() are linear in the records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <penstock/bus/detail/wait_graph.hpp>
#include <penstock/core/cache_line.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class visitors : public std::enable_shared_from_this<visitors> {
public:
    visitors() : asymmetric_{sys::asymmetric()} {}
    visitors(const visitors&) = delete;
    visitors& operator=(const visitors&) = delete;
    ~visitors() {
        for (visitor* v = first_.load(std::memory_order_relaxed); v;)  // nobody else is left
            delete std::exchange(v, v->next_);
    }

    /// A record for this thread, on top of its handler stack. Throws std::bad_alloc.
    [[nodiscard]] visitor& take() {
        auto& mine = visitor::mine();
        visitor* v = mine.spare;
        if (mine.of == this && v) [[likely]] {
            mine.spare = v->spare_;
        } else {
            v = &find();
        }
        v->below_ = std::exchange(mine.top, v);
        v->queue = nullptr;
        v->dropped = 0;
        return *v;
    }

    /// The topmost one, which announces nothing any more.
    void put(visitor& v) noexcept {
        auto& mine = visitor::mine();
        mine.top = v.below_;
        if (mine.of == this) [[likely]] {
            v.spare_ = std::exchange(mine.spare, &v);
        } else {
            keep(v);
        }
    }

    template <class T>
    void announce(sys::atomic<T>& where, T what) const noexcept {
        if (asymmetric_) {
            where.store(what, std::memory_order_release);  // (A), pairs with (B)
            sys::compiler_barrier();
        } else {
            where.store(what, std::memory_order_seq_cst);
        }
    }
    /// The look that follows an announcement.
    template <class T>
    [[nodiscard]] T look(const sys::atomic<T>& where) const noexcept {
        return asymmetric_ ? where.load(std::memory_order_acquire)  // pairs with its writer
                           : where.load(std::memory_order_seq_cst);
    }
    /// Between a change and reading the announcements.
    void barrier() const noexcept {
        if (asymmetric_) sys::process_barrier();
    }

    /// How many visits run callbacks behind that gate. After a barrier().
    [[nodiscard]] std::size_t callers(const gate& g) const noexcept {
        std::size_t n = 0;
        for_each([&](const visitor& v) { n += read(v.calling) == &g; });
        return n;
    }

    /// Calls f with what each visit reads, if anything. After a barrier().
    template <class F>
    void readers(F&& f) const {
        for_each([&](const visitor& v) {
            if (const void* what = read(v.reading)) f(what);
        });
    }

    /// Whether announcements cost nothing.
    [[nodiscard]] bool asymmetric() const noexcept { return asymmetric_; }

    [[nodiscard]] wait_graph& graph() noexcept { return graph_; }

private:
    /// The records of one thread, while it runs.
    struct belongings {
        struct entry {
            std::shared_ptr<visitors> of;
            visitor* spare;
        };
        std::vector<entry> all;

        belongings() = default;
        belongings(const belongings&) = delete;
        ~belongings() {
            auto& mine = visitor::mine();
            mine.ended = true;
            stash();
            for (entry& e : all)
                while (visitor* v = e.spare) {
                    e.spare = v->spare_;
                    v->taken_.store(false, std::memory_order_release);  // (G), pairs with (H)
                }
        }
        /// Those at hand go to where they belong.
        void stash() noexcept {
            auto& mine = visitor::mine();
            for (entry& e : all)
                if (e.of.get() == mine.of) e.spare = mine.spare;
            mine.of = nullptr;
            mine.spare = nullptr;
        }
        entry& at_hand(visitors& which) {
            stash();
            std::erase_if(
                all, [](const entry& e) { return e.of.use_count() == 1; });  // its bus went
            for (entry& e : all)
                if (e.of.get() == &which) return e;
            all.push_back({which.shared_from_this(), nullptr});
            return all.back();
        }
    };

    [[gnu::noinline, gnu::cold]] visitor& find() {
        auto& mine = visitor::mine();
        if (mine.ended) return claim();  // by a destructor of something thread_local: not kept
        if (mine.of != this) {
            auto& known = sys::per_thread_object<visitors, belongings>().at_hand(*this);
            mine.of = this;
            mine.spare = known.spare;
        }
        visitor* v = mine.spare;
        if (!v) return claim();
        mine.spare = v->spare_;
        return *v;
    }

    /// A visit to another bus, nested in this one, has taken this one's place at hand.
    [[gnu::noinline, gnu::cold]] void keep(visitor& v) noexcept {
        auto& mine = visitor::mine();
        if (!mine.ended)
            for (auto& e : sys::per_thread_object<visitors, belongings>().all)
                if (e.of.get() == this) {
                    v.spare_ = std::exchange(e.spare, &v);
                    return;
                }
        v.taken_.store(false, std::memory_order_release);  // (G), pairs with (H)
    }

    /// A free record, or a new one.
    visitor& claim() {
        for (visitor* v = first_.load(std::memory_order_acquire); v; v = v->next_)  // with (I)
            if (!v->taken_.load(std::memory_order_relaxed) &&          // the exchange decides
                !v->taken_.exchange(true, std::memory_order_acquire))  // (H), pairs with (G)
                return *v;
        auto* v = new visitor;
        v->next_ = first_.load(std::memory_order_relaxed);            // the exchange decides
        v->number_ = count_.fetch_add(1, std::memory_order_relaxed);  // a number
        // Added before it announces, as seen by who looks at all (I): sequentially consistent.
        while (!first_.compare_exchange_weak(v->next_, v, std::memory_order_seq_cst,
                                             std::memory_order_relaxed)) {  // tried again
        }
        return *v;
    }

    template <class T>
    [[nodiscard]] T read(const sys::atomic<T>& where) const noexcept {
        return asymmetric_ ? where.load(std::memory_order_acquire)  // (B), pairs with (A)
                           : where.load(std::memory_order_seq_cst);
    }
    template <class F>
    void for_each(F&& f) const {
        for (const visitor* v = first_.load(std::memory_order_seq_cst); v; v = v->next_)  // (I)
            f(*v);
    }

    sys::atomic<visitor*> first_{nullptr};
    sys::atomic<unsigned> count_{0};
    const bool asymmetric_;
    wait_graph graph_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
