// SPDX-License-Identifier: BSL-1.0
// Messages by key: a fixed number of slots, and a queue through them for each key that is there.
//
//   slots     [m1 a] [m2 b] [m3 a] [ ] ...      as many as the capacity says, made once
//   mailbox a: m1, m3   being handled           a key with messages, or with one in work
//   mailbox b: m2       ready ──► taken next
//
// A mailbox is there while it has messages, one of its key is in work, or somebody is on his way to
// it: keys that rest cost nothing. A key whose message is in work is not ready, so nobody gets its
// next one; `done` makes it ready again. Keys are compared by ==, their hash only says where to look.
//
// Cost      A look-up of the key. Mailboxes are used again: no allocation once there have been as
//           many at a time.
// Threads   One at a time: detail/keyed_lane.hpp has the mutex.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include <penstock/bus/message.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T, class Key>
class mailboxes {
    static constexpr std::size_t none = static_cast<std::size_t>(-1);
    struct slot {
        message<T> what;
        std::size_t next = none;  // of its key, or of the free ones
        std::uint64_t number = 0;
    };
    struct mailbox {
        std::size_t first = none, last = none;
        std::size_t size = 0;
        std::size_t places = 0;  // kept for messages that come later
        std::size_t users = 0;   // on their way to it
        bool in_work = false;
        bool listed = false;  // among the ready ones
        std::pair<const Key, mailbox>* next_ready = nullptr;
    };

public:
    using entry = std::pair<const Key, mailbox>;

    explicit mailboxes(std::size_t capacity) : slots_(capacity) {
        for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].next = i + 1;
        slots_.back().next = none;
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return slots_.size(); }
    /// Null: there is none.
    [[nodiscard]] entry* find(const Key& k) {
        const auto box = boxes_.find(k);
        return box == boxes_.end() ? nullptr : &*box;
    }
    /// Where there is none.
    [[nodiscard]] entry& open(const Key& k) {
        if (spare_.capacity() <= boxes_.size()) spare_.reserve(2 * boxes_.size() + 1);
        if (spare_.empty()) return *boxes_.try_emplace(k).first;
        spare_.back().key() = k;
        entry& box = *boxes_.insert(std::move(spare_.back())).position;
        spare_.pop_back();
        box.second = mailbox{};
        return box;
    }
    /// What has not been used, or is not any more.
    void let_go_if_empty(entry& box) noexcept {
        const mailbox& b = box.second;
        if (b.first == none && b.places == 0 && b.users == 0 && !b.in_work && !b.listed)
            spare_.push_back(boxes_.extract(box.first));
    }

    /// The number of the next message that comes.
    [[nodiscard]] std::uint64_t next_number() noexcept { return next_number_++; }
    /// There is a free slot. Before those of its key that came later, if any.
    void put(entry& box, message<T>&& m, std::uint64_t number) noexcept {
        mailbox& b = box.second;
        const std::size_t at = std::exchange(free_, slots_[free_].next);
        std::size_t before = b.last, after = none;
        if (before != none && slots_[before].number > number) {
            before = none, after = b.first;
            while (slots_[after].number < number) before = std::exchange(after, slots_[after].next);
        }
        slots_[at] = {std::move(m), after, number};
        (before == none ? b.first : slots_[before].next) = at;
        if (after == none) b.last = at;
        ++b.size;
        ++size_;
        if (!b.in_work && !b.listed) is_ready(box);
    }

    /// One whose next message may be taken, and which is in work from now on. Null: none is.
    [[nodiscard]] entry* begin_work() noexcept {
        while (ready_) {
            entry& box = *std::exchange(ready_, ready_->second.next_ready);
            box.second.listed = false;
            if (box.second.first != none) {
                box.second.in_work = true;
                return &box;
            }
            let_go_if_empty(box);  // its messages were dropped
        }
        return nullptr;
    }
    /// True: its next message may be taken.
    bool end_work(entry& box) noexcept {
        box.second.in_work = false;
        if (box.second.first == none) {
            let_go_if_empty(box);
            return false;
        }
        is_ready(box);
        return true;
    }

    message<T> take_first(entry& box) noexcept {
        const std::size_t at = box.second.first;
        box.second.first = slots_[at].next;
        if (box.second.first == none) box.second.last = none;
        --box.second.size;
        --size_;
        message<T> m = std::move(slots_[at].what);
        slots_[at].next = std::exchange(free_, at);
        return m;
    }
    /// Of all keys. There is one.
    message<T> take_oldest() noexcept {
        entry* oldest = nullptr;
        for (entry& box : boxes_)
            if (box.second.first != none &&
                (!oldest || slots_[box.second.first].number < slots_[oldest->second.first].number))
                oldest = &box;
        return take_first(*oldest);
    }

private:
    void is_ready(entry& box) noexcept {
        box.second.listed = true;
        box.second.next_ready = nullptr;
        (ready_ ? last_ready_->second.next_ready : ready_) = &box;
        last_ready_ = &box;
    }

    std::vector<slot> slots_;
    std::size_t free_ = 0;
    std::size_t size_ = 0;
    std::uint64_t next_number_ = 0;
    std::unordered_map<Key, mailbox> boxes_;
    std::vector<typename std::unordered_map<Key, mailbox>::node_type> spare_;
    entry* ready_ = nullptr;
    entry* last_ready_ = nullptr;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
