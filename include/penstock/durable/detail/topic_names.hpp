// SPDX-License-Identifier: BSL-1.0
// The names of the topics that messages of a journal belong to, by number and back. A name stays where
// it is as long as this does.
//
// Threads   Everything may be called by any number of threads at once.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <penstock/core/sync_wait.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

class topic_names {
    using table = std::map<std::string, std::uint32_t, std::less<>>;

public:
    using entry = table::node_type;

    /// 0: not known.
    [[nodiscard]] std::uint32_t find(std::string_view name) const {
        std::lock_guard lock{mutex_};
        const auto at = numbers_.find(name);
        return at == numbers_.end() ? 0 : at->second;
    }
    /// Empty: none, or not known.
    [[nodiscard]] std::string_view name_of(std::uint32_t number) const {
        if (number == 0) return {};
        std::lock_guard lock{mutex_};
        return number <= names_.size() ? std::string_view{*names_[number - 1]} : std::string_view{};
    }

    /// The next number, for add(), which then can't fail. By one thread at a time.
    [[nodiscard]] entry prepare(std::string_view name) {
        std::lock_guard lock{mutex_};
        if (names_.size() == names_.capacity()) names_.reserve(2 * names_.size() + 8);
        table made;
        made.emplace(name, static_cast<std::uint32_t>(names_.size() + 1));
        return made.extract(made.begin());
    }
    void add(entry&& e) noexcept {
        std::lock_guard lock{mutex_};
        names_.push_back(&e.key());
        numbers_.insert(std::move(e));
    }

private:
    mutable sys::mutex mutex_;  // guards what follows
    table numbers_;
    std::vector<const std::string*> names_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
