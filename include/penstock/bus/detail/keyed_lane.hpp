// SPDX-License-Identifier: BSL-1.0
// Messages of one group by key: those of one key are handled one after the other in the order in
// which they came, those of different keys at the same time.
//
//   slots     [m1 a] [m2 b] [m3 a] [ ] ...      as many as the capacity says, made once
//   mailbox a: m1, m3   being handled           a key with messages, or with one in work
//   mailbox b: m2       ready ──► taken next
//
// A mailbox is there while it has messages or one of its key is in work: keys that rest cost nothing.
// A key whose message is in work is not ready, so nobody gets its next one; `done` makes it ready
// again. Keys are compared by ==, their hash only says where to look.
//
// Cost      A mutex and a look-up of the key, twice a message. Mailboxes are used again: no
//           allocation once there have been as many at a time.
// Threads   Everything by any number of threads at once. The key is asked of the message outside of
//           the mutex, in the publisher's thread; hash and == of the key run inside of it.
// Errors    What the key function and the key's copy throw: then the message is not in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <penstock/bus/detail/lane.hpp>
#include <penstock/channel/overflow.hpp>
#include <penstock/core/function.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
struct keyed_options {
    std::size_t capacity;
    std::size_t per_key;  // 0: no limit but the capacity
    penstock::overflow overflow;
    unique_function<void(message<T>&&)> on_drop;
};

/// As std::invoke, whose header costs a fifth of what all others do.
template <class KeyOf, class T>
decltype(auto) key_in(KeyOf& key_of, const T& value) {
    if constexpr (std::is_member_object_pointer_v<KeyOf>) {
        return (value.*key_of);
    } else if constexpr (std::is_member_function_pointer_v<KeyOf>) {
        return (value.*key_of)();
    } else {
        return key_of(value);
    }
}
template <class T, class KeyOf>
using key_type = std::decay_t<std::invoke_result_t<KeyOf&, const T&>>;

template <class T, class KeyOf>
class keyed_lane final : public lane<T> {
    using key = key_type<T, KeyOf>;
    static constexpr std::size_t none = static_cast<std::size_t>(-1);
    struct slot {
        message<T> what;
        std::size_t next = none;  // of its key, or of the free ones
        std::uint64_t number = 0;
    };
    struct mailbox {
        std::size_t first = none, last = none;
        std::size_t size = 0;
        bool in_work = false;
        std::pair<const key, mailbox>* next_ready = nullptr;
    };
    using mailboxes = std::unordered_map<key, mailbox>;
    using entry = std::pair<const key, mailbox>;

public:
    keyed_lane(KeyOf key_of, keyed_options<T>&& o)
        : key_of_{std::move(key_of)}, options_{std::move(o)}, slots_(options_.capacity) {
        for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].next = i + 1;
        slots_.back().next = none;
    }

    status try_send(message<T>&& m) override {
        const key k = key_in(key_of_, *m);
        const status answer = put(k, m);
        return answer == status::full ? refuse(k, m) : answer;
    }
    status send(message<T>&& m, const sys::stop_token& stop) override {
        const key k = key_in(key_of_, *m);
        status answer = put(k, m);
        if (answer != status::full) return answer;
        if (options_.overflow != overflow::block) return refuse(k, m);
        const status waited = room_.wait([&] { return (answer = put(k, m)) != status::full; },
                                         [&] { return closed() || size() < capacity(); }, {}, stop);
        if (options_.per_key > 0) room_.notify_all();  // room for one key is none for another
        return waited ? answer : waited;
    }

    std::optional<taken<T>> take() override {
        std::optional<taken<T>> t;
        {
            std::lock_guard lock{mutex_};
            while (!t && ready_) {
                entry* const box = std::exchange(ready_, ready_->second.next_ready);
                if (box->second.first == none) {  // its messages were dropped
                    let_go(*box);
                    continue;
                }
                t = taken<T>{unlink_first(*box), box};
                box->second.in_work = true;
            }
        }
        if (t) has_room();
        return t;
    }

    bool done(void* claim, bool) noexcept override {
        auto& box = *static_cast<entry*>(claim);
        std::lock_guard lock{mutex_};
        box.second.in_work = false;
        if (box.second.first == none) {
            let_go(box);
            return false;
        }
        is_ready(box);
        return true;
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
        return size_;
    }
    [[nodiscard]] std::size_t capacity() const override { return slots_.size(); }

    std::optional<message<T>> leftover() override {
        std::lock_guard lock{mutex_};
        return size_ == 0 ? std::nullopt : std::optional{take_oldest()};
    }

private:
    /// ok, full or closed; only where it is ok the message is moved from.
    status put(const key& k, message<T>& m) {
        std::lock_guard lock{mutex_};
        if (closed_) return status::closed;
        if (free_ == none) return status::full;
        auto found = boxes_.find(k);
        if (found != boxes_.end() && options_.per_key > 0 && found->second.size >= options_.per_key)
            return status::full;
        if (found == boxes_.end()) found = open(k);
        entry& box = *found;
        const std::size_t at = std::exchange(free_, slots_[free_].next);
        slots_[at] = {std::move(m), none, next_number_++};
        const bool first = box.second.first == none;
        (first ? box.second.first : slots_[box.second.last].next) = at;
        box.second.last = at;
        ++box.second.size;
        ++size_;
        return status::ok;
    }

    typename mailboxes::iterator open(const key& k) {
        if (spare_.capacity() <= boxes_.size()) spare_.reserve(2 * boxes_.size() + 1);
        typename mailboxes::iterator box;
        if (spare_.empty()) {
            box = boxes_.try_emplace(k).first;
        } else {
            spare_.back().key() = k;
            box = boxes_.insert(std::move(spare_.back())).position;
            spare_.pop_back();
            box->second = mailbox{};
        }
        is_ready(*box);
        return box;
    }
    void is_ready(entry& box) noexcept {
        box.second.next_ready = nullptr;
        (ready_ ? last_ready_->second.next_ready : ready_) = &box;
        last_ready_ = &box;
    }
    /// An empty one of which nothing is in work.
    void let_go(entry& box) noexcept { spare_.push_back(boxes_.extract(box.first)); }

    message<T> unlink_first(entry& box) noexcept {
        const std::size_t at = box.second.first;
        box.second.first = slots_[at].next;
        --box.second.size;
        --size_;
        message<T> m = std::move(slots_[at].what);
        slots_[at].next = std::exchange(free_, at);
        return m;
    }
    message<T> take_oldest() noexcept {
        entry* oldest = nullptr;
        for (entry& box : boxes_)
            if (box.second.first != none &&
                (!oldest || slots_[box.second.first].number < slots_[oldest->second.first].number))
                oldest = &box;
        return unlink_first(*oldest);
    }

    void has_room() noexcept {
        if (options_.per_key > 0) {
            room_.notify_all();
        } else {
            room_.notify_one();
        }
    }

    /// What overflow says, except for waiting.
    status refuse(const key& k, message<T>& m) {
        switch (options_.overflow) {
            case overflow::block:
            case overflow::reject: return status::full;
            case overflow::drop_newest: options_.on_drop(std::move(m)); return status::dropped;
            case overflow::drop_oldest: break;
        }
        for (;;) {
            std::optional<message<T>> oldest;
            {
                std::lock_guard lock{mutex_};
                const auto box = boxes_.find(k);
                if (options_.per_key > 0 && box != boxes_.end() &&
                    box->second.size >= options_.per_key) {
                    oldest = unlink_first(*box);
                } else if (size_ == slots_.size()) {
                    oldest = take_oldest();
                }
            }
            if (oldest) options_.on_drop(std::move(*oldest));
            const status answer = put(k, m);
            if (answer != status::full) return answer;
        }
    }

    KeyOf key_of_;
    const keyed_options<T> options_;
    mutable sys::mutex mutex_;
    std::vector<slot> slots_;
    std::size_t free_ = 0;
    std::size_t size_ = 0;
    std::uint64_t next_number_ = 0;
    bool closed_ = false;
    mailboxes boxes_;
    std::vector<typename mailboxes::node_type> spare_;
    entry* ready_ = nullptr;  // their next message may be taken
    entry* last_ready_ = nullptr;
    waiter room_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
