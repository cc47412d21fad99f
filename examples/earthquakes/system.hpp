// SPDX-License-Identifier: BSL-1.0
// What the example needs of the operating system: a folder of its own, and a gentle Ctrl-C.
#pragma once

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>

#include <pthread.h>
#include <stdlib.h>

#include "feed.hpp"

/// A new folder below $TMPDIR or /tmp that goes with this object; or one that was named, and stays.
class work_folder {
public:
    explicit work_folder(const std::string& named) : keep_{!named.empty()} {
        namespace fs = std::filesystem;
        if (keep_) {
            std::error_code error;
            fs::create_directories(named, error);
            if (error) throw input_error{named + ": can't be created: " + error.message()};
            if (!fs::is_empty(named))
                throw input_error{named + ": isn't empty; the archive needs a folder of its own"};
            path_ = named;
        } else {
            const char* tmp = std::getenv("TMPDIR");
            path_ = std::string{tmp && *tmp ? tmp : "/tmp"} + "/penstock-earthquakes-XXXXXX";
            if (!mkdtemp(path_.data()))
                throw std::system_error{errno, std::generic_category(), path_};
        }
    }
    work_folder(const work_folder&) = delete;
    work_folder& operator=(const work_folder&) = delete;
    ~work_folder() {
        std::error_code ignored;
        if (!keep_) std::filesystem::remove_all(path_, ignored);
    }

    std::string operator/(const char* name) const { return path_ + "/" + name; }
    bool kept() const { return keep_; }
    const std::string& path() const { return path_; }

private:
    bool keep_;
    std::string path_;
};

/// Returns the path.
inline std::string write_text(const std::string& path, const std::string& text) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    const bool written = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    if (!file || std::fclose(file) != 0 || !written)
        throw std::system_error{errno, std::generic_category(), path};
    return path;
}

/// Turns the first SIGINT, SIGTERM or SIGHUP into a stop request; the second one ends the program.
/// To be made before any other thread.
class interrupts {
public:
    interrupts() {
        sigemptyset(&signals_);
        for (const int s : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals_, s);
        sigset_t blocked = signals_;
        sigaddset(&blocked, SIGPIPE);  // a report that nobody reads any more is an error of write
        pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
        thread_ = std::thread{[this] {
            for (;;) {
                int signal = 0;
                sigwait(&signals_, &signal);
                if (over_) return;
                if (source_.stop_requested()) std::_Exit(128 + signal);
                first_ = signal;
                source_.request_stop();
            }
        }};
    }
    interrupts(const interrupts&) = delete;
    interrupts& operator=(const interrupts&) = delete;
    ~interrupts() {
        over_ = true;
        pthread_kill(thread_.native_handle(), SIGTERM);
        thread_.join();
    }

    std::stop_token token() const { return source_.get_token(); }
    /// What a shell says of a program that a signal ended; 0: none did.
    int exit_code() const { return source_.stop_requested() ? 128 + first_ : 0; }

private:
    sigset_t signals_;
    std::atomic<bool> over_ = false;
    std::atomic<int> first_ = 0;
    std::stop_source source_;
    std::thread thread_;
};
