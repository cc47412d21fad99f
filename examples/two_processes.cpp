// SPDX-License-Identifier: BSL-1.0
// Two processes: one writes a journal, the other reads along and changes nothing.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include <penstock/durable/durable_queue.hpp>
#include <penstock/durable/tail.hpp>

using namespace penstock;

int main() {
    const std::string path = std::filesystem::temp_directory_path() / "penstock-two-processes";
    std::filesystem::remove_all(path);
    {
        journal made{path, {.segment_bytes = 64 * 1024}};
        durable_queue<std::uint64_t> declared{made, "ticks"};
    }
    constexpr std::uint64_t count = 10'000;
    const pid_t writer = ::fork();
    if (writer == 0) {
        {
            journal j{path, {.sync = sync::process_crash}};
            durable_queue<std::uint64_t> ticks{j, "ticks"};
            for (std::uint64_t i = 0; i < count; ++i)
                if (!ticks.send(i)) ::_exit(1);
        }
        ::_exit(0);
    }
    journal_tail<std::uint64_t> ticks{path, "ticks"};
    std::uint64_t sum = 0;
    for (std::uint64_t seen = 0; seen < count;) {
        if (auto t = ticks.try_receive()) {
            sum += t->value;
            ++seen;
        } else if (t.status() == status::empty) {
            std::this_thread::yield();  // a tail is not woken: look again when you like
        } else {
            return 1;
        }
    }
    int how = 0;
    ::waitpid(writer, &how, 0);
    std::printf("read along with process %d: %llu ticks, sum %llu\n", static_cast<int>(writer),
                static_cast<unsigned long long>(count), static_cast<unsigned long long>(sum));
    std::filesystem::remove_all(path);
    return how == 0 && sum == count * (count - 1) / 2 ? 0 : 1;
}
