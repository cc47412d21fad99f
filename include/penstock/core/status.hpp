// SPDX-License-Identifier: BSL-1.0
// The answer of an operation that may be refused: true when ok, else the reason.
//
//   status s = tx.send(job{7});
//   if (!s) std::puts(s.name());
//   if (s == status::closed) return;
//   switch (s) { case status::full: ...; default: ...; }
#pragma once

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {

class [[nodiscard]] status {
public:
    enum class code : unsigned char {
        ok,
        empty,
        full,
        dropped,
        closed,
        stopped,
        timed_out,
        too_large,
        no_space,
        no_subscribers,
        would_block_self,
        failed,
    };

    static const status ok;
    static const status empty;             ///< nothing to take
    static const status full;              ///< no room; the value is still the caller's
    static const status dropped;           ///< the overflow policy let go of it; it went to on_drop
    static const status closed;            ///< no more sends; for receivers: and nothing left
    static const status stopped;           ///< the stop token ended the wait
    static const status timed_out;         ///< the deadline ended the wait
    static const status too_large;         ///< could never fit
    static const status no_space;          ///< the disk is full; what is in is intact
    static const status no_subscribers;    ///< nobody listens to that topic
    static const status would_block_self;  ///< waiting would wait for the caller itself
    static const status failed;            ///< storage is broken; every later call says so too

    constexpr explicit status(code c) noexcept : code_{c} {}
    constexpr explicit operator bool() const noexcept { return code_ == code::ok; }
    constexpr operator code() const noexcept { return code_; }  // for switch
    friend constexpr bool operator==(status a, status b) noexcept { return a.code_ == b.code_; }

    [[nodiscard]] constexpr const char* name() const noexcept {
        switch (code_) {
            case code::ok: return "ok";
            case code::empty: return "empty";
            case code::full: return "full";
            case code::dropped: return "dropped";
            case code::closed: return "closed";
            case code::stopped: return "stopped";
            case code::timed_out: return "timed_out";
            case code::too_large: return "too_large";
            case code::no_space: return "no_space";
            case code::no_subscribers: return "no_subscribers";
            case code::would_block_self: return "would_block_self";
            case code::failed: return "failed";
        }
        return "?";
    }

private:
    code code_;
};

inline constexpr status status::ok{code::ok};
inline constexpr status status::empty{code::empty};
inline constexpr status status::full{code::full};
inline constexpr status status::dropped{code::dropped};
inline constexpr status status::closed{code::closed};
inline constexpr status status::stopped{code::stopped};
inline constexpr status status::timed_out{code::timed_out};
inline constexpr status status::too_large{code::too_large};
inline constexpr status status::no_space{code::no_space};
inline constexpr status status::no_subscribers{code::no_subscribers};
inline constexpr status status::would_block_self{code::would_block_self};
inline constexpr status status::failed{code::failed};

}  // namespace penstock::inline PENSTOCK_ABI
