// SPDX-License-Identifier: BSL-1.0
// Running one execution: the fibers, answering their steps from the graph, and how it ends.
#include "explorer.hpp"

#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

#include "memory.hpp"

namespace model {

explorer* running_explorer = nullptr;

namespace {

std::string text(place p) {
    std::string file = p.file;
    for (const char* root : {"include/", "tests/"})
        if (const auto at = file.rfind(root); at != std::string::npos) file = file.substr(at);
    return file + ":" + std::to_string(p.line);
}

// Engine code that runs on a fiber allocates from the ordinary heap.
class outside_of_program {
public:
    outside_of_program() : thread_{std::exchange(allocating_thread, -1)} {}
    outside_of_program(const outside_of_program&) = delete;
    ~outside_of_program() { allocating_thread = thread_; }

private:
    int thread_;
};

bool has_effect(kind k) {
    switch (k) {
        case kind::load:
        case kind::rmw_read:  // the write comes next, if it comes
        case kind::plain_read:
        case kind::fence:
        case kind::compiler_barrier:
        case kind::begin: return false;
        default: return true;
    }
}

}  // namespace

explorer::explorer(limits l, std::function<void()> body) : limits_{l}, body_{std::move(body)} {}
explorer::~explorer() = default;

findings explorer::all() {
    using clock = std::chrono::steady_clock;
    const auto start = clock::now();
    const auto passed = [&] { return std::chrono::duration<double>(clock::now() - start).count(); };
    todo_.emplace_back();
    while (!todo_.empty() && !found_.failure) {
        graph next = std::move(todo_.back());
        todo_.pop_back();
        run(std::move(next));
        const auto runs = found_.executions + found_.blocked;
        if ((limits_.executions != 0 && runs >= limits_.executions) ||
            (limits_.seconds > 0 && runs % 256 == 0 && passed() > limits_.seconds)) {
            found_.exhaustive = found_.exhaustive && todo_.empty();
            break;
        }
    }
    found_.seconds = passed();
    return std::move(found_);
}

findings explorer::one(director& d) {
    director_ = &d;
    found_.exhaustive = false;
    run(graph{});
    director_ = nullptr;
    return std::move(found_);
}

void explorer::reset() {
    static std::uint64_t executions = 0;
    execution_ = ++executions;
    forget_memory();
    for (actor& a : actors_) {
        a.is = state::absent;
        a.body = nullptr;
        a.position = 0;
        a.spawned = 0;
        a.calm_since = 0;
        a.effect = false;
        a.time = 0;
        a.spurious = 0;
    }
    done_.clear();
    where_.clear();
    outcome_.clear();
    growing_ = false;
    verdict_ = verdict::open;
    for (std::size_t l = 0; l < g_.locations.size();
         ++l)  // those without a birth are known at once
        if (g_.locations[l].used && g_.locations[l].birth == nobody)
            where_[g_.locations[l].at] = static_cast<std::uint16_t>(l);
}

void explorer::run(graph start) {
    g_ = std::move(start);
    reset();
    running_explorer = this;
    actor& first = actors_[0];
    first.is = state::parked;
    first.name = "main";
    first.body = &body_;
    first.pending = {};
    first.pending.what = kind::begin;
    first.stack.prepare(&fiber_main, this);

    for (bool moved = true; moved && verdict_ == verdict::open;) {  // what the graph knows already
        moved = false;
        for (int t = 0; t < max_threads && verdict_ == verdict::open; ++t) {
            actor& a = actors_[static_cast<std::size_t>(t)];
            auto& steps = g_.thread[t];
            if (a.is != state::parked || a.position >= steps.size() ||
                !source_done(steps[a.position]))
                continue;
            enter(t);
            moved = true;
        }
    }
    for (std::size_t t = 0; t < max_threads && verdict_ == verdict::open; ++t)
        if (actors_[t].position < g_.thread[t].size())
            found(
                "the program is not deterministic: thread " + actors_[t].name +
                    " did not come back to where it was with the same answers; does it share state "
                    "that the model doesn't see, or use time or addresses?",
                g_.thread[t][actors_[t].position].where);

    growing_ = true;
    while (verdict_ == verdict::open) {
        const int t = pick();
        if (t < 0) break;
        if (!extend(t)) {
            if (verdict_ == verdict::open) verdict_ = verdict::dropped;
            break;
        }
        enter(t);
    }
    if (verdict_ == verdict::open) conclude();
    if (verdict_ == verdict::dropped) ++found_.blocked;
    running_explorer = nullptr;
}

void explorer::enter(int t) {
    current_ = t;
    allocating_thread = t;
    actors_[static_cast<std::size_t>(t)].stack.enter();
    allocating_thread = -1;
    current_ = -1;
}

void explorer::fiber_main(void* self) {
    auto& e = *static_cast<explorer*>(self);
    e.step({.what = kind::begin});
    try {
        (*e.me().body)();
    } catch (const std::exception& x) {
        e.fail(std::string{"an exception left the thread: "} + x.what(), {});
    } catch (...) {
        e.fail("an exception left the thread", {});
    }
    e.step({.what = kind::end});
    e.me().is = state::finished;
    e.me().stack.leave();
}

bool explorer::source_done(const event& e) const {
    return e.from == nobody || e.from == initially ||
           actors_[e.from.thread].position > e.from.index;
}

const event& explorer::step(const request& r) {
    const outside_of_program guard;
    const int t = current_;
    actor& a = me();
    a.pending = r;
    for (;;) {
        a.is = state::parked;
        auto& steps = g_.thread[t];
        if (a.position < steps.size() && source_done(steps[a.position])) {
            consume(steps[a.position], r);
            return steps[a.position - 1];
        }
        // Growing: go on without a switch if it is this thread's turn anyway.
        if (growing_ && a.position >= steps.size() && pick() == t) {
            if (extend(t)) continue;
            if (verdict_ == verdict::open) verdict_ = verdict::dropped;
        }
        a.stack.leave();
        current_ = t;
        allocating_thread = -1;
    }
}

void explorer::consume(const event& e, const request& r) {
    actor& a = me();
    const bool same_kind =
        e.what == r.what || (r.compares && (e.what == kind::load || e.what == kind::rmw_read));
    if (!same_kind || e.where.line != r.where.line ||
        (r.target.at && e.location != 0xffff && g_.locations[e.location].at != r.target.at) ||
        (e.at && e.at != r.target.at)) {
        found("the program is not deterministic: thread " + a.name +
                  " does something else after the same answers; does it share state that the model "
                  "doesn't see, or use time or addresses?",
              r.where);
        a.stack.leave();
    }
    if (e.what == kind::birth) where_[r.target.at] = e.location;
    if (e.what == kind::plain_read || e.what == kind::plain_write)
        where_.try_emplace(e.at, plain_memory);
    done_.push_back({static_cast<std::uint16_t>(current_), static_cast<std::uint16_t>(a.position)});
    ++a.position;
    if (has_effect(e.what)) {
        a.effect = true;
        a.calm_since = a.position;
    }
    if (a.position > limits_.steps)
        fail("no end in sight: " + std::to_string(limits_.steps) + " steps", r.where);
}

bool explorer::holds_something(const void* at, std::size_t size) const {
    const auto first = where_.lower_bound(at);
    return first != where_.end() && first->first < static_cast<const char*>(at) + size;
}

bool explorer::can_go_on(int t) const {
    const actor& a = at(t);
    if (a.is != state::parked) return false;
    switch (a.pending.what) {
        case kind::join: return at(a.pending.other).is == state::finished;
        case kind::resume: return wake_of(t) != nobody;
        default: return true;
    }
}

bool explorer::would_wait(int t) const {
    const request& r = at(t).pending;
    if (at(t).is != state::parked || r.what != kind::lock_read) return false;
    const auto w = where_.find(r.target.at);
    if (w == where_.end() || w->second == plain_memory) return false;
    return g_.value_of(w->second, g_.store_at(w->second, g_.newest(w->second))) != 0;
}

// Who is in the middle of something atomic; else the first thread that can go on, but one that would
// wait for a mutex only when nobody else can. A function of the graph alone, as TruSt requires. Under
// a director nobody begins to wait for a mutex: he is just not scheduled.
int explorer::pick() {
    int waits = -1, found = -1;
    for (int t = 0; t < max_threads; ++t) {
        if (!can_go_on(t)) continue;
        if (at(t).pending.urgent) return t;
        int& first = would_wait(t) ? waits : found;
        if (first < 0) first = t;
    }
    if (!director_) return found >= 0 ? found : waits;
    const int t = director_->next(*this);
    if (t == director::anybody) return found;
    return t >= 0 && can_go_on(t) && !would_wait(t) ? t : -1;
}

event_id explorer::wake_of(int t) const {
    const auto& steps = g_.thread[t];
    // Its last store put it into the queue of that futex.
    for (std::size_t i = steps.size(); i-- > 0;) {
        if (steps[i].what != kind::rmw_write) continue;
        const auto& all = g_.locations[steps[i].location].stores;
        for (std::size_t k = steps[i].rank; k < all.size(); ++k) {
            bool in = false;
            for (auto q = g_[all[k]].value; q != 0; q >>= 4)
                if ((q & 15) == static_cast<std::uint64_t>(t) + 1) in = true;
            if (!in) return all[k];
        }
        return nobody;
    }
    return nobody;
}

void explorer::pause() {
    const outside_of_program guard;
    actor& a = me();
    if (!a.effect) {
        for (std::size_t i = a.calm_since; i < a.position; ++i)
            if (g_.thread[current_][i].reads()) spin();
    }
    a.effect = false;
    a.calm_since = a.position;
}

bool explorer::repeats(const void* what, place where) const {
    const actor& a = at(current_);
    if (a.position - a.calm_since < limits_.repeats) return false;
    std::size_t n = 0;
    const event* last = nullptr;
    for (std::size_t i = a.position; i-- > a.calm_since;) {
        const event& e = g_.thread[current_][i];
        if (e.what != kind::load || e.where.line != where.line || e.where.file != where.file ||
            g_.locations[e.location].at != what)
            continue;
        if (last && last->from != e.from) return false;
        last = &e;
        if (++n >= limits_.repeats) return true;
    }
    return false;
}

void explorer::spin() {
    actor& a = me();
    a.is = state::spinning;
    if (a.position < g_.thread[current_].size())
        found("the program is not deterministic: thread " + a.name + " spins where it did not", {});
    for (;;) a.stack.leave();
}

int explorer::spawn(std::function<void()>* body, const char* name, place where) {
    const int parent = current_;
    step({.what = kind::spawn, .where = where});
    const outside_of_program guard;
    const auto key = std::pair{parent, me().spawned++};
    const auto known = thread_ids_.try_emplace(key, static_cast<int>(thread_ids_.size()) + 1).first;
    const int t = known->second;
    if (t >= max_threads) {
        found("more threads than the model can hold", where);
        me().stack.leave();
    }
    actor& child = actors_[static_cast<std::size_t>(t)];
    child.body = body;
    child.name = name;
    child.is = state::parked;
    child.pending = {};
    child.pending.what = kind::begin;
    child.pending.other = parent;
    child.pending.value = me().position - 1;  // the spawn
    child.stack.prepare(&fiber_main, this);
    return t;
}

void explorer::fail(const std::string& why, place where) {
    const outside_of_program guard;
    found(why, where);
    for (;;) me().stack.leave();
}

void explorer::abandon() {
    if (verdict_ == verdict::open) verdict_ = verdict::dropped;
    for (;;) me().stack.leave();
}

void explorer::found(const std::string& why, place where) {
    if (verdict_ == verdict::failed) return;
    verdict_ = verdict::failed;
    found_.why = why;
    if (where.line != 0) found_.why += " (" + text(where) + ")";
    found_.replay = encode(g_, done_);
    found_.failure = found_.why + "\n" + describe(g_, done_, actors_);
}

bool explorer::really_stuck(int t) const {
    const actor& a = at(t);
    const auto& steps = g_.thread[t];
    switch (a.is) {
        case state::locked_out:
            return g_.rank(steps.back().from) == g_.newest(steps.back().location);
        case state::spinning:
            for (std::size_t i = a.calm_since; i < a.position; ++i)
                if (steps[i].reads() && g_.rank(steps[i].from) != g_.newest(steps[i].location))
                    return false;
            return true;
        case state::parked: return !(a.pending.what == kind::resume && a.pending.timed);
        default: return true;
    }
}

void explorer::conclude() {
    std::string stuck;
    for (int t = 0; t < max_threads; ++t) {
        const actor& a = at(t);
        if (a.is == state::absent || a.is == state::finished) continue;
        if (!really_stuck(t)) {
            verdict_ = verdict::dropped;
            return;
        }
        if (a.pending.what == kind::join) continue;
        stuck += std::string{stuck.empty() ? "" : ", "} + a.name +
                 (a.is == state::spinning          ? " spins"
                  : a.is == state::locked_out      ? " waits for a mutex"
                  : a.pending.what == kind::resume ? " sleeps"
                                                   : " waits") +
                 " for ever";
    }
    if (!stuck.empty()) {
        found("nobody can go on: " + stuck, {});
        return;
    }
    ++found_.executions;
    found_.outcomes.insert(outcome_);
}

}  // namespace model
