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
#include <new>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <penstock/bus/detail/key_of.hpp>
#include <penstock/bus/detail/lane.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

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
        std::size_t held = 0;  // places for messages that come later
        bool in_work = false;
        bool listed = false;  // among the ready ones
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
            while (!t && ready_) {
                entry* const box = std::exchange(ready_, ready_->second.next_ready);
                box->second.listed = false;
                if (box->second.first == none) {  // its messages were dropped
                    let_go_if_empty(*box);
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
            let_go_if_empty(box);
            return false;
        }
        is_ready(box);
        return true;
    }

    void prepare(const T& value, held& h) override {
        h.key = new key(key_in(key_of_, value));
        h.free_key = [](void* k) { delete static_cast<key*>(k); };
    }
    status hold(held& h) override {
        std::lock_guard lock{mutex_};
        const auto [box, answer] = find_room(*static_cast<const key*>(h.key));
        if (!answer) return answer;
        ++box->second.held;
        ++held_;
        ::new (static_cast<void*>(h.place)) entry* {box};
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
        entry& box = given_back(h);
        if (closed_) {
            let_go_if_empty(box);
            return false;
        }
        append(box, std::move(m));
        return true;
    }
    void let_go(held& h) noexcept override {
        {
            std::lock_guard lock{mutex_};
            let_go_if_empty(given_back(h));
        }
        has_room();
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
        const auto [box, answer] = find_room(k);
        if (answer) append(*box, std::move(m));
        return answer;
    }
    [[nodiscard]] bool has_room_for(typename mailboxes::const_iterator box) const {
        return size_ + held_ < slots_.size() &&
               (box == boxes_.end() || options_.per_key == 0 ||
                box->second.size + box->second.held < options_.per_key);
    }
    /// A mailbox that takes one more.
    std::pair<entry*, status> find_room(const key& k) {
        if (closed_) return {nullptr, status::closed};
        auto found = boxes_.find(k);
        if (!has_room_for(found)) return {nullptr, status::full};
        if (found == boxes_.end()) found = open(k);
        return {&*found, status::ok};
    }
    void append(entry& box, message<T>&& m) noexcept {
        const std::size_t at = std::exchange(free_, slots_[free_].next);
        slots_[at] = {std::move(m), none, next_number_++};
        const bool first = box.second.first == none;
        (first ? box.second.first : slots_[box.second.last].next) = at;
        box.second.last = at;
        ++box.second.size;
        ++size_;
        if (!box.second.in_work && !box.second.listed) is_ready(box);
    }
    entry& given_back(held& h) noexcept {
        entry& box = **std::launder(reinterpret_cast<entry**>(h.place));
        --box.second.held;
        --held_;
        return box;
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
        return box;
    }
    void is_ready(entry& box) noexcept {
        box.second.listed = true;
        box.second.next_ready = nullptr;
        (ready_ ? last_ready_->second.next_ready : ready_) = &box;
        last_ready_ = &box;
    }
    void let_go_if_empty(entry& box) noexcept {
        const mailbox& b = box.second;
        if (b.first == none && b.held == 0 && !b.in_work && !b.listed)
            spare_.push_back(boxes_.extract(box.first));
    }

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
    std::size_t held_ = 0;
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
