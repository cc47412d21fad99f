// SPDX-License-Identifier: BSL-1.0
#include "../../examples/earthquakes/feed.hpp"

#include <string>

#include <doctest/doctest.h>

namespace {

const std::string header = "time,mag,place,net,id\n";
const std::string good = "2018-01-31T01:49:59.650Z,0.31,Amboy,uw,uw1\n";

std::string reason(const std::string& line) {
    const feed f = read_feed(header + line + "\n" + good, "test");
    CHECK(f.quakes.size() == 1);  // the good one survives its neighbour
    REQUIRE(f.bad.size() == 1);
    CHECK(f.bad[0].number == 2);
    return f.bad[0].why;
}

std::string refusal(const std::string& text) {
    try {
        (void)read_feed(text, "test");
    } catch (const input_error& e) {
        return e.what();
    }
    return "";
}

}  // namespace

TEST_CASE("quoted fields keep commas, doubled quotes and line breaks") {
    const feed f = read_feed(
        header + "2018-01-31T01:49:59Z,2,\"5km N of \"\"The Geysers\"\", CA\",nc,a\r\n" +
            "2018-01-31T01:50:00Z,2,\"two\nlines\",nc,b\r\n" + "oops\n",
        "test");
    REQUIRE(f.quakes.size() == 2);
    CHECK(f.quakes[0].place == "5km N of \"The Geysers\", CA");
    CHECK(f.quakes[1].place == "two\nlines");
    REQUIRE(f.bad.size() == 1);
    CHECK(f.bad[0].number == 5);  // the line break inside the quotes counts
}

TEST_CASE("columns are found by name, whatever their order and number") {
    const feed f = read_feed(
        "\xEF\xBB\xBFid,extra,net,place,mag,time\n"
        "b,x,us,there,6.5,2018-02-01T00:00:00.000Z\n"
        "a,x,ak,here,-0.5,2018-01-31T23:59:59.999Z",
        "test");
    REQUIRE(f.quakes.size() == 2);
    CHECK(f.quakes[0].id == "a");  // by time, not by line
    CHECK(f.quakes[0].magnitude == -0.5);
    CHECK(f.quakes[1].at - f.quakes[0].at == std::chrono::milliseconds{1});
    CHECK(f.quakes[1].number == 1);
    CHECK(f.networks == std::vector<std::string>{"ak", "us"});
    CHECK(is_strong(f.quakes[1]));
}

TEST_CASE("a bad line is reported by number and reason, and costs nothing else") {
    CHECK(reason("2018-01-31T01:49:59.650Z,0.31,Amb") == "3 of 5 columns");
    CHECK(reason("2018-01-31T01:49:59.650Z,0.31,a,uw,x,y") == "6 of 5 columns");
    CHECK(reason("2018-01-31T01:49:59.650Z,strong,a,uw,x").starts_with("magnitude \"strong\""));
    CHECK(reason("2018-01-31T01:49:59.650Z,,a,uw,x").starts_with("magnitude \"\""));
    CHECK(reason("2018-01-31T01:49:59.650Z,nan,a,uw,x").starts_with("magnitude"));
    CHECK(reason("2018-01-31T01:49:59.650Z,1e5,a,uw,x").starts_with("magnitude"));
    CHECK(reason("2018-02-30T01:49:59.650Z,1,a,uw,x").starts_with("time"));
    CHECK(reason("2018-01-31 01:49:59,1,a,uw,x").starts_with("time"));
    CHECK(reason("2018-01-31T01:49:59.650Z,1,a,,x").starts_with("network"));
    CHECK(reason("2018-01-31T01:49:59.650Z,1,a,u.w,x").starts_with("network"));
    CHECK(reason("2018-01-31T01:49:59.650Z,1,\"a\"b,uw,x") == "text after a closing quote");
    CHECK(reason("2018-01-31T01:49:59.650Z,1,\"a,uw,x") == "a quote is never closed");
}

TEST_CASE("a file that is no feed is refused with what it lacks") {
    CHECK(refusal("") == "test: is empty");
    CHECK(refusal("time,mag,place\n").find("no column net, id in") != std::string::npos);
    CHECK(refusal(header) == "test: has no earthquakes in it");
    CHECK(refusal("time,\"mag\n").starts_with("test: line 1: "));
    CHECK_THROWS_AS((void)read_text("no-such-file.csv"), input_error);
}

TEST_CASE("magnitude classes begin at their whole number") {
    const auto name = [](double m) { return magnitude_classes[magnitude_class(m)]; };
    CHECK(name(-0.8) == "micro");
    CHECK(name(2.99) == "micro");
    CHECK(name(3) == "minor");
    CHECK(name(5.9) == "moderate");
    CHECK(name(6) == "strong");
    CHECK(name(7.1) == "major");
    CHECK(name(9.5) == "great");
}
