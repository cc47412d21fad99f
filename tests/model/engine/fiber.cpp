// SPDX-License-Identifier: BSL-1.0
#include "fiber.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <cxxabi.h>
#include <sys/mman.h>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace model {
namespace {

void* new_stack(std::size_t bytes) {
    constexpr std::size_t guard = 64 * 1024;
    void* p = mmap(nullptr, bytes + guard, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED || mprotect(p, guard, PROT_NONE) != 0) std::abort();
    return static_cast<char*>(p) + guard;
}

template <class Handling>
void swap_handling(Handling& h) {
    // Two words at the start of __cxa_eh_globals, by the Itanium C++ ABI.
    auto* now = reinterpret_cast<Handling*>(abi::__cxa_get_globals());
    std::swap(*now, h);
}

}  // namespace

#if defined(__x86_64__)

// void penstock_model_switch(void** save, void* load): what the calling convention lets a callee keep.
asm(R"(
.text
.p2align 4
.type penstock_model_switch, @function
penstock_model_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size penstock_model_switch, . - penstock_model_switch
.type penstock_model_begin, @function
penstock_model_begin:
    movq %r12, %rdi
    callq *%rbx
    ud2
.size penstock_model_begin, . - penstock_model_begin
)");
extern "C" void penstock_model_switch(void** save, void* load) asm("penstock_model_switch");
extern "C" void penstock_model_begin() asm("penstock_model_begin");

void fiber::prepare(void (*body)(void*), void* argument) {
    if (!stack_) stack_ = new_stack(stack_bytes);
    auto* top = reinterpret_cast<void**>(static_cast<char*>(stack_) + stack_bytes);
    *--top = nullptr;  // where a backtrace ends
    *--top = nullptr;  // the stack is aligned where begin calls
    *--top = reinterpret_cast<void*>(&penstock_model_begin);
    *--top = nullptr;                              // rbp
    *--top = reinterpret_cast<void*>(body);        // rbx
    *--top = argument;                             // r12
    for (int i = 0; i < 3; ++i) *--top = nullptr;  // r13, r14, r15
    inside_ = top;
    handling_ = {};
}
void fiber::enter() {
    swap_handling(handling_);
    penstock_model_switch(&outside_, inside_);
    swap_handling(handling_);
}
void fiber::leave() { penstock_model_switch(&inside_, outside_); }

#else  // slower by two system calls a switch

void fiber::prepare(void (*body)(void*), void* argument) {
    if (!stack_) stack_ = new_stack(stack_bytes);
    static_assert(sizeof(void*) == 2 * sizeof(unsigned));
    if (!inside_) inside_ = std::calloc(1, sizeof(ucontext_t));
    if (!outside_) outside_ = std::calloc(1, sizeof(ucontext_t));
    auto* c = static_cast<ucontext_t*>(inside_);
    getcontext(c);
    c->uc_stack.ss_sp = stack_;
    c->uc_stack.ss_size = stack_bytes;
    const auto f = reinterpret_cast<std::uintptr_t>(body),
               a = reinterpret_cast<std::uintptr_t>(argument);
    void (*go)(unsigned, unsigned, unsigned,
               unsigned) = [](unsigned f1, unsigned f0, unsigned a1, unsigned a0) {
        const auto join = [](unsigned high, unsigned low) {
            return (std::uintptr_t{high} << 32) | low;
        };
        reinterpret_cast<void (*)(void*)>(join(f1, f0))(reinterpret_cast<void*>(join(a1, a0)));
    };
    makecontext(c, reinterpret_cast<void (*)()>(go), 4, static_cast<unsigned>(f >> 32),
                static_cast<unsigned>(f), static_cast<unsigned>(a >> 32), static_cast<unsigned>(a));
    handling_ = {};
}
void fiber::enter() {
    swap_handling(handling_);
    swapcontext(static_cast<ucontext_t*>(outside_), static_cast<ucontext_t*>(inside_));
    swap_handling(handling_);
}
void fiber::leave() {
    swapcontext(static_cast<ucontext_t*>(inside_), static_cast<ucontext_t*>(outside_));
}

#endif

}  // namespace model
