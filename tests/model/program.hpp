// SPDX-License-Identifier: BSL-1.0
// A model program: a function that is run once for each execution. Its objects are its own: nothing
// may outlive it. It starts threads, joins them, and checks.
//
//   MODEL_PROGRAM("spsc_ring: what was pushed is popped", {}) {
//       penstock::spsc_ring<int> ring{1};
//       model::threads([&] { MODEL_CHECK(ring.try_push(7)); },
//                      [&] { if (auto x = ring.try_pop()) MODEL_CHECK(*x == 7); });
//   }
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/explorer.hpp"

namespace model {

enum class barriers { symmetric, asymmetric, both };  // what sys::asymmetric() answers

struct program_options {
    model::barriers barriers = model::barriers::symmetric;
    const char* red = nullptr;         // known to be bad: the failure must contain this
    std::set<std::string> outcomes{};  // exactly these, if any are given
    unsigned spurious_wakes = 0;
    std::size_t repeats = 6;
    std::size_t steps = 1000;
    unsigned departures = 0;  // a bound: at most so many choices other than the first; 0: all
    bool mutants = true;      // may serve to kill mutants
};

struct program {
    std::string name;
    std::string file;
    program_options options;
    void (*body)();
    findings (*check)() = nullptr;  // not a program: runs many of its own
};

std::vector<program>& programs();
limits limits_of(const program_options& options, bool asymmetric);
/// Tells apart the two runs of a program that tries both barriers.
std::string suffix_of(const program_options& options, bool asymmetric);

struct registration {
    registration(const char* name, const char* file, program_options options, void (*body)()) {
        programs().push_back({name, file, std::move(options), body});
    }
    registration(const char* name, const char* file, findings (*check)()) {
        programs().push_back({name, file, {.mutants = false}, nullptr, check});
    }
};

/// Runs each in a thread of its own, named A, B, C ..., and waits for all.
template <class... F>
void threads(F&&... f) {
    static constexpr const char* names[] = {"A", "B", "C", "D", "E", "F", "G"};
    static_assert(sizeof...(F) <= 7);
    std::size_t n = 0;
    const int ids[] = {spawn([&f] { f(); }, names[n++], {})...};
    for (int id : ids) join(id, {});
}

}  // namespace model

#define MODEL_JOIN_2(a, b) a##b
#define MODEL_JOIN(a, b) MODEL_JOIN_2(a, b)
#define MODEL_PROGRAM(name, ...)                                                                \
    static void MODEL_JOIN(program_at_, __LINE__)();                                            \
    static const model::registration MODEL_JOIN(registered_at_, __LINE__){                      \
        name, __FILE__, model::program_options __VA_ARGS__, MODEL_JOIN(program_at_, __LINE__)}; \
    static void MODEL_JOIN(program_at_, __LINE__)()

#define MODEL_CHECK(condition) \
    ((condition) ? void() : model::fail("not true: " #condition, {__FILE__, __LINE__}))
