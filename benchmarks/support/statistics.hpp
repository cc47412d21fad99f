// SPDX-License-Identifier: BSL-1.0
// Medians and how sure they are, without assuming a distribution.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace bench {

struct estimate {
    double median, low, high;  // low to high: the 95 % interval of the median
    double least, most;
};

/// The interval is the pair of order statistics x(k), x(n+1-k) that covers the median with a
/// probability of at least 95 %, by the binomial distribution: k from 1 while 2 * P(B < k) stays at
/// or below 5 %. For 7 values it is the least and the most; below 6 no pair is enough, and these
/// two stand for what is known.
inline estimate estimate_of(std::vector<double> x) {
    std::sort(x.begin(), x.end());
    const std::size_t n = x.size();
    const double median = n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
    std::size_t k = 1;
    double tail = std::pow(0.5, static_cast<double>(n)), term = tail;  // P(B < 1)
    for (std::size_t i = 1; i < n / 2; ++i) {
        term *= static_cast<double>(n - i + 1) / static_cast<double>(i);
        tail += term;  // P(B < i + 1)
        if (2 * tail > 0.05) break;
        k = i + 1;
    }
    return {median, x[k - 1], x[n - k], x.front(), x.back()};
}

/// a[i] / b[i], for each round i.
inline std::vector<double> ratios(const std::vector<double>& a, const std::vector<double>& b) {
    std::vector<double> r(a.size());
    for (std::size_t i = 0; i < r.size(); ++i) r[i] = a[i] / b[i];
    return r;
}

}  // namespace bench
