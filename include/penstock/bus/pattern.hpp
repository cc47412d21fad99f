// SPDX-License-Identifier: BSL-1.0
// Topic names and the patterns that select them, by RabbitMQ's rules.
//
//   quake.us.strong     a name: words with dots between them
//   quake.*.strong      a pattern: * stands for exactly one word
//   quake.#             # stands for none or more: matches quake, quake.us, quake.us.strong
//
// Names are compared byte by byte; a word may be any bytes but dot, * and #. At most 255 bytes.
//
// Cost      matches: at most words of the pattern times bytes of the name, whatever the wildcards;
//           allocates nothing.
// Errors    Empty words, wildcards in a name, wildcards that aren't a whole word, over-long ones:
//           std::invalid_argument, which says what, where and why. RabbitMQ allows the first.
//
// The matcher is the usual greedy one for globs, with words for characters: when words disagree,
// the last # takes one more of the name. An earlier # never has to: whatever it could take more,
// the last one can take as well.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <penstock/core/config.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// In bytes; as AMQP's short strings.
inline constexpr std::size_t longest_name = 255;

namespace detail {

/// The words of a name, one after the other.
class words {
public:
    explicit words(std::string_view text) noexcept : text_{text} { measure(); }
    [[nodiscard]] bool done() const noexcept { return at_ > text_.size(); }
    [[nodiscard]] std::string_view word() const noexcept { return text_.substr(at_, length_); }
    [[nodiscard]] std::size_t position() const noexcept { return at_; }
    void next() noexcept {
        at_ += length_ + 1;
        measure();
    }

private:
    void measure() noexcept {
        if (done()) return;
        length_ = 0;
        while (at_ + length_ < text_.size() && text_[at_ + length_] != '.') ++length_;
    }
    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t length_ = 0;
};

[[noreturn]] inline void refuse_name(const char* what, std::string_view text, std::size_t at,
                                     const char* why) {
    std::string message{"penstock: the "};
    message.append(what).append(" \"").append(text.substr(0, longest_name)).append("\" ");
    message.append(why).append(" (at byte ").append(std::to_string(at)).append(")");
    throw std::invalid_argument{message};
}

inline void check_words(const char* what, std::string_view text, bool wildcards) {
    if (text.size() > longest_name) refuse_name(what, text, longest_name, "is over 255 bytes long");
    for (words w{text}; !w.done(); w.next()) {
        if (w.word().empty()) refuse_name(what, text, w.position(), "has an empty word");
        std::size_t wild = 0;
        while (wild < w.word().size() && w.word()[wild] != '*' && w.word()[wild] != '#') ++wild;
        if (wild == w.word().size()) continue;
        if (!wildcards)
            refuse_name(what, text, w.position() + wild,
                        "has a wildcard: patterns subscribe, names are published to");
        if (w.word().size() > 1)
            refuse_name(what, text, w.position() + wild,
                        "has a wildcard inside a word: * and # stand for whole words");
    }
}

}  // namespace detail

/// Throws std::invalid_argument unless it can be published to.
inline void check_name(std::string_view name) { detail::check_words("topic name", name, false); }

class pattern {
public:
    explicit pattern(std::string_view text) : text_{text} {
        detail::check_words("pattern", text_, true);
    }

    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    /// Without wildcards: it matches one name only.
    [[nodiscard]] bool exact() const noexcept {
        return text_.find_first_of("*#") == std::string::npos;
    }

    [[nodiscard]] bool matches(std::string_view name) const noexcept {
        detail::words mine{text_}, theirs{name};
        detail::words behind_hash{text_}, taken{name};  // valid once a # was met
        bool hash = false;
        while (!theirs.done()) {
            if (!mine.done() && mine.word() == "#") {
                mine.next();
                hash = true;
                behind_hash = mine;
                taken = theirs;
            } else if (!mine.done() && (mine.word() == "*" || mine.word() == theirs.word())) {
                mine.next();
                theirs.next();
            } else if (hash) {
                taken.next();
                mine = behind_hash;
                theirs = taken;
            } else {
                return false;
            }
        }
        while (!mine.done() && mine.word() == "#") mine.next();
        return mine.done();
    }

private:
    std::string text_;
};

}  // namespace penstock::inline PENSTOCK_ABI
