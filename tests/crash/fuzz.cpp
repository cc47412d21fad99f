// SPDX-License-Identifier: BSL-1.0
// The libFuzzer target: clang++ -fsanitize=fuzzer,address. tests/run crash runs it for half a minute; what
// it found once is kept in corpus/, which damage.cpp reads.
#include "crash/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    crash::open_edited({data, size});
    return 0;
}
