// SPDX-License-Identifier: BSL-1.0
// Messages of one group by key: those of one key are handled one after the other in the order in
// which they came, those of different keys at the same time (detail/mailboxes.hpp).
//
// What a late subscription is given gets in when its key has been asked, which is user code, so after
// live ones may have come. It has kept places, and numbers below theirs: until all have been asked
// nothing is taken, and then each key's stand in order. Where overflow drops the oldest, those places
// are what goes first.
//
// Cost      A mutex and a look-up of the key, twice a message.
// Threads   Everything by any number of threads at once. The key is asked of the message outside of
//           the mutex, in the publisher's thread; hash and == of the key run inside of it.
// Errors    What the key function and the key's copy throw: then the message is not in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include <penstock/bus/detail/key_of.hpp>
#include <penstock/bus/detail/lane.hpp>
#include <penstock/bus/detail/mailboxes.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T, class KeyOf>
class keyed_lane final : public lane<T> {
    using key = key_type<T, KeyOf>;
    using mailbox = typename mailboxes<T, key>::mailbox;
    struct numbered {
        message<T> what;
        std::uint64_t number = 0;
    };
    struct place {
        keyed_lane* in;
        mailbox* box;
    };

public:
    keyed_lane(KeyOf key_of, keyed_options<T>&& o)
        : key_of_{std::move(key_of)}, options_{std::move(o)}, boxes_{options_.capacity} {}

    status try_send(message<T>&& m) override {
        const key k = key_in(key_of_, *m);
        const status answer = put(k, m);
        return answer == status::full ? refuse(k, m) : answer;
    }
    status send(message<T>&& m, const sys::stop_token& stop) override {
        if (options_.overflow != overflow::block) return try_send(std::move(m));
        const key k = key_in(key_of_, *m);
        status answer = status::full;
        const status waited =
            wait_for_room([&] { return (answer = put(k, m)) != status::full; }, stop);
        return waited ? answer : waited;
    }

    std::optional<taken<T>> take() override {
        std::optional<taken<T>> t;
        {
            std::lock_guard lock{mutex_};
            if (mailbox* const box = late_ ? nullptr : boxes_.begin_work())
                t = taken<T>{boxes_.take_first(*box), box};
        }
        if (t) has_room();
        return t;
    }
    bool done(void* claim, bool) noexcept override {
        std::lock_guard lock{mutex_};
        return boxes_.end_work(*static_cast<mailbox*>(claim));
    }

    void prepare(const T& value, held& h) override {
        const key k = key_in(key_of_, value);
        std::lock_guard lock{mutex_};
        mailbox* box = boxes_.find(k);
        if (!box) box = &boxes_.open(k);
        ++box->users;
        ::new (static_cast<void*>(h.place)) place{this, box};
        h.forget = [](held& of) noexcept {
            const auto [in, its] = kept(of);
            std::lock_guard lock_of_it{in->mutex_};
            --its->users;
            in->boxes_.let_go_if_empty(*its);
        };
    }
    status hold(held& h) override {
        std::lock_guard lock{mutex_};
        if (closed_) return status::closed;
        mailbox& box = *kept(h).box;
        if (full() || has_enough(box)) return status::full;
        ++box.places;
        ++places_;
        return status::ok;
    }
    status wait_and_hold(held& h, const sys::stop_token& stop) override {
        status answer = status::full;
        const status waited =
            wait_for_room([&] { return (answer = hold(h)) != status::full; }, stop);
        return waited ? answer : waited;
    }
    bool fill(held& h, message<T>&& m) noexcept override {
        std::lock_guard lock{mutex_};
        mailbox& box = given_back(h);
        if (!closed_) boxes_.put(box, std::move(m), boxes_.next_number());
        return !closed_;
    }
    void let_go(held& h) noexcept override {
        {
            std::lock_guard lock{mutex_};
            (void)given_back(h);
        }
        has_room();
    }

    void keep_places(const retained<T>& from, std::size_t most) override {
        std::lock_guard lock{mutex_};
        const std::size_t room = boxes_.capacity() - boxes_.size() - places_;
        const std::size_t n = smaller(smaller(most, room), from.size());
        replayed_.reserve(replayed_.size() + n);
        for (std::size_t i = from.size() - n; i < from.size(); ++i)
            replayed_.push_back({from[i], boxes_.next_number()});
        late_ += n;
        places_ += n;
    }
    status fill_place(const wish<T>& wanted) override {
        numbered next;
        {
            std::lock_guard lock{mutex_};
            if (!replayed_.empty()) {
                next = std::move(replayed_.back());
                replayed_.pop_back();
            } else {
                places_ -= std::exchange(late_, 0);
            }
        }
        if (!next.what) {
            room_.notify_all();
            return status::empty;
        }
        if (!wanted(next.what)) return status::dropped;
        const key k = key_in(key_of_, *next.what);
        std::lock_guard lock{mutex_};
        mailbox* box = boxes_.find(k);
        if (closed_ || late_ == 0 || (box && has_enough(*box))) return status::dropped;
        if (!box) box = &boxes_.open(k);
        boxes_.put(*box, std::move(next.what), next.number);
        --late_;
        --places_;
        return status::ok;
    }

    void close() override {
        {
            std::lock_guard lock{mutex_};
            closed_ = true;
        }
        room_.notify_all();
    }
    [[nodiscard]] bool closed() const override {
        std::lock_guard lock{mutex_};
        return closed_;
    }
    [[nodiscard]] std::size_t size() const override {
        std::lock_guard lock{mutex_};
        return boxes_.size();
    }
    [[nodiscard]] std::size_t capacity() const override { return boxes_.capacity(); }

    std::optional<message<T>> leftover() override {
        std::lock_guard lock{mutex_};
        return boxes_.size() == 0 ? std::nullopt : std::optional{boxes_.take_oldest()};
    }

private:
    static std::size_t smaller(std::size_t a, std::size_t b) noexcept { return a < b ? a : b; }
    static place& kept(held& h) noexcept {
        return *std::launder(reinterpret_cast<place*>(h.place));
    }

    [[nodiscard]] bool full() const noexcept {
        return boxes_.size() + places_ >= boxes_.capacity();
    }
    [[nodiscard]] bool has_enough(const mailbox& box) const noexcept {
        return options_.per_key > 0 && box.size() + box.places >= options_.per_key;
    }
    /// ok, full or closed; only where it is ok the message is moved from.
    status put(const key& k, message<T>& m) {
        std::lock_guard lock{mutex_};
        if (closed_) return status::closed;
        mailbox* box = boxes_.find(k);
        if (full() || (box && has_enough(*box))) return status::full;
        if (!box) box = &boxes_.open(k);
        boxes_.put(*box, std::move(m), boxes_.next_number());
        return status::ok;
    }
    mailbox& given_back(held& h) noexcept {
        mailbox& box = *kept(h).box;
        --box.places;
        --places_;
        return box;
    }

    template <class Done>
    status wait_for_room(Done done, const sys::stop_token& stop) {
        const auto left = [this] { return closed() || size() < capacity(); };
        const status waited = room_.wait(done, left, {}, stop);
        if (options_.per_key > 0) room_.notify_all();  // room for one key is none for another
        return waited;
    }
    void has_room() noexcept { options_.per_key > 0 ? room_.notify_all() : room_.notify_one(); }

    /// What overflow says, except for waiting.
    status refuse(const key& k, message<T>& m) {
        switch (options_.overflow) {
            case overflow::block:
            case overflow::reject: return status::full;
            case overflow::drop_newest: options_.on_drop(std::move(m)); return status::dropped;
            case overflow::drop_oldest: break;
        }
        for (;;) {
            if (auto oldest = take_oldest(k)) options_.on_drop(std::move(*oldest));
            const status answer = put(k, m);
            if (answer != status::full) return answer;
        }
    }
    /// Of all, or of that key, if it is that which has too many.
    std::optional<message<T>> take_oldest(const key& k) {
        std::lock_guard lock{mutex_};
        mailbox* const box = boxes_.find(k);
        if (box && box->size() > 0 && has_enough(*box)) return boxes_.take_first(*box);
        if (!full()) return std::nullopt;
        if (late_ == 0) return boxes_.take_oldest();
        --late_;
        --places_;
        return std::nullopt;
    }

    KeyOf key_of_;
    const keyed_options<T> options_;
    mutable sys::mutex mutex_;
    mailboxes<T, key> boxes_;
    std::size_t places_ = 0;  // kept, of all keys and of none
    std::size_t late_ = 0;    // of them for what is replayed
    std::vector<numbered> replayed_;
    bool closed_ = false;
    waiter room_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
