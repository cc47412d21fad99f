// SPDX-License-Identifier: BSL-1.0
// Cursors step over the indices that a lap does not use, and wrap with their type.
#include <cstdint>
#include <limits>
#include <stdexcept>

#include <doctest/doctest.h>

#include <penstock/queue/detail/lap_cursor.hpp>

using penstock::detail::lap_cursor;

TEST_CASE_TEMPLATE("next, index, distance and before agree, over the wrap too", Cursor,
                   std::uint8_t, std::uint16_t, std::uint64_t) {
    for (std::size_t capacity : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 15u, 16u}) {
        CAPTURE(capacity);
        const lap_cursor<Cursor, penstock::at_run_time> laps{capacity};
        // Some laps before the wrap; the first of a lap.
        Cursor from = static_cast<Cursor>(Cursor{0} - 2 * laps.lap());
        int wrong = 0;
        for (std::size_t start = 0; start < 3 * capacity; ++start, from = laps.next(from)) {
            Cursor to = from;
            for (std::size_t n = 0; n <= capacity; ++n, to = laps.next(to)) {
                wrong += laps.index(to) != (start + n) % capacity;
                wrong += laps.distance(from, to) != n;
                wrong += laps.before(from, to) != (n > 0);
                wrong += laps.before(to, from);
                wrong += (to & laps.flags) != 0;
            }
            wrong += laps.lap_later(from) != laps.lap_earlier(laps.lap_later(laps.lap_later(from)));
            wrong += laps.distance(laps.lap_later(from), from) != 0;
        }
        CHECK(wrong == 0);
    }
}

TEST_CASE("a lap that the cursor's type can't hold four times is refused") {
    using narrow = lap_cursor<std::uint8_t, penstock::at_run_time>;
    CHECK_NOTHROW(narrow{16});
    CHECK_THROWS_AS(narrow{17}, std::invalid_argument);
    using wide = lap_cursor<std::uint64_t, penstock::at_run_time>;
    CHECK_NOTHROW(wide{std::size_t{1} << 60});
    CHECK_THROWS_AS(wide{(std::size_t{1} << 60) + 1}, std::invalid_argument);
}
