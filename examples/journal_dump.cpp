// SPDX-License-Identifier: BSL-1.0
// What is in a journal, record by record; a torn tail and damage are shown and said.
//
//   journal_dump DIRECTORY     without one: a small journal of its own, torn on purpose
// Prints: 1:0000d8  message  stream 1, 6 bytes.torn tail: 112 bytes at 000100 were never promised
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <penstock/durable/durable_queue.hpp>
#include <penstock/durable/verify.hpp>

using namespace penstock;

namespace {

void make_torn(const std::string& path) {
    {
        journal j{path, {.segment_bytes = 16 * 1024}};
        durable_queue<std::string> notes{j, "notes"};
        (void)notes.send("first");
        (void)notes.send("second");
        (void)notes.send_all(std::vector<std::string>{"third", "fourth"});
    }
    std::fstream f{path + "/" + format::file_name(1), std::ios::in | std::ios::out};
    f.seekp(0x150);  // in the fourth, and so the whole batch
    f << "torn";
}

void dump(const std::string& path) {
    static const char* const names[]{"space",   "message", "accept",  "stream", "group", "snapshot",
                                     "opening", "seal",    "several", "seek",   "topic", "lost"};
    os::directory in{{}, path};
    const journal_report report = verify(path);
    for (std::uint64_t n = 1, left = report.segments; left > 0; ++n) {
        auto s = std::make_shared<segment>();
        if (s->open_copy(in, n, {.number = 0})) continue;
        --left;
        (void)s->refresh(0, s->header().segment_bytes);
        scanner walk{s};
        for (format::record r;; walk.step(r)) {
            if (walk.look(r) != format::found::record && !walk.skip_damage()) break;
            (void)walk.look(r);
            const auto type = static_cast<unsigned>(r.header.type);
            std::printf("%llu:%06llx  %-8s stream %u, %u bytes\n",
                        static_cast<unsigned long long>(n), static_cast<unsigned long long>(r.at),
                        type < 11 ? names[type] : "?", r.header.stream, r.header.bytes);
        }
    }
    if (report.torn_bytes > 0)
        std::printf("torn tail: %llu bytes at %06llx were never promised to anybody\n",
                    static_cast<unsigned long long>(report.torn_bytes),
                    static_cast<unsigned long long>(report.torn_at.byte));
    for (const auto& d : report.damage)
        std::printf(
            "damage: %s at %llu:%06llx, %llu bytes\n", d.what.c_str(),
            static_cast<unsigned long long>(d.at.segment),
            static_cast<unsigned long long>(d.at.byte), static_cast<unsigned long long>(d.bytes));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1) return dump(argv[1]), 0;
    const std::string path = std::filesystem::temp_directory_path() / "penstock-journal-dump";
    std::filesystem::remove_all(path);
    make_torn(path);
    dump(path);
    std::filesystem::remove_all(path);
}
