// SPDX-License-Identifier: BSL-1.0
// What a queued subscription, or group, keeps its messages in, as its inbox sees it.
//
//   channel_lane   a channel: whoever is free takes the next one          (this header)
//   keyed_lane     by key: never two of one key at once, each in order    detail/keyed_lane.hpp
//   kept_lane      a group of a store that outlives the program           detail/kept_lane.hpp
//
// take() hands out a message with a claim, which goes back by done() when it has been handled; a
// channel_lane has nothing to remember.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include <penstock/bus/detail/all_or_none.hpp>
#include <penstock/bus/detail/replay.hpp>
#include <penstock/bus/message.hpp>
#include <penstock/channel/ends.hpp>
#include <penstock/core/status.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// A message on its way to a handler.
template <class T>
struct taken {
    message<T> what;
    void* claim = nullptr;
    bool ours = true;  // false: given back at once, unseen
};

/// Rung when there may be something to take.
class bell {
public:
    virtual void ring() noexcept = 0;

protected:
    ~bell() = default;
};

template <class T>
class lane {
public:
    lane() = default;
    lane(const lane&) = delete;
    lane& operator=(const lane&) = delete;
    virtual ~lane() = default;

    /// As channel::try_send and channel::send. What is dropped goes to the inbox's drop().
    virtual status try_send(message<T>&& m) = 0;
    virtual status send(message<T>&& m, const sys::stop_token& stop) = 0;

    // A place for one that comes later (detail/all_or_none.hpp):
    /// What has to be asked of it, which may throw.
    virtual void prepare(const T&, held&) {}
    /// ok, full, closed.
    virtual status hold(held&) { return status::closed; }
    /// Waits for room, whatever overflow says: ok, closed, stopped.
    virtual status wait_and_hold(held&, const sys::stop_token&) { return status::closed; }
    /// False: closed meanwhile, and not in.
    virtual bool fill(held&, message<T>&&) noexcept { return false; }
    virtual void let_go(held&) noexcept {}

    // What a late subscription is given (detail/replay.hpp):
    /// Places for the newest `most` of them, or as many as there is room for. Runs no user code.
    virtual void keep_places(const retained<T>&, std::size_t /*most*/) {}
    /// For the newest that is left. ok: it is in; dropped: it is not; empty: none was left. One
    /// thread, and may throw what is asked of the message: that one is not in.
    virtual status fill_place(const wish<T>& /*wanted*/) { return status::empty; }

    [[nodiscard]] virtual std::optional<taken<T>> take() = 0;
    /// True: a message that had to wait for this one may be there.
    virtual bool done(void* claim, bool handled = true) noexcept = 0;

    virtual void close() = 0;
    [[nodiscard]] virtual bool closed() const = 0;
    [[nodiscard]] virtual std::size_t size() const = 0;
    [[nodiscard]] virtual std::size_t capacity() const = 0;
    /// What is left, one after the other, whatever its key. Closed, and nobody takes any more.
    [[nodiscard]] virtual std::optional<message<T>> leftover() = 0;

    // For a lane whose messages come by themselves (detail/kept_lane.hpp):
    virtual void serve(const std::weak_ptr<bell>&) noexcept {}
    /// Whether what is published reaches it.
    [[nodiscard]] virtual bool kept() const noexcept { return false; }
    /// Throws what has ended it, once.
    virtual void tell_trouble() {}
};

template <class T>
class channel_lane final : public lane<T> {
public:
    using channel_type = channel<message<T>>;
    using ends = shared_channel<message<T>, typename channel_type::storage_type>;

    explicit channel_lane(channel_options<message<T>> options) : ends_{std::move(options)} {
        // The inbox counts as a receiver: the channel ends with the last member, of whatever kind.
        ends_.receivers.store(1, std::memory_order_relaxed);  // nobody else is here yet
    }

    status try_send(message<T>&& m) override { return pipe().try_send(std::move(m)); }
    status send(message<T>&& m, const sys::stop_token& stop) override {
        return pipe().send(std::move(m), stop);
    }
    std::optional<taken<T>> take() override {
        if (auto m = pipe().try_receive()) return taken<T>{std::move(*m)};
        return std::nullopt;
    }
    bool done(void*, bool) noexcept override { return false; }

    status hold(held& h) override {
        static_assert(sizeof(kept) <= sizeof(h.place));
        auto found = core().reserve();
        if (!found) return core().closed() ? status::closed : status::full;
        ::new (static_cast<void*>(h.place)) kept{std::move(found)};
        return status::ok;
    }
    status wait_and_hold(held& h, const sys::stop_token& stop) override {
        status answer = status::full;
        const status waited = core().senders().wait(
            [&] { return (answer = hold(h)) != status::full; }, [&] { return core().sendable(); },
            {}, stop);
        return waited ? answer : waited;
    }
    bool fill(held& h, message<T>&& m) noexcept override {
        at(h).put(std::move(m));
        std::destroy_at(&at(h));
        return true;  // what was claimed before a close is received
    }
    void let_go(held& h) noexcept override { std::destroy_at(&at(h)); }

    void keep_places(const retained<T>& from, std::size_t most) override {
        replayed_.keep_places(*this, from, most);
    }
    status fill_place(const wish<T>& wanted) override { return replayed_.fill_place(wanted); }

    void close() override { pipe().close(); }
    [[nodiscard]] bool closed() const override { return ends_.pipe.closed(); }
    [[nodiscard]] std::size_t size() const override { return ends_.pipe.size_approx(); }
    [[nodiscard]] std::size_t capacity() const override { return ends_.pipe.capacity(); }
    std::optional<message<T>> leftover() override {
        if (auto m = pipe().receive()) return std::move(*m);  // closed: it ends
        return std::nullopt;
    }

    /// For those who pull.
    [[nodiscard]] ends& shared() noexcept { return ends_; }

private:
    using core_type = conduit<message<T>, typename channel_type::storage_type>;
    using kept = decltype(std::declval<core_type&>().reserve());

    channel_type& pipe() noexcept { return ends_.pipe; }
    core_type& core() noexcept { return channel_access::core(ends_.pipe); }
    static kept& at(held& h) noexcept { return *std::launder(reinterpret_cast<kept*>(h.place)); }
    ends ends_;
    replays<T, channel_lane> replayed_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
