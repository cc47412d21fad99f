// SPDX-License-Identifier: BSL-1.0
// A topic's name, shared with the messages that were published there: they may outlive the bus.
// One pointer, where a std::shared_ptr takes two, and one allocation: there may be a million.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <penstock/core/sync.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class shared_name {
public:
    explicit shared_name(std::string_view text) : at_{new counted{text}} {}
    shared_name(const shared_name& other) noexcept : at_{other.at_} {
        at_->users.fetch_add(1, std::memory_order_relaxed);  // own one holds
    }
    shared_name& operator=(const shared_name&) = delete;
    ~shared_name() {
        // Release, then acquire: what other users read happens before it goes.
        if (at_->users.fetch_sub(1, std::memory_order_acq_rel) == 1) delete at_;
    }
    [[nodiscard]] const std::string& operator*() const noexcept { return at_->text; }
    [[nodiscard]] const std::string* operator->() const noexcept { return &at_->text; }

private:
    struct counted {
        explicit counted(std::string_view t) : text{t} {}
        sys::atomic<std::size_t> users{1};
        const std::string text;
    };
    counted* const at_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
