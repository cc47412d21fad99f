// SPDX-License-Identifier: BSL-1.0
// What a bus knows: its topics, who listens by which pattern, and how they find each other.
//
//   find(name)         the topic, without a lock              detail/topic_state.hpp
//   resolve(name)      finds or makes it; a new one is routed to all whose pattern matches
//                                                             detail/pattern_trie.hpp
//   attach(listener)   routes all topics that match to it     detail/topic_lists.hpp
//
// So routes are always complete, and a publish through a topic looks nothing up. What is taken out
// of them is freed when no publish reads it any more (detail/retired.hpp).
//
// Topics, subscriptions and the bus share it: any of them may go first. Topics stay as long as it
// does: a name costs memory for good.
//
// Threads   Anything by any number of threads; changes exclude each other by one mutex. No user
//           code runs inside it.
// Errors    Strong: what throws has changed nothing.
#pragma once

#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <penstock/bus/detail/group_list.hpp>
#include <penstock/bus/detail/in_order.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/pattern_trie.hpp>
#include <penstock/bus/detail/recorder.hpp>
#include <penstock/bus/detail/retired.hpp>
#include <penstock/bus/detail/route.hpp>
#include <penstock/bus/detail/topic_lists.hpp>
#include <penstock/bus/detail/topic_state.hpp>
#include <penstock/bus/options.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class registry {
public:
    explicit registry(bus_options&& o)
        : visitors_{std::make_shared<visitors>(o.memory)}, on_error_{std::move(o.on_error)} {}
    registry(const registry&) = delete;
    registry& operator=(const registry&) = delete;
    ~registry() {
        while (zombies_) zombies_ = std::move(zombies_->next_retired);
        topics_.for_each([](const topic_state& t) { t.let_go(); });
        visitors_->end_memory();
    }

    /// Excludes other changes; after it, unlocked, what nobody reads any more is freed.
    class change {
    public:
        explicit change(registry& r) : of_{r}, lock_{r.mutex_} {}
        change(const change&) = delete;
        change& operator=(const change&) = delete;
        ~change() {
            retired::listeners gone;
            try {
                if (of_.retired_.worth_a_sweep()) gone = of_.retired_.sweep(*of_.visitors_);
            } catch (...) {  // no memory to look: the next change tries again
            }
            lock_.unlock();
            retired::let_go(std::move(gone));
        }

    private:
        registry& of_;
        std::unique_lock<sys::mutex> lock_;
    };
    [[nodiscard]] change lock() { return change{*this}; }

    /// The topic, if it is known.
    template <class T>
    [[nodiscard, gnu::always_inline]] const topic_state* find(std::string_view name) const {
        const topic_state* const t = topics_.find(name);
        return t ? &t->as(type_of<T>) : nullptr;
    }

    /// The topic; made, if it is not known.
    template <class T>
    const topic_state& resolve(std::string_view name) {
        return find_or_make(type_of<T>, name).as(type_of<T>);
    }

    /// That topic keeps its last n messages, or more, if it was told so before.
    template <class T>
    void retain(const topic_state& of, std::size_t n) {
        const change by{*this};
        auto& topic = const_cast<topic_state&>(of);  // one of ours
        if (!closed()) recorder<T>::before(topic, *visitors_, recorders_).keep_up_to(n);
    }

    // With the lock held:

    void attach(const std::shared_ptr<listener_base>& l) {
        l->number = l->keeps() ? next_keeper_++ : next_number_++;
        l->place = listeners_.size();
        listeners_.push_back(l);
        try {
            groups_.add(*l);
            trie_of(l->type()).insert(*l);
            matching(*l, [&](topic_state& t) {
                if (&t.type == &l->type()) replace(t, roster::with(listening(t), *l), l.get());
            });
        } catch (...) {
            detach(*l);
            throw;
        }
    }

    void detach(listener_base& l) noexcept {
        std::shared_ptr<listener_base> kept = listeners_[l.place];
        listeners_.back()->place = l.place;
        std::swap(listeners_[l.place], listeners_.back());
        listeners_.pop_back();
        groups_.remove(l);
        if (pattern_trie* trie = find_trie(l.type())) trie->remove(l);
        bool all_out = true;
        matching(l, [&](topic_state& t) {
            const roster* now = listening(t);
            if (&t.type != &l.type() || !now || !now->has(l)) return;
            try {
                replace(t, roster::without(*now, l));
            } catch (...) {  // no memory for the new list: the old one leads to a closed gate
                all_out = false;
            }
        });
        if (all_out) {
            retired_.add(std::move(kept));
        } else {
            l.was_found = true;
            l.next_retired = std::move(zombies_);
            zombies_ = std::move(kept);
        }
    }

    [[nodiscard]] std::shared_ptr<listener_base> find_group(const type_id& type, const pattern& by,
                                                            const std::string& group) const {
        return owner_of(groups_.find(type, by, group));
    }
    [[nodiscard]] std::shared_ptr<listener_base> keeper_of(const type_id& type,
                                                           const pattern& by) const {
        return owner_of(groups_.keeper_of(type, by));
    }
    [[nodiscard]] const group_list& groups() const noexcept { return groups_; }
    [[nodiscard]] pattern_trie* find_trie(const type_id& type) const noexcept {
        for (auto& [of, trie] : patterns_)
            if (of == &type) return trie.get();
        return nullptr;
    }

    // Without the lock:

    [[nodiscard]] pattern_reach reached_by(const listener_base& l) {
        const change by{*this};
        pattern_reach r;
        matching(l, [&](const topic_state& t) {
            ++(&t.type == &l.type() ? r.topics : r.of_other_types);
        });
        return r;
    }

    [[nodiscard]] bool closed() const noexcept {
        return closed_.load(std::memory_order_relaxed);  // an answer's wording, or under the lock
    }

    /// No more messages; waits until handlers are done with what is queued. False: called from a
    /// callback of this bus, which would wait for itself; nothing was waited for.
    bool close() {
        std::vector<std::shared_ptr<listener_base>> kept;
        {
            const change by{*this};
            closed_.store(true, std::memory_order_relaxed);  // the mutex carries it
            topics_.for_each([&](topic_state& t) {
                replace(t, nullptr);
                if (recorder_of(t)) retired_.add(t.listeners.exchange(nullptr));
            });
            kept = listeners_;
        }
        for (auto& r : recorders_) r->records()->forget();  // as many as there will ever be
        std::vector<ranked> ending;
        ending.reserve(kept.size());
        for (auto& l : kept) ending.emplace_back(*l);
        put_in_order(ending);
        for (auto& l : ending) (*l).end_intake();
        if (inside_own_callback()) return false;
        for (auto& l : ending) (*l).finish();
        return true;
    }

    /// Until all queues were found at rest, one after the other, while nothing came in.
    [[nodiscard]] status quiesce(const deadline& until) {
        for (;;) {
            std::vector<std::shared_ptr<listener_base>> all;
            {
                const change by{*this};
                all = listeners_;
            }
            const auto taken_in = [&] {
                std::uint64_t n = 0;
                for (auto& l : all) n += l->taken_in();
                return n;
            };
            const auto before = taken_in();
            for (auto& l : all)
                if (!l->rests(until)) return status::timed_out;
            if (taken_in() == before) return status::ok;
            if (until.passed()) return status::timed_out;
        }
    }

    void report(std::string_view topic, const pattern& by) noexcept {
        if (!on_error_) return;
        try {
            on_error_(failure{topic, by.text(), std::current_exception()});
        } catch (...) {  // who is told of errors has nobody to tell
        }
    }

    [[nodiscard]] visitors& visits() const noexcept { return *visitors_; }

private:
    [[nodiscard]] std::shared_ptr<listener_base> owner_of(const listener_base* l) const {
        return l ? listeners_[l->place] : nullptr;
    }
    pattern_trie& trie_of(const type_id& type) {
        if (pattern_trie* known = find_trie(type)) return *known;
        patterns_.emplace_back(&type, std::make_unique<pattern_trie>());
        return *patterns_.back().second;
    }

    [[nodiscard]] bool inside_own_callback() const noexcept {
        const visitor* v = visitor::top();
        while (v && !(v->calls() && v->home() == visitors_.get())) v = v->below();
        return v;
    }

    template <class F>
    void matching(const listener_base& l, F&& f) const {
        if (!l.by().exact()) return lists_.for_each(l.by(), f);
        const std::string& name = l.by().text();
        if (topic_state* t = topics_.find(std::string_view{name})) f(*t);
    }

    topic_state& find_or_make(const type_id& type, std::string_view name) {
        const hashed_text by{name};
        topics_.expect(by);
        const change now{*this};
        lists_.expect(name);
        check_name(name);
        auto& list = lists_.list_of(name);
        if (topic_state* const known = topics_.find(by)) return *known;
        topics_.reserve();
        std::unique_ptr<roster, void (*)(roster*)> found{who_matches(type, name), &roster::free};
        topic_state& made = *new topic_state{type, by};
        (void)made.listeners.exchange(found.release());  // it was empty
        lists_.add(list, made);
        topics_.add(made, by.hash());
        return made;
    }

    void replace(topic_state& t, roster* next, listener_base* newcomer = nullptr) {
        retired_.add(reroute(t, next, newcomer));
    }

    [[nodiscard]] roster* who_matches(const type_id& type, std::string_view name) {
        found_.clear();
        pattern_trie* const trie = find_trie(type);
        if (!closed() && trie) trie->match(name, [&](const ranked& l) { found_.push_back(l); });
        if (found_.empty()) return nullptr;
        put_in_order(found_);
        return roster::of(found_);
    }

    alignas(cache_line) const std::shared_ptr<visitors> visitors_;  // publishers read this,
    topic_table topics_;                                            // and, by name, this
    alignas(cache_line) sys::mutex mutex_;
    topic_lists lists_;
    std::vector<std::pair<const type_id*, std::unique_ptr<pattern_trie>>> patterns_;  // few types
    std::vector<std::shared_ptr<listener_base>> listeners_;
    group_list groups_;
    std::vector<std::shared_ptr<listener_base>> recorders_;  // as long as their topics
    std::uint64_t next_number_ = std::uint64_t{1} << 32;
    std::uint64_t next_keeper_ = 0;  // they come first
    std::vector<ranked> found_;
    retired retired_;
    std::shared_ptr<listener_base> zombies_;  // still in a roster, for want of memory
    sys::atomic<bool> closed_{false};
    unique_function<void(const failure&)> on_error_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
