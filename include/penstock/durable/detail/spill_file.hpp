// SPDX-License-Identifier: BSL-1.0
// The part of a spill_ring that is on disk: a journal in a directory of its own, written at one end and
// read at the other, given up segment by segment as it is read, and removed with this.
//
// Nothing is accepted, record by record: it is not meant to survive. A full segment is synced when the
// next one begins, so that it is no longer mapped, and can be given up once it is read.
//
// Threads   One at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <penstock/durable/codec.hpp>
#include <penstock/durable/detail/journal_core.hpp>
#include <penstock/durable/detail/stream_cursor.hpp>
#include <penstock/durable/options.hpp>

namespace penstock::inline PENSTOCK_ABI {

/// Where a spill_ring puts what doesn't fit in memory.
struct spill_options {
    /// A directory of its own is made in it; empty: in $TMPDIR, or /tmp. Mind that /tmp may be memory.
    std::string directory{};
    std::uint64_t segment_bytes = 64 << 20;  ///< as journal_options::segment_bytes
    os::file_system_ref files{};
};

namespace detail {

template <class T>
class spill_file {
public:
    explicit spill_file(const spill_options& o)
        : files_{o.files},
          path_{name_in(o)},
          journal_{std::make_unique<journal_core>(
              path_, journal_options{.sync = sync::process_crash,
                                     .segment_bytes = o.segment_bytes,
                                     .files = o.files})},
          stream_{journal_->declare("spilled", {"spilled", 0, 0})},
          cursor_{*journal_, journal_->declare(stream_, "reader", 1)} {}
    spill_file(const spill_file&) = delete;
    ~spill_file() {
        journal_.reset();
        os::directory in{files_, path_};
        std::vector<std::string> names;
        (void)in.list(names);
        for (const std::string& name : names) (void)in.remove(name);
        (void)std::remove(path_.c_str());
    }

    /// ok, no_space, too_large, failed.
    status push(const T& value) {
        status s = status::ok;
        if constexpr (bytes_codec<T>) {
            s = journal_->send(stream_, 0, codec<T>::bytes(value));
        } else {
            encoded_.clear();
            codec<T>::encode(value, encoded_);
            s = journal_->send(stream_, 0, encoded_);
        }
        const std::uint64_t segment = journal_->done().appended() / journal_->segment_bytes();
        if (s && segment != std::exchange(written_, segment))
            (void)journal_->sync_to(
                segment * journal_->segment_bytes());  // failed: the next send is
        return s;
    }

    /// The oldest; there is one.
    T pop() {
        format::record r;
        if (!cursor_.next(r))
            throw std::runtime_error{"penstock: what was spilled to " + path_ + " can't be read"};
        const std::uint64_t segment = cursor_.at() / journal_->segment_bytes();
        T value = codec<T>::decode(r.payload);
        cursor_.step(r);
        if (segment != std::exchange(read_, segment)) give_up_before(segment);
        return value;
    }

    [[nodiscard]] std::string failure() const { return journal_->failure(); }

private:
    static std::string name_in(const spill_options& o) {
        std::string name = o.directory;
        if (name.empty()) {
            const char* const temporary = std::getenv("TMPDIR");
            name = temporary && *temporary != '\0' ? temporary : "/tmp";
        }
        return name + "/penstock-spill-" + std::to_string(o.files->process_id()) + "-" +
               std::to_string(o.files->random());
    }

    void give_up_before(std::uint64_t segment) {
        std::uint64_t cursors_set = 0, removed = 0;
        (void)journal_->groups(cursors_set);
        (void)journal_->trim(segment * journal_->segment_bytes(), cursors_set, removed);
    }

    os::file_system_ref files_;
    const std::string path_;
    std::unique_ptr<journal_core> journal_;
    stream_state& stream_;
    stream_cursor cursor_;
    std::uint64_t written_ = 1, read_ = 1;  // numbers of segments
    std::vector<std::byte> encoded_;
};

}  // namespace detail
}  // namespace penstock::inline PENSTOCK_ABI
