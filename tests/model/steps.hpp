// SPDX-License-Identifier: BSL-1.0
// Races that are forced, not hoped for: a test runs its threads step by step on the checker's
// scheduler, and stops each exactly where it wants. The headers run unchanged; compile the test with
// PENSTOCK_SYNC_HEADER, as tests/model/CMakeLists.txt does for everything in tests/model/steps.
//
//   TEST_CASE("a claimed slot that is not written yet holds up the consumer") {
//       const auto run = model::drive([](model::steps& go) {
//           penstock::mpmc_ring<int> ring{2};
//           const int slow = go.thread("slow", [&] { MODEL_CHECK(ring.try_push(1)); });
//           const int fast = go.thread("fast", [&] { MODEL_CHECK(ring.try_push(2)); });
//           go.until(slow, "value.put(");        // has claimed its slot, is about to fill it
//           go.finish(fast);
//           MODEL_CHECK(!ring.try_pop());        // though one is in
//           go.finish(slow);
//           MODEL_CHECK(*ring.try_pop() == 1);
//       });
//       CHECK_MESSAGE(run.ok, run.text);
//   }
//
// Memory is sequentially consistent here: every load reads the newest store. What weaker orders allow
// is for a model program to find. In the body use MODEL_CHECK, not the test framework's macros: what
// they allocate would be the program's.
//
// Threads start when they are first stepped. What a thread did happens before the body's next line
// once it has ended; who is still under way at the end of the body goes on there, so what he uses must
// outlive it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "program.hpp"

namespace model {

enum class rest { ended, asleep, waits_for_mutex, spins, joins };

class steps {
public:
    /// A thread that stands before its first step.
    int thread(const char* name, std::function<void()> body);

    /// Runs it until it is about to do a step in whose source line `text` stands, for the `nth` time
    /// from here. A failure if it doesn't come there.
    void until(int thread, const char* text, std::size_t nth = 1);
    /// Does that many steps; a read-modify-write counts as one.
    void step(int thread, std::size_t n = 1);
    /// Runs it as far as it gets, alone.
    rest run(int thread);
    /// A failure if it doesn't come to its end.
    void finish(int thread);
    /// Lets all go on, in turns, until they have ended. A failure if they can't.
    void all();

    /// The source line of the step that it stands before.
    [[nodiscard]] std::string stands_at(int thread) const;

private:
    friend class stepper;
    rest command();
    int target_ = 0;
    const char* text_ = nullptr;
    std::size_t left_ = 0;  // times that `text` is to be met, or steps to do
    bool counts_steps_ = false;
    bool reached_ = false;
    bool active_ = false;
    bool joined_[max_threads] = {};
    void join_if_ended(int thread);
};

struct run_result {
    bool ok;
    std::string text;  // what failed, and the steps that led to it
};

run_result drive(const std::function<void(steps&)>& body, limits l = {});

/// One execution in which each step is a randomly chosen thread's, in sequentially consistent memory:
/// a history for a test that checks what it records.
run_result shuffle(const std::function<void()>& body, unsigned seed, limits l = {});

}  // namespace model
