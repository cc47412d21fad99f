// SPDX-License-Identifier: BSL-1.0
// What all handles of one journal share: the writing end, the catalog, and the sync.
//
// Threads   Everything may be called by any number of threads at once, except open() and close().
//
// One mutex orders the appends: records are written, and segments rolled, in it. Offsets go up:
//   appended_   all before it is committed        (A) append store-release -> reader load-acquire:
//                                                     a record's bytes before its reading
//   synced_     all before it is on disk          (S) sync release -> load-acquire: the sync before
//                                                     whoever relies on it
// Syncing is led by one thread at a time, outside the mutex; who finds it led waits, and finds
// itself covered or leads the next one: one sync for all who came during the one before.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <penstock/core/status.hpp>
#include <penstock/core/waiter.hpp>
#include <penstock/durable/detail/catalog.hpp>
#include <penstock/durable/detail/recover.hpp>
#include <penstock/durable/options.hpp>
#include <penstock/durable/report.hpp>
#include <penstock/durable/segment.hpp>

namespace penstock::inline PENSTOCK_ABI {
namespace detail {

/// One who reads a stream: a group. Told when there may be something new.
class stream_reader {
public:
    virtual ~stream_reader() = default;
    virtual void notify(bool all) noexcept = 0;
    /// No message of its stream before this offset is needed any more.
    virtual std::uint64_t low_water() = 0;

protected:
    stream_reader(std::uint16_t s, std::uint32_t g) noexcept : stream_{s}, group_{g} {}

private:
    friend class journal_core;
    const std::uint16_t stream_;
    const std::uint32_t group_;
    stream_reader* next_ = nullptr;
};

/// A stream as it is used in this process. Never moves.
struct stream_state {
    explicit stream_state(std::uint16_t number) noexcept : id{number} {}
    const std::uint16_t id;
    sys::atomic<bool> closed{false};
};

class journal_core {
public:
    journal_core(std::string path, const journal_options& options)
        : options_{options}, directory_{options.files, std::move(path)}, lock_{options.files} {
        open();
    }
    journal_core(const journal_core&) = delete;
    journal_core& operator=(const journal_core&) = delete;

    // ---- appending -----------------------------------------------------------------------------

    /// ok: safe from what the policy says.
    status send(stream_state& stream, std::uint32_t topic, std::span<const std::byte> payload) {
        std::uint64_t end = 0;
        {
            std::lock_guard lock{append_mutex_};
            if (stream.closed.load(std::memory_order_relaxed))
                return status::closed;  // by the mutex
            if (payload.size() > largest_payload()) return status::too_large;
            format::record_header h{.type = format::record_type::message, .stream = stream.id};
            h.topic = topic;
            if (const status s = append(h, payload, spare_room()); !s) return s;
            end = end_offset();
        }
        const status s = make_safe(end);
        notify(stream.id, false);
        return s;
    }

    /// Appends that `offset` is accepted by `group`; `end` is what to make_safe.
    status accept(std::uint32_t group, std::uint64_t offset, std::uint64_t low,
                  std::uint64_t& end) {
        std::lock_guard lock{append_mutex_};
        struct {
            std::uint32_t group, zero;
            std::uint64_t offset, low;
        } const payload{group, 0, offset, low};
        const auto bytes = std::as_bytes(std::span{&payload, 1});
        const format::record_header h{.type = format::record_type::accept};
        // What accepts need is kept free: on a full disk they are how room comes back.
        if (const status s = append(h, bytes, spare_room(), true); !s) return s;
        known_.group(group)->accept(offset, low);
        end = end_offset();
        return status::ok;
    }

    /// What the policy asks for before an append may be answered.
    status make_safe(std::uint64_t end) {
        return options_.sync == sync::every_append ? sync_to(end) : status{status::ok};
    }

    status sync_to(std::uint64_t end) {
        for (;;) {
            if (synced() >= end) return status::ok;
            if (failed()) return status::failed;
            if (!syncing_.exchange(true, std::memory_order_acquire)) {  // pairs with lead's end
                lead();
                continue;
            }
            (void)sync_waiters_.wait(
                [&] {
                    return synced() >= end || failed() ||
                           !syncing_.load(std::memory_order_relaxed);  // exchanged before relied on
                },
                [] { return false; });
        }
    }

    // ---- reading -------------------------------------------------------------------------------

    [[nodiscard]] std::uint64_t appended() const noexcept {
        return appended_.load(std::memory_order_acquire);  // (A)
    }
    [[nodiscard]] std::uint64_t synced() const noexcept {
        return synced_.load(std::memory_order_acquire);  // (S)
    }
    /// Messages before this offset may be handed out.
    [[nodiscard]] std::uint64_t visible() const noexcept {
        return options_.sync == sync::every_append ? synced() : appended();
    }
    [[nodiscard]] bool failed() const noexcept {
        return failed_.load(std::memory_order_acquire);  // pairs with fail
    }
    [[nodiscard]] bool closed() const noexcept {
        return closed_.load(std::memory_order_acquire);  // pairs with close
    }
    [[nodiscard]] std::uint64_t offset_of(std::uint64_t segment,
                                          std::uint64_t byte) const noexcept {
        return segment * segment_bytes() + byte;
    }
    [[nodiscard]] std::uint64_t segment_bytes() const noexcept { return like_.segment_bytes; }
    [[nodiscard]] std::uint64_t oldest() const noexcept {
        return oldest_.load(std::memory_order_acquire);  // pairs with trim
    }

    segment_fault find(std::uint64_t number, std::shared_ptr<const segment>& out) {
        std::lock_guard lock{cache_mutex_};
        auto& kept = cache_[number];
        if ((out = kept.lock())) return {};
        auto opened = std::make_shared<segment>();
        if (auto fault = opened->open(directory_, number, like_, false)) {
            cache_.erase(number);
            if (fault.trouble.code == ENOENT) return {{}, "the segment is missing"};
            return fault;
        }
        kept = opened;
        out = std::move(opened);
        return {};
    }

    // ---- streams and groups --------------------------------------------------------------------

    stream_state& declare(const std::string& name, const std::string& type, std::uint32_t version,
                          std::uint32_t size) {
        check_name(name);
        std::unique_lock lock{append_mutex_};
        if (const stream_entry* s = known_.stream(name)) {
            if (s->type != type || s->version != version || s->size != size)
                throw std::invalid_argument{
                    "penstock: stream \"" + name + "\" of " + directory_.path() + " holds " +
                    spelled(s->type, s->version, s->size) + ", not " +
                    spelled(type, version, size) +
                    ": open it with that type, or give the new one a stream of its own"};
            return *streams_[s->id - 1u];
        }
        stream_entry s{.version = version, .size = size, .first = 0, .name = name, .type = type};
        if (known_.streams.size() >= 0xFFFF) throw std::length_error{"penstock: too many streams"};
        s.id = static_cast<std::uint16_t>(known_.streams.size() + 1);
        s.first = end_offset();
        byte_writer payload;
        s.write(payload);
        check_snapshot(24 + name.size() + type.size());
        streams_.reserve(streams_.size() + 1);
        known_.streams.reserve(known_.streams.size() + 1);
        auto state = std::make_unique<stream_state>(s.id);
        declared(append({.type = format::record_type::stream, .stream = s.id}, payload.bytes(), 0));
        known_.streams.push_back(std::move(s));
        streams_.push_back(std::move(state));
        const auto end = end_offset();
        stream_state& made = *streams_.back();
        lock.unlock();
        declared(make_safe(end));
        return made;
    }

    /// The group's entry, made at the oldest message where it is new; by value, as it moves on.
    group_entry declare(const stream_state& stream, const std::string& name,
                        std::uint32_t prefetch) {
        check_name(name);
        std::unique_lock lock{append_mutex_};
        for (group_entry& g : known_.groups) {
            if (g.stream == stream.id && g.name == name) {
                check_snapshot(8 * g.more_for(prefetch));
                g.allow(prefetch);
                return g;
            }
        }
        group_entry g{.stream = stream.id, .accepted = {}, .name = name};
        g.id = static_cast<std::uint32_t>(known_.groups.size() + 1);
        g.low = known_.streams[stream.id - 1u].first;
        byte_writer payload;
        g.write(payload);
        check_snapshot(24 + name.size() + 8 * std::uint64_t{prefetch});
        known_.groups.reserve(known_.groups.size() + 1);
        declared(
            append({.type = format::record_type::group, .stream = stream.id}, payload.bytes(), 0));
        known_.groups.push_back(g);
        known_.groups.back().allow(prefetch);
        const auto end = end_offset();
        lock.unlock();
        declared(make_safe(end));
        return g;
    }

    /// The reader of a group, made by `make(entry)` when there is none yet.
    template <class Make>
    stream_reader& reader(const group_entry& of, Make&& make) {
        std::lock_guard lock{readers_mutex_};
        for (const auto& r : readers_) {
            if (r->group_ == of.id) return *r;
        }
        readers_.push_back(make(of));
        stream_reader& made = *readers_.back();
        made.next_ =
            first_reader_.load(std::memory_order_relaxed);      // changed under this mutex only
        first_reader_.store(&made, std::memory_order_release);  // pairs with notify
        return made;
    }
    [[nodiscard]] std::vector<group_entry> groups() {
        std::lock_guard lock{append_mutex_};
        return known_.groups;
    }

    void close(stream_state& stream) {
        {
            std::lock_guard lock{append_mutex_};
            stream.closed.store(true, std::memory_order_release);  // pairs with group_state
        }
        notify(stream.id, true);
    }

    // ---- the journal as a whole ----------------------------------------------------------------

    /// Removes the segments that no group needs; `removed` says how many.
    status trim(std::uint64_t needed, std::uint64_t& removed) {
        removed = 0;
        std::lock_guard lock{append_mutex_};
        if (closed()) return status::closed;
        if (failed()) return status::failed;
        // A stream that nobody has a group of keeps all its messages.
        for (const stream_entry& s : known_.streams) {
            const bool read = std::any_of(known_.groups.begin(), known_.groups.end(),
                                          [&](const group_entry& g) { return g.stream == s.id; });
            if (!read) needed = std::min(needed, s.first);
        }
        const std::uint64_t end = std::min(needed / segment_bytes(), tail_->number());
        std::uint64_t number = oldest();
        for (; number < end; ++number, ++removed) {
            if (directory_.remove(format::file_name(number))) break;
            oldest_.store(number + 1, std::memory_order_release);  // pairs with oldest
        }
        if (removed > 0 && directory_.sync()) return status::failed;
        return number < end ? status::failed : status::ok;
    }

    /// No more appends; what is in is synced, the lock is given up.
    void close() noexcept {
        {
            std::lock_guard lock{append_mutex_};
            if (closed()) return;
            closed_.store(true, std::memory_order_release);  // pairs with closed
            if (!failed()) {
                if (auto t = tail_->sync()) {
                    fail(t);
                } else {
                    raise(synced_, end_offset());
                }
            }
            lock_.close();
        }
        sync_waiters_.notify_all();
        notify_everybody();
    }

    [[nodiscard]] journal_report report() const {
        std::lock_guard lock{report_mutex_};
        return report_;
    }
    void found_damage(const journal_place& at, std::uint64_t bytes, const char* what) {
        std::lock_guard lock{report_mutex_};
        for (const auto& d : report_.damage) {
            if (d.at == at) return;
        }
        report_.damage.push_back({at, bytes, what});
    }
    [[nodiscard]] std::string failure() const {
        std::lock_guard lock{report_mutex_};
        if (failure_.code == 0) return {};
        return std::string{failure_.operation} + " " + directory_.path() + ": " +
               std::generic_category().message(failure_.code);
    }
    [[nodiscard]] const std::string& path() const noexcept { return directory_.path(); }
    [[nodiscard]] const journal_options& options() const noexcept { return options_; }
    /// Leaves room for a snapshot, the largest of which takes three eighths of a segment.
    [[nodiscard]] std::uint64_t largest_payload() const noexcept {
        return segment_bytes() / 2 - sizeof(format::record_header);
    }

private:
    void open() {
        bool created = false;
        directory_.make(created).raise_if_any(path());
        if (created) sync_parent();
        take_lock();
        recovery found{directory_, report_};
        auto numbers = found.segments();
        if (numbers.empty()) {
            report_.created = true;
            if (!segment::size_makes_sense(options_.segment_bytes))
                throw std::invalid_argument{
                    "penstock: segment_bytes must be a multiple of 4096 from 16384 to 1073741824"};
            like_.segment_bytes = options_.segment_bytes;
            like_.journal_id = options_.files->random();
            epoch_ = options_.files->random();
            segment::create(directory_, next_header(1)).raise_if_any(path());
            numbers.push_back(1);
        }
        recovered r = found.run(std::move(numbers));
        like_ = r.tail->header();
        known_ = std::move(r.known);
        tail_ = std::move(r.tail);
        at_ = r.at;
        sealed_ = r.sealed;
        appended_.store(end_offset(), std::memory_order_relaxed);  // nobody else is here yet
        oldest_.store(r.oldest, std::memory_order_relaxed);        // nobody else is here yet
        for (const auto& s : known_.streams)
            streams_.push_back(std::make_unique<stream_state>(s.id));
        cache_[tail_->number()] = tail_;
        begin_epoch(r.epoch);
    }

    /// From here on records are summed under an epoch that no earlier opening used.
    void begin_epoch(std::uint64_t before) {
        // Everything found so far was at least in the page cache; from now on it is relied on.
        tail_->sync().raise_if_any(path());
        raise(synced_, end_offset());
        epoch_ = before;
        if (at_ == format::records_start && !sealed_) write_snapshot();
        if (!report_.created) {
            const format::opening_payload change{before, options_.files->random()};
            const auto bytes = std::as_bytes(std::span{&change, 1});
            if (!sealed_ && at_ + format::closing_room > tail_->page().size) seal();
            if (!sealed_) {
                write({.type = format::record_type::opening}, bytes);
                write({.type = format::record_type::opening}, bytes);
            }
            epoch_ = change.after;  // of a sealed segment: the next one's header names it
        }
        tail_->sync().raise_if_any(path());
        raise(synced_, end_offset());
    }

    void take_lock() {
        const std::string path_of_lock = directory_.path_of("lock");
        lock_.open(path_of_lock, O_RDWR | O_CREAT).raise_if_any(path_of_lock);
        if (const auto t = lock_.lock()) {
            if (t.code != EAGAIN && t.code != EACCES) t.raise(path_of_lock);
            char pid[24] = {};
            std::size_t n = sizeof pid - 1;
            const bool named = !lock_.read(pid, n, 0) && n > 0;
            throw std::system_error{
                std::make_error_code(std::errc::device_or_resource_busy),
                "penstock: " + path() + " is written by " +
                    (named ? "process " + std::string{pid} : std::string{"another process"}) +
                    ", and a journal has one writer"};
        }
        const std::string pid = std::to_string(::getpid());
        lock_.truncate(0).raise_if_any(path_of_lock);
        lock_.write(pid.data(), pid.size(), 0).raise_if_any(path_of_lock);
    }

    /// So that the directory itself survives power loss.
    void sync_parent() {
        const auto slash = path().find_last_of('/');
        os::directory parent{directory_.files(), slash == std::string::npos ? "."
                                                 : slash == 0               ? "/"
                                                              : path().substr(0, slash)};
        parent.sync().raise_if_any(parent.path());
    }

    [[nodiscard]] format::segment_header next_header(std::uint64_t number) const {
        format::segment_header h;
        h.number = number;
        h.segment_bytes = like_.segment_bytes;
        h.journal_id = like_.journal_id;
        h.epoch = epoch_;
        h.created = options_.files->wall_time();
        h.crc = h.sum();
        return h;
    }

    // From here on: under append_mutex_ ----------------------------------------------------------

    [[nodiscard]] std::uint64_t end_offset() const noexcept {
        return offset_of(tail_->number(), at_);
    }
    /// What messages leave free at a segment's end for accepts.
    [[nodiscard]] std::uint64_t spare_room() const noexcept {
        return std::min<std::uint64_t>(segment_bytes() / 64, 64 * 1024);
    }
    [[nodiscard]] bool fits(std::uint64_t n) const noexcept {
        return !sealed_ && at_ + n + format::closing_room <= tail_->page().size;
    }

    status append(const format::record_header& h, std::span<const std::byte> payload,
                  std::uint64_t spare, bool may_use_spare = false) {
        if (closed()) return status::closed;
        if (failed()) return status::failed;
        const std::uint64_t n = format::record_bytes(payload.size());
        if (!fits(n + spare)) {
            const os::trouble t = roll();
            if (t && !(t.no_space() && may_use_spare && fits(n))) {
                if (t.no_space()) return status::no_space;
                fail(t);
                return status::failed;
            }
        }
        write(h, payload);
        return status::ok;
    }

    void write(format::record_header h, std::span<const std::byte> payload) noexcept {
        const format::page p = tail_->page();
        const std::uint64_t base = offset_of(tail_->number(), 0);
        const std::uint64_t on_disk = synced();
        h.bytes = static_cast<std::uint32_t>(payload.size());
        h.time = options_.files->wall_time();
        h.synced = on_disk > base ? static_cast<std::uint32_t>(on_disk - base) : 0;
        std::byte* const to = p.data + at_ + sizeof h;
        sys::wrote(to);
        if (!payload.empty()) std::memcpy(to, payload.data(), payload.size());
        format::commit(p, at_, epoch_, h);
        at_ += format::record_bytes(payload.size());
        appended_.store(end_offset(), std::memory_order_release);  // (A)
    }

    void write_snapshot() {
        write({.type = format::record_type::snapshot}, known_.snapshot().bytes());
    }
    void seal() {
        write({.type = format::record_type::seal}, {});
        sealed_ = true;
    }

    /// Goes on in a new segment. No space: nothing has changed. Other trouble: the journal is
    /// broken. Takes as long as writing and syncing a segment's zeros.
    os::trouble roll() noexcept try {
        const std::uint64_t number = tail_->number() + 1;
        if (auto t = segment::create(directory_, next_header(number))) return t;
        auto next = std::make_shared<segment>();
        if (auto fault = next->open(directory_, number, like_, true))
            return fault.trouble ? fault.trouble : os::trouble{EIO, "open"};
        auto first = known_.snapshot();  // what may throw comes before what may not be half done
        {
            std::lock_guard lock{cache_mutex_};
            std::erase_if(cache_, [](const auto& c) { return c.second.expired(); });
            cache_[number] = next;
        }
        if (!sealed_) seal();
        if (auto t = tail_->sync()) return t;
        tail_ = std::move(next);
        at_ = format::records_start;
        sealed_ = false;
        raise(synced_, offset_of(number, 0));
        write({.type = format::record_type::snapshot}, first.bytes());
        return {};
    } catch (const std::bad_alloc&) {
        return {ENOMEM, "begin a segment in"};
    }

    void check_snapshot(std::uint64_t more) const {
        if (known_.largest_snapshot() + more > segment_bytes() / 8 * 3)
            throw std::length_error{
                "penstock: the streams and groups of " + path() +
                " no longer fit at the beginning of a segment: use larger segments, or a smaller "
                "prefetch"};
    }
    static void check_name(const std::string& name) {
        if (name.empty() || name.size() > catalog::longest_name)
            throw std::invalid_argument{
                "penstock: a stream or group needs a name of 1 to 1024 bytes"};
    }
    static std::string spelled(const std::string& type, std::uint32_t version, std::uint32_t size) {
        return type + " version " + std::to_string(version) +
               (size > 0 ? " of " + std::to_string(size) + " bytes" : std::string{});
    }
    /// Declaring happens in constructors, where a refusal is an exception.
    void declared(status s) const {
        if (s) return;
        const int code = s == status::no_space ? ENOSPC : s == status::closed ? EBADF : EIO;
        os::trouble{code, "declare a stream or group in"}.raise(path());
    }

    // --------------------------------------------------------------------------------------------

    void lead() {
        std::shared_ptr<segment> in;
        std::uint64_t target;
        {
            std::lock_guard lock{append_mutex_};
            in = tail_;
            target = end_offset();
        }
        // Segments before this one were synced when it began.
        if (auto t = in->sync()) {
            fail(t);
        } else {
            raise(synced_, target);
        }
        syncing_.store(false, std::memory_order_release);  // pairs with sync_to's exchange
        sync_waiters_.notify_all();
    }

    static void raise(sys::atomic<std::uint64_t>& to, std::uint64_t value) noexcept {
        auto seen = to.load(std::memory_order_relaxed);  // the exchange below decides
        while (seen < value && !to.compare_exchange_weak(seen, value, std::memory_order_release,
                                                         std::memory_order_relaxed)) {  // (S)
        }
    }

    void fail(const os::trouble& t) noexcept {
        {
            std::lock_guard lock{report_mutex_};
            if (failure_.code == 0) failure_ = t;
        }
        failed_.store(true, std::memory_order_release);  // pairs with failed
        sync_waiters_.notify_all();
        notify_everybody();
    }

    void notify_everybody() noexcept {
        for (stream_reader* r = first_reader_.load(std::memory_order_acquire); r; r = r->next_)
            r->notify(true);  // first_reader_ pairs with reader
    }

    void notify(std::uint16_t stream, bool all) noexcept {
        for (stream_reader* r = first_reader_.load(std::memory_order_acquire); r; r = r->next_) {
            if (r->stream_ == stream) r->notify(all);  // first_reader_ pairs with reader
        }
    }

    const journal_options options_;
    os::directory directory_;
    os::file lock_;
    format::segment_header like_{.number = 0};  // what all segments have in common

    sys::mutex append_mutex_;  // guards from here to sealed_, and all that is written
    catalog known_;
    std::vector<std::unique_ptr<stream_state>> streams_;
    std::shared_ptr<segment> tail_;
    std::uint64_t at_ = 0;
    std::uint64_t epoch_ = 0;
    bool sealed_ = false;

    alignas(cache_line) sys::atomic<std::uint64_t> appended_{0};
    alignas(cache_line) sys::atomic<std::uint64_t> synced_{0};
    sys::atomic<std::uint64_t> oldest_{0};
    sys::atomic<bool> syncing_{false};
    sys::atomic<bool> failed_{false};
    sys::atomic<bool> closed_{false};
    waiter sync_waiters_;

    sys::mutex cache_mutex_;  // guards cache_
    std::map<std::uint64_t, std::weak_ptr<const segment>> cache_;

    sys::mutex readers_mutex_;  // guards readers_
    std::vector<std::unique_ptr<stream_reader>> readers_;
    sys::atomic<stream_reader*> first_reader_{nullptr};

    mutable sys::mutex report_mutex_;  // guards report_ and failure_
    journal_report report_;
    os::trouble failure_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
