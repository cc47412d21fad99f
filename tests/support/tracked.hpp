// SPDX-License-Identifier: BSL-1.0
// Elements that make a queue's mistakes visible.
//
//   tracked_count count;                  // from here on
//   { ring.try_push(tracked{7}); }
//   CHECK(tracked::alive() == 1);
//   CHECK(count.misuses() == 0);          // destroyed twice, moved from raw memory, ...
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>

/// Move-only, without a default constructor; counts what happens to it and notices misuse.
class tracked {
public:
    explicit tracked(int value) noexcept : value_{value} { ++alive_, ++constructed_; }
    tracked(tracked&& other) noexcept : value_{other.release()} { ++alive_, ++moved_; }
    tracked& operator=(tracked&& other) noexcept {
        if (mark_ != live) ++misused_;
        value_ = other.release();
        ++moved_;
        return *this;
    }
    ~tracked() {
        if (mark_ != live) ++misused_;
        mark_ = gone;
        --alive_;
    }

    /// moved_from where the value went elsewhere.
    [[nodiscard]] int value() const noexcept {
        if (mark_ != live) ++misused_;
        return value_;
    }
    static constexpr int moved_from = -1;

    static int alive() noexcept { return alive_; }

private:
    friend class tracked_count;

    int release() noexcept {
        if (mark_ != live || value_ == moved_from) ++misused_;
        return std::exchange(value_, moved_from);
    }

    static constexpr std::uint32_t live = 0x600d600d, gone = 0xdeaddead;
    static inline std::atomic<int> alive_{0}, constructed_{0}, moved_{0}, misused_{0};

    volatile std::uint32_t mark_ = live;  // volatile: the destructor's store is not dead here
    int value_;
};

/// What happened since it was made.
class tracked_count {
public:
    [[nodiscard]] int constructed() const noexcept { return tracked::constructed_ - constructed_; }
    [[nodiscard]] int moved() const noexcept { return tracked::moved_ - moved_; }
    [[nodiscard]] int misuses() const noexcept { return tracked::misused_ - misused_; }

private:
    int constructed_ = tracked::constructed_, moved_ = tracked::moved_,
        misused_ = tracked::misused_;
};

/// Its copy constructor throws while `armed`; moving never does.
struct throws_on_copy {
    explicit throws_on_copy(int v) noexcept : value{v} {}
    throws_on_copy(const throws_on_copy& other) : value{other.value} {
        if (armed) throw std::runtime_error{"no copies today"};
    }
    throws_on_copy(throws_on_copy&&) noexcept = default;
    throws_on_copy& operator=(throws_on_copy&&) noexcept = default;
    ~throws_on_copy() = default;

    int value;
    static inline bool armed = false;
};

/// Says where it stands wrongly.
struct alignas(256) over_aligned {
    explicit over_aligned(int v = 0) noexcept : value{v} { look(); }
    over_aligned(over_aligned&& other) noexcept : value{other.value} { look(); }
    over_aligned& operator=(over_aligned&&) noexcept = default;
    ~over_aligned() { look(); }

    int value;
    static inline std::atomic<int> misplaced{0};

private:
    void look() const noexcept {
        if (reinterpret_cast<std::uintptr_t>(this) % 256 != 0) ++misplaced;
    }
};
