// SPDX-License-Identifier: BSL-1.0
// A value, or the status that says why there is none.
//
//   while (auto j = rx.receive(stop)) run(*j);
//
// Never both: `status()` is ok exactly when there is a value.
#pragma once

#include <optional>
#include <utility>

#include <penstock/core/status.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T>
class [[nodiscard]] result {
public:
    using value_type = T;

    result(T&& value) : value_{std::move(value)} {}
    result(std::optional<T>&& value, penstock::status otherwise)
        : value_{std::move(value)}, status_{value_ ? penstock::status::ok : otherwise} {}
    result(penstock::status why) noexcept : status_{why} {
        PENSTOCK_ASSERT(!why, "a result without a value needs a status other than ok");
    }

    explicit operator bool() const noexcept { return value_.has_value(); }
    [[nodiscard]] penstock::status status() const noexcept { return status_; }

    T& operator*() & noexcept { return *value_; }
    const T& operator*() const& noexcept { return *value_; }
    T&& operator*() && noexcept { return std::move(*value_); }
    T* operator->() noexcept { return &*value_; }
    const T* operator->() const noexcept { return &*value_; }

private:
    std::optional<T> value_;
    penstock::status status_{penstock::status::ok};
};

}  // namespace penstock::inline PENSTOCK_ABI
