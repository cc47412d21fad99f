// SPDX-License-Identifier: BSL-1.0
// A name that is shared with the messages that were published there: they may outlive the bus. It stands
// in the topic itself, so a topic is one piece of memory: there may be a million.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// What has such a name: a topic, or nothing else. It goes when who made it and all who share it have
/// let it go.
class named {
public:
    explicit named(std::string_view n) : name{n} {}
    named(const named&) = delete;
    named& operator=(const named&) = delete;
    virtual ~named() = default;

    void share() const noexcept {
        users_.fetch_add(1, std::memory_order_relaxed);  // who shares it holds it
    }
    void let_go() const noexcept {
        // Release, then acquire: what other users read happens before it goes.
        if (users_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

private:
    mutable sys::atomic<std::size_t> users_{1};

public:
    const std::string name;
};

class shared_name {
public:
    explicit shared_name(std::string_view text) : at_{*new named{text}} {}
    explicit shared_name(const named& of) noexcept : at_{of} { at_.share(); }
    shared_name(const shared_name& other) noexcept : shared_name{other.at_} {}
    shared_name& operator=(const shared_name&) = delete;
    ~shared_name() { at_.let_go(); }
    operator const named&() const noexcept { return at_; }
    [[nodiscard]] const std::string& operator*() const noexcept { return at_.name; }

private:
    const named& at_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
