// SPDX-License-Identifier: BSL-1.0
// Numbers and names, one after the other, for the payloads of the journal's own records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class byte_writer {
public:
    template <class Integer>
        requires std::is_integral_v<Integer>
    byte_writer& put(Integer n) {
        return put_bytes(&n, sizeof n);
    }
    byte_writer& put(std::string_view text) { return put_bytes(text.data(), text.size()); }

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

private:
    byte_writer& put_bytes(const void* from, std::size_t n) {
        const auto* const p = static_cast<const std::byte*>(from);
        bytes_.insert(bytes_.end(), p, p + n);
        return *this;
    }
    std::vector<std::byte> bytes_;
};

/// Reading past the end gives zeros and makes it false.
class byte_reader {
public:
    explicit byte_reader(std::span<const std::byte> from) noexcept : left_{from} {}

    template <class Integer>
        requires std::is_integral_v<Integer>
    Integer get() noexcept {
        Integer n{};
        if (take(sizeof n)) std::memcpy(&n, taken_.data(), sizeof n);
        return n;
    }
    std::string get_text(std::size_t n) {
        if (!take(n)) return {};
        return {reinterpret_cast<const char*>(taken_.data()), n};
    }
    [[nodiscard]] std::size_t left() const noexcept { return left_.size(); }
    explicit operator bool() const noexcept { return ok_; }

private:
    bool take(std::size_t n) noexcept {
        if (n > left_.size()) {
            ok_ = false;
            return false;
        }
        taken_ = left_.first(n);
        left_ = left_.subspan(n);
        return true;
    }
    std::span<const std::byte> left_;
    std::span<const std::byte> taken_;
    bool ok_ = true;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
