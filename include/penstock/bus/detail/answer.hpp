// SPDX-License-Identifier: BSL-1.0
// A question on its way, and where its answer goes: what bus::request publishes and the handler of
// bus::reply gets. The first answer counts. If the last copy of the question goes without one, whoever
// asked is told that it failed.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <penstock/core/clock.hpp>
#include <penstock/core/result.hpp>
#include <penstock/core/sync_wait.hpp>
#include <penstock/core/waiter.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

template <class Answer>
class answer_slot {
public:
    void give(Answer&& a) {
        {
            std::lock_guard lock{mutex_};
            if (over_) return;
            answer_.emplace(std::move(a));
            over_ = true;
        }
        changed_.notify_all();
    }
    void nobody_will() noexcept {
        {
            std::lock_guard lock{mutex_};
            over_ = true;
        }
        changed_.notify_all();
    }
    result<Answer> wait(const deadline& until, const sys::stop_token& stop) {
        const status waited = changed_.wait(
            [this] {
                std::lock_guard lock{mutex_};
                return over_;
            },
            [] { return false; }, until, stop);
        std::lock_guard lock{mutex_};
        over_ = true;  // an answer that comes from now on is for nobody
        return {std::move(answer_), waited ? status::failed : waited};
    }

private:
    sys::mutex mutex_;
    std::optional<Answer> answer_;
    bool over_ = false;
    waiter changed_;
};

template <class Question, class Answer>
class question {
public:
    question(Question&& what, std::shared_ptr<answer_slot<Answer>> to)
        : what_{std::move(what)}, to_{std::move(to)} {}
    question(question&&) noexcept = default;
    question& operator=(question&&) noexcept = default;
    ~question() {
        if (to_) to_->nobody_will();  // unless somebody has
    }

    [[nodiscard]] const Question& what() const noexcept { return what_; }
    void answer(Answer&& a) const { to_->give(std::move(a)); }

private:
    Question what_;
    std::shared_ptr<answer_slot<Answer>> to_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
