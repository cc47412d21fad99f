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
// Cost      A look-up of the key: a table of chains, at least as many as mailboxes. These are used
//           again: no allocation once there have been as many at a time.
// Threads   One at a time: detail/keyed_lane.hpp has the mutex.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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

public:
    class mailbox {
    public:
        std::size_t places = 0;  ///< kept for messages that come later
        std::size_t users = 0;   ///< on their way to it
        [[nodiscard]] std::size_t size() const noexcept { return size_; }

    private:
        friend class mailboxes;
        mailbox(const Key& k, std::size_t h) : key_{k}, hash_{h} {}
        Key key_;
        std::size_t hash_;
        mailbox* next_ = nullptr;  // of the same chain, or of the spare ones
        mailbox* next_ready_ = nullptr;
        std::size_t first_ = none, last_ = none;
        std::size_t size_ = 0;
        bool in_work_ = false;
        bool listed_ = false;  // among the ready ones
    };

    explicit mailboxes(std::size_t capacity) : slots_(capacity) {
        for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].next = i + 1;
        slots_.back().next = none;
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return slots_.size(); }
    /// Null: there is none.
    [[nodiscard]] mailbox* find(const Key& k) const {
        const std::size_t hash = std::hash<Key>{}(k);
        for (mailbox* m = chains_[chain_of(hash)]; m; m = m->next_)
            if (m->hash_ == hash && m->key_ == k) return m;
        return nullptr;
    }
    /// Where there is none.
    [[nodiscard]] mailbox& open(const Key& k) {
        const std::size_t hash = std::hash<Key>{}(k);
        if (!spare_) make_spare(k, hash);
        spare_->key_ = k;
        spare_->hash_ = hash;
        mailbox& m = *std::exchange(spare_, spare_->next_);
        add(m);
        return m;
    }
    /// What has not been used, or is not any more.
    void let_go_if_empty(mailbox& m) noexcept {
        if (m.first_ != none || m.places > 0 || m.users > 0 || m.in_work_ || m.listed_) return;
        mailbox** at = &chains_[chain_of(m.hash_)];
        while (*at != &m) at = &(*at)->next_;
        *at = std::exchange(m.next_, std::exchange(spare_, &m));
    }

    /// The number of the next message that comes.
    [[nodiscard]] std::uint64_t next_number() noexcept { return next_number_++; }
    /// There is a free slot. Before those of its key that came later, if any.
    void put(mailbox& m, message<T>&& what, std::uint64_t number) noexcept {
        const std::size_t at = std::exchange(free_, slots_[free_].next);
        std::size_t before = m.last_, after = none;
        if (before != none && slots_[before].number > number) {
            before = none, after = m.first_;
            while (slots_[after].number < number) before = std::exchange(after, slots_[after].next);
        }
        slots_[at] = {std::move(what), after, number};
        (before == none ? m.first_ : slots_[before].next) = at;
        if (after == none) m.last_ = at;
        ++m.size_;
        ++size_;
        if (!m.in_work_ && !m.listed_) is_ready(m);
    }

    /// One whose next message may be taken, and which is in work from now on. Null: none is.
    [[nodiscard]] mailbox* begin_work() noexcept {
        while (ready_) {
            mailbox& m = *std::exchange(ready_, ready_->next_ready_);
            m.listed_ = false;
            m.in_work_ = m.first_ != none;
            if (m.in_work_) return &m;
            let_go_if_empty(m);  // its messages were dropped
        }
        return nullptr;
    }
    /// True: its next message may be taken.
    bool end_work(mailbox& m) noexcept {
        m.in_work_ = false;
        if (m.first_ == none) {
            let_go_if_empty(m);
            return false;
        }
        is_ready(m);
        return true;
    }

    message<T> take_first(mailbox& m) noexcept {
        const std::size_t at = m.first_;
        m.first_ = slots_[at].next;
        if (m.first_ == none) m.last_ = none;
        --m.size_;
        --size_;
        message<T> what = std::move(slots_[at].what);
        slots_[at].next = std::exchange(free_, at);
        return what;
    }
    /// Of all keys. There is one.
    message<T> take_oldest() noexcept {
        mailbox* oldest = nullptr;
        for (const auto& m : all_)
            if (m->first_ != none &&
                (!oldest || slots_[m->first_].number < slots_[oldest->first_].number))
                oldest = m.get();
        return take_first(*oldest);
    }

private:
    void is_ready(mailbox& m) noexcept {
        m.listed_ = true;
        m.next_ready_ = nullptr;
        (ready_ ? last_ready_->next_ready_ : ready_) = &m;
        last_ready_ = &m;
    }

    /// By the upper bits of a product: std::hash of a number is that number.
    [[nodiscard]] std::size_t chain_of(std::size_t hash) const noexcept {
        return hash * static_cast<std::size_t>(0x9e3779b97f4a7c15u) >> shift_;
    }
    void add(mailbox& m) noexcept { m.next_ = std::exchange(chains_[chain_of(m.hash_)], &m); }
    void make_spare(const Key& k, std::size_t hash) {
        if (all_.size() == chains_.size()) {
            std::vector<mailbox*> more(2 * chains_.size());
            --shift_;
            chains_.swap(more);
            for (mailbox* m : more)
                while (m) {
                    mailbox* const next = m->next_;
                    add(*m);
                    m = next;
                }
        }
        all_.reserve(chains_.size());
        all_.push_back(std::unique_ptr<mailbox>{new mailbox{k, hash}});
        spare_ = all_.back().get();
    }

    std::vector<slot> slots_;
    std::size_t free_ = 0;
    std::size_t size_ = 0;
    std::uint64_t next_number_ = 0;
    std::vector<std::unique_ptr<mailbox>> all_;
    std::vector<mailbox*> chains_ = std::vector<mailbox*>(2);  // a power of two of them
    unsigned shift_ = 8 * sizeof(std::size_t) - 1;
    mailbox* spare_ = nullptr;
    mailbox* ready_ = nullptr;
    mailbox* last_ready_ = nullptr;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
