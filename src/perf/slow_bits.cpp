// Where fewer bits per weight were slower, and why.

#include <algorithm>

#include "../core/format.hpp"
#include "plumb/perf/sweep.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// What counts as slower: enough runs, and quartiles that are this far apart.
constexpr std::size_t kFewestRuns = 4;
constexpr double kMargin = 1.02;

const PassTiming& timing(const SweepPoint& point, bool prefill) {
  return prefill ? point.measured->prefill : point.measured->decode;
}

/// Multiply-adds a second of the point's kernel with weights in the cache; 0 when the profile does not say.
double kernel_rate(const SweepPoint& point, bool prefill, const std::optional<Machine>& machine) {
  if (!machine) return 0;
  const Measurement& m = *point.measured;
  return machine->kernel_rate(m.weights.matrices(), prefill ? m.prefill.tokens : m.sequences, m.threads);
}

/// Where bytes count less than they seem to.
std::string where(const SweepPoint& fewer, bool prefill) {
  const double size = fewer.measured->weight_bytes, cache = fewer.measured->system.last_cache_bytes();
  if (prefill)
    return formatted("a prompt reads each weight once for {} tokens, so that bytes hardly count",
                     fewer.measured->prefill.tokens);
  if (cache > 0 && size < cache)
    return formatted("its {:.3g} MB fit in the {:.3g} MB cache, where bytes are cheap", size * 1e-6, cache * 1e-6);
  return "bytes are not what it waits for";
}

std::string why(const SweepPoint& fewer, const SweepPoint& more, bool prefill, const std::optional<Machine>& machine) {
  const double saved = 1 - fewer.measured->weight_bytes / more.measured->weight_bytes;
  const std::string text = formatted("{} moves {:.0f}% fewer weight bytes than {}, but {}", fewer.setting.type,
                                     100 * saved, more.setting.type, where(fewer, prefill));
  const double a = kernel_rate(fewer, prefill, machine), b = kernel_rate(more, prefill, machine);
  if (!(a > 0 && b > 0)) return text + ": the work of unpacking codes and scales is left.";
  const std::string rates = formatted(
      "its kernel makes {:.3g} billion multiply-adds a second from the cache, that of "
      "{} {:.3g}",
      a * 1e-9, more.setting.type, b * 1e-9);
  if (a < b) return text + ", and unpacking its codes and scales takes longer: " + rates + '.';
  return text + ". Unpacking does not explain it (" + rates + "): something else disturbed it or limits it.";
}

}  // namespace

std::vector<SlowBits> find_slow_bits(const std::vector<SweepPoint>& points, const std::optional<Machine>& machine) {
  std::vector<SlowBits> found;
  for (std::size_t i = 0; i < points.size(); ++i)
    for (std::size_t j = 0; j < points.size(); ++j) {
      const SweepPoint &fewer = points[i], &more = points[j];
      if (!fewer.measured || !more.measured || fewer.setting.label != more.setting.label) continue;
      if (fewer.measured->weight_bytes > 0.98 * more.measured->weight_bytes) continue;
      for (const bool prefill : {false, true}) {
        const PassTiming &a = timing(fewer, prefill), &b = timing(more, prefill);
        if (std::min(a.seconds.size(), b.seconds.size()) < kFewestRuns) continue;
        if (a.quantile(0.25) <= kMargin * b.quantile(0.75)) continue;  // within the scatter
        const double rate_a = kernel_rate(fewer, prefill, machine), rate_b = kernel_rate(more, prefill, machine);
        found.push_back({i, j, prefill, a.median() / b.median(), rate_a > 0 && rate_a < rate_b,
                         why(fewer, more, prefill, machine)});
      }
    }
  std::stable_sort(found.begin(), found.end(), [](const SlowBits& a, const SlowBits& b) {
    return a.explained != b.explained ? a.explained : a.ratio > b.ratio;
  });
  return found;
}

}  // namespace plumb
