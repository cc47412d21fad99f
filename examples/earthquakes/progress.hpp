// SPDX-License-Identifier: BSL-1.0
// One line that says how far we are, where somebody is looking: standard output is a terminal.
#pragma once

#include <chrono>
#include <cstdio>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include <unistd.h>

#include "mailer.hpp"

class progress {
public:
    /// `line` is called now and then, in another thread, until this goes.
    explicit progress(std::function<std::string()> line) {
        if (!isatty(STDOUT_FILENO)) return;
        std::fflush(stdout);
        shows_ = std::jthread{[line = std::move(line)](const std::stop_token& stop) {
            do {
                std::printf(
                    "\r  %s\x1b[K", line().c_str());  // to the line's beginning; erase the rest
                std::fflush(stdout);
            } while (wait_until(steady::now() + std::chrono::milliseconds{100}, stop));
            std::printf("\r\x1b[K");
            std::fflush(stdout);
        }};
    }

private:
    std::jthread shows_;
};
