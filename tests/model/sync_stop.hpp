// SPDX-License-Identifier: BSL-1.0
// Stop tokens and threads on the model, made of its mutexes and atomics, so that each of their steps
// is explored too. The promises are [thread.stoptoken]'s: request_stop synchronizes with who sees it;
// a callback runs once, in the thread that requests or, if that has happened, in the one that
// registers; ~stop_callback waits for it unless it is the callback's own thread.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "sync.hpp"

namespace penstock::inline PENSTOCK_ABI {
namespace sys {

struct nostopstate_t {
    explicit nostopstate_t() = default;
};
inline constexpr nostopstate_t nostopstate{};

namespace detail {

struct stop_registration {
    void (*call)(stop_registration*) = nullptr;
    stop_registration* next = nullptr;
    stop_registration* previous = nullptr;
    bool listed = false;           // by the mutex
    bool* gone = nullptr;          // set while it runs: destroyed by its own callback?
    atomic<std::uint32_t> ran{0};  // it has run to its end
};

// Never freed: its memory goes with the execution.
struct stop_state {
    mutex guard;
    atomic<bool> requested{false};
    stop_registration* first = nullptr;
    stop_registration* running = nullptr;
    int running_in = -1;

    bool request() {
        guard.lock();
        if (requested.load(std::memory_order_relaxed)) return guard.unlock(), false;
        requested.store(true, std::memory_order_release);
        while (stop_registration* r = first) {
            unlist(r);
            running = r;
            running_in = model::this_thread();
            guard.unlock();
            bool gone = false;
            r->gone = &gone;
            r->call(r);
            if (!gone) {
                r->gone = nullptr;
                r->ran.store(1, std::memory_order_release);
            }
            guard.lock();
            running = nullptr;
        }
        guard.unlock();
        return true;
    }
    bool enlist(stop_registration* r) {
        guard.lock();
        if (requested.load(std::memory_order_relaxed)) return guard.unlock(), false;
        r->next = first;
        if (first) first->previous = r;
        first = r;
        r->listed = true;
        guard.unlock();
        return true;
    }
    void remove(stop_registration* r) {
        guard.lock();
        const bool listed = r->listed;
        if (listed) unlist(r);
        const bool own = running == r && running_in == model::this_thread();
        guard.unlock();
        if (listed) return;
        if (own) {
            *r->gone = true;
            return;
        }
        while (r->ran.load(std::memory_order_acquire) == 0) pause();
    }

private:
    void unlist(stop_registration* r) {
        (r->previous ? r->previous->next : first) = r->next;
        if (r->next) r->next->previous = r->previous;
        r->next = r->previous = nullptr;
        r->listed = false;
    }
};

}  // namespace detail

class stop_token {
public:
    stop_token() noexcept = default;
    [[nodiscard]] bool stop_requested() const noexcept {
        return state_ && state_->requested.load(std::memory_order_acquire);
    }
    [[nodiscard]] bool stop_possible() const noexcept { return state_ != nullptr; }
    void swap(stop_token& other) noexcept { std::swap(state_, other.state_); }
    friend bool operator==(const stop_token&, const stop_token&) noexcept = default;

private:
    friend class stop_source;
    template <class F>
    friend class stop_callback;
    explicit stop_token(detail::stop_state* s) noexcept : state_{s} {}
    detail::stop_state* state_ = nullptr;
};

class stop_source {
public:
    stop_source() : state_{new detail::stop_state} {}
    explicit stop_source(nostopstate_t) noexcept {}
    [[nodiscard]] stop_token get_token() const noexcept { return stop_token{state_}; }
    bool request_stop() const noexcept { return state_ && state_->request(); }
    [[nodiscard]] bool stop_requested() const noexcept { return get_token().stop_requested(); }
    [[nodiscard]] bool stop_possible() const noexcept { return state_ != nullptr; }

private:
    detail::stop_state* state_ = nullptr;
};

template <class F>
class stop_callback : private detail::stop_registration {
public:
    using callback_type = F;
    template <class G>
    explicit stop_callback(const stop_token& token, G&& g)
        : state_{token.state_}, callback_(std::forward<G>(g)) {
        call = [](stop_registration* r) { static_cast<stop_callback*>(r)->callback_(); };
        if (state_ && !state_->enlist(this)) {
            state_ = nullptr;
            callback_();
        }
    }
    stop_callback(const stop_callback&) = delete;
    ~stop_callback() {
        if (state_) state_->remove(this);
    }

private:
    detail::stop_state* state_;
    F callback_;
};
template <class F>
stop_callback(stop_token, F) -> stop_callback<F>;

/// As std::jthread.
class thread {
public:
    thread() noexcept = default;
    template <class F, class... Args>
        requires(!std::is_same_v<std::remove_cvref_t<F>, thread>)
    explicit thread(F&& f, Args&&... args) : stop_{} {
        auto body = [f = std::decay_t<F>(std::forward<F>(f)), token = stop_.get_token(),
                     ... args = std::decay_t<Args>(std::forward<Args>(args))]() mutable {
            if constexpr (std::is_invocable_v<std::decay_t<F>, stop_token, std::decay_t<Args>...>)
                std::invoke(std::move(f), token, std::move(args)...);
            else
                std::invoke(std::move(f), std::move(args)...);
        };
        // Shared, because the explorer keeps it copyable.
        id_ = model::spawn(
            [kept = std::make_shared<decltype(body)>(std::move(body))] {
                auto own = std::move(*kept);  // destroyed by the thread
                own();
            },
            "thread", {__builtin_FILE(), __builtin_LINE()});
    }
    thread(thread&& other) noexcept : stop_{other.stop_}, id_{std::exchange(other.id_, -1)} {}
    thread& operator=(thread&& other) noexcept {
        end();
        stop_ = other.stop_;
        id_ = std::exchange(other.id_, -1);
        return *this;
    }
    ~thread() { end(); }

    [[nodiscard]] bool joinable() const noexcept { return id_ >= 0; }
    void join() {
        model::join(id_, {});
        id_ = -1;
    }
    void detach() noexcept { id_ = -1; }
    [[nodiscard]] int get_id() const noexcept { return id_; }
    [[nodiscard]] stop_source get_stop_source() const noexcept { return stop_; }
    [[nodiscard]] stop_token get_stop_token() const noexcept { return stop_.get_token(); }
    bool request_stop() noexcept { return stop_.request_stop(); }
    static unsigned hardware_concurrency() noexcept { return static_cast<unsigned>(usable_cpus()); }

private:
    void end() {
        if (!joinable()) return;
        request_stop();
        join();
    }
    stop_source stop_{nostopstate};
    int id_ = -1;
};

}  // namespace sys
}  // namespace penstock::inline PENSTOCK_ABI
