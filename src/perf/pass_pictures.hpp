#pragma once
/// Where the time of a pass goes, as pictures and a table that explains each operation.

#include <string>
#include <string_view>
#include <vector>

#include "page/page.hpp"
#include "plumb/perf/explain.hpp"
#include "plumb/perf/sweep.hpp"

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
/// The same of a pass that was explained, or predicted.
PassBreakdown breakdown(const PassReport& pass, std::string label, bool prefill);
PassBreakdown breakdown(const Ledger& work, const Prediction& predicted, std::string label, bool prefill);

/// "gate projection" of Op::gate: a name for people.
std::string op_title(Op op);

/// Shares of the time by groups of operations, a column a pass; decoding and prompts are pictures of their own.
std::vector<page::Picture> share_pictures(const std::vector<PassBreakdown>& passes);
page::HtmlTable share_table(const std::vector<PassBreakdown>& passes);

/// The roofline: what each operation reached, below what memory and arithmetic allow.
page::Picture roofline_picture(const Machine& machine, int threads, const PassBreakdown& pass);
/// A row for each of its points: where it is and why.
page::HtmlTable roofline_table(const Machine& machine, int threads, const PassBreakdown& pass);

/// Words that these use.
std::vector<page::Term> roofline_terms();

}  // namespace plumb
