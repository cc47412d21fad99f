// SPDX-License-Identifier: BSL-1.0
// A benchmark that loses an element is no benchmark.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace bench {

inline void verify(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "The benchmark is wrong: %s.\n", what);
    std::exit(1);
}

/// 0 + 1 + ... + n - 1
inline std::uint64_t sum_below(std::uint64_t n) {
    return n % 2 ? (n - 1) / 2 * n : n / 2 * (n - 1);
}

/// How many of n the i-th of `parts` threads gets.
inline std::uint64_t share_of(std::uint64_t n, std::size_t i, std::size_t parts) {
    return n * (i + 1) / parts - n * i / parts;
}

}  // namespace bench
