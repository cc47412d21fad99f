// SPDX-License-Identifier: BSL-1.0
// Each operation of a program as steps of the explorer, and the futex, made of them.
#include "engine.hpp"

#include <cstring>
#include <utility>

#include "explorer.hpp"
#include "memory.hpp"
#include "mutation.hpp"

namespace model {

extern explorer* running_explorer;

bool running() noexcept { return running_explorer != nullptr && running_explorer->current() >= 0; }

namespace {
explorer& engine() { return *running_explorer; }

// The queue of a futex: a word of its own beside it, four bits a sleeper, first one lowest. The
// kernel's lock orders each wait and each wake after those before it.
cell queue_of(const void* word) { return {static_cast<const char*>(word) + 1, 0}; }
bool in_queue(std::uint64_t queue, int thread) {
    for (; queue != 0; queue >>= 4)
        if ((queue & 15) == static_cast<std::uint64_t>(thread) + 1) return true;
    return false;
}
std::uint64_t without(std::uint64_t queue, int thread) {
    std::uint64_t left = 0;
    for (int at = 0; queue != 0; queue >>= 4)
        if ((queue & 15) != static_cast<std::uint64_t>(thread) + 1)
            left |= (queue & 15) << (4 * at++);
    return left;
}
std::uint64_t with(std::uint64_t queue, int thread) {
    int at = 0;
    while ((queue >> (4 * at)) != 0) ++at;
    return queue | (static_cast<std::uint64_t>(thread) + 1) << (4 * at);
}
constexpr std::uint64_t locked = 1;
std::uint64_t constant(const void* value, std::uint64_t) {
    return *static_cast<const std::uint64_t*>(value);
}
}  // namespace

void is_born(cell c, place declared) {
    engine().step({.what = kind::birth, .where = declared, .target = c});
}
void dies(const void* at, std::size_t size) {
    engine().step({.what = kind::death, .target = {at, 0}, .size = size});
}
void memory_dies(const void* at, std::size_t size) noexcept {
    if (running() && engine().holds_something(at, size)) dies(at, size);
}

std::uint64_t load(cell c, std::memory_order order, place where) {
    if (engine().repeats(c.at, where)) engine().spin();
    return engine().step({.what = kind::load, .where = where, .target = c, .order = order}).value;
}
void store(cell c, std::uint64_t value, std::memory_order order, place where) {
    engine().step(
        {.what = kind::store, .where = where, .target = c, .order = order, .value = value});
}
std::uint64_t rmw_read(cell c, std::memory_order order, place where,
                       std::uint64_t (*change)(const void*, std::uint64_t), const void* how) {
    return engine()
        .step({.what = kind::rmw_read,
               .where = where,
               .target = c,
               .order = order,
               .exclusive = true,
               .change = change,
               .how = how,
               .order_write = order})
        .value;
}
void rmw_write(cell c, std::uint64_t value, std::memory_order order, place where) {
    engine().step({.what = kind::rmw_write,
                   .where = where,
                   .target = c,
                   .order = order,
                   .value = value,
                   .urgent = true});
}
bool compare_exchange(cell c, std::uint64_t& expected, std::uint64_t desired,
                      std::memory_order order, std::memory_order failed, place where) {
    if (engine().repeats(c.at, where)) engine().spin();
    const std::uint64_t read =
        engine()
            .step({.what = kind::rmw_read,
                   .where = where,
                   .target = c,
                   .order = order,
                   .order_failed = failed,
                   .compares = true,
                   .expected = expected,
                   .change = &constant,
                   .how = &desired,
                   .order_write = order})
            .value;
    if (read != expected) {
        expected = read;
        return false;
    }
    rmw_write(c, desired, order, where);
    return true;
}

void fence(std::memory_order order, place where) {
    engine().step({.what = kind::fence, .where = where, .order = order});
}
void compiler_barrier(place where) {
    engine().step({.what = kind::compiler_barrier, .where = where});
}
void process_barrier(place where) {
    engine().step({.what = kind::barrier_in, .where = where});
    engine().step({.what = kind::barrier_out, .where = where});
}
void plain_access(const void* at, bool writes, place where) noexcept {
    engine().step(
        {.what = writes ? kind::plain_write : kind::plain_read, .where = where, .target = {at, 0}});
}

void lock(const void* mutex, place where) {
    const cell c{mutex, 0};
    if (engine()
            .step({.what = kind::lock_read,
                   .where = where,
                   .target = c,
                   .order = std::memory_order_acquire,
                   .exclusive = true,
                   .change = &constant,
                   .how = &locked})
            .waits) {
        auto& me = engine().me();
        me.is = explorer::state::locked_out;
        for (;;) me.stack.leave();
    }
    rmw_write(c, locked, std::memory_order_relaxed, where);
}
bool try_lock(const void* mutex, place where) {
    std::uint64_t free = 0;
    return compare_exchange(
        {mutex, 0}, free, locked, std::memory_order_acquire, std::memory_order_relaxed, where);
}
void unlock(const void* mutex, place where) {
    engine().step({.what = kind::unlock,
                   .where = where,
                   .target = {mutex, 0},
                   .order = std::memory_order_release,
                   .value = 0});
}

void futex_wait(cell word, std::uint32_t expected, std::int64_t deadline, place where) {
    const cell queue = queue_of(word.at);
    const int me = engine().current();
    const auto sleepers = rmw_read(queue, std::memory_order_acq_rel, where);
    const auto value =
        engine().step({.what = kind::load, .where = where, .target = word, .urgent = true}).value;
    if (static_cast<std::uint32_t>(value) != expected) return;
    rmw_write(queue, with(sleepers, me), std::memory_order_acq_rel, where);
    const bool timed = deadline != no_deadline;
    auto& self = engine().me();
    const bool spurious = self.spurious < engine().bounds().spurious_wakes;
    unsigned ways = 1u + (timed ? 1u : 0u) + (spurious ? 1u : 0u), way = 0;
    if (ways > 1) way = choose(ways, where);
    if (way == 0) {
        engine().step({.what = kind::resume, .where = where, .timed = timed});
        return;
    }
    if (way == 1 && timed) {
        if (self.time < deadline) self.time = deadline;
    } else {
        ++self.spurious;
    }
    const auto now = rmw_read(queue, std::memory_order_acq_rel, where);
    if (!in_queue(now, me)) discard();  // woken: that is the other branch
    rmw_write(queue, without(now, me), std::memory_order_acq_rel, where);
}
void futex_wake(const void* word, place where) {
    const cell queue = queue_of(word);
    const auto first_out = [](const void*, std::uint64_t sleepers) { return sleepers >> 4; };
    const auto sleepers = rmw_read(queue, std::memory_order_acq_rel, where, first_out);
    rmw_write(queue, sleepers >> 4, std::memory_order_acq_rel, where);
}

std::int64_t now() noexcept { return engine().me().time; }
void pause(place) { engine().pause(); }
unsigned choose(unsigned n, place where) {
    return static_cast<unsigned>(
        engine().step({.what = kind::choice, .where = where, .choices = n}).value);
}

std::uint64_t execution() noexcept { return engine().execution(); }
int this_thread() noexcept { return engine().current(); }
int spawn(std::function<void()> body, const char* name, place where) {
    return engine().spawn(new std::function<void()>(std::move(body)), name, where);
}
void join(int thread, place where) {
    engine().step({.what = kind::join, .where = where, .other = thread});
}

bool asymmetric() noexcept { return running() && engine().bounds().asymmetric; }
int usable_cpus() noexcept { return running() ? engine().bounds().usable_cpus : 1; }

void fail(const std::string& why, place where) { engine().fail(why, where); }
void discard() { engine().abandon(); }
void outcome(const std::string& text) {
    const int thread = std::exchange(allocating_thread, -1);
    engine().note(text);
    allocating_thread = thread;
}

}  // namespace model
