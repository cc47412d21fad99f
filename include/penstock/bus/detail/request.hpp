// SPDX-License-Identifier: BSL-1.0
// Publishing on behalf of somebody else: bus::pipe, and requests with their replies.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <penstock/bus/bus.hpp>
#include <penstock/bus/detail/answer.hpp>

namespace penstock::inline PENSTOCK_ABI {

template <class T>
subscription bus::pipe(std::string_view by, std::string_view to) {
    check_name(to);
    if (pattern{by}.matches(to)) {
        std::string why{"penstock: the pipe from \""};
        why.append(by).append("\" to \"").append(to);
        throw std::invalid_argument{
            why.append("\" would feed itself: its pattern matches the topic")};
    }
    const detail::topic_state& target = home_->resolve<T>(to);
    return subscribe<T>(by, [&home = *home_, &target](const message<T>& m) {
        detail::envelope<T> e{message<T>{m}};
        (void)detail::publish_to(home, target, e, {true, {}});
    });
}

template <class Question, class Handler>
subscription bus::reply(std::string_view name, const reply_options& o, Handler&& h) {
    using answer = std::decay_t<std::invoke_result_t<std::decay_t<Handler>&, const Question&>>;
    using question = detail::question<Question, answer>;
    return subscribe<question>(
        name,
        subscribe_options<question>{

            .group = o.group, .executor = o.executor, .capacity = o.capacity},
        [h = std::decay_t<Handler>(std::forward<Handler>(h))](const question& q) mutable {
            q.answer(h(q.what()));
        });
}

template <class Answer, class Question, class Rep, class Period>
result<Answer> bus::request(std::string_view name, Question q, std::chrono::duration<Rep, Period> d,
                            const sys::stop_token& stop, clock_ref by) {
    const deadline until = deadline::after(by, d);
    auto to = std::make_shared<detail::answer_slot<Answer>>();
    {
        detail::question<Question, Answer> asks{std::move(q), to};
        const published p = try_publish(name, std::move(asks));
        if (!p) return p.status();
    }
    return to->wait(until, stop);
}

}  // namespace penstock::inline PENSTOCK_ABI
