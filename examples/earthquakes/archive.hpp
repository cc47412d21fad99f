// SPDX-License-Identifier: BSL-1.0
// The archive: a durable queue of earthquakes, and how an earthquake becomes bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <penstock/durable/durable_queue.hpp>

#include "feed.hpp"
#include "measure.hpp"

/// number, time in ms, magnitude; then each text with its length in front; in this machine's order.
template <>
struct penstock::codec<quake> {
    static constexpr std::string_view name = "earthquakes.quake";

    static void encode(const quake& q, std::vector<std::byte>& out) {
        const auto append = [&](const void* from, std::size_t n) {
            const auto* bytes = static_cast<const std::byte*>(from);
            out.insert(out.end(), bytes, bytes + n);
        };
        const std::int64_t at = q.at.time_since_epoch().count();
        append(&q.number, sizeof q.number);
        append(&at, sizeof at);
        append(&q.magnitude, sizeof q.magnitude);
        for (const std::string* s : {&q.network, &q.id, &q.place}) {
            const auto length = static_cast<std::uint32_t>(s->size());
            append(&length, sizeof length);
            append(s->data(), length);
        }
    }

    static quake decode(std::span<const std::byte> in) {
        const auto take = [&](void* to, std::size_t n) {
            if (in.size() < n) throw std::length_error{"a quake with too few bytes"};
            std::memcpy(to, in.data(), n);
            in = in.subspan(n);
        };
        quake q;
        std::int64_t at = 0;
        take(&q.number, sizeof q.number);
        take(&at, sizeof at);
        take(&q.magnitude, sizeof q.magnitude);
        q.at = utc_time{utc_time::duration{at}};
        for (std::string* s : {&q.network, &q.id, &q.place}) {
            std::uint32_t length = 0;
            take(&length, sizeof length);
            if (in.size() < length) throw std::length_error{"a quake with too few bytes"};
            s->resize(length);
            take(s->data(), length);
        }
        return q;
    }
};

/// Calls f(quake) with each that is in an archive that nobody has open; its own place in it is a
/// group's, and not worth a sync. ok, or why it ended early.
template <class F>
penstock::status read_archive(const std::string& path, F f) {
    penstock::durable_queue<quake> archive{path, {.sync = penstock::sync::process_crash}};
    auto audit = archive.group("audit");
    for (;;) {
        auto d = audit.try_receive();
        if (!d) return d.status() == penstock::status::empty ? penstock::status::ok : d.status();
        f(*d);
        if (const auto answer = d.accept(); !answer) return answer;
    }
}
