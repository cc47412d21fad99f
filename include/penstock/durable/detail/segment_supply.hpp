// SPDX-License-Identifier: BSL-1.0
// New segments: one is made ahead when somebody helps, else when it is asked for. Files that are
// needed no more are used again: no blocks to find, no unlinking.
//
// Threads   Everything but begin may be called by any number of threads at once. Who asks while a
//           segment is being made waits for that one.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <penstock/core/sync_wait.hpp>
#include <penstock/durable/segment.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class segment_supply {
public:
    explicit segment_supply(os::directory& in) noexcept : in_{in} {}

    /// What new segments have in common; the number is that of the last one there is.
    void begin(const format::segment_header& like) {
        like_ = like;
        like_.boot = in_.files()->boot();
        like_.flags = 0;
    }
    /// Files found in the directory that may be used again.
    void add_spare(std::string name) {
        std::lock_guard lock{mutex_};
        spares_.push_back(std::move(name));
    }

    /// The next segment, mapped.
    os::trouble take(std::shared_ptr<segment>& out) noexcept {
        std::lock_guard lock{mutex_};
        if (!ready_) {
            if (auto t = make()) return t;
        }
        out = std::move(ready_);
        return {};
    }
    /// Makes the next segment, unless it is there already.
    os::trouble prepare() noexcept {
        std::lock_guard lock{mutex_};
        return ready_ ? os::trouble{} : make();
    }

    /// Segment `number` is needed no more: kept to be used again, or removed. `in_use`: somebody in
    /// this process still reads it.
    os::trouble give_back(std::uint64_t number, bool in_use) {
        const std::string name = format::file_name(number);
        std::lock_guard lock{mutex_};
        if (!in_use && spares_.size() < most_spares && segment::unread(in_, number)) {
            std::string spare = spare_name(number);
            if (auto t = in_.rename(name, spare)) return t.code == ENOENT ? os::trouble{} : t;
            spares_.push_back(std::move(spare));
            return {};
        }
        return in_.remove(name);
    }

    /// After power loss they may still be segments by name: nothing may be written to them.
    void drop_spares() noexcept {
        std::lock_guard lock{mutex_};
        for (const std::string& spare : spares_) (void)in_.remove(spare);
        spares_.clear();
    }

    [[nodiscard]] static std::string spare_name(std::uint64_t number) {
        return format::file_name(number) + ".spare";
    }

private:
    static constexpr std::size_t most_spares = 2;

    os::trouble make() noexcept try {
        format::segment_header h = like_;
        h.number = like_.number + 1;
        h.crc = h.sum();
        if (!reuse(h)) {
            if (auto t = segment::create(in_, h)) return t;
        }
        auto made = std::make_shared<segment>();
        if (auto fault = made->open(in_, h.number, like_, true))
            return fault.trouble ? fault.trouble : os::trouble{EIO, "open"};
        // Either takes the page faults of all pages at once.
        made->used_before() ? made->scrub() : made->populate();
        ready_ = std::move(made);
        like_.number = h.number;
        return {};
    } catch (const std::bad_alloc&) {
        return {ENOMEM, "begin a segment in"};
    }

    bool reuse(const format::segment_header& h) {
        while (!spares_.empty()) {
            const std::string spare = std::move(spares_.back());
            spares_.pop_back();
            if (!segment::reuse(in_, spare, h)) return true;
            (void)in_.remove(spare);
        }
        return false;
    }

    os::directory& in_;
    sys::mutex mutex_;  // guards what follows
    format::segment_header like_{.number = 0};
    std::shared_ptr<segment> ready_;
    std::vector<std::string> spares_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
