// SPDX-License-Identifier: BSL-1.0
// Sends to several streams and accepts of several groups of one journal, as one record: after a crash
// all of them happened, or none.
//
//   books.transact([&](auto& t) { t.send(invoices, i); t.accept(d); });
//
// So an order is accepted exactly when its invoice is there: processed at least once, with an effect
// of exactly once.
//
// Cost      A buffer for what is sent; one append, one checksum, one share of a sync.
// Threads   One transaction: one thread. Several at once exclude each other only while they append.
// Errors    transact: too_large (more than half a segment), closed (the journal, one of the queues, or
//           a delivery that was settled already or is of another journal), no_space, failed,
//           would_block_self. Then nothing happened, and all deliveries are as before. What the
//           function or a codec throws goes through, and nothing happened.
// Order     What is sent stands together in the journal, in the order of the calls. No isolation: a
//           receiver may be handed the first message before another the second.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <penstock/core/delivery.hpp>
#include <penstock/durable/codec.hpp>
#include <penstock/durable/detail/group_state.hpp>
#include <penstock/fwd.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

struct delivery_access {
    template <class T>
    static std::shared_ptr<delivery_source>& source(delivery<T>& d) noexcept {
        return d.source_;
    }
    template <class T>
    static std::uint64_t token(const delivery<T>& d) noexcept {
        return d.token_;
    }
};

/// Adds a record to others of one of type several. `fill` may grow `to` by the payload.
template <class Fill>
void add_record(std::vector<std::byte>& to, format::record_header h, Fill&& fill) {
    const std::size_t begin = to.size();
    to.resize(begin + sizeof h);
    fill();
    h.bytes = static_cast<std::uint32_t>(to.size() - begin - sizeof h);
    std::memcpy(to.data() + begin, &h, sizeof h);
    to.resize(begin + static_cast<std::size_t>(format::record_bytes(h.bytes)));
}

template <class T>
void encode_onto(const T& value, std::vector<std::byte>& out) {
    if constexpr (bytes_codec<T>) {
        const auto bytes = codec<T>::bytes(value);
        out.insert(out.end(), bytes.begin(), bytes.end());
    } else {
        std::vector<std::byte> encoded;
        codec<T>::encode(value, encoded);
        out.insert(out.end(), encoded.begin(), encoded.end());
    }
}

}  // namespace detail

class transaction {
public:
    transaction(const transaction&) = delete;

    template <class T>
    void send(durable_queue<T>& to, const std::type_identity_t<T>& value) {
        if (to.journal_.get() != &journal_) {
            refused_ = true;
            return;
        }
        const std::size_t before = records_.size();
        try {
            detail::add_record(
                records_, {.type = format::record_type::message, .stream = to.stream_->id},
                [&] { detail::encode_onto(value, records_); });
            sent_to_.push_back(to.stream_);
        } catch (...) {
            records_.resize(before);
            throw;
        }
    }
    /// `d` stays where it is until transact returns, and is settled then if that is ok.
    template <class T>
    void accept(delivery<T>& d) {
        auto& source = detail::delivery_access::source(d);
        if (!source || source->journal() != &journal_) {
            refused_ = true;
            return;
        }
        accepts_.push_back({&static_cast<detail::group_state&>(*source), &source,
                            detail::delivery_access::token(d)});
    }

private:
    friend class journal;
    struct to_accept {
        detail::group_state* group;
        std::shared_ptr<delivery_source>* source;
        std::uint64_t token;
    };

    explicit transaction(detail::journal_core& in) noexcept : journal_{in} {}

    status commit() {
        if (refused_) return status::closed;
        if (records_.empty() && accepts_.empty()) return status::ok;
        // Groups are locked in one order by all.
        std::sort(accepts_.begin(), accepts_.end(), [](const to_accept& a, const to_accept& b) {
            return std::pair{a.group, a.token} < std::pair{b.group, b.token};
        });
        std::vector<detail::accept_payload> payloads(accepts_.size());
        std::vector<std::unique_lock<sys::mutex>> locks;
        locks.reserve(accepts_.size());
        const std::size_t sends = records_.size();
        for (std::size_t i = 0; i < accepts_.size(); ++i)
            detail::add_record(records_, {.type = format::record_type::accept}, [&] {
                records_.resize(records_.size() + sizeof(detail::accept_payload));
            });
        std::uint64_t end = 0;
        status s = journal_.several(
            records_, sent_to_, payloads, [&] { return settle(sends, payloads, locks); }, end);
        locks.clear();
        if (!s) return s;
        for (const to_accept& a : accepts_) a.group->notify_members();
        s = journal_.make_safe(end);
        for (const detail::stream_state* const stream : sent_to_) journal_.readers_of(stream->id);
        if (sent_to_.empty()) journal_.told_of_record();
        if (s) {
            for (const to_accept& a : accepts_) a.source->reset();
        }
        return s;
    }

    /// By the append mutex: when all can be accepted, they are, and the records say so.
    status settle(std::size_t at, std::vector<detail::accept_payload>& payloads,
                  std::vector<std::unique_lock<sys::mutex>>& locks) noexcept {
        for (std::size_t i = 0; i < accepts_.size(); ++i) {
            const to_accept& a = accepts_[i];
            const bool same_group = i > 0 && accepts_[i - 1].group == a.group;
            if (!same_group) locks.emplace_back(a.group->mutex());
            if (!a.group->is_out(a.token) || (same_group && accepts_[i - 1].token == a.token))
                return status::closed;
        }
        for (std::size_t i = 0; i < accepts_.size(); ++i)
            accepts_[i].group->mark_accepted(accepts_[i].token, payloads[i]);
        for (const to_accept& a : accepts_) a.group->pass_accepted();
        // Those that the low water has passed need no record; the last of each group tells it.
        std::size_t kept = 0;
        for (std::size_t i = 0; i < accepts_.size(); ++i) {
            payloads[i].low = accepts_[i].group->low_water_marked();
            const bool last = i + 1 == accepts_.size() ||
                              accepts_[i + 1].group != accepts_[i].group;
            if (last || payloads[i].offset >= payloads[i].low) payloads[kept++] = payloads[i];
        }
        payloads.resize(kept);
        for (const detail::accept_payload& p : payloads) {
            std::memcpy(records_.data() + at + sizeof(format::record_header), &p, sizeof p);
            at += static_cast<std::size_t>(format::record_bytes(sizeof p));
        }
        records_.resize(at);
        return status::ok;
    }

    detail::journal_core& journal_;
    std::vector<std::byte> records_;
    std::vector<const detail::stream_state*> sent_to_;
    std::vector<to_accept> accepts_;
    bool refused_ = false;
};

}  // namespace penstock::inline PENSTOCK_ABI
