// SPDX-License-Identifier: BSL-1.0
// What a late subscription is given of the messages that a topic has retained: places in its queue,
// taken while nobody publishes there, and filled afterwards, the newest first (detail/recorder.hpp).
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <penstock/bus/detail/all_or_none.hpp>
#include <penstock/bus/message.hpp>
#include <penstock/core/function.hpp>
#include <penstock/core/status.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class T>
class retained;
/// Whether that message is wanted.
template <class T>
using wish = unique_function<bool(const message<T>&)>;

/// For a lane whose places stand in the order in which they were taken.
template <class T, class Lane>
class replays {
    struct place {
        place(Lane& l, const message<T>& m) : in{l}, what{m}, holds{l.hold(at) == status::ok} {}
        place(const place&) = delete;
        ~place() {
            if (holds) in.let_go(at);
        }
        Lane& in;
        message<T> what;
        held at;
        bool holds;
    };

public:
    void keep_places(Lane& in, const retained<T>& from, std::size_t most) {
        const std::size_t first = all_.size();  // of this topic
        for (std::size_t i = from.size() - (most < from.size() ? most : from.size());
             i < from.size(); ++i) {
            auto next = std::make_unique<place>(in, from[i]);
            if (next->holds) {
                all_.push_back(std::move(next));
            } else {  // no room: all move up, and the oldest goes
                for (std::size_t at = all_.size(); at-- > first;)
                    std::swap(all_[at]->what, next->what);
            }
        }
    }
    status fill_place(const wish<T>& wanted) {
        if (all_.empty()) return status::empty;
        const std::unique_ptr<place> p = std::move(all_.back());
        all_.pop_back();
        if (!wanted(p->what)) return status::dropped;
        p->holds = false;
        return p->in.fill(p->at, std::move(p->what)) ? status::ok : status::dropped;
    }

private:
    std::vector<std::unique_ptr<place>> all_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
