// SPDX-License-Identifier: BSL-1.0
#include <vector>

#include <doctest/doctest.h>

#include <penstock/bus/detail/type_name.hpp>

using penstock::detail::type_name;
using penstock::detail::type_of;

namespace seismic {
struct quake {};
template <int N>
struct of {};
}  // namespace seismic

static_assert(type_name<int>() == "int");
static_assert(type_name<seismic::quake>() == "seismic::quake");
static_assert(type_name<seismic::of<7>>() == "seismic::of<7>");

TEST_CASE("types are told apart by address, and named as the compiler names them") {
    CHECK(&type_of<int> == &type_of<int>);
    CHECK(&type_of<int> != &type_of<unsigned>);
    CHECK(type_of<std::vector<double>>.name.find("vector<double") != std::string_view::npos);
}
