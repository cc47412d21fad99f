// SPDX-License-Identifier: BSL-1.0
// Comma-separated values as RFC 4180 has them: quoted fields with commas, line breaks and doubled
// quotes in them, lines that end in LF or CRLF. A quote inside an unquoted field is taken as it is.
//
//   csv_reader csv{text};
//   for (csv_record r; csv.next(r);) r.error.empty() ? use(r.fields) : report(r.line, r.error);
//
// The first record is the header, and all others must have as many fields. A record that can't be
// read costs its first line and no more: a quote that is never closed doesn't swallow the file.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

struct csv_record {
    std::size_t line = 0;  // where it begins, from 1
    std::vector<std::string> fields;
    std::string error;  // why it can't be used; empty: it can
};

class csv_reader {
public:
    explicit csv_reader(std::string_view text) : text_{text} {
        if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);  // a byte order mark
    }

    /// False at the end of the text. Empty lines are no records.
    bool next(csv_record& record) {
        while (at_ < text_.size() && (text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n"))
            skip_line();
        if (at_ == text_.size()) return false;

        record.line = line_;
        record.fields.clear();
        record.error.clear();
        const std::size_t begin = at_;
        read_fields(record);
        if (record.error.empty() && columns_ != 0 && record.fields.size() != columns_)
            record.error = std::to_string(record.fields.size()) + " of " +
                           std::to_string(columns_) + " columns";
        if (columns_ == 0) columns_ = record.fields.size();
        if (!record.error.empty()) {
            at_ = begin;
            line_ = record.line;
            skip_line();
        }
        return true;
    }

private:
    void skip_line() {
        const std::size_t end = text_.find('\n', at_);
        at_ = end == std::string_view::npos ? text_.size() : end + 1;
        ++line_;
    }

    bool at_line_end() const {
        return at_ == text_.size() || text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n";
    }

    void read_fields(csv_record& record) {
        for (;;) {
            std::string& field = record.fields.emplace_back();
            if (at_ < text_.size() && text_[at_] == '"') {
                if (!read_quoted(field)) return void(record.error = "a quote is never closed");
            } else {
                while (!at_line_end() && text_[at_] != ',') field += text_[at_++];
            }
            if (at_line_end()) return skip_line();
            if (text_[at_] != ',') return void(record.error = "text after a closing quote");
            ++at_;
        }
    }

    bool read_quoted(std::string& field) {
        for (++at_; at_ < text_.size(); ++at_) {
            if (text_[at_] == '"') {
                ++at_;
                if (at_ == text_.size() || text_[at_] != '"') return true;
            }
            if (text_[at_] == '\n') ++line_;
            field += text_[at_];
        }
        return false;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t line_ = 1;
    std::size_t columns_ = 0;
};
