// SPDX-License-Identifier: BSL-1.0
// What all handles of one journal share: opening and closing, streams and groups by name, appends
// under one mutex and their safety by the policy.
//
// Threads   Everything but construction and destruction may be called by any number of threads at
//           once. Mutexes are taken in the order: group, append, then the small ones inside.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <penstock/core/status.hpp>
#include <penstock/durable/detail/catalog.hpp>
#include <penstock/durable/detail/findings.hpp>
#include <penstock/durable/detail/progress.hpp>
#include <penstock/durable/detail/readers.hpp>
#include <penstock/durable/detail/recover.hpp>
#include <penstock/durable/detail/segment_cache.hpp>
#include <penstock/durable/detail/writer.hpp>
#include <penstock/durable/detail/writer_lock.hpp>
#include <penstock/durable/options.hpp>
#include <penstock/durable/report.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class journal_core {
public:
    journal_core(std::string path, const journal_options& options)
        : options_{options}, directory_{options.files, std::move(path)} {
        directory_.make().raise_if_any(this->path());
        lock_.take(directory_);
        journal_report report;
        recovery search{directory_, report};
        auto numbers = search.segments();
        if (numbers.empty()) {
            report.created = true;
            if (!segment::size_makes_sense(options_.segment_bytes))
                throw std::invalid_argument{
                    "penstock: segment_bytes must be a multiple of 4096, from 16384 to 1073741824"};
            writer_.create(options_.segment_bytes);
            numbers.push_back(1);
        }
        recovered r = search.run(std::move(numbers));
        known_ = std::move(r.known);
        for (const auto& s : known_.streams)
            streams_.push_back(std::make_unique<stream_state>(s.id));
        segments_.set_oldest(r.oldest);
        writer_.open(r, report.created);
        found_.set(std::move(report));
    }
    journal_core(const journal_core&) = delete;

    // Appends ------------------------------------------------------------------------------------

    /// ok: safe from what the policy says.
    status send(const stream_state& stream, std::uint32_t topic,
                std::span<const std::byte> payload) {
        std::uint64_t end = 0;
        {
            std::lock_guard lock{append_mutex_};
            if (stream.closed.load(std::memory_order_relaxed))
                return status::closed;  // by the mutex
            if (payload.size() > writer_.largest_payload()) return status::too_large;
            format::record_header h{.type = format::record_type::message, .stream = stream.id};
            h.topic = topic;
            if (const status s = append(h, payload); !s) return s;
            end = writer_.end();
        }
        const status s = make_safe(end);
        readers_.notify(stream.id, false);
        return s;
    }

    /// Appends that the group has accepted `offset`; `end` is what to make_safe.
    status accept(std::uint32_t group, std::uint64_t offset, std::uint64_t low,
                  std::uint64_t& end) {
        struct {
            std::uint32_t group, zero;
            std::uint64_t offset, low;
        } const payload{group, 0, offset, low};
        std::lock_guard lock{append_mutex_};
        const status s =
            append({.type = format::record_type::accept}, std::as_bytes(std::span{&payload, 1}));
        if (!s) return s;
        known_.group(group)->accept(offset, low);
        end = writer_.end();
        return status::ok;
    }

    /// What the policy asks for before an append may be answered.
    status make_safe(std::uint64_t end) {
        return options_.sync == sync::every_append ? sync_to(end) : status{status::ok};
    }

    status sync_to(std::uint64_t end) {
        return done_.wait_synced(end, [this] {
            std::shared_ptr<segment> in;
            std::uint64_t target = 0;
            {
                std::lock_guard lock{append_mutex_};
                in = writer_.tail();
                target = writer_.end();
            }
            if (auto t = in->sync()) {  // segments before it were synced when it began
                done_.fail(t);
                readers_.notify_everybody();
            } else {
                done_.raise_synced(target);
            }
        });
    }

    // Streams and groups -------------------------------------------------------------------------

    stream_state& declare(const std::string& name, const stream_type& type) {
        check_name(name);
        std::unique_lock lock{append_mutex_};
        if (const stream_entry* s = known_.stream(name)) {
            if (s->type != type)
                throw std::invalid_argument{
                    "penstock: stream \"" + name + "\" of " + path() + " holds " +
                    s->type.spelled() + ", not " + type.spelled() +
                    ": open it with that type, or give the new one a stream of its own"};
            return *streams_[s->id - 1u];
        }
        if (known_.streams.size() >= 0xFFFF) throw std::length_error{"penstock: too many streams"};
        stream_entry s{.name = name, .type = type};
        s.id = static_cast<std::uint16_t>(known_.streams.size() + 1);
        s.first = writer_.end();
        check_snapshot(24 + name.size() + type.name.size());
        known_.streams.reserve(s.id);  // what may throw comes first
        streams_.push_back(std::make_unique<stream_state>(s.id));
        stream_state& made = *streams_.back();
        byte_writer payload;
        s.write(payload);
        const status answer =
            append({.type = format::record_type::stream, .stream = s.id}, payload.bytes());
        if (!answer) streams_.pop_back();
        declared(answer);
        known_.streams.push_back(std::move(s));
        const auto end = writer_.end();
        lock.unlock();
        declared(make_safe(end));
        return made;
    }

    /// By value: the entry moves on with every accept.
    group_entry declare(const stream_state& stream, const std::string& name,
                        std::uint32_t prefetch) {
        check_name(name);
        std::unique_lock lock{append_mutex_};
        for (group_entry& g : known_.groups) {
            if (g.stream == stream.id && g.name == name) {
                check_snapshot(8 * g.more_for(prefetch));
                g.allow(prefetch);
                return g;
            }
        }
        group_entry g{.stream = stream.id, .name = name};
        g.id = static_cast<std::uint32_t>(known_.groups.size() + 1);
        g.low = known_.streams[stream.id - 1u].first;
        check_snapshot(24 + name.size() + 8 * std::uint64_t{prefetch});
        known_.groups.reserve(g.id);
        byte_writer payload;
        g.write(payload);
        g.allow(prefetch);
        declared(
            append({.type = format::record_type::group, .stream = stream.id}, payload.bytes()));
        const group_entry made = g;
        known_.groups.push_back(std::move(g));
        const auto end = writer_.end();
        lock.unlock();
        declared(make_safe(end));
        return made;
    }

    [[nodiscard]] std::vector<group_entry> groups() {
        std::lock_guard lock{append_mutex_};
        return known_.groups;
    }
    [[nodiscard]] reader_list& readers() noexcept { return readers_; }

    /// No more sends to it; what is in stays.
    void close(stream_state& stream) {
        {
            std::lock_guard lock{append_mutex_};
            stream.closed.store(true, std::memory_order_release);  // pairs with group_state's reads
        }
        readers_.notify(stream.id, true);
    }

    // The whole ----------------------------------------------------------------------------------

    [[nodiscard]] const progress& done() const noexcept { return done_; }
    [[nodiscard]] segment_cache& segments() noexcept { return segments_; }
    /// Messages before this offset may be handed out.
    [[nodiscard]] std::uint64_t visible() const noexcept {
        return options_.sync == sync::every_append ? done_.synced() : done_.appended();
    }
    [[nodiscard]] bool closed() const noexcept {
        return closed_.load(std::memory_order_acquire);  // pairs with close
    }

    /// Removes segments before the one that holds `needed`.
    status trim(std::uint64_t needed, std::uint64_t& removed) {
        // Before a segment goes, the snapshot and the accepts that replace it are on disk.
        if (const status s = sync_to(done_.appended()); !s) return s;
        std::lock_guard lock{append_mutex_};
        if (closed()) return status::closed;
        for (const stream_entry& s : known_.streams) {  // without a group it keeps all it has
            const bool read = std::any_of(known_.groups.begin(), known_.groups.end(),
                                          [&](const group_entry& g) { return g.stream == s.id; });
            if (!read) needed = std::min(needed, s.first);
        }
        const auto end =
            std::min(needed / writer_.segment_bytes(), done_.synced() / writer_.segment_bytes());
        return segments_.trim(end, removed) ? status::failed : status::ok;
    }

    /// No more appends; what is in is synced, the lock is given up.
    void close() noexcept {
        {
            std::lock_guard lock{append_mutex_};
            if (closed()) return;
            closed_.store(true, std::memory_order_release);  // pairs with closed
            if (!done_.failed()) {
                if (auto t = writer_.tail()->sync()) {
                    done_.fail(t);
                } else {
                    done_.raise_synced(writer_.end());
                }
            }
            lock_.release();
        }
        readers_.notify_everybody();
    }

    [[nodiscard]] findings& found() noexcept { return found_; }
    [[nodiscard]] std::string failure() const { return done_.failure(path()); }
    [[nodiscard]] const std::string& path() const noexcept { return directory_.path(); }
    [[nodiscard]] const journal_options& options() const noexcept { return options_; }
    [[nodiscard]] std::uint64_t segment_bytes() const noexcept { return writer_.segment_bytes(); }
    [[nodiscard]] std::uint64_t largest_payload() const noexcept {
        return writer_.largest_payload();
    }

private:
    status append(const format::record_header& h, std::span<const std::byte> payload) {
        if (closed()) return status::closed;
        const status s = writer_.append(h, payload);
        if (s == status::failed) readers_.notify_everybody();
        return s;
    }

    void check_snapshot(std::uint64_t more) const {
        if (known_.largest_snapshot() + more > writer_.largest_snapshot())
            throw std::length_error{
                "penstock: the streams and groups of " + path() +
                " no longer fit at the beginning of a segment: use larger segments, or a smaller "
                "prefetch"};
    }
    static void check_name(const std::string& name) {
        if (name.empty() || name.size() > catalog::longest_name)
            throw std::invalid_argument{
                "penstock: a stream or group needs a name of 1 to 1024 bytes"};
    }
    /// Declaring happens in constructors, where a refusal is an exception.
    void declared(status s) const {
        if (s) return;
        const int code = s == status::no_space ? ENOSPC : s == status::closed ? EBADF : EIO;
        os::trouble{code, "declare a stream or group in"}.raise(path());
    }

    const journal_options options_;
    os::directory directory_;
    writer_lock lock_;
    segment_cache segments_{directory_};
    progress done_;

    sys::mutex append_mutex_;  // guards writer_, known_, streams_
    catalog known_;
    std::vector<std::unique_ptr<stream_state>> streams_;
    writer writer_{directory_, segments_, done_, known_};

    reader_list readers_;
    findings found_;
    sys::atomic<bool> closed_{false};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
