// SPDX-License-Identifier: BSL-1.0
// RC11's axiom SC: psc is acyclic.
//
//   scb  = sb | sb!=loc;hb;sb!=loc | hb|loc | mo | rb
//   psc_base = ([SC] | [F];hb?) ; scb ; ([SC] | hb?;[F])
//   psc_F    = [F] ; (hb | hb;eco;hb) ; [F]          SC: accesses, F: fences that are seq_cst
//
// process_barrier adds, for every other thread that has compiler barriers, one fence whose place in
// that thread nobody wrote: the graph is consistent if there is a place for each. A compiler keeps
// accesses apart only by a compiler barrier, so such a fence falls between two of those and orders
// what lies before the first with what lies after the second; what lies between may be on either
// side. It orders, but it doesn't synchronize: no happens-before comes of it.
#pragma once

#include "graph.hpp"

namespace model {

bool sc_consistent(const graph& g);

}  // namespace model
