// SPDX-License-Identifier: BSL-1.0
// The text that a place in the source names; empty if it is not to be found here.
#pragma once

#include <string>

#include "event.hpp"

namespace model {

const std::string& source_line(place p);

}  // namespace model
