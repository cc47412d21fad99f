// SPDX-License-Identifier: BSL-1.0
// The program's heap. Each thread allocates from its own region, upward, so that an address depends
// on that thread's past alone, and no address is used twice in one execution: a step that another
// thread repeats elsewhere in the order finds the same memory, and memory that is gone stays
// recognizable.
#pragma once

#include <cstddef>

namespace model {

/// While a fiber runs program code: the thread whose region operator new uses; else -1.
extern int allocating_thread;

void forget_memory();  // between executions

}  // namespace model
