#include "condition.hpp"

#include <array>
#include <ctime>

#include "../core/format.hpp"
#include "page/quantities.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Runs further apart than this were disturbed. An idle machine stays within 3%.
constexpr double kDisturbedSpread = 0.10;
constexpr std::size_t kFewestRunsToJudge = 3;

/// Runnable processes of the last minute, as a share of the processors, that cannot be this measurement's start alone.
constexpr double kBusyShare = 0.6;

}  // namespace

std::string machine_sentence(const SystemInfo& system, std::string_view tier, int threads) {
  std::string text = formatted("{}{}, {} thread{} of {} processor{}, kernels {}",
                               system.cpu.empty() ? "An unnamed processor" : system.cpu,
                               system.virtual_machine ? " (a virtual machine)" : "", threads, threads == 1 ? "" : "s",
                               system.usable, system.usable == 1 ? "" : "s", tier);
  if (system.last_cache_bytes() > 0) text += ", last cache " + page::bytes_text(system.last_cache_bytes());
  if (system.memory_bytes > 0) text += ", memory " + page::bytes_text(system.memory_bytes);
  text += formatted(", pages of {:.0f} bytes, huge pages {}, governor {}", system.page_bytes,
                    system.huge_pages.empty() ? "not shown" : system.huge_pages,
                    system.governor.empty() ? "not shown" : system.governor);
  return text + formatted(", load {:.2f} when it began.", system.load_average);
}

std::string time_text(double seconds_since_1970) {
  const auto when = static_cast<std::time_t>(seconds_since_1970);
  std::array<char, 64> text{};
  std::tm utc{};
  gmtime_r(&when, &utc);
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &utc);
  return text.data();
}

bool disturbed(const PassTiming& timing) {
  return timing.seconds.size() >= kFewestRunsToJudge && timing.spread() > kDisturbedSpread;
}

std::string load_note(const SystemInfo& system) {
  if (system.load_average <= kBusyShare * system.usable) return {};
  return formatted(
      "The machine was not idle: {:.1f} processes wanted to run on {} processors in the minute before. Times may be "
      "longer than an idle machine's, and scatter.",
      system.load_average, system.usable);
}

std::vector<page::Term> common_terms() {
  return {
      {"decode", "Writing: one token after another; each reads all weights once."},
      {"prompt", "Reading what was given, many tokens at once; each weight read serves all of them (prefill)."},
      {"token", "A piece of text, three to four letters of English; what a model reads and writes."},
      {"tokens/s", "Tokens divided by the median time of the runs."},
      {"MB, GB", "10^6 and 10^9 bytes."},
      {"KV cache", "Keys and values that a sequence keeps of its tokens; it grows with the context."},
  };
}

}  // namespace plumb
