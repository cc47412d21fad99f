// SPDX-License-Identifier: BSL-1.0
// A queue that is fanned out: the turn of its task, and members that come. The queue is a count here.
#include <memory>

#include <penstock/bus/detail/crowd.hpp>
#include <penstock/bus/detail/turn.hpp>

#include "../program.hpp"

namespace detail = penstock::detail;
namespace sys = penstock::sys;

namespace {

struct emptied {
    detail::turn turn{detail::handshake{}};
    sys::atomic<int> in{0};
    int taken = 0;  // by the task

    bool put() {
        in.fetch_add(1, std::memory_order_relaxed);
        return turn.wanted();
    }
    bool take() {
        const int now = in.load(std::memory_order_relaxed);
        sys::read(&taken);
        if (now == taken) return false;
        sys::wrote(&taken);
        taken = now;
        return true;
    }
    void run() {
        do {
            while (take()) {
            }
        } while (turn.goes_on([this] { return take(); }));
    }
};

struct member final : detail::listener_base {
    member() : listener_base{detail::type_of<int>, penstock::pattern{"a"}, {}} {}
    void end_intake() override {}
    void finish() override {}
    int value = 0;
};

}  // namespace

MODEL_PROGRAM("fan_out: tasks come one after the other, and nothing stays in",
              {.barriers = model::barriers::both}) {
    emptied q;
    const auto publish = [&] {
        if (q.put()) q.run();
    };
    model::threads(publish, publish);
    MODEL_CHECK(q.taken == 2);
}

MODEL_PROGRAM("fan_out: who finds the task over sees what it did",
              {.barriers = model::barriers::both}) {
    emptied q;
    sys::atomic<bool> posted{false};
    model::threads(
        [&] {
            if (q.put()) posted.store(true, std::memory_order_release);
            if (!q.turn.over()) return;
            sys::read(&q.taken);
            MODEL_CHECK(q.taken == 1);
        },
        [&] {
            if (posted.load(std::memory_order_acquire)) q.run();
        });
}

MODEL_PROGRAM("fan_out: a task that could not be posted leaves its message to the next",
              {.barriers = model::barriers::both}) {
    emptied q;
    sys::atomic<bool> gave_up{false};
    bool both = false, saw = false;
    model::threads(
        [&] {
            if (!q.put()) return;
            gave_up.store(true, std::memory_order_relaxed);
            q.turn.gave_up();
        },
        [&] {
            if (!q.put()) return;
            both = gave_up.load(std::memory_order_relaxed);
            saw = q.in.load(std::memory_order_relaxed) == 2;
        });
    MODEL_CHECK(!both || saw);
}

MODEL_PROGRAM("fan_out: a member is made before it is called", {}) {
    detail::crowd all;
    model::threads(
        [&] {
            auto m = std::make_unique<member>();
            sys::wrote(&m->value);
            m->value = 1;
            all.add(std::move(m));
        },
        [&] {
            const auto now = all.now();
            all.each(now.who(), [&](detail::listener_base& m) {
                auto& it = static_cast<member&>(m);
                sys::read(&it.value);
                MODEL_CHECK(it.value == 1 && now.count() == 1);
            });
        });
}
