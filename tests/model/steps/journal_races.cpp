// SPDX-License-Identifier: BSL-1.0
// A journal whose threads race, and crashes in between: one sends and rolls, one transacts, one accepts
// and seeks, one prepares, recycles, trims and syncs. The checker's scheduler draws who does the next
// step, by a seed, and the disk (crash/disk.hpp) remembers what was not synced. At some of its steps it is
// asked what a kill or a power loss would leave, and all that is opened and compared afterwards.
//
// The same with a sync that fails in the middle: from then on every answer is `failed`, what had been
// promised stays so, and the next process writes again what may not be on disk.
//
// What must be there: the work of each thread up to some action, at least as many as were promised to it;
// of all that is in the journal a prefix by offset; transactions whole or absent; and only accepted
// messages may be trimmed.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "crash/power.hpp"
#include "model/engine/memory.hpp"
#include "model/steps.hpp"

namespace {

using namespace crash;
using penstock::seek_to;

/// What is allocated in it is the test's, and lives on when the program has ended.
class outside {
public:
    outside() : was_{std::exchange(model::allocating_thread, -1)} {}
    outside(const outside&) = delete;
    ~outside() { model::allocating_thread = was_; }

private:
    const int was_;
};

/// A disk that the program uses and that is not part of it.
class disk_outside final : public penstock::os::file_system {
    template <class F>
    static auto in(F&& f) {
        const outside here;
        return f();
    }

public:
    explicit disk_outside(disk& d) : d_{d} {}
    int open(const char* path, int flags) override {
        return in([&] { return d_.open(path, flags); });
    }
    void close(int) noexcept override {}
    std::int64_t size(int fd) override { return d_.size(fd); }
    std::ptrdiff_t read_at(int fd, void* to, std::size_t n, std::uint64_t at) override {
        return d_.read_at(fd, to, n, at);
    }
    std::ptrdiff_t write_at(int fd, const void* from, std::size_t n, std::uint64_t at) override {
        return in([&] { return d_.write_at(fd, from, n, at); });
    }
    int truncate(int fd, std::uint64_t n) override {
        return in([&] { return d_.truncate(fd, n); });
    }
    int allocate(int fd, std::uint64_t n) override { return d_.allocate(fd, n); }
    int sync(int fd) override {
        return in([&] { return d_.sync(fd); });
    }
    int sync_data(int fd) override {
        return in([&] { return d_.sync_data(fd); });
    }
    int lock(int fd, bool shared) override { return d_.lock(fd, shared); }
    int rename(const char* a, const char* b) override {
        return in([&] { return d_.rename(a, b); });
    }
    int remove(const char* path) override {
        return in([&] { return d_.remove(path); });
    }
    int make_directory(const char* path) override {
        return in([&] { return d_.make_directory(path); });
    }
    int list(const char* path, std::vector<std::string>& names) override {
        std::vector<std::string> found;
        const int e = in([&] { return d_.list(path, found); });
        for (const auto& name : found) names.emplace_back(name.c_str());
        const outside here;
        found = {};
        return e;
    }
    void* map(int fd, std::size_t n, bool w) override { return d_.map(fd, n, w); }
    void unmap(void*, std::size_t) noexcept override {}
    void populate(void*, std::size_t) noexcept override {}
    void unload(void*, std::size_t) noexcept override {}
    std::int64_t process_id() noexcept override { return 1; }
    std::int64_t wall_time() noexcept override {
        return in([&] {
            d_.step("in the middle of an append");
            return d_.time;
        });
    }
    std::uint64_t random() override { return d_.random(); }
    std::uint64_t boot() override { return d_.boot(); }

private:
    disk& d_;
};

// What each thread does, in its order --------------------------------------------------------------

enum lane : std::size_t { sender, worker, reader, keeper, lanes };

struct lane_history {
    std::vector<unit> units;
    std::vector<std::uint64_t> began;  // the journal's end before each
    std::size_t returned = 0;
    std::size_t promised = 0;  // to survive power loss too
};
using histories = std::array<lane_history, lanes>;
using promises = std::array<std::size_t, lanes>;

struct snapshot {
    image left;
    std::uint64_t boot;
    promises least;
    std::string what;
};

/// What is in a journal, by message.
struct found {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> messages[streams];  // offset, number
    std::set<std::uint64_t> waiting[3];  // for billing, audit, replay
};

constexpr const char* replay = "replay";

template <class F>
void each(durable_group<std::string>& from, F&& f) {
    std::vector<delivery<std::string>> held;
    for (;;) {
        auto d = from.try_receive();
        if (!d) {
            if (d.status() != status::empty) f(d.info().id, std::uint64_t{0});
            return;
        }
        f(d.info().id, id_of(*d));
        held.push_back(std::move(d));
    }
}

found look(disk& files) {
    shop s{files, crash::sync::process_crash};
    for (const auto& d : s.books.report().damage)
        throw std::runtime_error{"called damage: segment " + std::to_string(d.at.segment) +
                                 ", byte " + std::to_string(d.at.byte) + ": " + d.what};
    found f;
    for (int i = 0; i < streams; ++i) {
        auto all = s.queues[i]->group("all", {.prefetch = 100});
        each(all, [&](std::uint64_t offset, std::uint64_t id) {
            f.messages[i].emplace_back(offset, id);
        });
        each(*s.groups[i], [&](std::uint64_t, std::uint64_t id) { f.waiting[i].insert(id); });
    }
    auto again = s.queues[0]->group(replay, {.prefetch = 64});
    each(again, [&](std::uint64_t, std::uint64_t id) { f.waiting[2].insert(id); });
    return f;
}

// The race -------------------------------------------------------------------------------------------

class race {
public:
    /// `fails`: so many syncs go well, and the next one doesn't.
    race(const image& from, crash::sync policy, std::uint64_t seed, std::uint64_t fails = never)
        : files_{from, 7}, policy_{policy}, random_{seed}, seed_{seed}, fails_{fails} {
        disk copy{from, 7, false};
        before_ = look(copy);
        next_ = 1000;
    }

    static constexpr std::uint64_t never = ~std::uint64_t{0};
    [[nodiscard]] bool failed() const { return syncs_ > fails_; }

    std::string run(std::size_t points_in_hundred, tally& counts) {
        files_.refuse = [&](const char* call) {
            return racing_ && std::string_view{call} == "sync" && syncs_++ == fails_ ? EIO : 0;
        };
        std::size_t points = 0;
        files_.on_step = [&](const char* step) {
            if (!racing_ || random_() % 100 >= points_in_hundred) return;
            ++points;
            keep(step);
        };
        const auto result = model::shuffle(
            [&] { body(); }, static_cast<unsigned>(seed_), {.steps = 200'000, .repeats = 200'000});
        files_.on_step = nullptr;
        files_.refuse = nullptr;
        counts.points += points;
        if (!result.ok) return "the race: " + result.text.substr(0, 2000);
        racing_ = true;
        const std::size_t last = kept_.size();
        keep("the end");
        disk whole{files_.after_kill(), 7, false};
        for (const found& f : {before_, look(whole)})
            for (const auto& m : f.messages)
                for (const auto& [offset, id] : m) offset_of_[id] = offset;
        if (failed()) {
            // What the next process finds is on disk when it says so, whatever the failed sync has lost.
            const auto next = files_.next_process();
            (void)look(*next);
            kept_.push_back(
                {next->only_synced(), 8, kept_[last].least, "a failed sync and a start"});
        }
        for (snapshot& s : kept_) {
            ++counts.states;
            disk left{std::move(s.left), s.boot, false};
            std::string wrong;
            try {
                wrong = compare(look(left), s.least);
            } catch (const std::exception& e) {
                wrong = e.what();
            }
            if (!wrong.empty())
                counts.violation(
                    "seed " + std::to_string(seed_) + ", policy " +
                    std::to_string(static_cast<int>(policy_)) + ", after " + s.what + ": " + wrong);
        }
        return {};
    }

private:
    /// The states of a crash here.
    void keep(const char* step) {
        promises returned{}, promised{};
        for (std::size_t i = 0; i < lanes; ++i) {
            returned[i] = lanes_[i].returned;
            promised[i] = lanes_[i].promised;
        }
        kept_.push_back({files_.after_kill(), 7, returned, std::string{"a kill at "} + step});
        files_.states(2, random_, [&](image&& left) {
            if (random_() % 3 == 0)
                kept_.push_back(
                    {std::move(left), 8, promised, std::string{"power loss at "} + step});
        });
    }

    void body() {
        disk_outside files{files_};
        penstock::manual_clock time;
        journal books{"j", {.sync = policy_, .segment_bytes = room, .clock = time, .files = files}};
        durable_queue<std::string> orders{books, stream_names[0]}, invoices{books, stream_names[1]};
        auto billing = orders.group(group_names[0], {.prefetch = 64});
        auto again = orders.group(replay, {.prefetch = 64});
        racing_ = true;
        const int threads[]{
            model::spawn([&] { send(books, orders); }, "S", {}),
            model::spawn([&] { transact(books, billing, invoices); }, "W", {}),
            model::spawn([&] { accept_and_seek(books, again); }, "R", {}),
            model::spawn([&] { keep_house(books); }, "K", {}),
        };
        for (const int t : threads) model::join(t, {});
        racing_ = false;
    }

    void send(journal& books, durable_queue<std::string>& orders) {
        for (int n = 0; n < 5; ++n) {
            const std::uint64_t id =
                begin(sender, books,
                      [&](unit& u) {
                          u.sent = {{0, ++next_}};
                      })
                    .sent[0]
                    .second;
            const std::string m = message(id, 3000);
            if (!end(sender, orders.send(m), books)) return;
        }
    }
    void transact(journal& books, durable_group<std::string>& billing,
                  durable_queue<std::string>& invoices) {
        for (int n = 0; n < 4; ++n) {
            auto d = billing.try_receive();
            if (!d) {
                MODEL_CHECK(d.status() == status::empty || failed());
                continue;
            }
            const auto id = id_of(*d);
            const unit& u = begin(worker, books, [&](unit& to) {
                to.accepted = {{0, id}};
                to.sent = {{1, ++next_}, {1, ++next_}};
            });
            const std::string a = message(u.sent[0].second, 700), b = message(u.sent[1].second, 10);
            const status s = books.transact([&](auto& t) {
                t.send(invoices, a);
                t.accept(d);
                t.send(invoices, b);
            });
            if (!end(worker, s, books)) return;
        }
    }
    void accept_and_seek(journal& books, durable_group<std::string>& again) {
        for (int n = 0; n < 7; ++n) {
            if (n == 5) {
                begin(reader, books, [](unit& u) { u.sought = 2; });
                if (!end(reader, again.seek(seek_to::begin), books)) return;
            }
            // Steps for others: what is not synced is done in a few.
            for (int wait = policy_ == crash::sync::every_append ? 0 : 60; wait > 0; --wait)
                (void)books.appended();
            auto d = again.try_receive();
            if (!d) {
                MODEL_CHECK(d.status() == status::empty || failed());
                continue;
            }
            const auto id = id_of(*d);
            if (n == 5) stays_ = id;  // what the seek went back to is needed from now on
            begin(reader, books, [&](unit& u) { u.accepted = {{2, id}}; });
            if (!end(reader, d.accept(), books)) return;
        }
    }
    void keep_house(journal& books) {
        for (int n = 0; n < 5; ++n) {
            if (n % 2 == 0) MODEL_CHECK(books.trim() || failed());
            MODEL_CHECK(books.trim() || failed());
            if (n % 2 == 1) MODEL_CHECK(books.maintain() || failed());
            promises returned{};
            for (std::size_t i = 0; i < lanes; ++i) returned[i] = lanes_[i].returned;
            if (!books.sync()) {
                MODEL_CHECK(failed());
                return;
            }
            for (std::size_t i = 0; i < lanes; ++i)
                lanes_[i].promised = std::max(lanes_[i].promised, returned[i]);
        }
    }

    template <class F>
    const unit& begin(lane l, journal& books, F&& f) {
        const std::uint64_t end = books.appended();
        const outside here;
        lanes_[l].began.push_back(end);
        lanes_[l].units.emplace_back();
        f(lanes_[l].units.back());
        return lanes_[l].units.back();
    }
    /// False: it failed, and may be there or not.
    bool end(lane l, status s, journal& books) {
        MODEL_CHECK(s == status::ok || (s == status::failed && failed()));
        if (!s) return false;
        lane_history& mine = lanes_[l];
        mine.units.back().end = books.appended();
        const std::uint64_t synced = books.synced();
        mine.returned = mine.units.size();
        while (mine.promised < mine.returned && mine.units[mine.promised].end <= synced)
            ++mine.promised;
        if (policy_ == crash::sync::every_append) mine.promised = mine.returned;
        const outside here;
        files_.step("returned");
        return true;
    }

    /// Empty when some number of each thread's actions, at least those promised, makes what is there.
    std::string compare(const found& f, const promises& least) const {
        for (int i = 0; i < streams; ++i)
            for (const auto& [offset, id] : f.messages[i])
                if (id == 0) return "something that was never sent, or reading stopped";
        std::string why;
        promises n = least;
        for (;;) {
            if ((why = makes(f, n)).empty()) return {};
            std::size_t i = 0;
            while (i < lanes && n[i]++ == lanes_[i].units.size()) n[i] = least[i], ++i;
            if (i == lanes) return why;
        }
    }
    std::string makes(const found& f, const promises& n) const {
        std::set<std::uint64_t> there[streams], sent[streams], accepted[3], ever;
        for (int i = 0; i < streams; ++i) {
            for (const auto& [offset, id] : before_.messages[i]) {
                sent[i].insert(id);
                if (!before_.waiting[i].contains(id)) accepted[i].insert(id);
                if (i == 0 && !before_.waiting[2].contains(id)) accepted[2].insert(id);
            }
            for (const auto& [offset, id] : f.messages[i]) there[i].insert(id);
            if (!std::is_sorted(f.messages[i].begin(), f.messages[i].end())) return "out of order";
        }
        ever = accepted[2];
        for (std::size_t l = 0; l < lanes; ++l)
            for (std::size_t u = 0; u < n[l]; ++u) {
                const unit& done = lanes_[l].units[u];
                for (const auto& [stream, id] : done.sent) sent[stream].insert(id);
                if (done.sought >= 0) {
                    accepted[done.sought].clear();
                    if (stays_ > 0) ever = {};
                    for (std::uint64_t id = 1; id < stays_; ++id) ever.insert(id);
                }
                for (const auto& [group, id] : done.accepted) accepted[group].insert(id);
                for (const auto& [group, id] : done.accepted) ever.insert(id);
            }
        for (std::size_t l = 0; l < lanes; ++l)  // nothing without what was there before it
            for (std::size_t u = 0; u < n[l]; ++u)
                for (std::size_t k = 0; k < lanes; ++k)
                    if (n[k] < lanes_[k].returned &&
                        lanes_[k].units[n[k]].end <= lanes_[l].began[u])
                        return "an action without an earlier one";
        std::uint64_t oldest = ~std::uint64_t{0}, newest = 0;
        for (int i = 0; i < streams; ++i)
            for (const auto& [offset, id] : f.messages[i]) {
                oldest = std::min(oldest, offset);
                newest = std::max(newest, offset);
            }
        for (int i = 0; i < streams; ++i) {
            for (const auto id : there[i])
                if (!sent[i].contains(id)) return "message " + std::to_string(id) + " too many";
            for (const auto id : sent[i]) {
                if (there[i].contains(id)) continue;
                const auto at = offset_of_.find(id);
                const bool trimmed = at != offset_of_.end() && at->second < oldest &&
                                     accepted[i].contains(id) && (i > 0 || ever.contains(id));
                if (!trimmed) return "message " + std::to_string(id) + " is missing";
            }
            std::set<std::uint64_t> waits;
            for (const auto id : there[i])
                if (!accepted[i].contains(id)) waits.insert(id);
            if (waits != f.waiting[i]) return "another cursor of group " + std::to_string(i);
        }
        std::set<std::uint64_t> waits;
        for (const auto id : there[0])
            if (!accepted[2].contains(id)) waits.insert(id);
        if (waits != f.waiting[2]) return "another cursor of the group that seeks";
        for (const auto& [id, offset] : offset_of_)
            if (offset > oldest && offset < newest && !there[0].contains(id) &&
                !there[1].contains(id))
                return "a hole where message " + std::to_string(id) + " was";
        return {};
    }

    disk files_;
    const crash::sync policy_;
    std::mt19937_64 random_;
    const std::uint64_t seed_;
    const std::uint64_t fails_;
    std::uint64_t syncs_ = 0;
    std::uint64_t next_ = 0;
    std::uint64_t stays_ = 0;
    bool racing_ = false;
    histories lanes_;
    found before_;
    std::map<std::uint64_t, std::uint64_t> offset_of_;
    std::vector<snapshot> kept_;
};

/// A journal of two segments, the first of which may be trimmed once the fifth message is accepted by the
/// group that seeks.
image prepared() {
    disk files{{}, 7, false};
    {
        shop s{files, crash::sync::process_crash};
        auto again = s.queues[0]->group(replay, {.prefetch = 64});
        for (std::uint64_t id = 1; id <= 9; ++id) REQUIRE(s.queues[0]->send(message(id, 3000)));
        for (int n = 0; n < 6; ++n) REQUIRE(s.groups[0]->try_receive().accept());
        for (int n = 0; n < 4; ++n) REQUIRE(again.try_receive().accept());
    }
    return files.after_kill();
}

std::uint64_t rounds_of(std::uint64_t with_effort, std::uint64_t usual) {
    const char* const effort = std::getenv("PENSTOCK_CRASH_EFFORT");
    return effort ? with_effort * std::strtoull(effort, nullptr, 10) : usual;
}

}  // namespace

TEST_CASE(
    "roll, recycle, trim, seek, sync and transact against each other, a crash in between each") {
    model::words_in_memory = true;
    const std::uint64_t rounds = rounds_of(400, 40);
    const image from = prepared();
    tally counts;
    std::string trouble;
    std::uint64_t seed = 1;
    for (; seed <= rounds && trouble.empty() && counts.violations == 0; ++seed) {
        for (const crash::sync policy : {crash::sync::every_append, crash::sync::process_crash}) {
            race r{from, policy, seed};
            trouble = r.run(40, counts);
            if (!trouble.empty()) break;
        }
    }
    INFO(trouble << counts.first);
    CHECK(trouble.empty());
    CHECK(counts.violations == 0);
    CHECK(counts.states > rounds * 20);
    MESSAGE("races, seeds 1 to " << seed - 1 << ": " << counts.points << " points, "
                                 << counts.states << " states, violations " << counts.violations);
}

TEST_CASE(
    "the same races with a sync that fails: all answers fail from then on, no promise is broken") {
    model::words_in_memory = true;
    const std::uint64_t rounds = rounds_of(100, 20);
    const image from = prepared();
    tally counts;
    std::string trouble;
    std::uint64_t failures = 0;
    for (std::uint64_t seed = 1; seed <= rounds && trouble.empty(); ++seed) {
        for (const crash::sync policy : {crash::sync::every_append, crash::sync::process_crash}) {
            race r{from, policy, seed, seed % 10};
            trouble = r.run(20, counts);
            failures += r.failed() ? 1 : 0;
            if (!trouble.empty()) break;
        }
    }
    INFO(trouble << counts.first);
    CHECK(trouble.empty());
    CHECK(counts.violations == 0);
    CHECK(failures > rounds);
    MESSAGE("races with a failed sync: " << counts.points << " points, " << counts.states
                                         << " states, violations " << counts.violations);
}
