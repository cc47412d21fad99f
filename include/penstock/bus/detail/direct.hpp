// SPDX-License-Identifier: BSL-1.0
// A subscription without a queue: publish calls its handler, then goes on.
//
// Threads   The handler runs in every publisher's thread, in several at once if they publish at once.
// Progress  A publish takes as long as its direct handlers. A handler that throws has failed; the
//           publish goes on to the next.
// Order     Per publisher; between handlers of one publish, the order in which they subscribed.
#pragma once

#include <optional>
#include <utility>

#include <penstock/bus/detail/counter.hpp>
#include <penstock/bus/detail/fan.hpp>
#include <penstock/bus/detail/gate.hpp>
#include <penstock/bus/detail/listener.hpp>
#include <penstock/bus/detail/registry.hpp>
#include <penstock/bus/options.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// A base, so that it stands beside listener_base::how.
template <class F>
struct kept_handler {
    std::optional<F> handler_;  // by the gate
    const bool filters_;
};

template <class T, class F>
class direct_listener final
    : public listener<T>,
      private kept_handler<F>,
      public subscriber,
      private gate {
    using kept = kept_handler<F>;

public:
    template <class G>
    direct_listener(registry& home, pattern by, subscribe_options<T>&& options, G&& f, bool counts)
        : listener<T>{type_of<T>, std::move(by), std::move(options.group),
                      !takes_value<F, T>::value ? nullptr
                      : options.where           ? &call_if
                                                : &call,
                      counts},
          kept{std::nullopt, static_cast<bool>(options.where)},
          gate{home.visits(), static_cast<const listener_base*>(this)},
          home_{home},
          where_{std::move(options.where)} {
        kept::handler_.emplace(std::forward<G>(f));
    }

    /// Before anybody knows it: not to be attached to routes.
    void stand_in(fan& of, unsigned as) noexcept {
        in_ = &of;
        place_in_ = as;
    }

    bool deliver(envelope<T>& e, const patience&, tally& t, visitor& v) override {
        if (!gate::enter(v)) return false;
        bool handled = false;
        try {
            if (!kept::filters_ || where_(e.view())) {
                call_handler<T>(*kept::handler_, e);
                handled_.add(v.number());
                handled = this->is_counted();
            }
        } catch (...) {
            has_thrown(e.topic());
            if (this->is_counted()) {
                ++t.failed;
                t.why = status::failed;
            }
        }
        gate::leave(v);
        return handled;
    }

    void left() noexcept override { gate::left(); }
    void has_thrown(const std::string& topic) noexcept override {
        failed_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
        home_.report(topic, this->by());
    }

    void end_intake() override {}
    void finish() override { cancel(); }

    bool cancel() override {
        const bool out = gate::close(end());
        if (in_) in_->has_left(out);
        return out;
    }
    void cancel_without_waiting() override {
        gate::shut_without_waiting(end());
        if (in_) in_->has_left(false);
    }
    void missed() noexcept override {
        dropped_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
    }
    void was_refused() noexcept override {
        rejected_.fetch_add(1, std::memory_order_relaxed);  // a count; carries nothing
    }

    [[nodiscard]] bool active() const override { return !gate::closed(); }
    [[nodiscard]] subscription_counts counts() const override {
        subscription_counts c;
        c.handled = handled_.value();
        c.failed = failed_.load(std::memory_order_relaxed);  // a count; carries nothing
        c.received = c.handled + c.failed;
        if (!in_) return c;
        in_->add_to(c);
        c.rejected = rejected_.load(std::memory_order_relaxed);  // counts; they carry nothing
        c.dropped = dropped_.load(std::memory_order_relaxed);
        c.received += c.rejected + c.dropped + c.queued;
        return c;
    }
    [[nodiscard]] const listener_base& listens() const override {
        return in_ ? in_->queue_of() : *this;
    }
    [[nodiscard]] registry& home() const override { return home_; }

private:
    // In a roster of its own kind (detail/direct_calls.hpp). Apart, so that the usual one keeps
    // nothing in memory.
    static void call(listener_base& l, const void* value, visitor& v) {
        auto& me = static_cast<direct_listener&>(l);
        if constexpr (takes_value<F, T>::value) (void)(*me.handler_)(*static_cast<const T*>(value));
        me.handled_.add(v.number());
    }
    static void call_if(listener_base& l, const void* value, visitor& v) {
        if (static_cast<direct_listener&>(l).where_(*static_cast<const T*>(value)))
            call(l, value, v);
        else
            v.less += l.is_counted();
    }

    /// No publish finds it any more. Whether one may have: else nobody was ever here.
    [[nodiscard]] bool end() {
        // Sequentially consistent, as the other half of a handshake; the barrier is the gate's.
        this->how.store(&listener_base::ended, std::memory_order_seq_cst);
        if (in_) {
            in_->leave(place_in_);
            return true;
        }
        const auto lock = home_.lock();
        if (std::exchange(attached_, false)) home_.detach(*this);
        return this->was_found;
    }

    void last_out() noexcept override {
        where_ = nullptr;
        kept::handler_.reset();
    }

    bool attached_ = true;  // by the registry's lock
    registry& home_;
    fan* in_ = nullptr;  // stays as long as this
    unsigned place_in_ = 0;
    unique_function<bool(const T&)> where_;  // by the gate
    counter handled_;
    sys::atomic<std::uint64_t> failed_{0};
    sys::atomic<std::uint64_t> rejected_{0};  // of a queue, as is the next
    sys::atomic<std::uint64_t> dropped_{0};   // it had ended
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
