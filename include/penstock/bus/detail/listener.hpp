// SPDX-License-Identifier: BSL-1.0
// The seams inside the bus: what a route leads to, and what a subscription handle holds.
//
//   topic ──► route ──► listener<T>   direct<T>: a handler, called at once
//                                     inbox<T>:  a queue, and the members that share it
//   subscription ──► subscriber       direct<T>, worker<T> (a member with a handler)
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <penstock/bus/detail/envelope.hpp>
#include <penstock/bus/detail/type_name.hpp>
#include <penstock/bus/detail/visitor.hpp>
#include <penstock/bus/executor.hpp>
#include <penstock/bus/pattern.hpp>
#include <penstock/bus/published.hpp>
#include <penstock/channel/overflow.hpp>
#include <penstock/core/cache_line.hpp>
#include <penstock/core/clock.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// How long a publish may wait for room.
struct patience {
    bool may_wait;
    const sys::stop_token& stop;
};

/// Of a ring that many read (detail/ring_box.hpp); a capacity of 0: it is none.
struct ring_terms {
    std::size_t capacity = 0;
    overflow full = overflow::block;
    bool operator==(const ring_terms&) const = default;
};

class recorder_base;
template <class T>
class retained;

/// Untyped: what the registry keeps.
class listener_base {
public:
    /// How a handler is called that looks at a value here and now. If it has not run, the visit
    /// counts less.
    using call = void (*)(listener_base&, const void* value, visitor&);
    /// What a queue that copies is called with, as the value.
    struct copied {
        const void* value;
        const std::string* topic;
        mutable std::uint32_t members = 0;  ///< its answer: who are to have it; none: it is not in
    };
    /// In its place from the moment that the listener ends.
    static void ended(listener_base& l, const void*, visitor& v) noexcept {
        l.missed();
        v.less += l.counts_;
    }

    /// `counts`: for the publisher. A tap doesn't.
    listener_base(const type_id& type, pattern by, std::string group, call h = nullptr,
                  bool counts = true, bool copies = false)
        : type_{type},
          pattern_{std::move(by)},
          group_{std::move(group)},
          plain_{h && !copies},
          copies_{h && copies},
          counts_{counts},
          how{h} {}
    listener_base(const listener_base&) = delete;
    listener_base& operator=(const listener_base&) = delete;
    virtual ~listener_base() = default;

    // By the registry's mutex, or when nobody else is left:
    std::uint64_t number = 0;                     // in the order in which they came
    std::size_t place = 0;                        // among the registry's listeners
    std::shared_ptr<listener_base> next_retired;  // when it is out of the routes
    bool was_found = false;  // it was in a roster that a visit found, and that was taken away since

    /// No more messages: whoever waits for room is told.
    virtual void end_intake() = 0;
    /// Waits until handlers have handled what is in, and have ended. After end_intake().
    virtual void finish() = 0;

    /// Whether nothing is queued for handlers and none of them runs; waits for it until then.
    [[nodiscard]] virtual bool rests(const deadline&) { return true; }
    /// Grows with each message taken in.
    [[nodiscard]] virtual std::uint64_t taken_in() const noexcept { return 0; }

    /// Its queue, if it has one (detail/all_or_none.hpp).
    [[nodiscard]] virtual admitting* queue() noexcept { return nullptr; }

    /// If it is a queue of several who are run there, with room for one more that asks for the same.
    [[nodiscard]] virtual bool fans_out(const executor_ref&, std::size_t /*capacity*/,
                                        overflow) const noexcept {
        return false;
    }

    /// If it retains messages for others (detail/recorder.hpp).
    [[nodiscard]] virtual recorder_base* records() noexcept { return nullptr; }

    [[nodiscard]] virtual ring_terms broadcasts() const noexcept { return {}; }

    [[nodiscard]] const type_id& type() const noexcept { return type_; }
    [[nodiscard]] const pattern& by() const noexcept { return pattern_; }
    [[nodiscard]] const std::string& group() const noexcept { return group_; }
    /// Asked before all others: what it refuses nobody gets (bus/persist.hpp).
    [[nodiscard]] virtual bool keeps() const noexcept { return false; }
    /// It keeps all topics of that pattern.
    [[nodiscard]] virtual bool covers(const pattern&) const { return false; }

    /// Whether its handler only looks at the value, here and now: then `how` says how to call it.
    [[nodiscard]] bool plain() const noexcept { return plain_; }
    [[nodiscard]] bool is_counted() const noexcept { return counts_; }
    /// Whether it is a queue that copies the value: then `how` does it. What has not got in so is
    /// delivered.
    [[nodiscard]] bool copies() const noexcept { return copies_; }
    /// A message that was meant for it came when it had ended.
    virtual void missed() noexcept {}
    /// One was refused by its queue.
    virtual void was_refused() noexcept {}
    /// A caller has found it ended, after he took his announcement back (detail/direct_calls.hpp).
    virtual void left() noexcept {}
    /// Its handler threw what is being handled.
    virtual void has_thrown(const std::string&) noexcept {}

private:
    const type_id& type_;
    const pattern pattern_;
    const std::string group_;
    const bool plain_, copies_;
    const bool counts_;

public:
    alignas(cache_line) sys::atomic<call> how;  ///< the handler stands behind it
};

template <class T>
class listener : public listener_base {
public:
    using listener_base::listener_base;
    /// In a visit that reads a roster with this listener, and announces no caller.
    /// True: a handler has run; anything else is in the tally.
    virtual bool deliver(envelope<T>& e, const patience& p, tally& t, visitor& v) = 0;
    /// It comes to a topic that has retained these. Runs no user code.
    virtual void replay(const retained<T>&) {}
};

template <class T>
class lane;

/// Sends what is published to a store, whose groups take it from there (detail/keeper.hpp).
template <class T>
class keeper : public listener<T> {
public:
    keeper(const type_id& type, pattern by) : listener<T>{type, std::move(by), std::string{}} {}
    [[nodiscard]] bool keeps() const noexcept final { return true; }
    /// False: it has ended, and nothing more gets to the store.
    [[nodiscard]] virtual bool keeping() const noexcept = 0;
    /// What a group of that pattern reads.
    [[nodiscard]] virtual std::unique_ptr<lane<T>> lane_for(const std::string& group,
                                                            const pattern& by) = 0;
};

}  // namespace detail

/// What became of a subscription's messages. Exact once publishers and handlers rest, and then
/// received = handled + failed + rejected + dropped + queued.
struct subscription_counts {
    std::uint64_t received = 0;  ///< matched by pattern and `where`; in a group: by all members
    std::uint64_t handled = 0;   ///< by this member's handler
    std::uint64_t failed = 0;    ///< this member's handler threw; or, direct, `where` did
    std::uint64_t rejected = 0;  ///< refused by the full queue; in a group: its queue
    std::uint64_t dropped = 0;   ///< lost and handed to on_drop; in a group: by its queue
    std::uint64_t queued = 0;    ///< waiting in the queue; in a group: its queue
};

/// How many topics a subscription's pattern meets.
struct pattern_reach {
    std::size_t topics = 0;          ///< of its type: it gets their messages
    std::size_t of_other_types = 0;  ///< whose name matches and whose type doesn't: it never will
};

namespace detail {

class registry;

class subscriber {
public:
    subscriber() = default;
    subscriber(const subscriber&) = delete;
    subscriber& operator=(const subscriber&) = delete;
    virtual ~subscriber() = default;

    /// Ends it, once or again. True: no callback of it is running any more.
    virtual bool cancel() = 0;
    /// The same, but no callback is waited for.
    virtual void cancel_without_waiting() = 0;
    [[nodiscard]] virtual bool active() const = 0;
    [[nodiscard]] virtual subscription_counts counts() const = 0;
    [[nodiscard]] virtual const listener_base& listens() const = 0;
    [[nodiscard]] virtual registry& home() const = 0;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
