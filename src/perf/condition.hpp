#pragma once
/// What a page says of the machine and of how quiet it was.

#include <string>
#include <vector>

#include "page/page.hpp"
#include "plumb/perf/measure.hpp"

namespace plumb::inline PLUMB_ABI {

/// "AMD EPYC 9R14, 2 threads, kernels avx512_vnni, last cache 32 MB, ...": one sentence.
std::string machine_sentence(const SystemInfo& system, std::string_view tier, int threads);

/// "2026-11-30 21:14 UTC".
std::string time_text(double seconds_since_1970);

/// Whether the middle half of the runs is further apart than timings of an idle machine are: something else ran. Such
/// points are marked. Two runs have no middle half, and tell nothing.
bool disturbed(const PassTiming& timing);

/// What a marked point means, for captions.
inline constexpr std::string_view kDisturbedMeans = "disturbed (the middle half of the runs is more than 10% apart)";

/// A sentence where the machine was busy before the measurement began; nothing where it was not.
std::string load_note(const SystemInfo& system);

/// What words on most pages mean.
std::vector<page::Term> common_terms();

}  // namespace plumb
