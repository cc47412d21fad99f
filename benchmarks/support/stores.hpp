// SPDX-License-Identifier: BSL-1.0
// Stores that people use as queues, each as its documentation says: a growing key, the message as the
// value. `sync`: a commit returns when it is on disk; else when the kernel has it.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#if BENCH_SQLITE
#include <sqlite3.h>
#endif
#if BENCH_LMDB
#include <lmdb.h>
#endif
#if BENCH_ROCKSDB
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#endif

#include "verify.hpp"

namespace bench {

template <std::size_t Bytes>
struct durable_message {
    std::uint64_t number = 0;
    std::array<unsigned char, Bytes - 8> filling{};
};

template <std::size_t Bytes>
std::vector<durable_message<Bytes>> messages(std::uint64_t from, std::size_t n) {
    std::vector<durable_message<Bytes>> m(n);
    for (std::size_t i = 0; i < n; ++i) m[i].number = from + i;
    return m;
}

/// A directory on the disk to be measured: below $PENSTOCK_BENCH_DIR, or here.
class disk_folder {
public:
    disk_folder() {
        const char* const base = std::getenv("PENSTOCK_BENCH_DIR");
        std::string name = std::string{base ? base : "."} + "/penstock-bench.XXXXXX";
        verify(::mkdtemp(name.data()) != nullptr, "no scratch directory: set PENSTOCK_BENCH_DIR");
        path_ = name;
    }
    disk_folder(const disk_folder&) = delete;
    ~disk_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

inline std::uint64_t big_endian(std::uint64_t n) { return __builtin_bswap64(n); }

#if BENCH_SQLITE
class sqlite_store {
public:
    sqlite_store(const std::string& dir, bool sync) {
        check(sqlite3_open((dir + "/db").c_str(), &db_));
        run("PRAGMA journal_mode=WAL");
        run(sync ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF");
        run("CREATE TABLE queue(id INTEGER PRIMARY KEY, message BLOB)");
        run("CREATE TABLE cursor(id INTEGER)");
        run("INSERT INTO cursor VALUES(-1)");
        check(sqlite3_prepare_v2(db_, "INSERT INTO queue VALUES(?,?)", -1, &insert_, nullptr));
        check(sqlite3_prepare_v2(db_, "UPDATE cursor SET id=?", -1, &move_, nullptr));
    }
    ~sqlite_store() {
        sqlite3_finalize(insert_);
        sqlite3_finalize(move_);
        sqlite3_close(db_);
    }
    template <class M>
    void append(const M* messages, std::size_t n) {
        if (n > 1) run("BEGIN");
        for (std::size_t i = 0; i < n; ++i) {
            sqlite3_bind_int64(insert_, 1, static_cast<sqlite3_int64>(messages[i].number));
            sqlite3_bind_blob(insert_, 2, &messages[i], sizeof(M), SQLITE_STATIC);
            verify(sqlite3_step(insert_) == SQLITE_DONE, sqlite3_errmsg(db_));
            sqlite3_reset(insert_);
        }
        if (n > 1) run("COMMIT");
    }
    /// The sum of what was read, the cursor moved every 100.
    template <class M>
    std::uint64_t read_all() {
        std::uint64_t sum = 0, next = 0;
        sqlite3_stmt* page = nullptr;
        check(sqlite3_prepare_v2(db_, "SELECT message FROM queue WHERE id>=? ORDER BY id LIMIT 100",
                                 -1, &page, nullptr));
        for (bool more = true; more;) {
            more = false;
            sqlite3_bind_int64(page, 1, static_cast<sqlite3_int64>(next));
            while (sqlite3_step(page) == SQLITE_ROW) {
                M m;
                std::memcpy(&m, sqlite3_column_blob(page, 0), sizeof m);
                sum += m.number;
                next = m.number + 1;
                more = true;
            }
            sqlite3_reset(page);
            sqlite3_bind_int64(move_, 1, static_cast<sqlite3_int64>(next));
            verify(sqlite3_step(move_) == SQLITE_DONE, sqlite3_errmsg(db_));
            sqlite3_reset(move_);
        }
        sqlite3_finalize(page);
        return sum;
    }

    /// Another thread's, which looks whether a message is there.
    class poller {
    public:
        poller(sqlite_store&, const std::string& dir) {
            verify(sqlite3_open((dir + "/db").c_str(), &db_) == SQLITE_OK, "sqlite");
            verify(sqlite3_prepare_v2(db_, "SELECT message FROM queue WHERE id=?", -1, &get_,
                                      nullptr) == SQLITE_OK,
                   sqlite3_errmsg(db_));
        }
        poller(const poller&) = delete;
        ~poller() {
            sqlite3_finalize(get_);
            sqlite3_close(db_);
        }
        template <class M>
        bool get(std::uint64_t number, M& m) {
            sqlite3_bind_int64(get_, 1, static_cast<sqlite3_int64>(number));
            const bool there = sqlite3_step(get_) == SQLITE_ROW;
            if (there) std::memcpy(&m, sqlite3_column_blob(get_, 0), sizeof m);
            sqlite3_reset(get_);
            return there;
        }

    private:
        sqlite3* db_ = nullptr;
        sqlite3_stmt* get_ = nullptr;
    };

private:
    void run(const char* sql) { check(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr)); }
    void check(int answer) { verify(answer == SQLITE_OK, sqlite3_errmsg(db_)); }
    sqlite3* db_ = nullptr;
    sqlite3_stmt *insert_ = nullptr, *move_ = nullptr;
};
#endif

#if BENCH_LMDB
class lmdb_store {
public:
    lmdb_store(const std::string& dir, bool sync) {
        check(mdb_env_create(&env_));
        check(mdb_env_set_mapsize(env_, std::size_t{4} << 30));
        const unsigned flags = sync ? 0u : unsigned{MDB_WRITEMAP | MDB_NOSYNC | MDB_MAPASYNC};
        check(mdb_env_open(env_, dir.c_str(), flags, 0644));
        MDB_txn* t = nullptr;
        check(mdb_txn_begin(env_, nullptr, 0, &t));
        check(mdb_dbi_open(t, nullptr, 0, &db_));
        check(mdb_txn_commit(t));
    }
    ~lmdb_store() { mdb_env_close(env_); }
    template <class M>
    void append(const M* messages, std::size_t n) {
        MDB_txn* t = nullptr;
        check(mdb_txn_begin(env_, nullptr, 0, &t));
        for (std::size_t i = 0; i < n; ++i) {
            std::uint64_t id = big_endian(messages[i].number + 1);
            MDB_val key{sizeof id, &id}, value{sizeof(M), const_cast<M*>(&messages[i])};
            check(mdb_put(t, db_, &key, &value, MDB_APPEND));
        }
        check(mdb_txn_commit(t));
    }
    template <class M>
    std::uint64_t read_all() {
        std::uint64_t sum = 0, next = 1;
        for (bool more = true; more;) {
            MDB_txn* t = nullptr;
            check(mdb_txn_begin(env_, nullptr, 0, &t));
            MDB_cursor* c = nullptr;
            check(mdb_cursor_open(t, db_, &c));
            std::uint64_t id = big_endian(next);
            MDB_val key{sizeof id, &id}, value{};
            int answer = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);
            int i = 0;
            for (; i < 100 && answer == 0; ++i) {
                M m;
                std::memcpy(&m, value.mv_data, sizeof m);
                sum += m.number;
                next = m.number + 2;
                answer = mdb_cursor_get(c, &key, &value, MDB_NEXT);
            }
            more = i == 100;
            mdb_cursor_close(c);
            std::uint64_t zero = 0;  // the cursor is the value of key 0
            MDB_val cursor_key{sizeof zero, &zero}, cursor{sizeof next, &next};
            check(mdb_put(t, db_, &cursor_key, &cursor, 0));
            check(mdb_txn_commit(t));
        }
        return sum;
    }

    class poller {
    public:
        poller(lmdb_store& store, const std::string&) : db_{store.db_} {
            check(mdb_txn_begin(store.env_, nullptr, MDB_RDONLY, &t_));
            mdb_txn_reset(t_);
        }
        poller(const poller&) = delete;
        ~poller() { mdb_txn_abort(t_); }
        template <class M>
        bool get(std::uint64_t number, M& m) {
            std::uint64_t id = big_endian(number + 1);
            MDB_val key{sizeof id, &id}, value{};
            check(mdb_txn_renew(t_));
            const bool there = mdb_get(t_, db_, &key, &value) == 0;
            if (there) std::memcpy(&m, value.mv_data, sizeof m);
            mdb_txn_reset(t_);
            return there;
        }

    private:
        MDB_txn* t_ = nullptr;
        MDB_dbi db_;
    };

private:
    static void check(int answer) { verify(answer == 0, mdb_strerror(answer)); }
    MDB_env* env_ = nullptr;
    MDB_dbi db_ = 0;
};
#endif

#if BENCH_ROCKSDB
class rocksdb_store {
public:
    rocksdb_store(const std::string& dir, bool sync) {
        rocksdb::Options o;
        o.create_if_missing = true;
        rocksdb::DB* db = nullptr;
        check(rocksdb::DB::Open(o, dir + "/db", &db));
        db_.reset(db);
        write_.sync = sync;
    }
    template <class M>
    void append(const M* messages, std::size_t n) {
        rocksdb::WriteBatch batch;
        for (std::size_t i = 0; i < n; ++i) {
            const std::uint64_t id = big_endian(messages[i].number + 1);
            check(batch.Put({reinterpret_cast<const char*>(&id), sizeof id},
                            {reinterpret_cast<const char*>(&messages[i]), sizeof(M)}));
        }
        check(db_->Write(write_, &batch));
    }
    template <class M>
    std::uint64_t read_all() {
        std::uint64_t sum = 0, count = 0;
        const std::uint64_t zero = 0, one = big_endian(1);
        std::unique_ptr<rocksdb::Iterator> i{db_->NewIterator({})};
        for (i->Seek({reinterpret_cast<const char*>(&one), 8}); i->Valid(); i->Next()) {
            M m;
            std::memcpy(&m, i->value().data(), sizeof m);
            sum += m.number;
            if (++count % 100 == 0)
                check(db_->Put(write_, {reinterpret_cast<const char*>(&zero), 8},
                               {reinterpret_cast<const char*>(&m.number), 8}));
        }
        return sum;
    }

    class poller {
    public:
        poller(rocksdb_store& store, const std::string&) : db_{*store.db_} {}
        template <class M>
        bool get(std::uint64_t number, M& m) {
            const std::uint64_t id = big_endian(number + 1);
            const auto s = db_.Get({}, db_.DefaultColumnFamily(),
                                   {reinterpret_cast<const char*>(&id), sizeof id}, &value_);
            if (s.ok()) std::memcpy(&m, value_.data(), sizeof m);
            value_.Reset();
            return s.ok();
        }

    private:
        rocksdb::DB& db_;
        rocksdb::PinnableSlice value_;
    };

private:
    static void check(const rocksdb::Status& s) { verify(s.ok(), s.ToString().c_str()); }
    std::unique_ptr<rocksdb::DB> db_;
    rocksdb::WriteOptions write_;
};
#endif

}  // namespace bench
