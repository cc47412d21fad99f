// SPDX-License-Identifier: BSL-1.0
// Weakens every memory order in the headers, one at a time, and expects a program to go red.
#pragma once

#include <string>
#include <vector>

namespace model {

struct mutant_options {
    std::string root;                // of the repository
    std::vector<std::string> files;  // only orders in these; none: all
    double seconds = 0;              // begin no new one after that
    bool verbose = false;
    std::size_t at_once = 2;
};

/// The exit code: 0 when none survived without a justification.
int run_mutants(const mutant_options& options);

}  // namespace model
