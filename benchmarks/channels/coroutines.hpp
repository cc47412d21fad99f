// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace bench {

class suite;
void add_coroutines(suite&);

}  // namespace bench
