// SPDX-License-Identifier: BSL-1.0
// Who reads which stream of a journal, to be told of what is new.
//
// Threads   Everything may be called by any number of threads at once. Readers are added and never
//           removed while the journal is used, so that telling them needs no lock.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// A stream as it is used in this process. Never moves.
struct stream_state {
    explicit stream_state(std::uint16_t number) noexcept : id{number} {}
    const std::uint16_t id;
    sys::atomic<bool> closed{false};
};

class stream_reader {
public:
    virtual ~stream_reader() = default;
    /// There may be something new; `all`: an end, that all have to see.
    virtual void notify(bool all) noexcept = 0;

protected:
    static constexpr std::uint16_t every_stream = 0;  // streams count from 1

    stream_reader(std::uint16_t stream, std::uint32_t group) noexcept
        : stream_{stream}, group_{group} {}

private:
    friend class reader_list;
    const std::uint16_t stream_;
    const std::uint32_t group_;
    stream_reader* next_ = nullptr;
};

class reader_list {
public:
    /// The reader for that group, made by make() when there is none yet.
    template <class Make>
    stream_reader& find(std::uint32_t group, Make&& make) {
        std::lock_guard lock{mutex_};
        for (const auto& r : owned_) {
            if (r->group_ == group) return *r;
        }
        owned_.push_back(make());
        stream_reader& made = *owned_.back();
        made.next_ = first_.load(std::memory_order_relaxed);  // changed under this mutex only
        first_.store(&made, std::memory_order_release);       // pairs with notify
        return made;
    }

    /// Readers of every stream are told of any; they alone of what is in no stream: stream 0.
    void notify(std::uint16_t stream, bool all) noexcept {
        for (auto* r = first_.load(std::memory_order_acquire); r; r = r->next_) {  // with find
            if (r->stream_ == stream || r->stream_ == stream_reader::every_stream) r->notify(all);
        }
    }
    void notify_everybody() noexcept {
        for (auto* r = first_.load(std::memory_order_acquire); r; r = r->next_)  // with find
            r->notify(true);
    }

private:
    sys::mutex mutex_;  // guards owned_
    std::vector<std::unique_ptr<stream_reader>> owned_;
    sys::atomic<stream_reader*> first_{nullptr};
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
