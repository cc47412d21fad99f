// SPDX-License-Identifier: BSL-1.0
// A receiver as an Asio operation (standalone Asio, 1.20 or later): completion token, associated
// executor, cancellation slot.
//
//   async_receive(rx, ctx, [](result<job> j) { if (j) run(*j); });
//   asio::co_spawn(ctx, serve(as_asio(rx, ctx)), asio::detached);
//   ... while (auto j = co_await in.async_receive()) run(*j);  // in serve(asio_receiver<job> in)
//
// The element is taken inside the completion, on the handler's executor, right before the handler is
// called. An io_context that is stopped or destroyed meanwhile holds nothing, and a cancelled
// operation takes nothing: it completes with `stopped`.
//
// Cost      Two allocations and a post for each operation, and one more post if it has to wait.
// Threads   As any Asio operation: start it from anywhere, cancel it on its executor.
// Errors    result<T> as receive(): closed, stopped. Posting to the executor must not fail while the
//           operation waits: that terminates.
// Lifetime  The operation keeps an end of the channel only if the caller's handler does: the receiver
//           outlives the operation (asio_receiver keeps one). It counts as work of its executor. A
//           context that is destroyed destroys the handlers that still wait, and passes their
//           wakes on.
//
// Who wakes an operation may be in any thread while the context goes. Both go through the ticket,
// whose mutex he holds while he posts, and the end of the operation while it cuts the tie.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/query.hpp>
#include <asio/use_awaitable.hpp>

#include <penstock/channel/ends.hpp>
#include <penstock/core/result.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class asio_operation {
public:
    virtual void resumed() noexcept(false) = 0;
    virtual void abandoned() noexcept = 0;

protected:
    ~asio_operation() = default;

private:
    friend class asio_service;
    asio_operation* next_ = nullptr;
    asio_operation* previous_ = nullptr;
};

/// Knows the operations of a context, to end them with it.
class asio_service final : public asio::execution_context::service {
public:
    using key_type = asio_service;
    static inline asio::execution_context::id id;

    explicit asio_service(asio::execution_context& context)
        : asio::execution_context::service{context} {}

    void add(asio_operation& o) {
        std::lock_guard lock{mutex_};
        o.next_ = first_;
        if (first_) first_->previous_ = &o;
        first_ = &o;
    }
    void remove(asio_operation& o) noexcept {
        std::lock_guard lock{mutex_};
        (o.previous_ ? o.previous_->next_ : first_) = o.next_;
        if (o.next_) o.next_->previous_ = o.previous_;
    }

private:
    void shutdown() noexcept override {
        while (first_) first_->abandoned();  // no handler runs any more
    }
    sys::mutex mutex_;
    asio_operation* first_ = nullptr;
};

template <class T, class Storage, class Handler, class IoExecutor>
class asio_receive final : public asio_operation {
    using executor = typename asio::associated_executor<Handler, IoExecutor>::type;

    struct ticket {
        explicit ticket(asio_receive& o) : operation{&o} {}
        void wake() noexcept {
            const std::shared_ptr<ticket> hold = std::move(self);
            std::lock_guard lock{mutex};
            if (operation) operation->post(hold);
        }
        sys::mutex mutex;
        asio_receive* operation;
        std::shared_ptr<ticket> self{};  // whoever wakes takes it
    };

public:
    static void start(conduit<T, Storage>& from, const IoExecutor& io, Handler&& handler) {
        auto* me = new asio_receive{from, io, std::move(handler)};
        me->service_.add(*me);
        try {
            me->cancellable();
            me->post(me->ticket_);
        } catch (...) {
            me->abandoned();
            throw;
        }
    }

private:
    asio_receive(conduit<T, Storage>& from, const IoExecutor& io, Handler&& handler)
        : from_{from},
          handler_{std::move(handler)},
          executor_{asio::get_associated_executor(handler_, io)},
          work_{executor_},
          service_{
              asio::use_service<asio_service>(asio::query(executor_, asio::execution::context))},
          ticket_{std::make_shared<ticket>(*this)} {
        target_.resume_by([](void* t) noexcept { static_cast<ticket*>(t)->wake(); }, ticket_.get());
    }

    void cancellable() {
        auto slot = asio::get_associated_cancellation_slot(handler_);
        if (!slot.is_connected()) return;
        slot.assign([this](asio::cancellation_type_t type) {
            if (type == asio::cancellation_type::none) return;
            cancelled_ = true;
            target_.interrupt();
        });
    }

    void post(const std::shared_ptr<ticket>& t) {
        asio::post(executor_, [hold = t] {
            if (hold->operation) hold->operation->resumed();
        });
    }

    /// On the executor, one task at a time.
    void resumed() override {
        waiter::delist(&place_, 1);
        for (;;) {
            if (auto got = attempt()) return complete(std::move(*got));
            target_.look();
            waiter::enlist(&place_, 1);
            auto got = attempt();
            if (!got) {
                ticket_->self = ticket_;
                if (target_.arm()) return;
                ticket_->self.reset();
            }
            waiter::delist(&place_, 1);
            if (got) return complete(std::move(*got));
        }
    }
    std::optional<result<T>> attempt() {
        if (cancelled_) return result<T>{status::stopped};
        if (auto got = from_.take()) return result<T>{std::move(*got)};
        if (from_.drained()) return result<T>{status::closed};
        return std::nullopt;
    }

    void complete(result<T>&& r) {
        auto slot = asio::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) slot.clear();
        Handler handler = std::move(handler_);
        auto work = std::move(work_);  // until the handler has returned
        end();
        std::move(handler)(std::move(r));
    }
    void abandoned() noexcept override {
        waiter::delist(&place_, 1);
        end();
    }
    /// Nobody refers to it any more; then it goes.
    void end() noexcept {
        {
            std::lock_guard lock{ticket_->mutex};
            ticket_->operation = nullptr;
        }
        if (target_.disarm()) ticket_->self.reset();
        if (from_.receivable()) from_.receivers().notify_one();
        service_.remove(*this);
        delete this;
    }

    conduit<T, Storage>& from_;
    Handler handler_;
    executor executor_;
    asio::executor_work_guard<executor> work_;
    asio_service& service_;
    std::shared_ptr<ticket> ticket_;
    wake_target target_{};
    waiter::entry place_{from_.receivers(), target_};
    bool cancelled_ = false;
};

template <class T, class Storage>
struct initiate_asio_receive {
    template <class Handler, class Executor>
    void operator()(Handler&& handler, conduit<T, Storage>* from, const Executor& io) const {
        asio_receive<T, Storage, std::decay_t<Handler>, Executor>::start(
            *from, io, std::forward<Handler>(handler));
    }
};

template <class Where>
auto asio_executor_of(Where& where) {
    if constexpr (requires { where.get_executor(); }) {
        return where.get_executor();
    } else {
        return where;
    }
}

}  // namespace detail

/// `where`: a context or an executor, for handlers that have none of their own.
template <class T, class Storage, class Where, class Token>
auto async_receive(const receiver<T, Storage>& rx, Where&& where, Token&& token) {
    return asio::async_initiate<Token, void(result<T>)>(
        detail::initiate_asio_receive<T, Storage>{}, token, &detail::channel_access::core(rx),
        detail::asio_executor_of(where));
}

/// A receiver with the executor that it is used on.
template <class T, class Storage = mpmc_ring<T>, class Executor = asio::any_io_executor>
class asio_receiver {
public:
    using executor_type = Executor;

    asio_receiver(receiver<T, Storage> rx, Executor where)
        : rx_{std::move(rx)}, where_{std::move(where)} {}

    template <class Token>
    auto async_receive(Token&& token) const {
        return penstock::async_receive(rx_, where_, std::forward<Token>(token));
    }
#if defined(ASIO_HAS_CO_AWAIT)
    auto async_receive() const { return async_receive(asio::use_awaitable_t<Executor>{}); }
#endif
    [[nodiscard]] executor_type get_executor() const { return where_; }
    /// The end itself, for what never waits.
    [[nodiscard]] const receiver<T, Storage>& end() const noexcept { return rx_; }

private:
    receiver<T, Storage> rx_;
    Executor where_;
};

template <class T, class Storage, class Where>
[[nodiscard]] asio_receiver<T, Storage> as_asio(receiver<T, Storage> rx, Where&& where) {
    return {std::move(rx), asio::any_io_executor{detail::asio_executor_of(where)}};
}

}  // namespace penstock::inline PENSTOCK_ABI
