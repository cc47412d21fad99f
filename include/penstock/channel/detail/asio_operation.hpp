// SPDX-License-Identifier: BSL-1.0
// An errand (detail/errand.hpp) as an Asio operation: tried on the handler's executor, cancelled by
// its slot, ended with its context.
//
// Who wakes an operation may be in any thread while the context goes. Both go through the ticket,
// whose mutex he holds while he posts, and the end of the operation while it cuts the tie.
#pragma once

#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/query.hpp>

#include <penstock/core/sync_wait.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class asio_waiting {
public:
    virtual void resumed() = 0;
    virtual void abandoned() noexcept = 0;

protected:
    ~asio_waiting() = default;

private:
    friend class asio_service;
    asio_waiting* next_ = nullptr;
    asio_waiting* previous_ = nullptr;
};

/// Knows the operations of a context, to end them with it.
class asio_service final : public asio::execution_context::service {
public:
    using key_type = asio_service;
    static inline asio::execution_context::id id;

    explicit asio_service(asio::execution_context& context)
        : asio::execution_context::service{context} {}

    void add(asio_waiting& o) {
        std::lock_guard lock{mutex_};
        o.next_ = first_;
        if (first_) first_->previous_ = &o;
        first_ = &o;
    }
    void remove(asio_waiting& o) noexcept {
        std::lock_guard lock{mutex_};
        (o.previous_ ? o.previous_->next_ : first_) = o.next_;
        if (o.next_) o.next_->previous_ = o.previous_;
    }

private:
    void shutdown() noexcept override {
        while (first_) first_->abandoned();  // no handler runs any more
    }
    sys::mutex mutex_;
    asio_waiting* first_ = nullptr;
};

template <class Errand, class Handler, class IoExecutor>
class asio_operation final : public asio_waiting {
    using executor = typename asio::associated_executor<Handler, IoExecutor>::type;

    struct ticket {
        explicit ticket(asio_operation& o) : operation{&o} {}
        void wake() noexcept {
            const std::shared_ptr<ticket> hold = std::move(self);
            std::lock_guard lock{mutex};
            if (operation) operation->post(hold);
        }
        sys::mutex mutex;
        asio_operation* operation;
        std::shared_ptr<ticket> self{};  // whoever wakes takes it
    };

public:
    template <class... Args>
    static void start(const IoExecutor& io, Handler&& handler, Args&&... args) {
        auto* me = new asio_operation{io, std::move(handler), std::forward<Args>(args)...};
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
    template <class... Args>
    asio_operation(const IoExecutor& io, Handler&& handler, Args&&... args)
        : errand_(std::forward<Args>(args)...),
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
        bool ended = false;
        try {
            ended = settle();
        } catch (...) {
            abandoned();
            throw;
        }
        if (ended) complete();
    }
    /// True: it is over, and our own. False: whoever wakes it has it, and it may be gone already.
    bool settle() {
        waiter::delist(&place_, 1);
        while (!over()) {
            target_.look();
            waiter::enlist(&place_, 1);
            const bool ended = over();
            if (!ended) {
                ticket_->self = ticket_;
                if (target_.arm()) return false;
                ticket_->self.reset();
            }
            waiter::delist(&place_, 1);
            if (ended) break;
        }
        return true;
    }
    bool over() {
        if (!cancelled_) return errand_.done();
        errand_.stopped();
        return true;
    }

    void complete() {
        auto slot = asio::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) slot.clear();
        Handler handler = std::move(handler_);
        auto work = std::move(work_);  // until the handler has returned
        auto answer = errand_.answer();
        end();
        std::move(handler)(std::move(answer));
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
        errand_.pass_on();
        service_.remove(*this);
        delete this;
    }

    Errand errand_;
    Handler handler_;
    executor executor_;
    asio::executor_work_guard<executor> work_;
    asio_service& service_;
    std::shared_ptr<ticket> ticket_;
    wake_target target_{};
    waiter::entry place_{errand_.where(), target_};
    bool cancelled_ = false;
};

/// What asio::async_initiate calls. The first argument is the channel, by a pointer.
template <class Errand>
struct asio_start {
    template <class Handler, class Executor, class Conduit, class... Args>
    void operator()(Handler&& handler, const Executor& io, Conduit* at, Args... args) const {
        asio_operation<Errand, std::decay_t<Handler>, Executor>::start(
            io, std::forward<Handler>(handler), *at, std::move(args)...);
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
}  // namespace penstock::inline PENSTOCK_ABI
