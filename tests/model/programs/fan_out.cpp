// SPDX-License-Identifier: BSL-1.0
// A queue that is fanned out: the turn of its task, and members that come. The queue is a count here.
#include <memory>

#include <penstock/bus/detail/crowd.hpp>
#include <penstock/bus/detail/lone_side.hpp>
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

/// A cursor that the first user moves by plain stores, and the others by exchanges.
struct cursor {
    detail::lone_side side;
    sys::atomic<int> end{0};

    int claim(const void* me) {
        if (!side.enter(me)) {
            side.end();
            return end.fetch_add(1, std::memory_order_relaxed);
        }
        const int mine = end.load(std::memory_order_relaxed);
        end.store(mine + 1, std::memory_order_relaxed);
        side.leave();
        return mine;
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

MODEL_PROGRAM("fan_out: of two who claim, no one takes what the other has",
              {.barriers = model::barriers::both}) {
    cursor c;
    int a1 = -1, a2 = -1, b = -1;
    model::threads([&] { a1 = c.claim(&a1), a2 = c.claim(&a1); }, [&] { b = c.claim(&b); });
    MODEL_CHECK(a1 < a2 && a1 != b && a2 != b);
    MODEL_CHECK(c.end.load(std::memory_order_relaxed) == 3);
}

MODEL_PROGRAM("fan_out: nor of three, where the first is still inside when two others come",
              {.barriers = model::barriers::both}) {
    cursor c;
    int first = c.claim(&first), a = -1, b = -1, d = -1;
    model::threads(
        [&] { a = c.claim(&first); }, [&] { b = c.claim(&b); }, [&] { d = c.claim(&d); });
    MODEL_CHECK(a != b && a != d && b != d);
    MODEL_CHECK(c.end.load(std::memory_order_relaxed) == 4);
}

MODEL_PROGRAM("fan_out: a side that was ended stays so, and what was done alone is seen",
              {.barriers = model::barriers::both}) {
    cursor c;
    model::threads([&] { (void)c.claim(&c); },
                   [&] {
                       c.side.end();
                       const int then = c.end.load(std::memory_order_relaxed);
                       (void)c.end.fetch_or(16, std::memory_order_relaxed);  // as a close does
                       MODEL_CHECK(then == 0 || then == 1);
                   });
    MODEL_CHECK(c.end.load(std::memory_order_relaxed) == 17);
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
