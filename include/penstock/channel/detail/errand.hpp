// SPDX-License-Identifier: BSL-1.0
// What somebody without a thread of his own waits for: to receive, to send, one or a batch. Coroutines
// (channel/async.hpp) and Asio operations (channel/asio.hpp) differ in how they are resumed; this is
// what they do when they are.
//
// done() tries: true when the wait is over; while it answers false, wait at where(). stopped() ends it
// instead. Then answer() says how, once. Afterwards, or when it is given up, pass_on() wakes another
// for what is left ready. What a copy, `weigh` or on_drop throws leaves done(), which is then over.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include <penstock/channel/batch.hpp>
#include <penstock/channel/detail/conduit.hpp>
#include <penstock/core/result.hpp>
#include <penstock/core/status.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T, class Storage>
class receive_errand {
public:
    explicit receive_errand(conduit<T, Storage>& from) noexcept : from_{from} {}

    [[nodiscard]] waiter& where() const noexcept { return from_.receivers(); }
    bool done() { return from_.take_into(value_) || from_.drained(); }
    void stopped() noexcept { why_not_ = status::stopped; }
    result<T> answer() {
        if (value_) return std::move(*value_);  // no copy of an optional (detail/transfer.hpp)
        return why_not_;
    }
    void pass_on() noexcept {
        if (from_.receivable()) from_.receivers().notify_one();
    }

private:
    conduit<T, Storage>& from_;
    std::optional<T> value_{};
    status why_not_{status::closed};
};

/// Waits for one, then takes those that are there.
template <class T, class Storage, class Out>
class receive_n_errand {
public:
    receive_n_errand(conduit<T, Storage>& from, Out out, std::size_t n)
        : from_{from}, out_{std::move(out)}, n_{n} {}

    [[nodiscard]] waiter& where() const noexcept { return from_.receivers(); }
    bool done() {
        got_ = {from_.take_n(out_, n_)};
        if (got_.count > 0 || n_ == 0) return true;
        got_.status = status::closed;
        return from_.drained();
    }
    void stopped() noexcept { got_.status = status::stopped; }
    [[nodiscard]] batch_result answer() const noexcept { return got_; }
    void pass_on() noexcept {
        if (from_.receivable()) from_.receivers().notify_one();
    }

private:
    conduit<T, Storage>& from_;
    Out out_;
    const std::size_t n_;
    batch_result got_{};
};

template <class T, class Storage>
class send_errand {
public:
    send_errand(conduit<T, Storage>& to, T&& value) noexcept : to_{to}, value_{&value} {}
    send_errand(conduit<T, Storage>& to, const T& value) : to_{to}, copy_{value}, value_{&*copy_} {}
    send_errand(conduit<T, Storage>& to, T* value) noexcept : to_{to}, value_{value} {}
    send_errand(const send_errand&) = delete;

    [[nodiscard]] waiter& where() const noexcept { return to_.senders(); }
    bool done() {
        if (to_.policy() != overflow::block) return answer_ = to_.try_put(std::move(*value_)), true;
        answer_ = to_.try_put(std::move(*value_), pass_);
        if (answer_ != status::full) return true;
        pass_.stand_in_line();
        return false;
    }
    void stopped() noexcept { answer_ = status::stopped; }
    [[nodiscard]] status answer() const noexcept { return answer_; }
    void pass_on() noexcept {
        pass_.give_up();
        if (to_.sendable()) to_.senders().notify_one();
        to_.sender_left();
    }

private:
    conduit<T, Storage>& to_;
    std::optional<T> copy_{};
    T* value_;
    typename conduit<T, Storage>::pass pass_{to_};
    status answer_{status::full};
};

/// Sends as many as go. While there is no room for the next one, that one waits as a single would:
/// with a pass of its own, which is a place in the line where there is a byte budget.
template <class T, class Storage, class Iterator>
class send_n_errand {
public:
    send_n_errand(conduit<T, Storage>& to, Iterator first, std::size_t n)
        : to_{to}, first_{std::move(first)}, n_{n} {}

    [[nodiscard]] waiter& where() const noexcept { return to_.senders(); }
    bool done() {
        if (to_.policy() != overflow::block) return sent_ = to_.try_put_n(first_, n_), true;
        for (;;) {
            if (!next_) {
                const batch_result some = to_.put_some(first_, n_ - sent_.count);
                sent_ = {sent_.count + some.count, some.status};
                if (some.status != status::full) return true;
                next_.emplace(to_, first_);
            }
            sent_.status = to_.try_put(std::move(next_->value), next_->pass);
            if (sent_.status == status::full) return next_->pass.stand_in_line(), false;
            next_.reset();
            if (!sent_) return true;
            ++first_;
            ++sent_.count;
        }
    }
    void stopped() noexcept { sent_.status = status::stopped; }
    [[nodiscard]] batch_result answer() const noexcept { return sent_; }
    void pass_on() noexcept {
        next_.reset();
        if (to_.sendable()) to_.senders().notify_one();
        to_.sender_left();
    }

private:
    /// In place where it may be moved from, else a copy.
    struct next {
        next(conduit<T, Storage>& to, Iterator& at) : value(to_send<T>(at)), pass{to} {}
        decltype(to_send<T>(std::declval<Iterator&>())) value;
        typename conduit<T, Storage>::pass pass;
    };

    conduit<T, Storage>& to_;
    Iterator first_;
    const std::size_t n_;
    std::optional<next> next_{};
    batch_result sent_{};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
