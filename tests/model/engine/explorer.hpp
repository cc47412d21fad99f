// SPDX-License-Identifier: BSL-1.0
// Runs a program over all its executions, or over one that is told step by step.
//
// Exploration is TruSt (Kokologiannakis, Marmanis, Gladstein, Vafeiadis: Truly Stateless, Optimal
// Dynamic Partial Order Reduction, POPL 2022): each consistent graph is visited once, whatever the
// number of interleavings it stands for. A graph is grown event by event. A read branches over the
// stores it may read; a store over its places in the modification order, and over the reads that are
// in the graph already and could have read it: such a read is changed, and what was added after it
// and is not in the store's past is removed, unless another branch does the same.
//
// A branch is a graph on a stack. Running it starts the program from its beginning: as long as the
// graph says what a thread's next step answers, it is answered so; then the graph is grown.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine.hpp"
#include "fiber.hpp"
#include "graph.hpp"

namespace model {

struct limits {
    bool asymmetric = false;
    int usable_cpus = 1;
    unsigned spurious_wakes = 0;   // by thread
    std::size_t steps = 1000;      // by thread and execution: more is called a livelock
    std::size_t repeats = 6;       // same load, same answer, no effect between: it is spinning
    unsigned departures = 0;       // from the first choice; 0: any number
    std::uint64_t executions = 0;  // 0: all
    double seconds = 0;            // 0: as long as it takes
};

struct findings {
    std::uint64_t executions = 0;  // complete ones
    std::uint64_t blocked = 0;  // ended early: a thread waits for what only other executions bring
    bool exhaustive = true;
    double seconds = 0;
    std::set<std::string> outcomes;
    std::optional<std::string> failure;  // what went wrong, the steps, and how to see it again
    std::string why;                     // its first line
    std::string replay;
};

class explorer;

/// A step that a thread is about to do.
struct request {
    kind what{};
    place where{};
    cell target{};
    std::memory_order order = std::memory_order_relaxed;
    std::memory_order order_failed = std::memory_order_relaxed;
    bool compares = false;
    bool exclusive = false;
    std::uint64_t value = 0;
    std::uint64_t expected = 0;
    std::size_t size = 0;
    int other = -1;        // join
    unsigned choices = 0;  // choice
    bool timed = false;    // resume: it would wake up by itself
    bool urgent = false;   // the rest of something that is atomic
    // Of a read that a write follows at once: what it will write, if that is known already.
    std::uint64_t (*change)(const void* how, std::uint64_t old) = nullptr;
    const void* how = nullptr;
    std::memory_order order_write = std::memory_order_relaxed;
};

/// Decides what runs next where not everything is to be tried.
class director {
public:
    static constexpr int nobody_may = -1, anybody = -2;

    virtual ~director() = default;
    /// The thread whose step is next; asked any number of times before it is done.
    virtual int next(const explorer& e) = 0;
    /// How far from the newest: 0 is the newest store, or the end of the order, or choice 0.
    virtual std::size_t back(std::size_t how_many) = 0;
    /// That thread's pending step is about to be done.
    virtual void stepped(const explorer& e, int thread) = 0;
};

class explorer {
public:
    explorer(limits l, std::function<void()> body);
    ~explorer();

    findings all();
    findings one(director& d);

    // ---- for the engine's functions and for directors
    enum class state : std::uint8_t { absent, parked, spinning, locked_out, finished };
    struct actor {
        fiber stack;
        std::function<void()>* body = nullptr;  // in the program's memory, like all it owns
        std::string name;
        state is = state::absent;
        std::size_t position = 0;  // steps done in this execution
        request pending;
        int spawned = 0;
        std::size_t calm_since = 0;  // first step after its last pause or effect
        bool effect = false;         // since its last pause
        std::int64_t time = 0;
        unsigned spurious = 0;
    };
    const event& step(const request& r);
    void pause();
    bool repeats(const void* what, place where) const;
    [[noreturn]] void spin();
    int spawn(std::function<void()>* body, const char* name, place where);
    [[noreturn]] void fail(const std::string& why, place where);
    [[noreturn]] void abandon();
    actor& me() { return actors_[static_cast<std::size_t>(current_)]; }
    const actor& at(int thread) const { return actors_[static_cast<std::size_t>(thread)]; }
    int current() const { return current_; }
    std::uint64_t execution() const { return execution_; }
    bool can_go_on(int thread) const;   // perhaps only to wait for a mutex
    bool would_wait(int thread) const;  // for a mutex that is taken
    bool holds_something(const void* at, std::size_t size) const;
    const limits& bounds() const { return limits_; }
    const graph& now() const { return g_; }
    void note(const std::string& outcome) { outcome_ = outcome; }

private:
    enum class verdict : std::uint8_t { open, dropped, failed };

    void run(graph start);
    void reset();
    void enter(int thread);
    static void fiber_main(void* self);
    bool source_done(const event& e) const;
    void consume(const event& e, const request& r);
    int pick();
    event_id wake_of(int thread) const;
    void conclude();
    bool really_stuck(int thread) const;

    // Each adds the pending step of `t`; false: this execution leads nowhere new.
    bool extend(int t);
    bool extend_read(int t);
    bool extend_write(int t);
    bool extend_choice(int t);
    void revisit(const graph& g, event_id store);
    static bool maximal(const graph& g, event_id e, const clock_vector& past);
    void branch(graph g);
    std::uint16_t locate(const request& r);
    void check_alive(const event& e, const location& l);
    void check_plain(const event& e);
    void check_death(event_id id);
    void found(const std::string& why, place where);

    limits limits_;
    std::function<void()> body_;
    findings found_;
    std::vector<graph> todo_;
    director* director_ = nullptr;

    // of the execution that runs
    graph g_;
    std::array<actor, max_threads> actors_;
    std::vector<event_id> done_;                  // in the order in which they were done
    std::map<const void*, std::uint16_t> where_;  // the locations, and what plain accesses touch
    static constexpr std::uint16_t plain_memory = 0xfffe;
    int current_ = -1;
    std::uint64_t execution_ = 0;
    bool growing_ = false;
    verdict verdict_ = verdict::open;
    std::string outcome_;
    std::map<std::pair<int, int>, int> thread_ids_;  // by parent and ordinal
};

/// The steps of `done` for a reader, and as a string for one(replayer).
std::string describe(const graph& g, const std::vector<event_id>& done,
                     const std::array<explorer::actor, max_threads>& actors);
std::string encode(const graph& g, const std::vector<event_id>& done);

}  // namespace model
