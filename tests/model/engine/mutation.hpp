// SPDX-License-Identifier: BSL-1.0
// Which memory orders a program used, and the one that is being weakened.
#pragma once

#include <optional>
#include <vector>

#include "engine.hpp"

namespace model {

struct mutation {
    std::string file;  // ends like this
    int line = 0;
    int argument = 0;
    std::memory_order weaker{};
};

void mutate(std::optional<mutation> m);
/// From now on, or no longer, remember every site whose order is asked for.
void record_sites(bool on);
std::vector<order_site> recorded_sites();

const char* name(std::memory_order o);

}  // namespace model
