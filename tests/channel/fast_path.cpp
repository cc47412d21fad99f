// SPDX-License-Identifier: BSL-1.0
// What a send and a receive cost beside the storage's own push and pop when nobody sleeps: no locked
// instruction, no fence, no system call. A child is run step by step, and every instruction that it
// executes is looked at; what the compiler put elsewhere, for those who do wait, doesn't count.
#include <doctest/doctest.h>

#include <penstock/channel/channel.hpp>
#include <penstock/queue/mpmc_ring.hpp>
#include <penstock/queue/spsc_ring.hpp>

#include "support/sanitized.hpp"

#if defined(__x86_64__) && defined(__OPTIMIZE__) && !TESTS_SANITIZED

#include <cerrno>
#include <csignal>

#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

struct executed {
    int instructions = 0, locked = 0, fences = 0, system_calls = 0;
    bool watched = false;
};

/// By the opcode, behind prefixes. xchg with memory locks by itself.
void look_at(const unsigned char* at, executed& so_far) {
    bool locked = false;
    for (;; ++at) {
        if (*at == 0xf0) {
            locked = true;
        } else if (*at != 0x66 && *at != 0xf2 && *at != 0xf3 && *at != 0x2e && *at != 0x3e &&
                   *at != 0x64 && *at != 0x65) {
            break;
        }
    }
    if ((*at & 0xf0) == 0x40) ++at;
    ++so_far.instructions;
    const bool in_memory = at[1] < 0xc0;
    if (locked || ((at[0] == 0x86 || at[0] == 0x87) && in_memory)) ++so_far.locked;
    if (at[0] == 0x0f && at[1] == 0xae && at[2] >= 0xe8) ++so_far.fences;
    if (at[0] == 0x0f && at[1] == 0x05) ++so_far.system_calls;
}

template <class F>
[[gnu::noinline]] void call(F& f) {
    f();
}

/// All that f does, from the first to the second stop of a child that only calls it.
template <class F>
executed run(F f) {
    executed counts;
    const pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(1);
        call(f);  // what is done once is done
        raise(SIGSTOP);
        call(f);
        raise(SIGSTOP);
        _exit(0);
    }
    int state = 0;
    const auto stopped_by = [&](int signal) {
        return waitpid(child, &state, 0) == child && WIFSTOPPED(state) && WSTOPSIG(state) == signal;
    };
    if (stopped_by(SIGSTOP)) {
        while (ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) == 0 && stopped_by(SIGTRAP)) {
            user_regs_struct registers{};
            if (ptrace(PTRACE_GETREGS, child, nullptr, &registers) != 0) break;
            long words[2] = {};
            for (unsigned i = 0; i < 2; ++i) {
                errno = 0;
                words[i] = ptrace(PTRACE_PEEKTEXT, child,
                                  reinterpret_cast<void*>(registers.rip + 8 * i), nullptr);
            }
            look_at(reinterpret_cast<const unsigned char*>(words), counts);
            counts.watched = true;
        }
    }
    kill(child, SIGKILL);
    while (waitpid(child, &state, 0) == child && !WIFSIGNALED(state) && !WIFEXITED(state)) {
    }
    return counts;
}

/// Without what the two stops themselves take.
template <class F>
executed cost(F f) {
    const executed all = run(f), nothing = run([] {});
    return {all.instructions - nothing.instructions, all.locked - nothing.locked,
            all.fences - nothing.fences, all.system_calls - nothing.system_calls,
            all.watched && nothing.watched};
}

}  // namespace

TEST_CASE_TEMPLATE("beside its storage's, a send and a receive lock nothing and call nobody", Ring,
                   penstock::mpmc_ring<int>, penstock::spsc_ring<int>) {
    if (!penstock::sys::asymmetric()) return;  // then each pays a read-modify-write, as it says
    Ring ring{64};
    penstock::channel<int, Ring> c{64};
    for (int i = 0; i < 8; ++i) {
        CHECK(ring.try_push(int{i}));
        CHECK(c.send(int{i}));
    }
    long sum = 0;
    const executed push = cost([&] { sum += ring.try_push(1); });
    const executed send = cost([&] { sum += c.send(1) ? 1 : 0; });
    const executed pop = cost([&] { sum += *ring.try_pop(); });
    const executed receive = cost([&] { sum += *c.receive(); });
    if (!push.watched || !send.watched || !pop.watched || !receive.watched) {
        MESSAGE("a child can't be traced here");
        return;
    }
    MESSAGE("instructions: push ", push.instructions, ", send ", send.instructions, ", pop ",
            pop.instructions, ", receive ", receive.instructions);
    CHECK(send.instructions > push.instructions);
    CHECK(send.locked == push.locked);
    CHECK(send.fences == 0);
    CHECK(send.system_calls == 0);
    CHECK(receive.instructions > pop.instructions);
    CHECK(receive.locked == pop.locked);
    CHECK(receive.fences == 0);
    CHECK(receive.system_calls == 0);
    CHECK(push.locked == (Ring::single_producer ? 0 : 1));
    // For each waiter a load, a test and a branch, and what passes the value on; not a wait's start.
    CHECK(send.instructions - push.instructions <= 100);
    CHECK(receive.instructions - pop.instructions <= 100);
}

#endif
