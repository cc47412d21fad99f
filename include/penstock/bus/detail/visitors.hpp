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
// away changes, then reads the announcements (detail/handshake.hpp).
//
// Cost      A visit: four loads and four stores to memory of the thread's own, once its record is
//           known. The first visit of a thread looks for a free one, or allocates; so does the first
//           after a visit to another bus at the same height of the stack.
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

#include <penstock/bus/detail/handshake.hpp>
#include <penstock/bus/detail/wait_graph.hpp>
#include <penstock/core/cache_line.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class visitors : public std::enable_shared_from_this<visitors> {
public:
    explicit visitors(memory_ref messages = {}) noexcept
        : messages_{messages}, graph_{sys::process_wide<visitors, wait_graph>()} {}
    visitors(const visitors&) = delete;
    visitors& operator=(const visitors&) = delete;
    ~visitors() {
        for (visitor* v = first_.load(std::memory_order_relaxed); v;)  // nobody else is left
            delete std::exchange(v, v->next_);
    }

    /// A record for this thread, on top of its handler stack. Throws std::bad_alloc.
    [[nodiscard]] visitor& take() {
        auto& mine = visitor::mine();
        visitor* v = mine.next();
        if (!v || v->home_ != this) [[unlikely]]
            v = &find();
        mine.top = v;
        return *v;
    }

    /// The topmost one, which announces nothing any more.
    void put(visitor& v) noexcept {
        visitor::mine().top = v.below_;
        if (v.lent_) [[unlikely]]
            give_back(v);
    }

    /// The bus has gone, so nobody publishes: what is kept to be used again is not.
    void end_memory() noexcept {
        for (visitor* v = first_.load(std::memory_order_relaxed); v;
             v = v->next_)  // after them all
            v->end_memory();
    }

    /// How they announce, and how to look for it.
    [[nodiscard]] const handshake& by() const noexcept { return by_; }

    /// How many visits run callbacks behind that gate. After a barrier.
    [[nodiscard]] std::size_t callers(const void* gate) const noexcept {
        std::size_t n = 0;
        for_each([&](const visitor& v) { n += by_.read(v.calling) == gate; });
        return n;
    }

    /// Calls f with what each visit reads, if anything. After a barrier.
    template <class F>
    void readers(F&& f) const {
        for_each([&](const visitor& v) {
            if (const void* what = by_.read(v.reading)) f(what);
        });
    }

    [[nodiscard]] wait_graph& graph() noexcept { return graph_; }

private:
    friend class visitor;

    /// The records of one thread, while it runs: those that stand above the topmost one in use, and
    /// the others here, by bus.
    struct belongings {
        struct entry {
            std::shared_ptr<visitors> of;
            visitor* spare;
        };
        std::vector<entry> all;

        belongings() = default;
        belongings(const belongings&) = delete;
        ~belongings() {
            visitor::mine().ended = true;
            stash();
            for (entry& e : all)
                while (visitor* v = e.spare) {
                    e.spare = v->above_;
                    v->taken_.store(false, std::memory_order_release);  // (G), pairs with (H)
                }
        }
        /// What stands above the topmost one goes to where it belongs.
        void stash() noexcept {
            auto& mine = visitor::mine();
            visitor* v = std::exchange(mine.next(), nullptr);
            while (v)
                for (entry& e : all)
                    if (e.of.get() == v->home_) {
                        visitor* const above = std::exchange(v->above_, e.spare);
                        e.spare = std::exchange(v, above);
                        break;
                    }
        }
        entry& of(visitors& which) {
            stash();
            if (!visitor::top())
                std::erase_if(
                    all, [](const entry& e) { return e.of.use_count() == 1; });  // its bus went
            for (entry& e : all)
                if (e.of.get() == &which) return e;
            all.push_back({which.shared_from_this(), nullptr});
            return all.back();
        }
    };

    /// One that stands above the topmost one, from now on if that was of another bus, or none.
    [[gnu::noinline, gnu::cold]] visitor& find() {
        auto& mine = visitor::mine();
        visitor* v = nullptr;
        if (mine.ended) {  // by a destructor of something thread_local: not kept
            v = &claim();
            v->lent_ = true;
        } else {
            auto& known = sys::per_thread_object<visitors, belongings>().of(*this);
            v = known.spare;
            if (v) {
                known.spare = v->above_;
            } else {
                v = &claim();
            }
            mine.next() = v;
        }
        v->below_ = mine.top;
        v->above_ = nullptr;
        return *v;
    }

    [[gnu::noinline, gnu::cold]] static void give_back(visitor& v) noexcept {
        v.lent_ = false;
        v.taken_.store(false, std::memory_order_release);  // (G), pairs with (H)
    }

    /// A free record, or a new one.
    visitor& claim() {
        for (visitor* v = first_.load(std::memory_order_acquire); v; v = v->next_)  // with (I)
            if (!v->taken_.load(std::memory_order_relaxed) &&          // the exchange decides
                !v->taken_.exchange(true, std::memory_order_acquire))  // (H), pairs with (G)
                return *v;
        auto* v = new visitor{*this};
        v->next_ = first_.load(std::memory_order_relaxed);            // the exchange decides
        v->number_ = count_.fetch_add(1, std::memory_order_relaxed);  // a number
        // Added before it announces, as seen by who looks at all (I): sequentially consistent.
        while (!first_.compare_exchange_weak(v->next_, v, std::memory_order_seq_cst,
                                             std::memory_order_relaxed)) {  // tried again
        }
        return *v;
    }

    template <class F>
    void for_each(F&& f) const {
        for (const visitor* v = first_.load(std::memory_order_seq_cst); v; v = v->next_)  // (I)
            f(*v);
    }

    sys::atomic<visitor*> first_{nullptr};
    sys::atomic<unsigned> count_{0};
    const handshake by_{};
    const memory_ref messages_;
    wait_graph& graph_;  // of all buses
};

[[gnu::noinline, gnu::cold]] inline block_pool& visitor::begin_memory() {
    memory_ = new block_pool{home_->messages_};
    return *memory_;
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
