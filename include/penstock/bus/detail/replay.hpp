// SPDX-License-Identifier: BSL-1.0
// What a late subscription is given of the messages that a topic has retained: places in its lane,
// taken while nobody publishes there, and filled afterwards (detail/recorder.hpp).
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <penstock/bus/detail/lane.hpp>
#include <penstock/bus/detail/recorder.hpp>
#include <penstock/bus/message.hpp>
#include <penstock/core/status.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
struct replayed {
    replayed(lane<T>& l, const message<T>& m) : in{l}, what{m}, holds{l.hold(at) == status::ok} {}
    replayed(const replayed&) = delete;
    ~replayed() {
        if (holds) in.let_go(at);
    }
    lane<T>& in;
    message<T> what;
    held at;
    bool holds;
};
template <class T>
using replays = std::vector<std::unique_ptr<replayed<T>>>;

/// As far as there is room, the newest `most` of them, in their order.
template <class T>
void hold_newest(lane<T>& in, const retained<T>& from, std::size_t most, replays<T>& to) {
    const std::size_t first = to.size();  // of this topic
    for (std::size_t i = from.size() - (most < from.size() ? most : from.size()); i < from.size();
         ++i) {
        auto next = std::make_unique<replayed<T>>(in, from[i]);
        if (next->holds) {
            to.push_back(std::move(next));
        } else {  // no room: all move up, and the oldest goes
            for (std::size_t at = to.size(); at-- > first;) std::swap(to[at]->what, next->what);
        }
    }
}

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
