// SPDX-License-Identifier: BSL-1.0
// A disk in memory that remembers what is not synced yet, and answers with every state that a power
// loss could leave it in.
//
//   crash::disk files;
//   files.on_step = [&](const char* where) { files.states(budget, random, check); };
//   journal j{"j", {.files = files}};
//
// A mapping is the file's own memory. At each step it is compared with what was seen before, so a
// mapped store is recorded like a write. What a sync has not taken to disk may have got there or not,
// each 512-byte sector by itself, in any version that it had since the last sync, or as a mixture of
// two (torn at any eight bytes); sizes and names are independent of contents and of each other. A
// name changes as a whole. After a sync that failed the pages count as clean, as in the kernel: the
// next one says ok and writes nothing of them.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <penstock/core/os_files.hpp>

namespace crash {

using bytes = std::vector<std::byte>;
inline constexpr std::size_t sector = 512;
inline constexpr std::size_t room = 16 * 1024;  // of a file

/// What a machine finds when it starts again.
struct image {
    std::map<std::string, bytes> files;
    std::set<std::string> directories;
};

class disk final : public penstock::os::file_system {
public:
    /// `records`: keeps what states() needs.
    explicit disk(image from = {}, std::uint64_t boot = 1, bool records = true)
        : boot_{boot}, records_{records} {
        for (auto& [path, content] : from.files) {
            auto f = std::make_shared<inode>();
            f->size = content.size();
            f->now = std::move(content);
            f->now.resize(room);
            begin(*f);
            names_[path] = f;
        }
        for (const auto& path : from.directories) {
            auto d = std::make_shared<inode>();
            d->is_directory = true;
            names_[path] = d;
        }
        names_.try_emplace(".", std::make_shared<inode>()).first->second->is_directory = true;
        durable_names_ = names_;
    }

    /// Before each call that changes something; the test calls step() between its own actions.
    std::function<void(const char* where)> on_step;
    /// Asked before each call that may fail: the errno it answers, 0: none. A sync that fails loses
    /// what it had to write.
    std::function<int(const char* call)> refuse;
    bool frozen = false;  ///< every call fails and does nothing: the process is gone already
    std::size_t most = static_cast<std::size_t>(-1);  ///< bytes that a read or write takes at once
    std::int64_t time = 1'000'000'000;

    void step(const char* where) {
        observe();
        if (on_step) on_step(where);
    }

    /// What a process finds that comes after one that was killed: everything.
    [[nodiscard]] image after_kill() {
        observe();
        image all;
        for (const auto& [path, f] : names_) {
            if (f->is_directory) {
                all.directories.insert(path);
            } else {
                all.files[path] = {
                    f->now.begin(), f->now.begin() + static_cast<std::ptrdiff_t>(f->size)};
            }
        }
        return all;
    }

    /// The same for one that runs on this machine: what was not synced still is not.
    [[nodiscard]] std::unique_ptr<disk> next_process() {
        observe();
        auto next = std::make_unique<disk>(image{}, boot_);
        std::map<const inode*, std::shared_ptr<inode>> copies;
        const auto copied = [&](const std::shared_ptr<inode>& f) {
            auto& copy = copies[f.get()];
            if (!copy && f) copy = std::make_shared<inode>(*f);
            return copy;
        };
        next->names_.clear();
        next->durable_names_.clear();
        for (const auto& [path, f] : names_) next->names_[path] = copied(f);
        for (const auto& [path, f] : durable_names_) next->durable_names_[path] = copied(f);
        for (const name_change& c : changes_)
            next->changes_.push_back({c.to, c.from, copied(c.of), c.since});
        next->now_ = now_;
        return next;
    }
    /// The state in which nothing got there that was not synced.
    [[nodiscard]] image only_synced() {
        observe();
        return build({}, {});
    }

    /// Calls f(image) with states that power loss could leave: all where there are at most `budget`,
    /// else those that differ in few things from nothing or all being written, and random ones.
    /// Answers whether it was all of them.
    template <class F>
    bool states(std::size_t budget, std::mt19937_64& random, F&& f);
    /// Only those in which everything was written in the order it was stored, up to some moment.
    template <class F>
    void states_in_order(F&& f);

    // The calls ----------------------------------------------------------------------------------

    int open(const char* path, int flags) override {
        if (const int e = refused("open")) return -e;
        const auto at = names_.find(path);
        std::shared_ptr<inode> f;
        if (at != names_.end()) {
            if ((flags & O_EXCL) != 0) return -EEXIST;
            f = at->second;
            if ((flags & O_TRUNC) != 0) resize(*f, 0);
        } else {
            if ((flags & O_CREAT) == 0) return -ENOENT;
            if (!names_.contains(parent(path))) return -ENOENT;
            step("create");
            f = std::make_shared<inode>();
            f->now.resize(room);
            begin(*f);
            names_[path] = f;
            changes_.push_back({path, {}, f, now_++});
        }
        open_.push_back(f);
        return static_cast<int>(open_.size() - 1);
    }
    void close(int) noexcept override {}
    std::int64_t size(int fd) override { return static_cast<std::int64_t>(at(fd).size); }
    std::ptrdiff_t read_at(int fd, void* to, std::size_t n, std::uint64_t from) override {
        if (const int e = refused("read")) return -e;
        const inode& f = at(fd);
        if (from >= f.size) return 0;
        n = std::min({n, most, f.size - static_cast<std::size_t>(from)});
        std::memcpy(to, f.now.data() + from, n);
        return static_cast<std::ptrdiff_t>(n);
    }
    std::ptrdiff_t write_at(int fd, const void* from, std::size_t n, std::uint64_t to) override {
        if (const int e = refused("write")) return -e;
        step("write");
        inode& f = at(fd);
        n = std::min(n, most);
        if (to + n > room) return -ENOSPC;
        std::memcpy(f.now.data() + to, from, n);
        for (std::size_t s = to / sector / 8 * 8; s * sector < to + n; ++s) f.lost.erase(s);
        if (to + n > f.size) grow(f, static_cast<std::size_t>(to) + n);
        f.written = true;
        observe();
        return static_cast<std::ptrdiff_t>(n);
    }
    int truncate(int fd, std::uint64_t n) override {
        if (const int e = refused("truncate")) return -e;
        step("truncate");
        resize(at(fd), static_cast<std::size_t>(n));
        return 0;
    }
    int allocate(int, std::uint64_t) override { return -refused("allocate"); }
    int sync(int fd) override { return sync_data(fd); }
    int sync_data(int fd) override {
        if (frozen) return -EIO;
        inode& f = at(fd);
        step("sync");
        if (const int e = refused("sync")) {
            for (const auto& [index, versions] : f.versions) f.lost.insert(index);
            return -e;
        }
        f.is_directory ? sync_names(f) : sync_content(f);
        return 0;
    }
    int lock(int, bool) override { return -refused("lock"); }
    int rename(const char* from, const char* to) override {
        if (const int e = refused("rename")) return -e;
        const auto f = names_.find(from);
        if (f == names_.end()) return -ENOENT;
        step("rename");
        changes_.push_back({to, from, f->second, now_++});
        names_[to] = f->second;
        names_.erase(from);
        return 0;
    }
    int remove(const char* path) override {
        if (const int e = refused("remove")) return -e;
        if (!names_.contains(path)) return -ENOENT;
        step("remove");
        changes_.push_back({{}, path, nullptr, now_++});
        names_.erase(path);
        return 0;
    }
    int make_directory(const char* path) override {
        if (const int e = refused("make_directory")) return -e;
        if (names_.contains(path)) return -EEXIST;
        step("make_directory");
        auto d = std::make_shared<inode>();
        d->is_directory = true;
        names_[path] = d;
        changes_.push_back({path, {}, d, now_++});
        return 0;
    }
    int list(const char* path, std::vector<std::string>& names) override {
        if (const int e = refused("list")) return -e;
        for (const auto& [name, f] : names_)
            if (parent(name) == path) names.push_back(name.substr(std::strlen(path) + 1));
        return 0;
    }
    void* map(int fd, std::size_t, bool) override {
        if (const int e = refused("map")) return errno = e, nullptr;
        at(fd).written = true;
        return at(fd).now.data();
    }
    void unmap(void*, std::size_t) noexcept override {}
    void populate(void*, std::size_t) noexcept override {}
    void unload(void*, std::size_t) noexcept override {}

    std::int64_t process_id() noexcept override { return 1; }
    std::int64_t wall_time() noexcept override {
        observe();  // asked for in the middle of an append
        return time;
    }
    std::uint64_t random() override {
        static std::uint64_t drawn = 0;  // no two openings may draw the same
        return ++drawn * 0x9e3779b97f4a7c15u;
    }
    std::uint64_t boot() override { return boot_; }

private:
    struct version {
        std::uint64_t since;  // a moment
        std::array<std::byte, sector> bytes;
    };
    struct inode {
        bytes now;
        std::size_t size = 0;
        bool is_directory = false;
        bool written = false;  // since it was last looked at; for ever once mapped
        bytes seen;            // at the last step
        bytes on_disk;         // by the last sync
        std::size_t size_on_disk = 0;
        std::map<std::size_t, std::vector<version>> versions;  // of each sector, since then
        std::vector<std::pair<std::uint64_t, std::size_t>> sizes;
        std::set<std::size_t> lost;  // sectors that a failed sync took for written
    };
    /// `to` is new or `from` is gone, or both.
    struct name_change {
        std::string to, from;
        std::shared_ptr<inode> of;
        std::uint64_t since;
    };

    /// One thing that is independent of all others, and which of its versions is on disk.
    struct atom {
        const inode* of;  // null: a change of names
        std::size_t index;
        std::size_t choices;
        std::size_t chosen = 0;
    };
    static constexpr std::size_t size_atom = static_cast<std::size_t>(-1);
    struct tear {
        std::size_t at = static_cast<std::size_t>(-1);  // which atom
        std::size_t other = 0;                          // version
        std::uint64_t words = 0;                        // that come from the other
    };

    static std::string parent(const std::string& path) {
        const auto slash = path.find_last_of('/');
        return slash == std::string::npos ? "." : path.substr(0, slash);
    }
    int refused(const char* call) const { return frozen ? EIO : refuse ? refuse(call) : 0; }
    inode& at(int fd) { return *open_[static_cast<std::size_t>(fd)]; }

    void begin(inode& f) const {
        if (!records_) return;
        f.on_disk = f.seen = f.now;
        f.size_on_disk = f.size;
    }
    void grow(inode& f, std::size_t size) {
        f.size = size;
        f.sizes.emplace_back(now_, size);
    }
    void resize(inode& f, std::size_t size) {
        if (size < f.size) std::memset(f.now.data() + size, 0, f.size - size);
        f.written = true;
        grow(f, size);
        observe();
    }

    void observe() {
        if (!records_) return;
        ++now_;
        for (const auto& [path, f] : names_) {
            if (!f->written) continue;
            if (std::memcmp(f->now.data(), f->seen.data(), room) == 0) continue;
            for (std::size_t i = 0; i < room / sector; ++i) {
                const std::byte* const is = f->now.data() + i * sector;
                std::byte* const was = f->seen.data() + i * sector;
                if (std::memcmp(is, was, sector) == 0) continue;
                std::memcpy(was, is, sector);
                version v{now_, {}};
                std::memcpy(v.bytes.data(), is, sector);
                f->versions[i].push_back(v);
                for (std::size_t s = i / 8 * 8; s < i / 8 * 8 + 8; ++s) f->lost.erase(s);  // a page
            }
        }
    }

    void sync_content(inode& f) {
        if (!records_) return;
        for (auto v = f.versions.begin(); v != f.versions.end();) {
            if (f.lost.contains(v->first)) {
                ++v;
                continue;
            }
            std::memcpy(
                f.on_disk.data() + v->first * sector, v->second.back().bytes.data(), sector);
            v = f.versions.erase(v);
        }
        f.size_on_disk = f.size;
        f.sizes.clear();
    }
    void sync_names(const inode& directory) {
        std::string path = ".";
        for (const auto& [name, f] : names_)
            if (f.get() == &directory) path = name;
        std::erase_if(changes_, [&](const name_change& c) {
            return parent(c.to.empty() ? c.from : c.to) == path;
        });
        std::erase_if(durable_names_, [&](const auto& n) { return parent(n.first) == path; });
        for (const auto& n : names_)
            if (parent(n.first) == path) durable_names_.insert(n);
    }

    /// What is independent now.
    std::vector<atom> atoms() const {
        std::vector<atom> all;
        std::set<const inode*> reachable;
        for (const auto& [path, f] : durable_names_) reachable.insert(f.get());
        for (std::size_t i = 0; i < changes_.size(); ++i) {
            all.push_back({nullptr, i, 2});
            if (changes_[i].of) reachable.insert(changes_[i].of.get());
        }
        for (const inode* f : reachable) {
            if (!f->sizes.empty()) all.push_back({f, size_atom, 1 + f->sizes.size()});
            for (const auto& [index, versions] : f->versions)
                all.push_back({f, index, 1 + versions.size()});
        }
        return all;
    }
    static const std::byte* bytes_of(const atom& a, std::size_t chosen) {
        if (chosen == 0) return a.of->on_disk.data() + a.index * sector;
        return a.of->versions.at(a.index)[chosen - 1].bytes.data();
    }
    image build(const std::vector<atom>& all, const tear& torn) const {
        auto names = durable_names_;
        std::map<const inode*, std::pair<bytes, std::size_t>> content;
        const auto of = [&](const inode* f) -> auto& {
            auto [at, is_new] = content.try_emplace(f);
            if (is_new) at->second = {f->on_disk, f->size_on_disk};
            return at->second;
        };
        for (std::size_t i = 0; i < all.size(); ++i) {
            const atom& a = all[i];
            if (!a.of) {
                if (a.chosen == 0) continue;
                const name_change& c = changes_[a.index];
                if (!c.from.empty()) names.erase(c.from);
                if (!c.to.empty()) names[c.to] = c.of;
            } else if (a.index == size_atom) {
                if (a.chosen > 0) of(a.of).second = a.of->sizes[a.chosen - 1].second;
            } else {
                std::byte* const to = of(a.of).first.data() + a.index * sector;
                std::memcpy(to, bytes_of(a, a.chosen), sector);
                if (torn.at != i) continue;
                for (std::size_t w = 0; w < sector / 8; ++w)
                    if ((torn.words >> w & 1) != 0)
                        std::memcpy(to + w * 8, bytes_of(a, torn.other) + w * 8, 8);
            }
        }
        image made;
        for (const auto& [path, f] : names) {
            const auto in = names.find(parent(path));
            const bool lost = parent(path) != "." &&
                              (in == names.end() || !in->second || !in->second->is_directory);
            if (!f || lost) continue;
            if (f->is_directory) {
                made.directories.insert(path);
                continue;
            }
            const auto at = content.find(f.get());
            bytes b = at != content.end() ? at->second.first : f->on_disk;
            b.resize(at != content.end() ? at->second.second : f->size_on_disk);
            made.files[path] = std::move(b);
        }
        return made;
    }

    std::map<std::string, std::shared_ptr<inode>> names_, durable_names_;
    std::vector<name_change> changes_;  // not synced
    std::vector<std::shared_ptr<inode>> open_;
    std::uint64_t boot_;
    std::uint64_t now_ = 0;  // moments, counted
    bool records_;
};

template <class F>
bool disk::states(std::size_t budget, std::mt19937_64& random, F&& f) {
    std::vector<atom> all = atoms();
    double total = 1;
    for (const atom& a : all) total *= static_cast<double>(a.choices);
    if (total <= static_cast<double>(budget)) {
        for (;;) {
            f(build(all, {}));
            std::size_t i = 0;
            while (i < all.size() && ++all[i].chosen == all[i].choices) all[i++].chosen = 0;
            if (i == all.size()) break;
        }
    } else {
        const auto everything = [&](bool newest) {
            for (atom& a : all) a.chosen = newest ? a.choices - 1 : 0;
        };
        const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
        for (const bool newest : {true, false}) {
            everything(newest);
            f(build(all, {}));
            // One thing is otherwise; where there are many, as many of them as a third allows.
            const std::size_t few = std::min(all.size(), budget / 6);
            for (std::size_t n = 0; n < few; ++n) {
                atom& a = all[few == all.size() ? n : below(all.size())];
                const std::size_t was = a.chosen;
                a.chosen = newest ? below(a.choices - 1) : 1 + below(a.choices - 1);
                f(build(all, {}));
                a.chosen = was;
            }
        }
        for (std::size_t n = budget / 3; n < budget; ++n) {
            // From hardly anything written to nearly all.
            const std::uint64_t likely = std::array<std::uint64_t, 5>{1, 3, 5, 7, 9}[below(5)];
            for (atom& a : all) {
                const bool newest = random() % 10 < likely;
                a.chosen = newest ? a.choices - 1 : random() % 4 == 0 ? below(a.choices) : 0;
            }
            f(build(all, {}));
        }
    }
    // Torn sectors, among others that were written or not.
    std::vector<std::size_t> sectors;
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i].of && all[i].index != size_atom) sectors.push_back(i);
    for (std::size_t n = 0; !sectors.empty() && n < budget / 4 + 1; ++n) {
        const bool newest = random() % 4 != 0;
        for (atom& a : all) a.chosen = newest ? a.choices - 1 : random() % a.choices;
        const std::size_t at = sectors[random() % sectors.size()];
        const std::uint64_t cut = ~std::uint64_t{0} << (random() % 64);
        const std::uint64_t words = std::array<std::uint64_t, 3>{cut, ~cut, random()}[random() % 3];
        f(build(all, {at, static_cast<std::size_t>(random() % all[at].choices), words}));
    }
    return total <= static_cast<double>(budget);
}

template <class F>
void disk::states_in_order(F&& f) {
    std::vector<atom> all = atoms();
    std::set<std::uint64_t> moments{0};
    for (const atom& a : all) {
        if (!a.of) {
            moments.insert(changes_[a.index].since);
        } else if (a.index == size_atom) {
            for (const auto& [since, size] : a.of->sizes) moments.insert(since);
        } else {
            for (const version& v : a.of->versions.at(a.index)) moments.insert(v.since);
        }
    }
    for (const std::uint64_t moment : moments) {
        for (atom& a : all) {
            a.chosen = 0;
            if (!a.of) {
                a.chosen = changes_[a.index].since <= moment ? 1 : 0;
            } else if (a.index == size_atom) {
                for (const auto& [since, size] : a.of->sizes) a.chosen += since <= moment ? 1 : 0;
            } else {
                for (const version& v : a.of->versions.at(a.index))
                    a.chosen += v.since <= moment ? 1 : 0;
            }
        }
        f(build(all, {}));
    }
}

}  // namespace crash
