// SPDX-License-Identifier: BSL-1.0
// What a running program asks of the model: sync.hpp's types call these, each call is one step (or
// two) of the thread that runs. Outside of a program they must not be called: ask running().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "event.hpp"

namespace model {

bool running() noexcept;

// An atomic or mutex at `at`; `initial` is what it held if it is older than the execution.
struct cell {
    const void* at;
    std::uint64_t initial;
};

void is_born(cell c, place declared);
void dies(const void* at, std::size_t size);
/// A step only if something is in there that the model watches.
void memory_dies(const void* at, std::size_t size) noexcept;

std::uint64_t load(cell c, std::memory_order order, place where);
void store(cell c, std::uint64_t value, std::memory_order order, place where);
/// What it read; rmw_write must follow at once, and write change(how, that), if `change` is given.
std::uint64_t rmw_read(cell c, std::memory_order order, place where,
                       std::uint64_t (*change)(const void* how, std::uint64_t old) = nullptr,
                       const void* how = nullptr);
void rmw_write(cell c, std::uint64_t value, std::memory_order order, place where);
/// True: done. False: `expected` is what it read.
bool compare_exchange(cell c, std::uint64_t& expected, std::uint64_t desired,
                      std::memory_order order, std::memory_order failed, place where);

void fence(std::memory_order order, place where);
void compiler_barrier(place where);
void process_barrier(place where);
void plain_access(const void* at, bool writes, place where) noexcept;

void lock(const void* mutex, place where);
bool try_lock(const void* mutex, place where);
void unlock(const void* mutex, place where);

constexpr std::int64_t no_deadline = INT64_MAX;
void futex_wait(cell word, std::uint32_t expected, std::int64_t deadline, place where);
void futex_wake(const void* word, place where);
/// Virtual nanoseconds of this thread: only its own waits that time out move them.
std::int64_t now() noexcept;

/// This thread goes on only when something that it has read since its last pause or effect changes.
void pause(place where);
/// Tries all of 0 ... n - 1; what the environment decides.
unsigned choose(unsigned n, place where);

int this_thread() noexcept;
std::uint64_t execution() noexcept;  // a number of its own for each
int spawn(std::function<void()> body, const char* name, place where);
void join(int thread, place where);

bool asymmetric() noexcept;  // as the program's options say
int usable_cpus() noexcept;

/// The program found a mistake: ends the execution.
[[noreturn]] void fail(const std::string& why, place where);
/// What this execution will count as, if it ends well: litmus tests compare the set of these.
void outcome(const std::string& text);
/// Ends the execution as one that need not be looked at.
[[noreturn]] void discard();

// Names every order by the place of the call that passes it; a compare-exchange passes two.
struct order_site {
    place where;
    int argument = 0;
    std::memory_order order{};
    char operation = 'l';  // load, store, read-modify-write, fence
};
/// The order to use: as written, unless that site is the one being weakened.
std::memory_order as_mutated(place where, int argument, std::memory_order written,
                             char operation) noexcept;

}  // namespace model
