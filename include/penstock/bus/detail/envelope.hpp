// SPDX-License-Identifier: BSL-1.0
// A value on its way through one publish: the publisher's own object for as long as readers only
// look at it here and now, a shared message from the moment that somebody wants to keep it.
//
//   view()       const T&, wherever it is          direct handlers, `where`
//   share()      the message, made at most once    queues, handlers that take a message
//   give_back()  nobody got it: it returns         "what is refused is still yours"
#pragma once

#include <type_traits>
#include <utility>

#include <penstock/bus/detail/all_or_none.hpp>
#include <penstock/bus/message.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
class envelope : public envelope_base {
public:
    envelope(T&& mine, const named& topic) noexcept
        : seen_{&mine}, movable_{&mine}, topic_{&topic.name}, shared_topic_{&topic} {
        static_assert(std::is_move_constructible_v<T>,
                      "this T can't be moved: emplace it, or publish a std::unique_ptr to it");
    }
    envelope(const T& theirs, const named& topic) noexcept
        : seen_{&theirs}, topic_{&topic.name}, shared_topic_{&topic} {
        static_assert(
            std::is_copy_constructible_v<T>, "this T can't be copied: publish(std::move(x))");
    }
    /// Made where it is kept: nothing is moved, and T need not be movable.
    template <class... Args>
    envelope(std::in_place_t, block_pool& memory, const named& topic, Args&&... args)
        : message_{parcel<T>::made(&memory, topic, std::forward<Args>(args)...)},
          seen_{&message_.value()},
          topic_{&topic.name},
          memory_{&memory} {}
    explicit envelope(message<T>&& m) noexcept
        : message_{std::move(m)}, seen_{&message_.value()}, topic_{&message_.topic()} {}
    envelope(const envelope&) = delete;
    envelope& operator=(const envelope&) = delete;

    [[nodiscard]] const T& view() const noexcept { return *seen_; }
    [[nodiscard]] const std::string& topic() const noexcept { return *topic_; }

    /// Before it is shared.
    void use(block_pool& memory) noexcept { memory_ = &memory; }
    void track(std::shared_ptr<tracker> by) noexcept { tracked_ = std::move(by); }
    [[nodiscard]] bool tracked() const noexcept {
        return tracked_ || (message_ && message_.parcel_->tracked);
    }
    void settle(outcome o) const noexcept {
        if (message_.parcel_ && message_.parcel_->tracked) message_.parcel_->tracked->settle(o);
    }

    const message<T>& share() {
        if (!message_) {
            message_ = message<T>{made()};
            message_.parcel_->tracked = tracked_;
            seen_ = &message_.value();
        }
        return message_;
    }

    /// Whether somebody waits for outcomes.
    [[nodiscard]] bool is_tracked() const noexcept {
        return tracked_ || (message_.parcel_ && message_.parcel_->tracked);
    }
    /// A share, to be kept as a plain pointer; kept() gives it back, once.
    [[nodiscard]] const void* keep() {
        message<T> mine = share();
        return std::exchange(mine.parcel_, nullptr);
    }
    [[nodiscard]] static envelope kept(const void* share) noexcept {
        return envelope{
            message<T>{static_cast<parcel<T>*>(const_cast<void*>(share))}};  // as keep() had it
    }

    /// For one who keeps it longer than those whose outcomes are waited for: a message that has none
    /// of them. Nothing, if it is tracked and can't be copied.
    message<T> untracked() {
        if (!tracked()) return share();
        if constexpr (std::is_copy_constructible_v<T>) {
            const message<T>& m = share();
            return message<T>{parcel<T>::made(memory_, m.parcel_->topic, m.value())};
        } else {
            return {};
        }
    }

    void give_back() noexcept {
        if constexpr (std::is_nothrow_move_assignable_v<T>) {
            if (!movable_ || !message_) return;
            if (message_.parcel_->readers.load(std::memory_order_acquire) == 1)  // with ~message
                *movable_ = std::move(message_.parcel_->value);
        }
    }

protected:
    /// Of a message that somebody else holds as long as this is there.
    struct borrowed {};
    envelope(borrowed, const message<T>& m) noexcept : envelope{message<T>{m.parcel_}} {}
    void let_go() noexcept { message_.parcel_ = nullptr; }

private:
    parcel<T>* made() {
        if constexpr (std::is_move_constructible_v<T>)
            if (movable_) return parcel<T>::made(memory_, *shared_topic_, std::move(*movable_));
        if constexpr (std::is_copy_constructible_v<T>) {
            return parcel<T>::made(memory_, *shared_topic_, *seen_);
        } else {
            return nullptr;  // unreachable: a const T& was refused when it compiled
        }
    }

    message<T> message_;
    std::shared_ptr<tracker> tracked_;
    const T* seen_;
    T* movable_ = nullptr;
    const std::string* topic_;
    const named* shared_topic_ = nullptr;
    block_pool* memory_ = nullptr;
};

/// A message that stays where it is, and is not counted for this reader.
template <class T>
class lent final : public envelope<T> {
public:
    explicit lent(const message<T>& m) noexcept
        : envelope<T>{typename envelope<T>::borrowed{}, m} {}
    ~lent() { this->let_go(); }
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
