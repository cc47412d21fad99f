// SPDX-License-Identifier: BSL-1.0
// The machine under a benchmark: its CPUs, its clock, threads pinned to its cores, and its name.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <sched.h>
#include <sys/utsname.h>
#include <time.h>

#include <penstock/core/sync.hpp>

namespace bench {

inline double now_ns() {
    using namespace std::chrono;
    return duration<double, std::nano>(steady_clock::now().time_since_epoch()).count();
}

/// CPUs this process may use.
inline const std::vector<int>& cpus() {
    static const std::vector<int> list = [] {
        std::vector<int> found;
        cpu_set_t set;
        CPU_ZERO(&set);
        sched_getaffinity(0, sizeof set, &set);
        for (int i = 0; i < CPU_SETSIZE; ++i)
            if (CPU_ISSET(i, &set)) found.push_back(i);
        if (found.empty()) found.push_back(0);
        return found;
    }();
    return list;
}

/// Pins the calling thread to the n-th usable CPU, counted around.
inline void pin(std::size_t n) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpus()[n % cpus().size()], &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

/// What a thread does while a queue says full or empty: the same for every subject. With a core for
/// each thread it pauses; with fewer it soon gives the core to whom it waits for.
class patience {
public:
    explicit patience(std::size_t threads) : limit_{threads > cpus().size() ? 8 : 100'000} {}
    void operator()() {
        if (++waited_ < limit_) {
            penstock::sys::pause();
        } else {
            waited_ = 0;
            std::this_thread::yield();
        }
    }
    void reset() { waited_ = 0; }

private:
    int limit_, waited_ = 0;
};

/// ns this thread has waited for a core while it could have run; 0 where /proc doesn't say.
inline double waited_for_core_ns() {
    std::ifstream stat{"/proc/thread-self/schedstat"};
    double ran = 0, waited = 0;
    stat >> ran >> waited;
    return waited;
}

/// The share of the last timed() in which its most unlucky thread waited for a core: other programs
/// were running. Says nothing, 0, where there were more threads than cores.
inline double& stolen_share() {
    static double share = 0;
    return share;
}

/// Runs body(i) for i < n in threads pinned to `cpu_of(i)`, from a common start. Returns ns from
/// the first start to the last end; creating threads doesn't count.
template <class Body, class CpuOf>
double timed(std::size_t n, Body&& body, CpuOf&& cpu_of) {
    std::atomic<std::size_t> ready{0};
    std::atomic<bool> go{false};
    std::vector<double> start(n), end(n), stolen(n);
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < n; ++i)
            threads.emplace_back([&, i] {
                pin(cpu_of(i));
                const double waited = waited_for_core_ns();
                ++ready;
                patience wait{n + 1};
                while (!go.load(std::memory_order_acquire)) wait();  // pairs with go's store
                start[i] = now_ns();
                body(i);
                end[i] = now_ns();
                stolen[i] = waited_for_core_ns() - waited;
            });
        while (ready < n) std::this_thread::yield();
        go.store(true, std::memory_order_release);  // pairs with the load above
    }
    double first = start[0], last = end[0];
    for (std::size_t i = 1; i < n; ++i) {
        first = std::min(first, start[i]);
        last = std::max(last, end[i]);
    }
    stolen_share() =
        n > cpus().size() ? 0 : *std::max_element(stolen.begin(), stolen.end()) / (last - first);
    return last - first;
}

/// CPU time used, in ns: CLOCK_THREAD_CPUTIME_ID is the calling thread's.
inline double cpu_ns(clockid_t whose) {
    timespec t{};
    clock_gettime(whose, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

inline std::string cpu_model() {
    std::ifstream info{"/proc/cpuinfo"};
    for (std::string line; std::getline(info, line);)
        if (line.rfind("model name", 0) == 0 || line.rfind("Model", 0) == 0)
            return line.substr(line.find(':') + 2);
    return "unknown CPU";
}

/// "AMD EPYC, 2 CPUs, Linux 6.18.5; g++ 12.2.0 -O3 -DNDEBUG; commit 1a2b3c4"
inline std::string describe() {
    utsname os{};
    uname(&os);
    const char* commit = std::getenv("PENSTOCK_COMMIT");
    std::string text =
        cpu_model() + ", " + std::to_string(cpus().size()) + " CPU" +
        (cpus().size() == 1 ? "" : "s") + ", " + os.sysname + " " + os.release + "; ";
#if defined(__clang__)
    text += "clang++ " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__);
#else
    text += "g++ " __VERSION__;
#endif
#if defined(PENSTOCK_FLAGS)
    text += " " PENSTOCK_FLAGS;
#elif defined(__OPTIMIZE__)
    text += " optimized";
#else
    text += " NOT optimized";
#endif
    return text + "; commit " + (commit ? commit : "unknown");
}

}  // namespace bench
