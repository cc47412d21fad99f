// SPDX-License-Identifier: BSL-1.0
// Draws what --csv wrote: an SVG a cell, bars with their 95 % intervals, and a line chart a curve
//
//   benchmarks/run chart FILE.csv [FOLDER]     folder: where the files go (default: .)
//
// Cells whose names end in ": NUMBER" are the points of a curve, the number its x. All value axes
// are logarithmic: equal distances are equal ratios.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "support/statistics.hpp"

namespace {

struct point {
    double x;
    bench::estimate y;
};
struct series {
    std::string name;
    std::vector<point> points;
};
struct chart {
    std::string title, x_name, unit;  // x_name is empty where it is no curve
    std::vector<series> all;
};

/// The fields of a line; those in quotes may hold commas.
std::vector<std::string> fields_of(const std::string& line) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (char c : line) {
        if (c == '"')
            quoted = !quoted;
        else if (c == ',' && !quoted)
            fields.emplace_back();
        else
            fields.back() += c;
    }
    return fields;
}

std::vector<chart> read(std::istream& in) {
    struct key {
        std::string cell, subject;
        std::string unit;
        std::vector<double> values;
    };
    std::vector<key> rows;  // in the order of the file
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
        const auto f = fields_of(line);
        if (f.size() != 5) continue;
        auto at = std::find_if(rows.begin(), rows.end(), [&](const key& k) {
            return k.cell == f[0] && k.subject == f[1];
        });
        if (at == rows.end()) at = rows.insert(at, {f[0], f[1], f[4], {}});
        at->values.push_back(std::strtod(f[3].c_str(), nullptr));
    }
    std::vector<chart> charts;
    for (auto& r : rows) {
        std::string title = r.cell, x_name;
        double x = 0;
        const auto colon = title.rfind(": ");
        if (colon != title.npos && std::isdigit(static_cast<unsigned char>(title[colon + 2]))) {
            x = std::strtod(title.c_str() + colon + 2, nullptr);
            title.resize(colon);
            const auto by = title.rfind(" by ");
            x_name = by == title.npos ? "n" : title.substr(by + 4);
        }
        auto c = std::find_if(
            charts.begin(), charts.end(), [&](const chart& k) { return k.title == title; });
        if (c == charts.end()) c = charts.insert(c, {title, x_name, r.unit, {}});
        auto s = std::find_if(
            c->all.begin(), c->all.end(), [&](const series& k) { return k.name == r.subject; });
        if (s == c->all.end()) s = c->all.insert(s, {r.subject, {}});
        s->points.push_back({x, bench::estimate_of(r.values)});
    }
    return charts;
}

bool is_ours(const std::string& name) {
    for (const char* begins : {"spsc_ring", "mpmc_ring", "unbounded", "broadcast_ring", "latest",
                               "channel", "topic", "bus"})
        if (name.rfind(begins, 0) == 0) return true;
    return false;
}

std::string escaped(const std::string& text) {
    std::string out;
    for (char c : text) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else
            out += c;
    }
    return out;
}

/// Maps [low, high] to pixels, logarithmically.
class axis {
public:
    axis(double low, double high, double from, double to)
        : low_{low}, high_{std::max(high, low * 1.001)}, from_{from}, to_{to} {}
    double operator()(double v) const {
        const double share = std::log(std::max(v, low_) / low_) / std::log(high_ / low_);
        return from_ + std::min(share, 1.0) * (to_ - from_);
    }
    /// 1, 2 and 5 of each decade, or 1 only where they would be many.
    [[nodiscard]] std::vector<double> ticks() const {
        std::vector<double> t;
        const bool few = high_ / low_ < 200;
        for (double decade = std::pow(10, std::floor(std::log10(low_))); decade <= high_;
             decade *= 10)
            for (double step : {1.0, 2.0, 5.0})
                if ((step == 1.0 || few) && decade * step >= low_ && decade * step <= high_)
                    t.push_back(decade * step);
        return t;
    }

private:
    double low_, high_, from_, to_;
};

std::string number(double v) {
    char text[32];
    if (v >= 1e6)
        std::snprintf(text, sizeof text, "%gM", v / 1e6);
    else if (v >= 1e4)
        std::snprintf(text, sizeof text, "%gk", v / 1e3);
    else
        std::snprintf(text, sizeof text, v < 1000 ? "%.3g" : "%.4g", v);
    return text;
}

constexpr const char* head =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
    "font-size=\"12\"><rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
    "<text x=\"10\" y=\"20\" font-size=\"14\" font-weight=\"bold\">%s</text>\n";

void extremes(const chart& c, double& low, double& high) {
    low = 1e300;
    high = 0;
    for (auto& s : c.all)
        for (auto& p : s.points) {
            if (p.y.low > 0) low = std::min(low, p.y.low);
            high = std::max(high, p.y.high);
        }
    if (low > high) low = high = 1;
}

void draw_bars(std::FILE* f, const chart& c) {
    auto all = c.all;
    std::stable_sort(all.begin(), all.end(), [](const series& a, const series& b) {
        return a.points[0].y.median < b.points[0].y.median;
    });
    double low = 0, high = 0;
    extremes(c, low, high);
    const int height = 60 + 22 * static_cast<int>(all.size());
    const axis x{low / 1.5, high, 290, 690};
    std::fprintf(f, head, 780, height, escaped(c.title + ", " + c.unit).c_str());
    for (double t : x.ticks())
        std::fprintf(f,
                     "<path d=\"M%.1f 30V%d\" stroke=\"#ddd\"/><text x=\"%.1f\" y=\"%d\" "
                     "text-anchor=\"middle\" fill=\"#555\">%s</text>\n",
                     x(t), height - 25, x(t), height - 10, number(t).c_str());
    double y = 34;
    for (auto& s : all) {
        const auto& e = s.points[0].y;
        std::fprintf(
            f,
            "<text x=\"282\" y=\"%.0f\" text-anchor=\"end\"%s>%s</text>"
            "<rect x=\"290\" y=\"%.0f\" width=\"%.1f\" height=\"16\" fill=\"%s\"/>"
            "<path d=\"M%.1f %.0fH%.1f\" stroke=\"#000\" stroke-width=\"2\"/>"
            "<text x=\"%.1f\" y=\"%.0f\">%s</text>\n",
            y + 12, is_ours(s.name) ? " font-weight=\"bold\"" : "", escaped(s.name).c_str(), y,
            std::max(x(e.median) - 290, 1.0), is_ours(s.name) ? "#1f77b4" : "#c7c7c7", x(e.low),
            y + 8, x(e.high), x(e.high) + 6, y + 12, number(e.median).c_str());
        y += 22;
    }
}

void draw_lines(std::FILE* f, const chart& c) {
    static const char* const colours[] = {"#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd",
                                          "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"};
    double low = 0, high = 0, left = 1e300, right = 0;
    extremes(c, low, high);
    for (auto& s : c.all)
        for (auto& p : s.points) {
            left = std::min(left, p.x);
            right = std::max(right, p.x);
        }
    const axis x{left, right, 60, 500}, y{low / 1.2, high * 1.2, 330, 40};
    std::fprintf(f, head, 800, 380, escaped(c.title + ", " + c.unit).c_str());
    for (double t : y.ticks())
        std::fprintf(f,
                     "<path d=\"M60 %.1fH500\" stroke=\"#ddd\"/><text x=\"54\" y=\"%.1f\" "
                     "text-anchor=\"end\" fill=\"#555\">%s</text>\n",
                     y(t), y(t) + 4, number(t).c_str());
    for (auto& p : c.all[0].points)
        std::fprintf(f,
                     "<path d=\"M%.1f 330v5\" stroke=\"#555\"/><text x=\"%.1f\" y=\"348\" "
                     "text-anchor=\"middle\" fill=\"#555\">%s</text>\n",
                     x(p.x), x(p.x), number(p.x).c_str());
    std::fprintf(f, "<text x=\"280\" y=\"370\" text-anchor=\"middle\" fill=\"#555\">%s</text>\n",
                 escaped(c.x_name).c_str());
    std::size_t i = 0;
    for (auto& s : c.all) {
        const char* colour = colours[i % (sizeof colours / sizeof *colours)];
        const double width = is_ours(s.name) ? 3 : 1.5;
        std::fprintf(
            f, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\" d=\"", colour, width);
        for (std::size_t k = 0; k < s.points.size(); ++k)
            std::fprintf(
                f, "%c%.1f %.1f", k ? 'L' : 'M', x(s.points[k].x), y(s.points[k].y.median));
        std::fprintf(f, "\"/>\n");
        for (auto& p : s.points)
            std::fprintf(f,
                         "<path d=\"M%.1f %.1fV%.1f\" stroke=\"%s\"/><circle cx=\"%.1f\" "
                         "cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n",
                         x(p.x), y(p.y.low), y(p.y.high), colour, x(p.x), y(p.y.median), colour);
        std::fprintf(f,
                     "<path d=\"M515 %zuh18\" stroke=\"%s\" stroke-width=\"%.1f\"/><text x=\"540\" "
                     "y=\"%zu\"%s>%s</text>\n",
                     50 + 20 * i, colour, width, 54 + 20 * i,
                     is_ours(s.name) ? " font-weight=\"bold\"" : "", escaped(s.name).c_str());
        ++i;
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3 || argv[1][0] == '-') {
        std::fprintf(stderr, "usage: chart FILE.csv [FOLDER]\n");
        return 2;
    }
    std::ifstream in{argv[1]};
    if (!in) {
        std::fprintf(stderr, "%s can't be read.\n", argv[1]);
        return 1;
    }
    for (auto& c : read(in)) {
        std::string name;
        for (char ch : c.title) name += std::isalnum(static_cast<unsigned char>(ch)) ? ch : '-';
        const std::string path = std::string{argc > 2 ? argv[2] : "."} + "/" + name + ".svg";
        std::FILE* f = std::fopen(path.c_str(), "w");
        if (!f) {
            std::fprintf(stderr, "%s can't be written.\n", path.c_str());
            return 1;
        }
        (c.x_name.empty() ? draw_bars : draw_lines)(f, c);
        std::fprintf(f, "</svg>\n");
        std::fclose(f);
        std::puts(path.c_str());
    }
    return 0;
}
