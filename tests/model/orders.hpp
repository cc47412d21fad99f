// SPDX-License-Identifier: BSL-1.0
// The memory orders above relaxed that stand in the headers: found in their text, so that one which no
// program executes is named too. A defaulted seq_cst is found where the header declares the atomic;
// where it doesn't, by executing it.
#pragma once

#include <atomic>
#include <string>
#include <vector>

namespace model {

struct order_use {
    std::string file;    // from include/ on
    int line = 0;        // of the order
    int call_first = 0;  // lines of the call that it is passed to
    int call_last = 0;
    int argument = 0;  // which of the call's orders
    std::memory_order order{};
    bool defaulted = false;  // seq_cst, not written
    char operation = 'x';    // l, s, x (read-modify-write), as the call's name says
    std::string source;      // that line
};

std::vector<order_use> orders_in(const std::string& include_folder);
/// The next weaker ones: two for acq_rel.
std::vector<std::memory_order> weaker(std::memory_order order, char operation);

}  // namespace model
