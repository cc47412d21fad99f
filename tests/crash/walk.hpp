// SPDX-License-Identifier: BSL-1.0
// Scripted work on a journal, with every crash at every step of it.
//
//   crash::tally found;
//   crash::walk{sync::every_append, {.budget = 60}, found}.run("ssSbtR sPs");
//
// A script is a row of letters, each an action:
//
//   s S f  send an order: small, 3,000 bytes, 24 bytes     t  transact: accept an order, two invoices
//   i      send an invoice                                 y  sync()          m  maintain()
//   b B    send_all: three small, three of 1,500 bytes     T  trim()
//   a      accept the next order                           R  close and open again
//   o      accept the one behind it                        K  kill and open again
//   x      accept the next invoice                         P  lose power, open what is left, go on
//   r d    reserve, and commit or drop it
//   w      wait 20 ms
//   z      the orders' group goes back to the oldest       F  the next sync fails, once
#pragma once

#include <cctype>
#include <functional>
#include <string_view>

#include "crash/power.hpp"

namespace crash {

struct walk_options {
    std::size_t budget = 40;  // states at each point
    std::size_t every = 1;    // of so many points one
    std::uint64_t seed = 1;
    bool kills = true;      // also the state that a killed process leaves
    bool in_order = false;  // instead: only what disks do that write in order
    bool once = false;      // until the first violation
    bool quiet = false;     // no crashes
    penstock::retention limit{};
};

class walk {
public:
    walk(sync policy, const walk_options& options, tally& counts)
        : policy_{policy}, options_{options}, counts_{counts}, random_{options.seed} {
        h_.trimmed = options.limit.bytes > 0;
        h_.dropped = options.limit.unread == penstock::unread::drop_oldest;
        begin({});
    }

    void run(std::string_view script) {
        script_ = script;
        try {
            open();
            for (at_ = 0; at_ < script_.size() && !over(); ++at_)
                if (std::isalpha(static_cast<unsigned char>(script_[at_]))) act(script_[at_]);
        } catch (const std::exception& e) {
            counts_.violation(where("working") + e.what());
        }
        files_->on_step = nullptr;
        shop_.reset();
    }

    [[nodiscard]] disk& files() noexcept { return *files_; }
    [[nodiscard]] const history& happened() const noexcept { return h_; }

private:
    [[nodiscard]] bool over() const { return options_.once && counts_.violations > 0; }

    void begin(image from) {
        files_.reset();
        files_ = std::make_unique<disk>(std::move(from), boot_);
        files_->on_step = [this](const char* step) { point(step); };
    }
    void open() {
        shop_ = std::make_unique<shop>(*files_, policy_, false, options_.limit);
        // All that is found at an opening is relied on from then on.
        h_.promised = h_.returned = h_.units.size();
        check_promise();
        files_->step("opened");
    }
    /// What follows is called by the disk too, before an opening has ended.
    void check_promise() {
        if (!shop_) return;
        const std::uint64_t synced = shop_->books.synced();
        for (std::size_t i = h_.promised; i < h_.units.size() && h_.units[i].end > 0; ++i)
            if (h_.units[i].end <= synced) h_.promised = i + 1;
    }

    void act(char what) {
        switch (what) {
            case 's': send(0, 0); break;
            case 'S': send(0, 3000); break;
            case 'f': send(0, 24); break;
            case 'i': send(1, 100); break;
            case 'b': send_all(0); break;
            case 'B': send_all(1500); break;
            case 'a': accept(0, 0); break;
            case 'o': accept(0, 1); break;
            case 'x': accept(1, 0); break;
            case 't': transact(); break;
            case 'z': {
                perform({.sought = 0},
                        [&] { return shop_->groups[0]->seek(penstock::seek_to::begin); });
                break;
            }
            case 'y': {
                const std::size_t all = h_.returned;
                if (shop_->books.sync()) h_.promised = all;
                files_->step("sync() returned");
                break;
            }
            case 'r': reserve(true); break;
            case 'd': reserve(false); break;
            case 'w': shop_->time.advance(std::chrono::milliseconds{20}); break;
            case 'm': (void)shop_->books.maintain(); break;
            case 'T':
                h_.trimmed = true;
                (void)shop_->books.trim();
                break;
            case 'R':
                shop_.reset();
                settle();
                open();
                break;
            case 'K':
                files_->frozen = true;
                shop_.reset();
                files_->frozen = false;
                settle();
                open();
                break;
            case 'P': lose_power(); break;
            case 'F': fail_ = true; break;
            default: throw std::logic_error{"no such action"};
        }
        if (fail_ && !files_->refuse) {
            files_->refuse = [this](const char* call) {
                return fail_ && std::string_view{call} == "sync" ? (fail_ = false, EIO) : 0;
            };
        }
        if (shop_) check_promise();
        files_->step("returned");
    }

    template <class F>
    void perform(unit u, F&& f) {
        h_.units.push_back(std::move(u));
        const status s = f();
        if (s == status::ok) {
            h_.units.back().end = shop_->books.appended();
            h_.returned = h_.units.size();
            if (policy_ == sync::every_append) h_.promised = h_.units.size();
        } else if (s == status::failed && !failed_) {
            failed_ = true;  // it may be there or not
        } else {
            h_.units.pop_back();
            const bool full = s == status::full && options_.limit.bytes > 0;
            if (s != status::failed && !full) throw std::logic_error{"refused"};
        }
    }
    void send(int stream, std::size_t size) {
        const std::uint64_t id = ++last_;
        perform({.sent = {{stream, id}}},
                [&] { return shop_->queues[stream]->send(message(id, size)); });
    }
    void send_all(std::size_t size) {
        unit u;
        std::vector<std::string> all;
        for (int n = 0; n < 3; ++n) {
            u.sent.emplace_back(0, ++last_);
            all.push_back(message(last_, size));
        }
        perform(std::move(u), [&] { return shop_->queues[0]->send_all(all); });
    }
    void reserve(bool commit) {
        const std::string m = message(++last_, 1000);
        auto r = shop_->queues[0]->reserve(1800);
        if (!r) throw std::logic_error{"can't reserve"};
        std::memset(r->bytes().data(), 'X', r->bytes().size());
        std::memcpy(r->bytes().data(), m.data(), m.size());
        files_->step("reserved");
        if (!commit) return;
        perform({.sent = {{0, last_}}}, [&] { return r->commit(m.size()); });
    }
    delivery<std::string> take(int stream) {
        auto d = shop_->groups[stream]->try_receive();
        if (!d) {
            if (d.status() != status::empty && !failed_) throw std::logic_error{"can't receive"};
            return d;
        }
        const std::uint64_t id = id_of(*d);
        std::size_t n = 0;
        for (; n < h_.units.size(); ++n) {
            const auto& sent = h_.units[n].sent;
            if (std::count(sent.begin(), sent.end(), std::pair{stream, id}) > 0) break;
        }
        if (n == h_.units.size() || (policy_ == sync::every_append && n >= h_.promised))
            counts_.violation(where("handed out") + "message " + std::to_string(id) +
                              ", which power loss may take");
        return d;
    }
    void accept(int stream, int skip) {
        std::vector<delivery<std::string>> held;
        for (int n = 0; n < skip; ++n) held.push_back(take(stream));
        auto d = take(stream);
        if (!d) return;
        perform({.accepted = {{stream, id_of(*d)}}}, [&] { return d.accept(); });
    }
    void transact() {
        auto d = take(0);
        if (!d) return;
        unit u{.accepted = {{0, id_of(*d)}}};
        for (int n = 0; n < 2; ++n) u.sent.emplace_back(1, ++last_);
        const auto sent = u.sent;
        perform(std::move(u), [&] {
            return shop_->books.transact([&](auto& t) {
                t.send(*shop_->queues[1], message(sent[0].second, 700));
                t.accept(d);
                t.send(*shop_->queues[1], message(sent[1].second, 10));
            });
        });
    }
    void settle() {
        failed_ = false;
        // What nobody was told of is there or not: the opening decides.
        std::string wrong;
        disk copy{files_->after_kill(), boot_, false};
        if (const auto n = recovered(copy, h_, h_.returned, wrong))
            h_.units.resize(*n);
        else
            counts_.violation(where("killed") + wrong);
    }
    void lose_power() {
        files_->on_step = nullptr;
        std::vector<image> some;
        files_->states(6, random_, [&](image&& i) { some.push_back(std::move(i)); });
        image left = std::move(some[random_() % some.size()]);
        files_->frozen = true;
        shop_.reset();
        files_->refuse = nullptr;
        fail_ = failed_ = false;
        ++boot_;
        std::string wrong;
        disk copy{left, boot_, false};
        const auto n = recovered(copy, h_, h_.promised, wrong);
        if (!n) throw std::runtime_error{"after a power loss: " + wrong};
        h_.units.resize(*n);
        h_.returned = h_.promised = std::min(h_.promised, *n);
        begin(std::move(left));
        open();
    }

    /// Every crash that could happen here.
    void point(const char* step) {
        if (over() || options_.quiet) return;
        if (passed_++ % options_.every != 0) return;
        ++counts_.points;
        if (options_.kills && !options_.in_order) {
            if (random_() % 4 == 0) {
                auto after = files_->next_process();
                verdict(recovered_twice(*after, h_, h_.returned, wrong_), step,
                        "a kill, then power loss");
            } else {
                disk after{files_->after_kill(), boot_, false};
                verdict(recovered(after, h_, h_.returned, wrong_), step, "a kill");
            }
        }
        const auto power = [&](image&& left) {
            if (over()) return;
            // Now and then on to the second power loss.
            if (random_() % 16 == 0) {
                disk after{std::move(left), boot_ + 1};
                verdict(recovered_twice(after, h_, h_.promised, wrong_), step, "power loss twice");
            } else {
                disk after{std::move(left), boot_ + 1, false};
                verdict(recovered(after, h_, h_.promised, wrong_), step, "power loss");
            }
        };
        if (options_.in_order) {
            files_->states_in_order(power);
        } else {
            counts_.exhaustive += files_->states(options_.budget, random_, power) ? 1 : 0;
        }
    }
    void verdict(const std::optional<std::size_t>& n, const char* step, const char* crash) {
        ++counts_.states;
        if (!n) counts_.violation(where(step) + "after " + crash + ": " + wrong_);
    }
    [[nodiscard]] std::string where(const char* step) const {
        std::string s =
            "script \"" + script_ + "\", policy " + std::to_string(static_cast<int>(policy_)) +
            ", seed " + std::to_string(options_.seed) + ", action " + std::to_string(at_);
        if (at_ < script_.size()) s += std::string{" ("} + script_[at_] + ")";
        return s + ", at " + step + ": ";
    }

    const sync policy_;
    const walk_options options_;
    tally& counts_;
    std::mt19937_64 random_;
    std::uint64_t boot_ = 1;
    std::unique_ptr<disk> files_;
    std::unique_ptr<shop> shop_;
    history h_;
    std::string script_, wrong_;
    std::size_t at_ = 0;
    std::uint64_t last_ = 0;
    std::size_t passed_ = 0;  // points
    bool fail_ = false;       // the next sync
    bool failed_ = false;     // one has
};

}  // namespace crash
