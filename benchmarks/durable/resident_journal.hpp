// SPDX-License-Identifier: BSL-1.0
// One journal whose segments are used again, so that its pages are resident: appends, and reading back.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <penstock/durable/durable_queue.hpp>

#include "../support/machine.hpp"
#include "../support/stores.hpp"
#include "../support/verify.hpp"

namespace bench {

template <std::size_t Bytes>
class resident_journal {
public:
    explicit resident_journal(penstock::sync policy)
        : journal_{dir_.path() + "/j", {.sync = policy, .segment_bytes = segment}} {}

    double append(std::size_t n, std::size_t batch, std::size_t threads = 1) {
        double ns = 0;
        for (std::size_t done = 0; done < n;) {
            const std::size_t part = std::min(n - done, per_segment / batch * batch);
            begin_segment();
            const auto from = journal_.appended();
            ns += threads > 1 ? append_together(part, threads) : append_part(part, batch);
            check(from, part);
            done += part;
        }
        return ns;
    }

    double read(std::size_t n) {
        double ns = 0;
        for (std::size_t done = 0; done < n;) {
            const std::size_t part = std::min(n - done, per_segment / 3);
            begin_segment();
            (void)append_part(part, 100);
            const double start = now_ns();
            std::uint64_t sum = 0, got = 0;
            while (got < part) {
                auto batch = group_.try_receive_n(100);
                verify(bool{batch}, "a message is missing");
                for (const auto& m : batch) sum += m.number;
                got += batch.size();
                verify(bool{batch.accept()}, "accept failed");
            }
            ns += now_ns() - start;
            verify(sum == sum_below(part), "a message is wrong");
            reuse();
            done += part;
        }
        return ns;
    }

private:
    static constexpr std::uint64_t segment = 32 << 20;
    static constexpr std::size_t per_segment =
        segment / 2 / (penstock::format::record_bytes(Bytes));

    /// Syncing, which trim does, takes the pages of the last segment their right to be written without
    /// a fault; those of a new one have it.
    void begin_segment() {
        verify(bool{journal_.maintain()}, "maintain failed");
        const auto m = messages<Bytes>(0, 100);
        for (const auto old = journal_.appended() / segment; journal_.appended() / segment == old;)
            verify(bool{queue_.send_all(m)}, "send failed");
        verify(bool{journal_.maintain()}, "maintain failed");
        verify(bool{group_.seek(penstock::seek_to::end)}, "seek failed");
    }
    double append_part(std::size_t n, std::size_t batch) {
        auto m = messages<Bytes>(0, batch);
        const double start = now_ns();
        for (std::size_t i = 0; i < n; i += batch) {
            const std::size_t k = std::min(batch, n - i);
            for (std::size_t b = 0; b < k; ++b) m[b].number = i + b;
            const penstock::status s = k == 1 ? queue_.send(m[0]) : queue_.send_all({m.data(), k});
            verify(bool{s}, "send failed");
        }
        return now_ns() - start;
    }
    double append_together(std::size_t n, std::size_t threads) {
        std::vector<std::thread> all;
        const double start = now_ns();
        for (std::size_t t = 0; t < threads; ++t)
            all.emplace_back([&, t] {
                durable_message<Bytes> m;
                for (m.number = t; m.number < n; m.number += threads)
                    verify(bool{queue_.send(m)}, "send failed");
            });
        for (auto& t : all) t.join();
        return now_ns() - start;
    }
    /// Reads back from the files, past the queue's own reading.
    void check(std::uint64_t from, std::size_t n) {
        penstock::os::directory dir{{}, journal_.path()};
        std::uint64_t sum = 0;
        for (auto number = from / segment; number <= journal_.appended() / segment; ++number) {
            auto s = std::make_shared<penstock::segment>();
            verify(!s->open(dir, number, {.number = 0}, false), "a segment is missing");
            penstock::scanner walk{s};
            for (penstock::format::record r; walk.look(r) == penstock::format::found::record;
                 walk.step(r)) {
                if (number * segment + r.at < from ||
                    r.header.type != penstock::format::record_type::message)
                    continue;
                std::uint64_t id;
                std::memcpy(&id, r.payload.data(), sizeof id);
                sum += id;
            }
        }
        verify(sum == sum_below(n), "the journal's sum is wrong");
        reuse();
    }
    void reuse() {
        verify(bool{group_.seek(penstock::seek_to::end)}, "seek failed");
        verify(bool{journal_.trim()}, "trim failed");
    }

    disk_folder dir_;
    penstock::journal journal_;
    penstock::durable_queue<durable_message<Bytes>> queue_{journal_, "queue"};
    penstock::durable_group<durable_message<Bytes>> group_ = queue_.group("all", {.prefetch = 128});
};

/// Made when first used: a suite that is only asked for its list makes no files.
template <std::size_t Bytes>
resident_journal<Bytes>& ours_by(penstock::sync policy) {
    static std::optional<resident_journal<Bytes>> by_policy[4];
    auto& j = by_policy[static_cast<int>(policy)];
    return j ? *j : j.emplace(policy);
}

}  // namespace bench
