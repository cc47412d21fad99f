// SPDX-License-Identifier: BSL-1.0
// Runs functions in child processes, several at once: a mutant may crash or never end.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace model {

struct child_result {
    std::string text;  // what the function returned
    bool crashed = false;
    bool too_long = false;
};

struct child_task {
    std::function<std::string()> work;
    std::function<void(const child_result&)> done;  // called here
    unsigned seconds = 120;
};

/// `next` gives one task after the other; an empty `work` ends it.
void run_children(std::size_t at_once, const std::function<child_task()>& next);

}  // namespace model
