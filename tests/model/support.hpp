// SPDX-License-Identifier: BSL-1.0
// What programs push, count and compare.
#pragma once

#include <vector>

#include <penstock/core/sync.hpp>

#include "program.hpp"

namespace model {

/// A value in memory of its own, so that who uses it unordered is a data race.
class payload {
public:
    payload() = default;
    explicit payload(int value) : at_{new int{value}} { penstock::sys::wrote(at_); }
    payload(payload&& other) noexcept : at_{std::exchange(other.at_, nullptr)} {}
    payload& operator=(payload&& other) noexcept {
        if (this != &other) {
            delete at_;
            at_ = std::exchange(other.at_, nullptr);
        }
        return *this;
    }
    ~payload() { delete at_; }
    [[nodiscard]] int value() const {
        penstock::sys::read(at_);
        return *at_;
    }

private:
    int* at_ = nullptr;
};

/// What one thread received: 10 * producer + number.
class bag {
public:
    void add(int value) { values_.push_back(value); }
    [[nodiscard]] const std::vector<int>& values() const { return values_; }
    [[nodiscard]] bool in_order() const {  // of each producer
        int last[10];
        for (int& l : last) l = -1;
        for (int v : values_) {
            if (v % 10 <= last[v / 10]) return false;
            last[v / 10] = v % 10;
        }
        return true;
    }

private:
    std::vector<int> values_;
};

/// Says that something has happened, and orders it.
class flag {
public:
    void set() { set_.store(true, std::memory_order_release); }  // pairs with is_set
    [[nodiscard]] bool is_set() const { return set_.load(std::memory_order_acquire); }

private:
    penstock::sys::atomic<bool> set_{false};
};

/// Counts what is alive. Relaxed, so that it orders nothing that it only watches.
class census {
public:
    void change(int by) { live_.fetch_add(by, std::memory_order_relaxed); }
    [[nodiscard]] int count() const { return live_.load(std::memory_order_relaxed); }

private:
    penstock::sys::atomic<int> live_{0};
};
class counted {
public:
    explicit counted(census& of) : of_{&of} { of_->change(1); }
    counted(counted&& other) noexcept : of_{std::exchange(other.of_, nullptr)} {}
    counted& operator=(counted&&) = delete;
    ~counted() {
        if (of_) of_->change(-1);
    }

private:
    census* of_;
};

}  // namespace model
