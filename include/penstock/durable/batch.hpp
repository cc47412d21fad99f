// SPDX-License-Identifier: BSL-1.0
// Messages that a group's member took together, settled together.
//
//   while (auto batch = billing.receive_n(100, stop)) {
//       for (const order& o : batch) bill(o);
//       batch.accept();  // one append for all of them
//   }
//
// Dropped unsettled, all of them come again. To settle them one by one take them one by one.
//
// Cost      Messages stay where they are in the journal and are decoded when looked at: of a view
//           nothing is copied. accept is one record when no earlier message is out, else one each.
// Threads   One batch: one thread at a time.
// Errors    accept: as a delivery's. Where it is not one record and one is refused, those before it have
//           been accepted and left the batch. Decoding throws what the codec throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>

#include <penstock/core/delivery.hpp>
#include <penstock/durable/codec.hpp>
#include <penstock/durable/detail/group_batch.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T>
class [[nodiscard]] durable_batch {
public:
    class iterator {
    public:
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::input_iterator_tag;
        using reference = T;
        using pointer = void;

        iterator() = default;
        [[nodiscard]] T operator*() const { return codec<T>::decode(at_->payload); }
        iterator& operator++() noexcept {
            ++at_;
            return *this;
        }
        iterator operator++(int) noexcept { return iterator{at_++}; }
        bool operator==(const iterator&) const = default;

    private:
        friend durable_batch;
        explicit iterator(const detail::claimed_message* at) noexcept : at_{at} {}
        const detail::claimed_message* at_ = nullptr;
    };

    durable_batch(durable_batch&& other) noexcept
        : journal_{std::move(other.journal_)},
          group_{std::exchange(other.group_, nullptr)},
          taken_{std::move(other.taken_)},
          status_{other.status_} {}
    durable_batch& operator=(durable_batch&& other) noexcept {
        std::swap(journal_, other.journal_);
        std::swap(group_, other.group_);
        std::swap(taken_, other.taken_);
        std::swap(status_, other.status_);
        return *this;
    }
    ~durable_batch() {
        if (group_) detail::group_batches::release(*group_, taken_);
    }

    /// There is at least one.
    explicit operator bool() const noexcept { return !taken_.messages.empty(); }
    /// Why there is none: empty, closed, stopped, timed_out, failed.
    [[nodiscard]] penstock::status status() const noexcept { return status_; }
    [[nodiscard]] std::size_t size() const noexcept { return taken_.messages.size(); }

    [[nodiscard]] iterator begin() const noexcept { return iterator{taken_.messages.data()}; }
    [[nodiscard]] iterator end() const noexcept {
        return iterator{taken_.messages.data() + size()};
    }
    [[nodiscard]] T operator[](std::size_t i) const {
        return codec<T>::decode(taken_.messages[i].payload);
    }
    [[nodiscard]] message_info info(std::size_t i) const {
        const detail::claimed_message& m = taken_.messages[i];
        return {.id = m.offset,
                .time = std::chrono::sys_time<std::chrono::nanoseconds>{std::chrono::nanoseconds{
                    m.time}},
                .attempt = taken_.attempt,
                .topic = journal_->topic_name(m.topic)};
    }

    /// Done with all of them: never handed out to this group again.
    penstock::status accept() noexcept {
        PENSTOCK_ASSERT(group_, "settled already, or moved from, or without a message");
        if (!group_) return penstock::status::closed;
        const penstock::status s = detail::group_batches::accept(*group_, taken_);
        if (s) group_ = nullptr;
        return s;
    }
    /// All of them again, at once.
    void release() noexcept {
        if (group_) detail::group_batches::release(*std::exchange(group_, nullptr), taken_);
    }

private:
    template <class>
    friend class durable_group;
    durable_batch(penstock::status s) noexcept : status_{s} {}
    durable_batch(std::shared_ptr<detail::journal_core> journal, detail::group_state& group,
                  detail::claimed_batch&& taken) noexcept
        : journal_{std::move(journal)}, group_{&group}, taken_{std::move(taken)} {}

    std::shared_ptr<detail::journal_core> journal_;
    detail::group_state* group_ = nullptr;  // until settled
    detail::claimed_batch taken_;
    penstock::status status_{penstock::status::ok};
};

}  // namespace penstock::inline PENSTOCK_ABI
