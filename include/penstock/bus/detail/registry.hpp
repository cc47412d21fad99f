// SPDX-License-Identifier: BSL-1.0
// What a bus knows: its topics, who listens by which pattern, and how they find each other.
//
//   resolve(name)      finds or makes the topic; a new one is routed to all whose pattern matches
//   attach(listener)   routes all topics that match to it
//
// So routes are always complete, and a publish through a topic looks nothing up. Both are linear in
// the other side; matching is done here and nowhere else.
//
// Topics, subscriptions and the bus share it: any of them may go first. Topics stay as long as it
// does: a name costs memory for good.
//
// Threads   Anything by any number of threads; changes exclude each other by one mutex. No user
//           code runs inside it.
// Errors    Strong: what throws has changed nothing.
#pragma once

#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <penstock/bus/detail/gate.hpp>
#include <penstock/bus/detail/handler_stack.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/route.hpp>
#include <penstock/bus/detail/wait_graph.hpp>
#include <penstock/bus/options.hpp>
#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class topic_base {
public:
    topic_base(const type_id& t, std::string_view n)
        : type{t}, name{std::make_shared<const std::string>(n)} {}
    topic_base(const topic_base&) = delete;
    topic_base& operator=(const topic_base&) = delete;
    virtual ~topic_base() = default;

    virtual void add(const std::shared_ptr<listener_base>& l) = 0;
    virtual void remove(const listener_base& l) = 0;
    virtual void clear() noexcept = 0;

    const type_id& type;
    const shared_name name;
};

template <class T>
class topic_state final : public topic_base {
public:
    explicit topic_state(std::string_view n) : topic_base{type_of<T>, n} {}
    void add(const std::shared_ptr<listener_base>& l) override {
        listeners.add(std::static_pointer_cast<listener<T>>(l));  // the registry compared types
    }
    void remove(const listener_base& l) override { listeners.remove(l); }
    void clear() noexcept override { listeners.clear(); }

    route<T> listeners;
};

class registry {
public:
    explicit registry(bus_options&& options) : on_error_{std::move(options.on_error)} {}

    template <class T>
    topic_state<T>& resolve(std::string_view name) {
        std::lock_guard lock{mutex_};
        if (const auto known = topics_.find(name); known != topics_.end()) {
            if (&known->second->type != &type_of<T>) refuse_type(*known->second, type_of<T>);
            return static_cast<topic_state<T>&>(*known->second);
        }
        check_name(name);
        auto made = std::make_unique<topic_state<T>>(name);
        for (auto& l : listeners_)
            if (!closed() && &l->type() == &made->type && l->by().matches(name)) made->add(l);
        auto& topic = *made;
        topics_.emplace(*topic.name, std::move(made));
        return topic;
    }

    /// Changes exclude each other while somebody holds this.
    [[nodiscard]] std::unique_lock<sys::mutex> lock() { return std::unique_lock{mutex_}; }

    // With the lock held:

    void attach(const std::shared_ptr<listener_base>& l) {
        listeners_.push_back(l);
        try {
            for (auto& [name, topic] : topics_)
                if (&topic->type == &l->type() && l->by().matches(name)) topic->add(l);
        } catch (...) {
            detach(*l);
            throw;
        }
    }

    void detach(const listener_base& l) noexcept {
        std::erase_if(listeners_, [&](auto& known) { return known.get() == &l; });
        for (auto& [name, topic] : topics_) {
            if (&topic->type != &l.type() || !l.by().matches(name)) continue;
            try {
                topic->remove(l);
            } catch (...) {  // no memory for the new list: the old one leads to a closed gate
            }
        }
    }

    [[nodiscard]] std::shared_ptr<listener_base> find_group(const type_id& type, const pattern& by,
                                                            const std::string& group) const {
        for (auto& l : listeners_)
            if (l->group() == group && &l->type() == &type && l->by().text() == by.text()) return l;
        return nullptr;
    }

    // Without the lock:

    [[nodiscard]] pattern_reach reached_by(const listener_base& l) {
        std::lock_guard lock{mutex_};
        pattern_reach r;
        for (auto& [name, topic] : topics_)
            if (l.by().matches(name)) ++(&topic->type == &l.type() ? r.topics : r.of_other_types);
        return r;
    }

    [[nodiscard]] bool closed() const noexcept {
        return closed_.load(std::memory_order_relaxed);  // an answer's wording, or under the lock
    }

    /// No more messages; waits until handlers are done with what is queued. False: called from a
    /// callback of this bus, which would wait for itself; nothing was waited for.
    bool close() {
        std::vector<std::shared_ptr<listener_base>> ending;
        {
            std::lock_guard lock{mutex_};
            closed_.store(true, std::memory_order_relaxed);  // the mutex carries it
            for (auto& [name, topic] : topics_) topic->clear();
            ending = listeners_;
        }
        for (auto& l : ending) l->end_intake();
        if (inside_own_callback()) return false;
        for (auto& l : ending) l->finish();
        return true;
    }

    void report(std::string_view topic, const pattern& by) noexcept {
        if (!on_error_) return;
        try {
            on_error_(failure{topic, by.text(), std::current_exception()});
        } catch (...) {  // who is told of errors has nobody to tell
        }
    }

    [[nodiscard]] wait_graph& waits() noexcept { return waits_; }

private:
    [[nodiscard]] bool inside_own_callback() const noexcept {
        for (const frame* f = frame::top(); f; f = f->below())
            if (&f->of().graph() == &waits_) return true;
        return false;
    }

    [[noreturn]] static void refuse_type(const topic_base& known, const type_id& asked) {
        std::string why{"penstock: the topic \""};
        why.append(*known.name).append("\" carries ").append(known.type.name);
        why.append(" and was asked for as ").append(asked.name);
        if (known.type.name == asked.name)
            why.append(" (another type of that name, or one that two libraries both hide)");
        throw std::invalid_argument{why};
    }

    sys::mutex mutex_;
    std::map<std::string_view, std::unique_ptr<topic_base>> topics_;  // by its own name
    std::vector<std::shared_ptr<listener_base>> listeners_;
    sys::atomic<bool> closed_{false};
    wait_graph waits_;
    unique_function<void(const failure&)> on_error_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
