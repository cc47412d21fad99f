// SPDX-License-Identifier: BSL-1.0
// Brings one execution back from the string that a failure prints.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

#include "engine/explorer.hpp"

namespace model {

class replayer final : public director {
public:
    explicit replayer(const std::string& text) {
        for (std::size_t i = 0; i < text.size();) {
            const int thread = text[i++] - 'a';
            std::size_t n = 1;
            if (i < text.size() && text[i] >= '0' && text[i] <= '9') n = number(text, i);
            for (std::size_t k = 0; k < n; ++k) steps_.push_back({thread, 0});
            if (i < text.size() && text[i] == '-') steps_.back().back = number(text, ++i);
        }
    }
    int next(const explorer&) override {
        return at_ < steps_.size() ? steps_[at_].thread : anybody;
    }
    void stepped(const explorer&, int) override {
        now_ = at_ < steps_.size() ? steps_[at_].back : 0;
        ++at_;
    }
    std::size_t back(std::size_t how_many) override {
        return now_ < how_many ? now_ : how_many - 1;
    }

private:
    static std::size_t number(const std::string& text, std::size_t& i) {
        std::size_t n = 0;
        while (i < text.size() && text[i] >= '0' && text[i] <= '9')
            n = n * 10 + static_cast<std::size_t>(text[i++] - '0');
        return n;
    }
    struct one {
        int thread;
        std::size_t back;
    };
    std::vector<one> steps_;
    std::size_t at_ = 0;
    std::size_t now_ = 0;
};

}  // namespace model
