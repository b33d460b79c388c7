#pragma once
/// The pages that commands write beside their tables. Each begins with the answer, shows the numbers of its run as
/// pictures and tables, explains its words, and carries its data.

#include <span>
#include <string>

#include "page/page.hpp"
#include "plumb/perf/bench.hpp"
#include "plumb/perf/explain.hpp"
#include "plumb/perf/report_card.hpp"

namespace plumb::inline PLUMB_ABI {

/// What a page is told beside the numbers it shows.
struct PageContext {
  double when = 0;        ///< seconds since 1970
  std::string json = {};  ///< the command's JSON, kept inside the page; empty: none
};

/// Of quantized models against their base, which is the first of the cards. `model` names the base.
std::string card_page(std::span<const ReportCard> cards, const std::string& model, const PageContext& context);

std::string explain_page(const Explanation& explanation, const Machine& machine, const PageContext& context);

/// Of a prediction. `type` is what the weights are called: "q4_0".
std::string forecast_page(const Forecast& forecast, const ForecastOptions& options, const Machine& machine,
                          const std::string& model, const std::string& type, const PageContext& context);

/// One result of bench and the model it is of.
struct BenchLine {
  std::string model;  ///< with its type, and what of the settings differs between lines
  double bytes = 0, parameters = 0;
  BenchResult result;
  std::string tier;
};
std::string bench_page(std::span<const BenchLine> lines, const SystemInfo& system, const PageContext& context);

}  // namespace plumb
