// SPDX-License-Identifier: BSL-1.0
// The journal in memory: a record is seen whole or not at all, what is synced and what failed is told
// in order, readers are found while they are added.
#include <cstddef>
#include <cstring>
#include <memory>

#include <penstock/durable/detail/claims.hpp>
#include <penstock/durable/detail/progress.hpp>
#include <penstock/durable/detail/readers.hpp>
#include <penstock/durable/detail/space_watch.hpp>
#include <penstock/durable/durable_queue.hpp>
#include <penstock/durable/format.hpp>
#include <penstock/durable/journal.hpp>
#include <penstock/durable/record.hpp>

#include "../memory_files.hpp"
#include "../program.hpp"
#include "../support.hpp"

namespace {

using model::barriers;
using penstock::status;
namespace detail = penstock::detail;
namespace format = penstock::format;
namespace sys = penstock::sys;

// ---- Records ----

struct one_page {
    alignas(8) std::byte bytes[256]{};
    format::page page{bytes, sizeof bytes, 7};

    std::uint64_t append(std::uint64_t at, unsigned value) {
        format::record_header h{};
        h.type = format::record_type::message;
        h.bytes = sizeof value;
        std::memcpy(bytes + at + sizeof h, &value, sizeof value);
        format::commit(page, at, 1, h);
        return at + format::record_bytes(h.bytes);
    }
    format::found read(std::uint64_t& at, unsigned value) {
        format::record r;
        const auto f = format::read(page, at, 1, r);
        if (f != format::found::record) return f;
        unsigned seen = 0;
        std::memcpy(&seen, r.payload.data(), sizeof seen);
        MODEL_CHECK(seen == value);
        at = r.end();
        return f;
    }
};
MODEL_PROGRAM("durable: a record is found whole or not at all", {}) {
    one_page p;
    model::threads([&] { p.append(p.append(0, 11), 22); },
                   [&] {
                       std::uint64_t at = 0;
                       for (unsigned n = 1; n <= 2; ++n) {
                           const auto f = p.read(at, n * 11);
                           MODEL_CHECK(f == format::found::record || f == format::found::space);
                           if (f == format::found::space) break;
                       }
                   });
}
MODEL_PROGRAM("durable: who is told of an append finds it", {}) {
    one_page p;
    detail::progress done;
    model::threads([&] { done.set_appended(p.append(0, 11)); },
                   [&] {
                       std::uint64_t at = 0;
                       if (done.appended() > 0)
                           MODEL_CHECK(p.read(at, 11) == format::found::record);
                   });
}

// ---- Claims: appends side by side, and one who is alone between them ----

struct shared_end {
    static constexpr std::uint64_t one = format::record_bytes(sizeof(unsigned));
    one_page p;
    detail::progress done;
    detail::claims claims{done};
    sys::atomic<bool> closed{false};
    int segment = 0;  // changed by who is alone, used by who claims

    shared_end() { claims.thaw(0, sizeof p.bytes); }
    bool append(unsigned value) {
        std::uint64_t at = 0;
        if (!claims.claim(one, closed, at)) return false;
        sys::read(&segment);
        p.append(at, value);
        claims.complete(at, at + one);
        MODEL_CHECK(done.appended() >= at + one);
        return true;
    }
    template <class Change>
    void alone(Change&& change) {
        const std::uint64_t at = claims.freeze(0);
        MODEL_CHECK(done.appended() == at);
        sys::wrote(&segment);
        change();
        claims.thaw(at, sizeof p.bytes);
    }
    /// Whether all that is told to be there is.
    std::uint64_t check() const {
        const std::uint64_t end = done.appended();
        format::record r;
        for (std::uint64_t at = 0; at < end; at = r.end())
            MODEL_CHECK(format::read(p.page, at, 1, r) == format::found::record);
        return end;
    }
};
MODEL_PROGRAM("durable: two claim room, and nothing before what is appended is missing",
              {.barriers = barriers::both, .departures = 10}) {
    shared_end j;
    model::threads(
        [&] { MODEL_CHECK(j.append(1)); }, [&] { MODEL_CHECK(j.append(2)); }, [&] { j.check(); });
    MODEL_CHECK(j.check() == 2 * shared_end::one);
}
MODEL_PROGRAM("durable: who is alone comes behind all claims, and before the next",
              {.barriers = barriers::both, .departures = 10}) {
    shared_end j;
    bool sent = false;
    model::threads([&] { sent = j.append(1); }, [&] { j.alone([] {}); });
    MODEL_CHECK(j.append(2));
    MODEL_CHECK(j.check() == (sent ? 2 : 1) * shared_end::one);
}
MODEL_PROGRAM("durable: a claim is before the close and found behind it, or refused",
              {.barriers = barriers::both, .departures = 10}) {
    shared_end j;
    bool sent = false;
    std::uint64_t found = 0;
    model::threads([&] { sent = j.append(1); },
                   [&] {
                       j.alone([&] { j.closed.store(true, std::memory_order_relaxed); });
                       found = j.check();
                   });
    MODEL_CHECK(found == (sent ? shared_end::one : 0));
    MODEL_CHECK(!j.append(2));
}

// ---- Progress ----

MODEL_PROGRAM("durable: one sync serves two who wait",
              {.barriers = barriers::both, .departures = 10}) {
    detail::progress done;
    int disk = 0;
    sys::atomic<std::uint64_t> appended{0};
    const auto append = [&] {
        const auto end = appended.fetch_add(1, std::memory_order_relaxed) + 1;
        const status s = done.wait_synced(end, [&] {
            sys::wrote(&disk);  // one at a time
            ++disk;
            done.raise_synced(appended.load(std::memory_order_relaxed));
        });
        MODEL_CHECK(s == status::ok && done.synced() >= end);
    };
    model::threads(append, append);
    MODEL_CHECK(disk == 1 || disk == 2);
}
MODEL_PROGRAM("durable: who relies on synced relies on what was before the sync", {}) {
    detail::progress done;
    int disk = 0;
    model::threads(
        [&] {
            sys::wrote(&disk);
            disk = 1;
            done.raise_synced(1);
        },
        [&] {
            if (done.synced() < 1) return;
            sys::read(&disk);
            MODEL_CHECK(disk == 1);
        });
}
MODEL_PROGRAM("durable: a failure ends all waits and tells the first trouble",
              {.barriers = barriers::both, .departures = 10}) {
    detail::progress done;
    const auto append = [&](std::uint64_t end) {
        return done.wait_synced(end, [&] { done.fail({5, "sync"}); });
    };
    status a = status::ok, b = status::ok;
    model::threads([&] { a = append(1); }, [&] { b = append(2); });
    MODEL_CHECK(a == status::failed && b == status::failed);
    MODEL_CHECK(!done.failure("x").empty());
}
MODEL_PROGRAM("durable: who sees the failure sees what led to it", {}) {
    detail::progress done;
    int reason = 0;
    model::threads(
        [&] {
            sys::wrote(&reason);
            reason = 1;
            done.fail({5, "sync"});
        },
        [&] {
            if (!done.failed()) return;
            sys::read(&reason);
        });
}
MODEL_PROGRAM("durable: raising what is synced never lowers it", {}) {
    detail::progress done;
    model::threads([&] { done.raise_synced(2); }, [&] { done.raise_synced(1); });
    MODEL_CHECK(done.synced() == 2);
}

// ---- Readers ----

struct test_reader final : detail::stream_reader {
    explicit test_reader(std::uint32_t group) : stream_reader{1, group} { sys::wrote(&told); }
    void notify(bool) noexcept override {
        sys::read(&told);
        hits.fetch_add(1, std::memory_order_relaxed);
    }
    int told = 0;
    sys::atomic<int> hits{0};
};
MODEL_PROGRAM("durable: readers are told while others are added", {}) {
    detail::reader_list readers;
    model::flag added;
    model::threads(
        [&] {
            (void)readers.find(1, [] { return std::make_unique<test_reader>(1); });
            (void)readers.find(2, [] { return std::make_unique<test_reader>(2); });
            added.set();
        },
        [&] {
            const bool before = added.is_set();
            readers.notify(1, false);
            if (!before) return;
            auto& r = static_cast<test_reader&>(
                readers.find(1, [] { return std::make_unique<test_reader>(1); }));
            MODEL_CHECK(r.hits.load(std::memory_order_relaxed) == 1);
        });
}

MODEL_PROGRAM("durable: everybody is told while others are added", {}) {
    detail::reader_list readers;
    model::threads([&] { (void)readers.find(1, [] { return std::make_unique<test_reader>(1); }); },
                   [&] { readers.notify_everybody(); });
}

// ---- Senders at a journal's limit ----

struct at_limit {
    sys::mutex append;
    std::uint64_t low[2]{};  // of group 1 and 2, by the mutex
    sys::atomic<bool> over{false};
    detail::space_watch watch;

    /// As journal_core::wait_for_space, until both groups are that far.
    void send(std::uint64_t needed) {
        while (!over.load(std::memory_order_acquire)) {  // with end
            std::uint32_t turn = 0;
            {
                std::lock_guard lock{append};
                const std::uint32_t slowest = low[0] <= low[1] ? 0 : 1;
                if (low[slowest] >= needed) return;
                turn = watch.expect(slowest + 1, needed);
            }
            watch.wait(turn, [&] { return over.load(std::memory_order_acquire); });  // as above
        }
    }
    void accept(std::uint32_t group, std::uint64_t to) {
        std::lock_guard lock{append};
        low[group - 1] = to;
        watch.passed(group, to);
    }
    void end() {
        over.store(true, std::memory_order_release);  // with send
        watch.notify(true);
    }
};
MODEL_PROGRAM("durable: at the limit the accept that makes room lets the sender go on",
              {.barriers = barriers::both}) {
    at_limit j;
    j.low[1] = 2;
    model::threads([&] { j.send(2); },
                   [&] {
                       j.accept(1, 1);
                       j.accept(1, 2);
                   });
}
MODEL_PROGRAM("durable: at the limit the slower of two groups is waited for, whoever that is",
              {.barriers = barriers::both, .departures = 10}) {
    at_limit j;
    model::threads([&] { j.send(1); }, [&] { j.accept(1, 1); }, [&] { j.accept(2, 1); });
}
MODEL_PROGRAM("durable: two senders at the limit wait for one accept, and both go on",
              {.barriers = barriers::both, .departures = 10}) {
    at_limit j;
    j.low[1] = 1;
    model::threads([&] { j.send(1); }, [&] { j.send(1); }, [&] { j.accept(1, 1); });
}
MODEL_PROGRAM("durable: at the limit a sender hears of the end, of a seek and of a new group",
              {.barriers = barriers::both}) {
    at_limit j;
    const bool seeks = model::choose(2, {}) == 1;
    model::threads([&] { j.send(1); },
                   [&] {
                       if (!seeks) return j.end();
                       std::lock_guard lock{j.append};
                       j.low[0] = j.low[1] = 1;
                       j.watch.changed();
                   });
}

// ---- The queue on a journal, in files of memory ----

struct journal_in_memory {
    model::memory_files files;
    penstock::journal books{
        "books",
        {.sync = penstock::sync::process_crash, .segment_bytes = 16 * 1024, .files = files}};
    penstock::durable_queue<int> numbers{books, "numbers"};
};
MODEL_PROGRAM("durable: what one sends another receives, then accepts", {}) {
    journal_in_memory j;
    auto readers = j.numbers.group("readers");
    model::threads([&] { MODEL_CHECK(j.numbers.send(7)); },
                   [&] {
                       auto d = readers.receive();
                       MODEL_CHECK(d && *d == 7);
                       MODEL_CHECK(d.accept());
                   });
}
MODEL_PROGRAM("durable: of two producers both messages are received, each once", {}) {
    journal_in_memory j;
    auto readers = j.numbers.group("readers");
    model::threads(
        [&] { MODEL_CHECK(j.numbers.send(1)); }, [&] { MODEL_CHECK(j.numbers.send(2)); });
    auto a = readers.try_receive();
    auto b = readers.try_receive();
    MODEL_CHECK(a && b && *a + *b == 3);
    MODEL_CHECK(readers.try_receive().status() == status::empty);
}
MODEL_PROGRAM("durable: a reservation is received whole, or a send comes first", {}) {
    journal_in_memory j;
    auto readers = j.numbers.group("readers");
    model::threads(
        [&] {
            auto r = j.numbers.reserve(sizeof(int));
            const int n = 7;
            std::memcpy(r->bytes().data(), &n, sizeof n);
            MODEL_CHECK(r->commit());
        },
        [&] {
            auto d = readers.try_receive();
            MODEL_CHECK(!d || *d == 7);
        });
}
MODEL_PROGRAM("durable: a transaction and a send, received in one order by all", {}) {
    journal_in_memory j;
    auto readers = j.numbers.group("readers");
    MODEL_CHECK(j.numbers.send(1));
    auto first = readers.try_receive();
    model::threads(
        [&] {
            MODEL_CHECK(j.books.transact([&](auto& t) {
                t.accept(first);
                t.send(j.numbers, 2);
            }));
        },
        [&] {
            auto d = readers.try_receive();
            MODEL_CHECK(!d || *d == 2);
        });
    MODEL_CHECK(!first.unsettled());
}
MODEL_PROGRAM("durable: what was sent before the close is received, then closed", {}) {
    journal_in_memory j;
    auto readers = j.numbers.group("readers");
    bool sent = false, received = false;
    model::threads(
        [&] {
            sent = static_cast<bool>(j.numbers.send(7));
            j.numbers.close();
        },
        [&] {
            while (auto d = readers.receive()) {
                received = true;
                MODEL_CHECK(d.accept());
            }
        });
    MODEL_CHECK(sent && received);
}
MODEL_PROGRAM("durable: a close by a third, what was sent is received", {}) {
    journal_in_memory j;
    auto readers = j.numbers.group("readers");
    bool sent = false, received = false;
    model::threads([&] { sent = static_cast<bool>(j.numbers.send(7)); }, [&] { j.numbers.close(); },
                   [&] {
                       while (auto d = readers.receive()) received = static_cast<bool>(d.accept());
                   });
    MODEL_CHECK(sent == received);
}

MODEL_PROGRAM("durable: closing the journal or a queue of it happens before the answer closed",
              {}) {
    journal_in_memory j;
    auto readers = j.numbers.group("readers");
    int before = 0;
    const bool all = model::choose(2, {}) == 1;
    model::threads(
        [&] {
            sys::wrote(&before);
            before = 1;
            if (all)
                j.books.close();
            else
                j.numbers.close();
        },
        [&] {
            auto d = readers.receive();
            MODEL_CHECK(d.status() == status::closed);
            sys::read(&before);
            MODEL_CHECK(before == 1);
        });
}

}  // namespace
