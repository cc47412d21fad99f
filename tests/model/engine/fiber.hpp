// SPDX-License-Identifier: BSL-1.0
// A function with a stack of its own, entered and left by a switch: a thread of the program under
// test. A fiber that is not wanted any more is simply never entered again: its stack is used for the
// next one, its objects are not destroyed (their memory is memory.hpp's).
//
// Each fiber has its own state of exceptions being handled, so that a switch may happen in a
// handler or in a destructor that unwinding runs.
#pragma once

#include <cstddef>

namespace model {

class fiber {
public:
    fiber() = default;
    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;

    /// Makes the next enter() begin `body(argument)`, which must not return.
    void prepare(void (*body)(void*), void* argument);
    /// Called outside of fibers: runs this one until it calls leave().
    void enter();
    /// Called inside: goes back to whoever entered.
    void leave();

private:
    struct handling {  // what the C++ runtime keeps per thread
        void* caught = nullptr;
        unsigned uncaught = 0;
    };
    static constexpr std::size_t stack_bytes = 512 * 1024;

    void* stack_ = nullptr;  // kept for ever: the same address each time
    void* inside_ = nullptr;
    void* outside_ = nullptr;
    handling handling_;
};

}  // namespace model
