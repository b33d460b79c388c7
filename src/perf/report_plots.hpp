#pragma once
/// The pictures of a report as gnuplot scripts.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/perf/report.hpp"

namespace plumb::inline PLUMB_ABI {

/// One point of the roofline or bar of the breakdown: an operation in a pass.
struct OpSpeed {
  Op op;
  double seconds = 0, operations = 0, bytes = 0;
};

/// Where the time of a run goes: operations in order, threads' meetings apart.
struct PassBreakdown {
  std::string label;  ///< "plumb-1b Q4_0"
  bool prefill = false;
  bool measured = false;  ///< traced; else predicted
  std::vector<OpSpeed> ops;
  double meeting = 0;
  double seconds() const;
};

/// The smallest, the middle and the largest point of the last type, decoding then prompts. Of points that were neither
/// measured nor predicted nothing.
std::vector<PassBreakdown> breakdowns(const Sweep& sweep);

/// How operations are grouped in the breakdown: name and members.
struct OpGroup {
  std::string_view name;
  std::vector<Op> ops;
};
const std::vector<OpGroup>& op_groups();
double seconds_of(const PassBreakdown& pass, const OpGroup& group);

/// What the horizontal axis of a sweep says: "parameters".
std::string axis_title(Dimension dimension);

std::string latency_plot(const Sweep& sweep, bool prefill);
std::string ratio_plot(const Sweep& sweep);
std::string roofline_plot(const Machine& machine, int threads, const PassBreakdown& decode,
                          const PassBreakdown& prefill);
std::string breakdown_plot(const std::vector<PassBreakdown>& passes);

}  // namespace plumb
