// SPDX-License-Identifier: BSL-1.0
// The segments of one journal: which there are, and those that somebody has mapped.
//
// Threads   Everything may be called by any number of threads at once, but trim by one.
#pragma once

#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include <penstock/core/sync_wait.hpp>
#include <penstock/durable/detail/segment_supply.hpp>
#include <penstock/durable/segment.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class segment_cache {
public:
    explicit segment_cache(os::directory& in) noexcept : in_{in} {}

    /// What all segments of the journal have in common. Before anything else is asked.
    void set_like(const format::segment_header& like) noexcept { like_ = like; }
    [[nodiscard]] const format::segment_header& like() const noexcept { return like_; }

    void add(const std::shared_ptr<const segment>& s) {
        std::lock_guard lock{mutex_};
        std::erase_if(mapped_, [](const auto& m) { return m.second.expired(); });
        mapped_[s->number()] = s;
    }

    segment_fault find(std::uint64_t number, std::shared_ptr<const segment>& out) noexcept try {
        std::lock_guard lock{mutex_};
        auto& kept = mapped_[number];
        if ((out = kept.lock())) return {};
        auto opened = std::make_shared<segment>();
        if (auto fault = opened->open(in_, number, like_, false)) {
            mapped_.erase(number);
            if (fault.trouble.code == ENOENT) return {{}, "the segment is missing"};
            return fault;
        }
        kept = opened;
        out = std::move(opened);
        return {};
    } catch (const std::bad_alloc&) {
        return {{ENOMEM, "map"}};
    }

    [[nodiscard]] std::uint64_t oldest() const noexcept {
        return oldest_.load(std::memory_order_relaxed);  // a number: the files say what is there
    }
    void set_oldest(std::uint64_t number) noexcept {
        oldest_.store(number, std::memory_order_relaxed);  // as above
    }
    /// Gives up the segments before `end`, the oldest first.
    os::trouble trim(segment_supply& to, std::uint64_t end, std::uint64_t& removed) {
        for (removed = 0; oldest() < end; ++removed) {
            if (auto t = to.give_back(oldest(), in_use(oldest()))) return t;
            set_oldest(oldest() + 1);
        }
        const os::trouble t = removed > 0 ? in_.sync() : os::trouble{};
        if (t) to.drop_spares();
        return t;
    }

private:
    /// Mapped by somebody who reads it. Nobody begins to from now on: all groups are past it.
    bool in_use(std::uint64_t number) {
        std::lock_guard lock{mutex_};
        const auto at = mapped_.find(number);
        return at != mapped_.end() && !at->second.expired();
    }

    os::directory& in_;
    format::segment_header like_{.number = 0};
    sys::atomic<std::uint64_t> oldest_{0};
    sys::mutex mutex_;  // guards mapped_
    std::map<std::uint64_t, std::weak_ptr<const segment>> mapped_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
