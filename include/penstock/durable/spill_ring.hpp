// SPDX-License-Identifier: BSL-1.0
// A queue for peaks of any size: what fits stays in memory, the rest goes to disk, in order.
//
//   auto [tx, rx] = make_channel<job, spill_ring<job>>(100'000);  // so many in memory
//
//   struct on_data {                                              // not in $TMPDIR, but there
//       static spill_options options() { return {.directory = "/data/spill"}; }
//   };
//   channel<job, spill_ring<job, on_data>> jobs{100'000};
//
//   push ─► memory, while nothing is on disk and there is room       ─► pop
//      └──► disk, from then on until all of it has been read ─► memory ─┘
//
// It is memory that happens to be on disk: nothing survives the program. A program that is killed leaves
// a directory `penstock-spill-...` behind, which may be removed; a channel that must not lose its content
// is a durable_queue.
//
// Needs     T has a codec (durable/codec.hpp) and is nothrow movable.
// Memory    `capacity` elements, and file pages that the kernel takes back when it needs them: at most
//           three segments are mapped. The disk holds what waits and two segments more.
// Cost      A mutex, and a move each way, in memory. On disk what a journal costs under
//           sync::process_crash: a copy and a checksum each way, and whoever fills a segment syncs it.
//           What is on disk comes back in batches of `capacity`.
// Threads   Everything but construction and destruction may overlap.
// Progress  Blocking: calls exclude each other, also while one waits for the disk.
// Errors    try_push answers false when it is closed, and when the disk is full: the channel's overflow
//           then says what happens; it goes on when there is space, or all has been read. It throws what
//           the codec throws, std::length_error for an element of more than half a segment that has to
//           go to disk, std::system_error when the directory can't be made, std::runtime_error when
//           the disk fails; the element stays the caller's. try_pop throws std::runtime_error when what
//           is on disk can't be read: it is lost then.
// Order     One order of all pushes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>

#include <penstock/core/slot.hpp>
#include <penstock/core/sync_wait.hpp>
#include <penstock/durable/detail/spill_file.hpp>
#include <penstock/queue/concepts.hpp>
#include <penstock/queue/spsc_ring.hpp>

namespace penstock::inline PENSTOCK_ABI {

struct spill_to_temporary {
    static spill_options options() { return {}; }
};

template <class T, class Where = spill_to_temporary>
class spill_ring {
    static_assert(is_element<T>,
                  "a queue's element must be nothrow move constructible and destructible: declare "
                  "its move constructor noexcept, or queue a std::unique_ptr to it");
    static_assert(durable_message<T>,
                  "what may go to disk needs bytes: make it trivially copyable, or specialise "
                  "penstock::codec for it (durable/codec.hpp)");

public:
    using value_type = T;
    static constexpr bool single_producer = false;
    static constexpr bool single_consumer = false;

    /// So many elements in memory. The directory is made when there are more for the first time.
    explicit spill_ring(std::size_t capacity) : spill_ring{capacity, Where::options()} {}
    spill_ring(std::size_t capacity, spill_options options)
        : options_{std::move(options)}, memory_{capacity} {}

    [[nodiscard]] bool try_push(T&& value) {
        std::lock_guard lock{mutex_};
        if (closed_) return false;
        if (spilled_ == 0 && memory_.try_push(std::move(value))) return ++pushed_, true;
        if (!spill(value)) return false;
        [[maybe_unused]] const T gone{std::move(value)};  // it is on disk
        return true;
    }
    [[nodiscard]] bool try_push(const T& value) {
        std::lock_guard lock{mutex_};
        if (closed_) return false;
        if (spilled_ == 0 && memory_.try_push(value)) return ++pushed_, true;
        return spill(value);
    }

    [[nodiscard]] std::optional<T> try_pop() {
        std::lock_guard lock{mutex_};
        if (spilled_ > 0 && memory_.size_approx() == 0) fetch();
        return memory_.try_pop();
    }
    [[nodiscard]] bool try_pop(T& value) {
        std::lock_guard lock{mutex_};
        if (spilled_ > 0 && memory_.size_approx() == 0) fetch();
        return memory_.try_pop(value);
    }

    void close() {
        std::lock_guard lock{mutex_};
        closed_ = true;
    }
    [[nodiscard]] bool closed() const {
        std::lock_guard lock{mutex_};
        return closed_;
    }
    [[nodiscard]] bool drained() const {
        std::lock_guard lock{mutex_};
        return closed_ && spilled_ == 0 && memory_.size_approx() == 0;
    }

    [[nodiscard]] std::size_t size_approx() const {
        std::lock_guard lock{mutex_};
        return memory_.size_approx() + static_cast<std::size_t>(spilled_);
    }
    [[nodiscard]] std::uint64_t pushed_approx() const {
        std::lock_guard lock{mutex_};
        return pushed_;
    }
    /// How many of them are on disk.
    [[nodiscard]] std::uint64_t spilled_approx() const {
        std::lock_guard lock{mutex_};
        return spilled_;
    }
    [[nodiscard]] std::size_t capacity() const noexcept { return no_limit; }
    [[nodiscard]] std::size_t memory_capacity() const noexcept { return memory_.capacity(); }

private:
    bool spill(const T& value) {
        if (!disk_) disk_ = std::make_unique<detail::spill_file<T>>(options_);
        const status s = disk_->push(value);
        if (s == status::no_space) return false;
        if (s == status::too_large)
            throw std::length_error{
                "penstock: an element to be spilled is larger than half a segment: use larger "
                "segments (spill_options)"};
        if (!s)
            throw std::runtime_error{"penstock: a spill_ring's disk failed: " + disk_->failure()};
        ++spilled_;
        ++pushed_;
        return true;
    }
    void fetch() {
        for (std::size_t n = memory_.capacity(); n > 0 && spilled_ > 0; --n) {
            --spilled_;  // read or lost
            (void)memory_.try_push(disk_->pop());
        }
    }

    const spill_options options_;
    mutable sys::mutex mutex_;  // guards what follows
    spsc_ring<T> memory_;       // its roles pass from thread to thread by the mutex
    std::unique_ptr<detail::spill_file<T>> disk_;
    std::uint64_t spilled_ = 0;  // all behind those in memory
    std::uint64_t pushed_ = 0;
    bool closed_ = false;
};

}  // namespace penstock::inline PENSTOCK_ABI
