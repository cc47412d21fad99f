// SPDX-License-Identifier: BSL-1.0
// A pipeline whose slowest stage sets the pace: memory stays bounded and nothing is thrown away.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include <penstock/penstock.hpp>

using namespace std::chrono_literals;
using penstock::make_channel, penstock::spsc_ring;

int main() {
    constexpr int lines = 500;
    constexpr std::size_t room = 8;
    auto [lines_out, lines_in] = make_channel<std::string, spsc_ring<std::string>>(room);
    auto [sizes_out, sizes_in] = make_channel<std::size_t, spsc_ring<std::size_t>>(room);

    const auto begin = std::chrono::steady_clock::now();
    const auto ms = [=] {
        return static_cast<int>((std::chrono::steady_clock::now() - begin) / 1ms);
    };

    // A stage owns the ends it uses: when it returns, its sender goes, and the next one drains.
    int read_until = 0;
    std::jthread read{[&read_until, ms, out = std::move(lines_out)] {
        for (int i = 0; i < lines; ++i)
            if (!out.send("line " + std::to_string(i))) return;  // waits for room
        read_until = ms();
    }};
    std::jthread measure{[in = std::move(lines_in), out = std::move(sizes_out)] {
        while (auto line = in.receive())
            if (!out.send(line->size())) return;
    }};

    int stored = 0;
    std::size_t bytes = 0, most = 0;
    for (const std::size_t size : sizes_in) {
        most = std::max(most, sizes_in.size_approx());
        std::this_thread::sleep_for(1ms);  // the slow stage: a disk, say
        bytes += size;
        ++stored;
    }
    const int stored_until = ms();
    read.join();

    std::printf(
        "%d lines, %zu bytes, stored until %d ms; the reader, held back, read until %d ms\n",
        stored, bytes, stored_until, read_until);
    std::printf("at most %zu of %zu places before the slow stage were taken\n", most, room);
    // When the last line found room, only two queues of 8 and two hands could be full behind it.
    const bool held_back = read_until >= lines - static_cast<int>(2 * room + 2);
    return stored == lines && most <= room && held_back ? 0 : 1;
}
