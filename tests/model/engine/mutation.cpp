// SPDX-License-Identifier: BSL-1.0
#include "mutation.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "memory.hpp"

namespace model {
namespace {
std::optional<mutation> active;
bool recording = false;
std::vector<order_site> sites;
}  // namespace

void mutate(std::optional<mutation> m) { active = std::move(m); }
void record_sites(bool on) {
    recording = on;
    if (on) sites.clear();
}
std::vector<order_site> recorded_sites() { return sites; }

std::memory_order as_mutated(place where, int argument, std::memory_order written,
                             char operation) noexcept {
    if (recording) {
        const auto same = [&](const order_site& s) {
            return s.where.line == where.line && s.argument == argument &&
                   s.operation == operation && std::strcmp(s.where.file, where.file) == 0;
        };
        if (std::none_of(sites.begin(), sites.end(), same)) {
            const int thread = std::exchange(allocating_thread, -1);
            sites.push_back({where, argument, written, operation});
            allocating_thread = thread;
        }
    }
    if (active && active->line == where.line && active->argument == argument &&
        std::string_view{where.file}.ends_with(active->file))
        return active->weaker;
    return written;
}

const char* name(std::memory_order o) {
    switch (o) {
        case std::memory_order_relaxed: return "relaxed";
        case std::memory_order_consume: return "consume";
        case std::memory_order_acquire: return "acquire";
        case std::memory_order_release: return "release";
        case std::memory_order_acq_rel: return "acq_rel";
        case std::memory_order_seq_cst: return "seq_cst";
    }
    return "?";
}

}  // namespace model
