// SPDX-License-Identifier: BSL-1.0
// Replay: a group goes back to a time, and what was sent since then comes again.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>

#include <penstock/durable/durable_queue.hpp>

using namespace penstock;

int main() {
    const std::string path = std::filesystem::temp_directory_path() / "penstock-replay";
    std::filesystem::remove_all(path);
    durable_queue<std::string> events{
        path, {.sync = sync::process_crash, .segment_bytes = 1 << 20}};
    auto dashboard = events.group("dashboard");
    const auto send_and_show = [&](const char* what) {
        if (!events.send(what)) std::abort();
        auto d = dashboard.receive();
        std::printf("  %s\n", d->c_str());
        return d.info().time + (d.accept() ? std::chrono::nanoseconds{0} : std::chrono::hours{1});
    };
    std::printf("as they happened:\n");
    (void)send_and_show("opened");
    const auto before = send_and_show("deployed a bad version");
    // Times are those of the kernel's tick: the next message is of a later one.
    while (std::chrono::system_clock::now() <= before + std::chrono::milliseconds{20})
        std::this_thread::yield();
    (void)send_and_show("42 orders");
    (void)send_and_show("17 orders");

    std::printf("what came after the bad version, again:\n");
    if (!dashboard.seek(before + std::chrono::nanoseconds{1})) return 1;
    int again = 0;
    for (; auto d = dashboard.try_receive(); ++again) {
        std::printf("  %s\n", d->c_str());
        if (!d.accept()) return 1;
    }
    std::filesystem::remove_all(path);
    return again == 2 ? 0 : 1;
}
