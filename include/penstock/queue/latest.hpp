// SPDX-License-Identifier: BSL-1.0
// The last value that was written: any number of writers and readers.
//
//   penstock::latest<quote> last;
//   last.write(quote{101.5});
//   if (auto q = last.read()) show(*q);            // std::optional<quote>; nothing: none yet
//
//   std::uint64_t seen = 0;
//   if (auto q = last.read_newer(seen)) show(*q);  // only if it is not the one seen
//   while (auto q = last.changed(seen, stop)) show(*q);                 // waits for a newer one
//   while (auto q = co_await last.async_changed(seen, stop)) show(*q);  // a coroutine does
//
// T trivially copyable: copied by words into one of a few buffers, no memory but these. Any other
// T: std::shared_ptr<const T>, one allocation a write. Both test true when there is one; *q is it.
//
// Cost      write: three read-modify-writes and the copy, and a load to see that nobody waits. read:
//           two lines and the copy, no store. changed: as any wait (core/waiter.hpp).
//           Shared: write an allocation and two read-modify-writes, read two of them; a value goes
//           when it was replaced and its last reader lets go of it, in the thread that does so.
// Threads   Everything but construction and destruction may overlap.
// Progress  A reader never holds up a writer, and a writer no reader, wherever it stalls: readers
//           get the last complete value. read is lock-free: it looks again only if a newer value
//           was completed while it copied. write is lock-free while Buffers - 1 threads are in it,
//           3 by default, or fewer. If more are, and no newer value is completed, the surplus spins
//           until one of them goes on: name more buffers then, latest<quote, 8>.
//           Shared: write is wait-free for any number of writers, read but for one lock-free step.
// Errors    None but what allocating throws: then nothing has changed, the argument included.
// Order     Writes take effect one after the other; a write that has returned before another begins
//           takes effect before it. Each reader sees values in that order, and none older than the
//           last that was complete when its read began; writes before a write are visible to it.
//           One that is overtaken by a newer one before it is complete may never be seen.
//
// By words. A version is a write's number. A buffer's stamp is 2 v + 1 while version v is written
// to it, and 2 v when it is there. last_ is the last complete version, and which buffer has it.
//   I1  last_ only grows. A buffer is overwritten only if its version is below last_, or it was
//       never written: the last complete value stays, whoever stalls.
//   I2  One writer a buffer: who exchanges an even stamp for its own odd one.
//   I3  A writer that finds last_ past its version may leave: the newer one was begun, and
//       completed, after this call began, so this one took effect right before it.
//   I4  Of Buffers one is the last, and each other writer has one at most. If these are
//       Buffers - 2, one is free for who looks at all of them.
//
// Why these memory orders suffice. How a reader gets a value whole or not at all is
// detail/seqlock.hpp; for that
//   (F) writer store-release even stamp -> (R) next writer load-acquire: one after the other;
//                                       -> (K) reader load-acquire: written before read.
// last_ only says where to look, and carries nothing: who does not find that value there, not yet
// or no longer, looks again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <penstock/core/cache_line.hpp>
#include <penstock/core/slot.hpp>
#include <penstock/core/sync.hpp>
#include <penstock/fwd.hpp>
#include <penstock/queue/concepts.hpp>
#include <penstock/queue/detail/seqlock.hpp>
#include <penstock/queue/detail/shared_cell.hpp>
#include <penstock/queue/detail/watched.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T, std::size_t Buffers>
class latest : public detail::watched<latest<T, Buffers>, std::optional<T>> {
    static_assert(Buffers >= 2, "one buffer is read while another is written: 2 or more");

public:
    using value_type = T;
    using element = std::optional<T>;

    latest() = default;
    explicit latest(const T& first) noexcept { write(first); }
    latest(const latest&) = delete;
    latest& operator=(const latest&) = delete;

    void write(const T& value) noexcept {
        const std::uint64_t version = next_.fetch_add(1, std::memory_order_relaxed);  // a number
        for (;;) {
            for (std::uint64_t i = version; i < version + Buffers; ++i) {
                buffer& b = buffers_[i % Buffers];
                if (!take(b, version)) continue;
                b.words.store(value);
                b.stamp.store(2 * version, std::memory_order_release);  // (F), with (R) and (K)
                publish(version, i % Buffers);
                return this->notify();
            }
            if (last_version() > version) return;  // I3
            sys::pause();
        }
    }

    /// What is there; none if nothing has been written yet.
    [[nodiscard]] element read() const noexcept {
        std::uint64_t unseen = 0;
        return read_newer(unseen);
    }
    /// Only if it is newer than the one whose version is `seen` (0: none); then `seen` is its own.
    [[nodiscard]] element read_newer(std::uint64_t& seen) const noexcept {
        for (;;) {
            const std::uint64_t last = last_.load(std::memory_order_relaxed);  // says where to look
            const std::uint64_t version = last / Buffers;
            if (version == seen) return std::nullopt;
            const buffer& b = buffers_[last % Buffers];
            if (b.stamp.load(std::memory_order_acquire) != 2 * version) continue;  // (K), with (F)
            if (element e = b.words.load_while(b.stamp, 2 * version)) {
                seen = version;
                return e;
            }
        }
    }

    /// Tells a value from another: grows with each; 0 if nothing has been written yet.
    [[nodiscard]] std::uint64_t version() const noexcept { return last_version(); }

private:
    struct alignas(cache_line) buffer {
        sys::atomic<std::uint64_t> stamp{0};
        detail::seqlock_words<T> words;
    };

    std::uint64_t last_version() const noexcept {
        return last_.load(std::memory_order_relaxed) / Buffers;  // a number
    }

    /// I1, I2. As last_ only grows, an old one refuses too much, never too little.
    bool take(buffer& b, std::uint64_t version) noexcept {
        std::uint64_t stamp = b.stamp.load(std::memory_order_acquire);  // (R), pairs with (F)
        return stamp % 2 == 0 && (stamp == 0 || stamp / 2 < last_version()) &&
               b.stamp.compare_exchange_strong(stamp, 2 * version + 1, std::memory_order_relaxed,
                                               std::memory_order_relaxed);  // (R) was before
    }

    void publish(std::uint64_t version, std::uint64_t index) noexcept {
        std::uint64_t last = last_.load(std::memory_order_relaxed);  // the exchange checks it
        while (last / Buffers < version)
            if (last_.compare_exchange_weak(
                    last, version * Buffers + index, std::memory_order_relaxed,
                    std::memory_order_relaxed))  // says where to look
                return;
    }

    alignas(cache_line) sys::atomic<std::uint64_t> next_{1};
    alignas(cache_line) sys::atomic<std::uint64_t> last_{0};  // version * Buffers + buffer
    mutable buffer buffers_[Buffers];
};

template <class T, std::size_t Buffers>
    requires(!std::is_trivially_copyable_v<T>)
class latest<T, Buffers> : public detail::watched<latest<T, Buffers>, std::shared_ptr<const T>> {
public:
    using value_type = T;
    using element = std::shared_ptr<const T>;

    latest() = default;
    explicit latest(T first) { write(std::move(first)); }
    latest(const latest&) = delete;
    latest& operator=(const latest&) = delete;
    ~latest() { cell_.clear(); }

    void write(T&& value) {
        auto room = detail::shared_cell<T>::make();
        cell_.put(std::move(room), std::move(value),
                  next_.fetch_add(1, std::memory_order_relaxed));  // a number
        this->notify();
    }
    void write(const T& value) { write(T(value)); }

    /// What is there; null if nothing has been written yet.
    [[nodiscard]] element read() const noexcept {
        std::uint64_t version = 0;
        return cell_.get(version);
    }
    /// Only if it is newer than the one whose version is `seen` (0: none); then `seen` is its own.
    [[nodiscard]] element read_newer(std::uint64_t& seen) const noexcept {
        std::uint64_t version = 0;
        element e = cell_.get(version);
        if (version == seen) return {};
        seen = version;
        return e;
    }

    /// Tells a value from another; 0 if nothing has been written yet. Versions of
    /// writes that overlapped may be in another order than their values.
    [[nodiscard]] std::uint64_t version() const noexcept {
        std::uint64_t version = 0;
        (void)cell_.get(version);
        return version;
    }

private:
    alignas(cache_line) sys::atomic<std::uint64_t> next_{1};
    alignas(cache_line) detail::shared_cell<T> cell_;
};

}  // namespace penstock::inline PENSTOCK_ABI
