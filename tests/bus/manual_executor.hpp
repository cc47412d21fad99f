// SPDX-License-Identifier: BSL-1.0
// An executor whose tasks run when the test says so, in the test's thread.
#pragma once

#include <deque>
#include <stdexcept>
#include <utility>

#include <penstock/bus/executor.hpp>

class manual_executor {
public:
    void post(penstock::task t) {
        if (refuses) throw std::runtime_error{"no room for a task"};
        tasks_.push_back(std::move(t));
    }
    [[nodiscard]] std::size_t waiting() const { return tasks_.size(); }
    bool run_one() {
        if (tasks_.empty()) return false;
        auto t = std::move(tasks_.front());
        tasks_.pop_front();
        t();
        return true;
    }
    void run_all() {
        while (run_one()) {
        }
    }

    bool refuses = false;

private:
    std::deque<penstock::task> tasks_;
};
