// SPDX-License-Identifier: BSL-1.0
#include "../steps.hpp"

#include <random>
#include <vector>

#include "explorer.hpp"
#include "memory.hpp"
#include "source.hpp"

namespace model {

extern explorer* running_explorer;

// The body is thread 0. A command is a step of its own that waits until the commanded thread is where
// it should be.
class stepper final : public director {
public:
    explicit stepper(steps& s) : s_{s} {}

    int next(const explorer& e) override {
        if (!s_.active_) return 0;
        if (s_.target_ < 0) return in_turns(e);
        if (!e.can_go_on(s_.target_) || e.would_wait(s_.target_)) return 0;
        const request& r = e.at(s_.target_).pending;
        if (s_.counts_steps_ ? s_.left_ == 0 && !r.urgent : meets(r) && s_.left_ == 1) {
            s_.reached_ = true;
            return 0;
        }
        return s_.target_;
    }
    std::size_t back(std::size_t) override { return 0; }
    void stepped(const explorer& e, int thread) override {
        last_ = thread;
        if (thread == 0 || thread != s_.target_) return;
        const request& r = e.at(thread).pending;
        if (r.urgent) return;
        if (s_.counts_steps_ ? s_.left_ > 0 : meets(r) && s_.left_ > 1) --s_.left_;
    }

private:
    bool meets(const request& r) const {
        return s_.text_ && !r.urgent && r.where.line != 0 &&
               source_line(r.where).find(s_.text_) != std::string::npos;
    }
    int in_turns(const explorer& e) const {
        for (int n = 1; n <= max_threads; ++n) {
            const int t = (last_ + n) % max_threads;
            if (t != 0 && e.can_go_on(t) && !e.would_wait(t)) return t;
        }
        return 0;
    }

    steps& s_;
    int last_ = 0;
};

namespace {

const explorer::actor& actor_of(int thread) { return running_explorer->at(thread); }

std::string where_it_is(int thread) {
    const auto& a = actor_of(thread);
    switch (a.is) {
        case explorer::state::finished: return a.name + " has ended";
        case explorer::state::spinning: return a.name + " spins";
        default: break;
    }
    if (a.pending.what == kind::resume) return a.name + " sleeps";
    if (running_explorer->would_wait(thread)) return a.name + " waits for a mutex";
    return a.name + " stands at: " + source_line(a.pending.where);
}

[[noreturn]] void give_up(std::string why) { fail(why, {}); }

class random_order final : public director {
public:
    explicit random_order(unsigned seed) : random_{seed} {}
    int next(const explorer& e) override {
        if (chosen_ >= 0 && e.can_go_on(chosen_) && !e.would_wait(chosen_)) return chosen_;
        std::vector<int> can;
        for (int t = 0; t < max_threads; ++t)
            if (e.can_go_on(t) && !e.would_wait(t)) can.push_back(t);
        return chosen_ = can.empty() ? nobody_may : can[random_() % can.size()];
    }
    std::size_t back(std::size_t) override { return 0; }
    void stepped(const explorer&, int) override { chosen_ = -1; }

private:
    std::mt19937 random_;
    int chosen_ = -1;
};

run_result result_of(const findings& f) {
    if (f.failure) return {false, *f.failure};
    return {f.executions == 1, f.executions == 1 ? "" : "it did not come to its end"};
}

}  // namespace

rest steps::command() {
    active_ = true;
    reached_ = false;
    (void)choose(1, {});
    active_ = false;
    const int t = target_;
    if (t < 0) return rest::ended;
    const auto& a = actor_of(t);
    join_if_ended(t);
    if (a.is == explorer::state::finished) return rest::ended;
    if (a.is == explorer::state::spinning) return rest::spins;
    if (a.pending.what == kind::resume) return rest::asleep;
    if (a.pending.what == kind::join) return rest::joins;
    return rest::waits_for_mutex;
}

void steps::join_if_ended(int t) {
    if (joined_[t] || actor_of(t).is != explorer::state::finished) return;
    joined_[t] = true;
    join(t, {});
}

int steps::thread(const char* name, std::function<void()> body) {
    return spawn(std::move(body), name, {});
}

void steps::until(int thread, const char* text, std::size_t nth) {
    target_ = thread;
    text_ = text;
    left_ = nth;
    counts_steps_ = false;
    (void)command();
    text_ = nullptr;
    if (!reached_)
        give_up(std::string{"it does not come to `"} + text + "`: " + where_it_is(thread));
}
void steps::step(int thread, std::size_t n) {
    target_ = thread;
    left_ = n;
    counts_steps_ = true;
    (void)command();
    counts_steps_ = false;
    if (!reached_ && left_ > 0) give_up("it can't do so many steps: " + where_it_is(thread));
}
rest steps::run(int thread) {
    target_ = thread;
    return command();
}
void steps::finish(int thread) {
    if (run(thread) != rest::ended) give_up("it does not end: " + where_it_is(thread));
}
void steps::all() {
    target_ = -1;
    (void)command();
    std::string stuck;
    for (int t = 1; t < max_threads; ++t) join_if_ended(t);
    for (int t = 1; t < max_threads; ++t)
        if (actor_of(t).is != explorer::state::absent &&
            actor_of(t).is != explorer::state::finished)
            stuck += (stuck.empty() ? "" : "; ") + where_it_is(t);
    if (!stuck.empty()) give_up("not all come to their end: " + stuck);
}

std::string steps::stands_at(int thread) const { return where_it_is(thread); }

run_result drive(const std::function<void(steps&)>& body, limits l) {
    steps go;
    stepper d{go};
    return result_of(explorer{
        l, [&] {
            body(go);
            go.all();
        }}.one(d));
}

run_result shuffle(const std::function<void()>& body, unsigned seed, limits l) {
    random_order d{seed};
    return result_of(explorer{l, body}.one(d));
}

}  // namespace model
