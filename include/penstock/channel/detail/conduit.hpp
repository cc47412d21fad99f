// SPDX-License-Identifier: BSL-1.0
// The waits of a channel, and its batches. channel/channel.hpp says what each operation means.
//
// A wait first tries, then signs in (reservoir::visit) and tries again whenever it is woken. A batch
// that finds no room for the rest sends the next one as `put` does, and then again as many as go.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

#include <penstock/channel/batch.hpp>
#include <penstock/channel/detail/reservoir.hpp>
#include <penstock/core/result.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T, queue Storage>
class conduit : public reservoir<T, Storage> {
    using base = reservoir<T, Storage>;
    using contents = typename base::contents;

public:
    using base::base, base::closed, base::drained, base::receivable, base::sendable, base::take,
        base::take_into, base::try_emplace, base::try_put;
    using typename base::pass;

    status put(T&& value, const deadline& until, const sys::stop_token& stop) {
        pass mine{*this};
        status answer = try_put(std::move(value), mine);
        if (answer != status::full) return answer;
        if (overflow_ != overflow::block) return this->refuse(std::move(value), mine);
        return wait_for_room(std::move(value), mine, until, stop);
    }
    template <class Iterator>
    batch_result put_n(Iterator first, std::size_t n, const deadline& until,
                       const sys::stop_token& stop) {
        batch_result sent = put_some(first, n);
        while (sent.status == status::full && overflow_ == overflow::block) {
            auto&& next = to_send<T>(first);
            sent.status = put(std::move(next), until, stop);
            if (!sent.status) return sent;
            ++first;
            const batch_result more = put_some(first, n - ++sent.count);
            sent = {sent.count + more.count, more.status};
        }
        return rest_refused(first, n, sent);
    }
    template <class Iterator>
    batch_result try_put_n(Iterator first, std::size_t n) {
        const batch_result sent = put_some(first, n);
        return rest_refused(first, n, sent);
    }

    /// Sends as many as go, moves `first` past them, and wakes as many receivers.
    template <class Iterator>
    batch_result put_some(Iterator& first, std::size_t n) {
        static_assert(can_be_refused<Iterator>,
                      "what a batch can't send must be found again: pass a forward iterator");
        struct waking {  // also when a copy throws
            ~waking() {
                if (done.count > 0) of.receivers_.notify_n(done.count);
            }
            conduit& of;
            batch_result done{};
        } wake{*this};
        batch_result& sent = wake.done;
        if constexpr (contents::template in_batches<Iterator>) {
            while (sent.count < n) {
                const std::size_t some = cargo_.push_n(first, n - sent.count);
                if (some == 0) break;
                std::advance(first, some);
                sent.count += some;
            }
            if (sent.count < n) sent.status = closed() ? status::closed : status::full;
        } else {
            for (; sent.count < n; ++first, ++sent.count) {
                auto&& next = to_send<T>(first);
                pass mine{*this};
                sent.status = this->push(std::move(next), mine);
                if (!sent.status) break;
            }
        }
        if (!sent.status) this->refused(sent.status);
        return sent;
    }

    result<T> get(const deadline& until, const sys::stop_token& stop) {
        std::optional<T> value;
        if (take_into(value)) return std::move(*value);
        return wait_for_one(until, stop);
    }

    template <class Out>
    std::size_t take_n(Out out, std::size_t n) {
        std::size_t taken = 0;
        while (taken < n) {
            const std::size_t some = cargo_.pop_n(out, n - taken);
            if (some == 0) break;
            std::advance(out, some);
            taken += some;
        }
        if (taken > 0 || cargo_.has_gaps())  // as in take_into()
            this->made_room(taken > 0 ? taken : 1);
        return taken;
    }
    template <class Out>
    batch_result get_n(Out out, std::size_t n, const deadline& until, const sys::stop_token& stop) {
        std::size_t taken = take_n(out, n);
        if (taken > 0 || n == 0) return {taken};
        const visit here{*this, base::one_receiver};
        const status waited = receivers_.wait(
            [&] { return (taken = take_n(out, n)) > 0 || drained(); },
            [this] { return receivable(); }, until, stop);
        return {taken, taken > 0 ? status::ok : waited ? status::closed : waited};
    }

    /// Until nothing is in and no sender is on his way.
    status quiesce(const deadline& until, const sys::stop_token& stop) {
        const visit here{*this};
        const auto going = [this] {
            return this->going_.load(std::memory_order_relaxed);  // by the notify
        };
        const status waited = quiet_.wait(
            [&] { return this->quiet() || going(); }, [] { return false; }, until, stop);
        return waited && going() ? status::closed : waited;
    }

private:
    using base::cargo_, base::overflow_, base::quiet_, base::receivers_, base::senders_;
    using typename base::sender_visit;
    using typename base::visit;

    // Not inlined, so that who need not wait saves no registers for it.
    [[gnu::noinline]] result<T> wait_for_one(const deadline& until, const sys::stop_token& stop) {
        std::optional<T> value;
        const visit here{*this, base::one_receiver};
        const status waited = receivers_.wait([&] { return take_into(value) || drained(); },
                                              [this] { return receivable(); }, until, stop);
        return {std::move(value), waited ? status::closed : waited};
    }
    [[gnu::noinline]] status wait_for_room(T&& value, pass& mine, const deadline& until,
                                           const sys::stop_token& stop) {
        status answer = status::full;
        const sender_visit here{*this};
        mine.stand_in_line();
        const status waited = senders_.wait(
            [&] { return (answer = try_put(std::move(value), mine)) != status::full; },
            [this] { return sendable(); }, until, stop);
        mine.give_up();  // while this visit lasts
        return waited ? answer : waited;
    }

    /// What overflow says of the rest of a batch.
    template <class Iterator>
    batch_result rest_refused(Iterator first, std::size_t n, batch_result sent) {
        if (sent.status != status::full || overflow_ == overflow::block) return sent;
        if (overflow_ == overflow::reject) {
            this->rejected_.fetch_add(n - sent.count, std::memory_order_relaxed);  // a count
            return sent;
        }
        sent.status = status::ok;
        for (std::size_t i = sent.count; i < n; ++i, ++first) {
            auto&& next = to_send<T>(first);
            const status answer = try_put(std::move(next));
            if (answer) {
                ++sent.count;
            } else {
                sent.status = answer;
                if (answer != status::dropped) break;  // this one and the rest are still there
            }
        }
        return sent;
    }
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
