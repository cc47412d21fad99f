// SPDX-License-Identifier: BSL-1.0
// One member of a named group that reads a durable queue. Each message goes to one member; the group
// goes on after its last accept, in whatever process it is opened next.
//
//   auto billing = orders.group("billing");
//   while (auto d = billing.receive(stop)) { bill(*d); d.accept(); }
//
// Cost      A mutex shared by the members, a checksum of the message; accept is an append.
// Threads   Everything may be called by any number of threads at once. Copies are members too.
// Errors    failed: the journal is broken, or what should be next is damaged (journal::report says
//           where; journal_options::skip_damage steps over it). Throws what the codec throws: the
//           message is released then.
// Order     That of the stream, except that what was released comes first.
#pragma once

#include <chrono>
#include <memory>
#include <type_traits>
#include <utility>

#include <penstock/core/delivery.hpp>
#include <penstock/core/resume_on.hpp>
#include <penstock/durable/batch.hpp>
#include <penstock/durable/codec.hpp>
#include <penstock/durable/detail/find_time.hpp>
#include <penstock/durable/detail/group_state.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T>
class durable_receive_awaitable;  // durable/async.hpp

enum class seek_to : unsigned char { begin, end };

template <class T>
class durable_group {
public:
    using value_type = T;

    /// Waits for a message. closed (no more will come), stopped, failed. While `prefetch` messages
    /// are unsettled it waits for one to be settled.
    delivery<T> receive(const sys::stop_token& stop = {}) { return get({}, stop); }
    /// Also timed_out.
    template <class Rep, class Period>
    delivery<T> receive_for(std::chrono::duration<Rep, Period> d,
                            const sys::stop_token& stop = {}) {
        return get(deadline::after(journal_->options().clock, d), stop);
    }
    delivery<T> receive_until(clock::time_point at, const sys::stop_token& stop = {}) {
        return get({journal_->options().clock, at}, stop);
    }
    /// Never waits: empty.
    delivery<T> try_receive() {
        detail::claimed c;
        return hand_out(state_->take(*stream_, c), c);
    }

    /// Up to `most` messages at once, at least one when it tests true: see durable/batch.hpp. While
    /// others are unsettled it takes as many as `prefetch` leaves.
    durable_batch<T> receive_n(std::size_t most, const sys::stop_token& stop = {}) {
        detail::claimed_batch b;
        return hand_out(
            detail::group_batches::wait_and_take(*state_, *stream_, most, b, {}, stop), b);
    }
    /// Never waits: empty.
    durable_batch<T> try_receive_n(std::size_t most) {
        detail::claimed_batch b;
        return hand_out(detail::group_batches::take(*state_, *stream_, most, b), b);
    }

    /// For coroutines: include durable/async.hpp.
    durable_receive_awaitable<T> async_receive(const sys::stop_token& stop = {},
                                               const resume_on& where = {}) const {
        return {*this, stop, where};
    }

    /// How many messages unread::drop_oldest (durable/options.hpp) has taken from this group, before it read
    /// or before it accepted them, ever since there is the group: kept like its cursor. Deliveries
    /// among them that were out: their accept answers closed.
    [[nodiscard]] std::uint64_t lagged() const { return state_->lagged(); }

    /// Whether try_receive would find something now; another member may be faster.
    [[nodiscard]] bool ready() { return state_->ready(); }
    /// Where members wait: it tells one of them of each message, all of an end. For who waits in a way
    /// of his own.
    [[nodiscard]] waiter& receivers() noexcept { return state_->receivers(); }

    /// Moves the whole group: it goes on with the first message at or behind that offset (of a
    /// message: info().id), time or end, durably. Messages accepted before come again. Deliveries that
    /// are out belong to the place it has left: their accept answers closed. Time is as exact as
    /// message_info::time; of what was trimmed nothing comes back.
    status seek(std::uint64_t offset) { return state_->seek(offset); }
    template <class Duration>
    status seek(std::chrono::sys_time<Duration> time) {
        std::uint64_t offset = 0;
        const auto ns = std::chrono::ceil<std::chrono::nanoseconds>(time.time_since_epoch());
        if (const status s = detail::find_time(*journal_, ns.count(), offset); !s) return s;
        return state_->seek(offset);
    }
    status seek(seek_to where) {
        return state_->seek(where == seek_to::begin ? 0 : journal_->done().appended());
    }

private:
    template <class>
    friend class durable_queue;
    friend class durable_receive_awaitable<T>;

    durable_group(std::shared_ptr<detail::journal_core> journal, detail::stream_state& stream,
                  detail::group_state& state) noexcept
        : journal_{std::move(journal)}, stream_{&stream}, state_{&state} {}

    delivery<T> get(const deadline& until, const sys::stop_token& stop) {
        detail::claimed c;
        return hand_out(state_->wait_and_take(*stream_, c, until, stop), c);
    }

    durable_batch<T> hand_out(status s, detail::claimed_batch& b) {
        if (!s) return s;
        return {journal_, *state_, std::move(b)};
    }
    delivery<T> hand_out(status s, detail::claimed& c) {
        if (!s) return s;
        const message_info info{
            .id = c.offset,
            .time = std::chrono::sys_time<std::chrono::nanoseconds>{std::chrono::nanoseconds{
                c.record.header.time}},
            .attempt = c.attempt,
            .topic = journal_->topic_name(c.record.header.topic)};
        try {
            // A view refers to the segment, which has to stay mapped.
            std::shared_ptr<const void> keeps;
            if constexpr (std::is_same_v<T, std::string_view> ||
                          std::is_same_v<T, std::span<const std::byte>>)
                keeps = c.in;
            return {codec<T>::decode(c.record.payload), info,
                    std::shared_ptr<delivery_source>{journal_, state_}, c.token, std::move(keeps)};
        } catch (...) {
            (void)state_->settle(c.token, verdict::release);
            throw;
        }
    }

    std::shared_ptr<detail::journal_core> journal_;
    detail::stream_state* stream_;
    detail::group_state* state_;
};

}  // namespace penstock::inline PENSTOCK_ABI
