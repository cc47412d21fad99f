// SPDX-License-Identifier: BSL-1.0
// Chat rooms: a topic a room; people join and leave while others talk, one of them slowly; a
// moderator reads all rooms. Who is slow loses the oldest lines, and holds up nobody.
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <penstock/penstock.hpp>

struct line {
    std::string from, text;
};

int main() {
    constexpr int lines = 1000;
    penstock::thread_pool pool{2};  // declared first, so that it goes last
    penstock::bus chat;

    std::atomic<int> moderated{0}, heard{0}, lost{0};
    auto moderator = chat.subscribe<line>(
        "room.#", {.executor = pool},
        [&](const penstock::message<line>& m) { moderated += m.topic().starts_with("room."); });
    auto slow = chat.subscribe<line>(
        "room.music",
        {.executor = pool,
         .capacity = 8,
         .overflow = penstock::overflow::drop_oldest,
         .on_drop = [&](const line&) { ++lost; }},
        [&](const line&) {
            ++heard;
            std::this_thread::yield();
        });
    {
        std::vector<std::jthread> people;
        for (const char* room : {"room.music", "room.games"})
            people.emplace_back([&chat, room] {
                auto here = chat.topic<line>(room);
                for (int i = 0; i < lines; ++i)
                    here.publish(line{"ann", "line " + std::to_string(i)});
            });
        people.emplace_back([&chat] {
            for (int i = 0; i < 100; ++i) {  // looks in, hears what is said meanwhile, leaves
                int seen = 0;
                auto visit = chat.subscribe<line>("room.games", [&seen](const line&) { ++seen; });
            }
        });
    }
    chat.close();  // what is queued is still read

    std::printf("%d lines said, %d moderated; the slow reader got %d of %d and knows of %d lost\n",
                2 * lines, moderated.load(), heard.load(), lines, lost.load());
    return moderated == 2 * lines && heard + lost == lines ? 0 : 1;
}
