// SPDX-License-Identifier: BSL-1.0
// A file descriptor that an event loop can wait for: readable from signal() until clear().
#pragma once

#include <cerrno>
#include <cstdint>
#include <system_error>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace os {

/// eventfd(2), closed on exec. Any thread may signal.
class event {
public:
    /// Throws std::system_error where there are no descriptors left.
    event() : fd_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
        if (fd_ < 0) throw std::system_error{errno, std::generic_category(), "penstock: eventfd"};
    }
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    ~event() { ::close(fd_); }

    [[nodiscard]] int fd() const noexcept { return fd_; }

    void signal() noexcept {
        const int before = errno;
        const std::uint64_t one = 1;
        while (::write(fd_, &one, sizeof one) < 0 && errno == EINTR) {
        }
        errno = before;
    }
    void clear() noexcept {
        const int before = errno;
        std::uint64_t count = 0;
        while (::read(fd_, &count, sizeof count) < 0 && errno == EINTR) {
        }
        errno = before;
    }
    [[nodiscard]] bool readable() const noexcept {
        const int before = errno;
        pollfd p{};
        p.fd = fd_;
        p.events = POLLIN;
        const bool yes = ::poll(&p, 1, 0) == 1;
        errno = before;
        return yes;
    }

private:
    int fd_;
};

}  // namespace os
}  // namespace penstock::inline PENSTOCK_ABI
