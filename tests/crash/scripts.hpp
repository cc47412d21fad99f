// SPDX-License-Identifier: BSL-1.0
// What journals do while their crashes are tried: short scripts for each thing a journal can do, and as
// many drawn ones as are asked for. The letters are in walk.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdlib>
#include <random>
#include <string>

#include "crash/walk.hpp"
#include "support/sanitized.hpp"

namespace crash {

struct script {
    penstock::sync policy;
    const char* actions;
    penstock::retention limit{};
};
inline constexpr penstock::retention rejects{.bytes = 3 * room, .unread = penstock::unread::reject};
inline constexpr penstock::retention drops{
    .bytes = 3 * room, .unread = penstock::unread::drop_oldest};

inline constexpr script scripts[]{
    {sync::every_append, "ssSbai"},                        // appends, by one and several
    {sync::every_append, "sbtxR sPs"},                     // a transaction, and opened again
    {sync::every_append, "SSSSSaaaaaSSTSSSSSSR"},          // rolls, trims, recycles
    {sync::every_append, "SSSSSaaaaaSmSTSmSSSSSPSSTSS"},   // the same with help
    {sync::every_append, "ssFsPss"},                       // a sync that fails,
    {sync::every_append, "sSFSKssPs"},                     // before the process starts again
    {sync::every_append, "sizaotttzxKrPdrt"},              // cursors
    {sync::process_crash, "ssSbaiysbts"},                  // one sync
    {sync::process_crash, "fffffffffPfPfffPffffPfffPfs"},  // records that line up with old ones
    {sync::process_crash, "fffffffffPffPffffPfffffPfff"},  //
    {sync::process_crash, "sSSSSSSSSSsyss"},               // rolls unsynced
    {sync::process_crash, "SSSSSSSSSSSSKsysPs"},           // and killed then
    {sync::process_crash, "SSSmSSSSaatSSSSmSSPSSSmSPSS"},  // with help
    {sync::process_crash, "SSSSaaaaSSSSyTSSSSSSSSPSSSSS"},
    {sync::manual, "SSSSaaaaSSSSyTSSSSSSSSTSSSPSSKyTSS"},
    {sync::interval, "sSwSSSmSwmSaatSPSSwsSmKSwSP"},
    {sync::manual, "BBBBBaaatttyxaaaaBTBBPBBBxaTBBB"},
    {sync::every_append, "SSSSSSSSSSSaaaaaSSSSmSSaaaSSRSS", rejects},
    {sync::process_crash, "SSSSSSSSSSSSSaaSSSSSSmSSPSSaaSSSKSSS", drops},
};

/// A script of that many actions.
inline std::string drawn_script(std::mt19937_64& random, std::size_t actions) {
    // What is trimmed can't be sought.
    static constexpr std::array<const char*, 2> letters{
        "ssSSSSSffibBaaaoxxtttyymwTTRKPr", "ssSSSffibBaaaoxxtttzyymwzRKPrd"};
    const std::string from = letters[random() % 2];
    std::string s;
    while (s.size() < actions) s += from[random() % from.size()];
    return s;
}
inline penstock::sync drawn_policy(std::mt19937_64& random) {
    return std::array{
        sync::every_append, sync::process_crash, sync::manual, sync::interval}[random() % 4];
}

/// All scripts, then `drawn` more.
inline void run_scripts(walk_options options, std::size_t drawn, tally& counts) {
    for (const script& s : scripts) {
        if (options.once && counts.violations > 0) return;
        options.limit = s.limit;
        walk{s.policy, options, counts}.run(s.actions);
    }
    options.limit = {};
    std::mt19937_64 random{options.seed};
    while (drawn-- > 0 && !(options.once && counts.violations > 0)) {
        options.seed = random();
        const penstock::sync policy = drawn_policy(random);
        walk{policy, options, counts}.run(drawn_script(random, 24));
    }
}

#ifdef __OPTIMIZE__
inline constexpr bool slow_build = TESTS_SANITIZED != 0;
#else
inline constexpr bool slow_build = true;
#endif

/// How much of something: `usual` for CTest, less in a slow build; tests/run crash asks for more.
inline std::uint64_t effort(std::uint64_t usual, std::uint64_t with_effort) {
    const char* const asked = std::getenv("PENSTOCK_CRASH_EFFORT");
    if (asked) return with_effort * std::strtoull(asked, nullptr, 10);
    return slow_build ? (usual + 5) / 6 : usual;
}

}  // namespace crash
