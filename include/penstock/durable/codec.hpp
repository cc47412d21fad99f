// SPDX-License-Identifier: BSL-1.0
// How a T becomes bytes and back. Trivially copyable types, std::string, std::vector<std::byte> and
// views of them need nothing; for others specialise two functions:
//
//   template <> struct penstock::codec<order> {
//       static constexpr std::string_view name = "shop.order";  // optional: see below
//       static constexpr std::uint32_t version = 2;             // optional, 0
//       static void encode(const order& o, std::vector<std::byte>& out);  // appends to `out`
//       static order decode(std::span<const std::byte> in);
//   };
//
// A stream keeps the name of its T, its version and, of trivially copyable types, its size; opening
// it with another is refused. Without `name` it is what the compiler calls T: renaming T or moving it to
// another namespace then makes it another type. A view (std::string_view, a span of const bytes)
// refers to the journal itself and is valid until its delivery is gone.
//
// Errors    encode and decode may throw. From send: nothing was appended. From receive: the message
//           is released, and comes again.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T>
struct codec;

namespace detail {

template <class T>
constexpr const char* spelled() {
    return __PRETTY_FUNCTION__;
}

/// T as g++ and clang both spell it.
template <class T>
constexpr std::string_view compiler_name() {
    constexpr std::string_view all = spelled<T>();
    const auto from = all.find("T = ") + 4;
    return all.substr(from, all.rfind(']') - from);
}

template <class T>
concept bytes_codec = requires(const T& value) {
    { codec<T>::bytes(value) } -> std::same_as<std::span<const std::byte>>;
};

template <class T>
std::string stream_type_name() {
    if constexpr (requires { codec<T>::name; }) {
        return std::string{std::string_view{codec<T>::name}};
    } else {
        std::string name{compiler_name<T>()};
        // Where compilers differ, names are spelled as g++ does: a journal outlives its compiler.
        constexpr std::string_view spelled[][2] = {
            {"short", "short int"},         {"unsigned short", "short unsigned int"},
            {"long", "long int"},           {"unsigned long", "long unsigned int"},
            {"long long", "long long int"}, {"unsigned long long", "long long unsigned int"}};
        for (auto& s : spelled)
            if (name == s[0]) return std::string{s[1]};
        constexpr std::string_view theirs = "(anonymous namespace)", ours = "{anonymous}";
        for (auto at = name.find(theirs); at != std::string::npos; at = name.find(theirs))
            name.replace(at, theirs.size(), ours);
        return name;
    }
}

template <class T>
constexpr std::uint32_t type_version() {
    if constexpr (requires { codec<T>::version; }) {
        return codec<T>::version;
    } else {
        return 0;
    }
}

template <class T>
constexpr std::uint32_t type_size() {
    if constexpr (requires { codec<T>::fixed_size; }) {
        return codec<T>::fixed_size;
    } else {
        return 0;
    }
}

}  // namespace detail

template <class T>
concept durable_message = requires(std::span<const std::byte> in) {
    { codec<T>::decode(in) } -> std::same_as<T>;
} && (detail::bytes_codec<T> || requires(const T& value, std::vector<std::byte>& out) {
                              codec<T>::encode(value, out);
                          });

template <class T>
    requires(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T> &&
             !std::is_same_v<T, std::string_view> && !std::is_same_v<T, std::span<const std::byte>>)
struct codec<T> {
    static constexpr std::uint32_t fixed_size = sizeof(T);

    static std::span<const std::byte> bytes(const T& value) noexcept {
        return std::as_bytes(std::span{&value, 1});
    }
    static T decode(std::span<const std::byte> in) {
        if (in.size() != sizeof(T)) throw std::length_error{"penstock: a message of another size"};
        alignas(T) std::byte raw[sizeof(T)];  // T need not be default constructible
        std::memcpy(raw, in.data(), sizeof(T));
        return *std::launder(reinterpret_cast<T*>(raw));
    }
};

template <>
struct codec<std::string> {
    static constexpr std::string_view name = "string";
    static std::span<const std::byte> bytes(const std::string& s) noexcept {
        return std::as_bytes(std::span{s.data(), s.size()});
    }
    static std::string decode(std::span<const std::byte> in) {
        return {reinterpret_cast<const char*>(in.data()), in.size()};
    }
};

template <>
struct codec<std::string_view> {
    static constexpr std::string_view name = "string";
    static std::span<const std::byte> bytes(const std::string_view& s) noexcept {
        return std::as_bytes(std::span{s.data(), s.size()});
    }
    static std::string_view decode(std::span<const std::byte> in) noexcept {
        return {reinterpret_cast<const char*>(in.data()), in.size()};
    }
};

template <>
struct codec<std::vector<std::byte>> {
    static constexpr std::string_view name = "bytes";
    static std::span<const std::byte> bytes(const std::vector<std::byte>& b) noexcept { return b; }
    static std::vector<std::byte> decode(std::span<const std::byte> in) {
        return {in.begin(), in.end()};
    }
};

template <>
struct codec<std::span<const std::byte>> {
    static constexpr std::string_view name = "bytes";
    static std::span<const std::byte> bytes(const std::span<const std::byte>& b) noexcept {
        return b;
    }
    static std::span<const std::byte> decode(std::span<const std::byte> in) noexcept { return in; }
};

}  // namespace penstock::inline PENSTOCK_ABI
