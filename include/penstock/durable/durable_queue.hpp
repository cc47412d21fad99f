// SPDX-License-Identifier: BSL-1.0
// A queue of T that a crash can't take: one typed stream of a journal.
//
//   durable_queue<order> orders{"orders"};        // a journal of its own, in that directory
//   durable_queue<order> orders{books, "orders"};  // or a stream of one that is there
//   if (!orders.send(o)) return;                   // ok: it survives power loss (every_append)
//   auto billing = orders.group("billing");        // its own durable cursor, from the oldest
//   while (auto d = billing.receive(stop)) { bill(*d); d.accept(); }
//
// Cost      See durable/journal.hpp. No allocation an append for a T whose bytes are there already
//           (trivially copyable, strings); others are encoded into a buffer first.
// Threads   Everything may be called by any number of threads at once.
// Errors    send: too_large, no_space (try again when there is space), full (at the limit of
//           journal_options::retention by unread::reject), closed, failed (the message may or may
//           not be there after reopening). Throws what the codec throws, before anything
//           is appended. Constructors throw as the journal's does, and std::invalid_argument when
//           the stream holds another type.
// Order     One order for all senders; each group sees it. At least once: what was handed out and
//           not accepted comes again.
// Bound     journal_options::retention, or the disk. Accepted messages leave it by trim(), and by that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <penstock/core/status.hpp>
#include <penstock/durable/codec.hpp>
#include <penstock/durable/group.hpp>
#include <penstock/durable/journal.hpp>
#include <penstock/durable/options.hpp>
#include <penstock/durable/reservation.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T>
class durable_queue {
    static_assert(
        durable_message<T>,
        "a durable queue's message needs bytes: make it trivially copyable, or specialise "
        "penstock::codec for it (durable/codec.hpp)");

public:
    using value_type = T;

    durable_queue(journal& in, const std::string& name)
        : journal_{in.core_},
          stream_{&journal_->declare(name, {detail::stream_type_name<T>(),
                                            detail::type_version<T>(), detail::type_size<T>()})} {}
    explicit durable_queue(std::string path, const journal_options& options = {})
        : durable_queue{journal{std::move(path), options}} {}

    /// ok: it survives what the journal's policy says.
    status send(const T& value) { return send_to(0, value); }
    /// As a message of that topic: message_info::topic. A new topic's name stays in the journal for
    /// good; too_large also when there is no room for it any more.
    status send(const T& value, std::string_view topic) {
        std::uint32_t number = 0;
        if (const status s = journal_->declare_topic(topic, number); !s) return s;
        return send_to(number, value);
    }

    /// Sends them together, one behind the other: after a crash all are there, or none. Their room is
    /// at most that of the largest message, 32 bytes each included; else too_large.
    status send_all(std::span<const T> values) {
        if (values.empty()) return status::ok;
        if constexpr (detail::bytes_codec<T>) {
            std::uint64_t bytes = 0;
            for (const T& v : values) bytes += format::record_bytes(codec<T>::bytes(v).size());
            return journal_->send_in_place(
                *stream_, format::record_type::several, bytes,
                [&](std::byte* to) noexcept(noexcept(codec<T>::bytes(values[0]))) {
                    for (const T& v : values) to = put_record(to, codec<T>::bytes(v));
                });
        } else {
            std::vector<std::byte> records;
            for (const T& v : values)
                detail::add_record(
                    records, {.type = format::record_type::message, .stream = stream_->id},
                    [&] { detail::encode_onto(v, records); });
            return journal_->send_in_place(
                *stream_, format::record_type::several, records.size(),
                [&](std::byte* to) noexcept { std::memcpy(to, records.data(), records.size()); });
        }
    }

    /// Room for a message of up to that many encoded bytes: see durable/reservation.hpp.
    result<durable_reservation> reserve(std::size_t bytes) {
        std::span<std::byte> room;
        if (const status s = journal_->reserve(*stream_, bytes, room); !s) return s;
        return durable_reservation{journal_, *stream_, room};
    }

    /// A member of the group of that name; a new group starts at the oldest message there is.
    [[nodiscard]] durable_group<T> group(const std::string& name,
                                         const group_options& options = {}) {
        const auto entry = journal_->declare(*stream_, name, options.prefetch);
        auto& state = detail::group_of(*journal_, entry);
        state.allow(options.prefetch);
        return {journal_, *stream_, state};
    }

    /// No more sends, by anybody in this process; what is in stays receivable, then receivers get
    /// closed. Opened again, the queue is open.
    void close() { journal_->close(*stream_); }

    /// Removes from disk what all groups have accepted: see journal::trim.
    result<std::uint64_t> trim(const keep& for_replay = {}) {
        PENSTOCK_ASSERT(own_, "this queue is a stream of a journal: trim that");
        if (!own_) return status::failed;
        return own_->trim(for_replay);
    }
    /// What opening and reading found: see journal::report.
    [[nodiscard]] journal_report report() const { return journal_->found().get(); }

private:
    explicit durable_queue(journal&& own) : durable_queue{own, "queue"} {
        own_ = std::make_unique<journal>(std::move(own));
    }

    status send_to(std::uint32_t topic, const T& value) {
        if constexpr (detail::bytes_codec<T>) {
            return journal_->send(*stream_, topic, codec<T>::bytes(value));
        } else {
            std::vector<std::byte> encoded;
            codec<T>::encode(value, encoded);
            return journal_->send(*stream_, topic, encoded);
        }
    }

    std::byte* put_record(std::byte* to, std::span<const std::byte> payload) const noexcept {
        const format::record_header h{.type = format::record_type::message,
                                      .stream = stream_->id,
                                      .bytes = static_cast<std::uint32_t>(payload.size())};
        const auto n = static_cast<std::size_t>(format::record_bytes(h.bytes));
        format::detail::header_words{0, h}.store_without_sum(to);
        if (!payload.empty()) std::memcpy(to + sizeof h, payload.data(), payload.size());
        std::memset(to + sizeof h + h.bytes, 0, n - sizeof h - h.bytes);
        return to + n;
    }

    friend class transaction;
    std::unique_ptr<journal> own_;  // closed with the queue
    std::shared_ptr<detail::journal_core> journal_;
    detail::stream_state* stream_;
};

}  // namespace penstock::inline PENSTOCK_ABI
