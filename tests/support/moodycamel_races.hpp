// SPDX-License-Identifier: BSL-1.0
// moodycamel's queue orders its accesses by fences, which ThreadSanitizer doesn't see. Include this
// in a test (one file, a program) that uses `unbounded`, to silence reports from inside that header,
// and from nowhere else: ours are still looked at.
#pragma once

extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
    return "race:moodycamel::ConcurrentQueue\n";
}
