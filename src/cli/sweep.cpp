#include "sweep.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "machine_option.hpp"
#include "measurement.hpp"
#include "options.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/quantity.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/perf/report.hpp"
#include "say.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

using Align = Table::Align;

Cell ratio(double predicted, double measured) {
  return predicted > 0 && measured > 0 ? number_cell(predicted / measured, "{:.2f}") : no_cell();
}
Cell time_or_dash(double seconds) { return seconds > 0 ? time_cell(seconds) : no_cell(); }

/// Predicted beside measured; the only table when nothing was measured.
Table prediction_table(const Sweep& sweep) {
  Table table({{"point", Align::left},
               {"params", Align::right},
               {"type", Align::left},
               {"token measured", Align::right, "token measured, s"},
               {"predicted", Align::right, "token predicted, s"},
               {"ratio", Align::right, "token predicted / measured"},
               {"waits for", Align::left, "token waits for"},
               {"prompt measured", Align::right, "prompt measured, s"},
               {"predicted ", Align::right, "prompt predicted, s"},
               {"ratio ", Align::right, "prompt predicted / measured"},
               {"waits for ", Align::left, "prompt waits for"}});
  for (const SweepPoint& p : sweep.points) {
    const auto ceiling = [](const std::optional<Prediction>& prediction) {
      return prediction ? std::string(ceiling_name(prediction->ceiling())) : "-";
    };
    table.add({p.setting.label, count_cell(p.parameters), p.fallbacks.beside(p.setting.type),
               time_or_dash(p.decode_seconds()), time_or_dash(p.decode_predicted()),
               ratio(p.decode_predicted(), p.decode_seconds()), ceiling(p.decode), time_or_dash(p.prefill_seconds()),
               time_or_dash(p.prefill_predicted()), ratio(p.prefill_predicted(), p.prefill_seconds()),
               ceiling(p.prefill)});
  }
  return table;
}

Json term_json(const LawCoefficient& c) {
  constexpr const char* kStates[] = {"fitted", "zero", "not_separable"};
  const bool fitted = c.state == TermState::fitted;
  return {{"state", kStates[static_cast<int>(c.state)]},
          {"value", c.state == TermState::not_separable ? Json() : Json(c.value)},
          {"low", fitted ? Json(c.low) : Json()},
          {"high", fitted ? Json(c.high) : Json()}};
}

Json law_json(const SeriesLaw& law) {
  return {{"series", law.series},
          {"pass", law.prefill ? "prefill" : "decode"},
          {"points", law.points},
          {"seconds_overhead", term_json(law.law.term(LawTerm::overhead))},
          {"seconds_per_byte", term_json(law.law.term(LawTerm::bytes))},
          {"seconds_per_operation", term_json(law.law.term(LawTerm::operations))},
          {"degrees_of_freedom", law.law.degrees_of_freedom},
          {"relative_error", law.law.relative_error},
          {"law_seconds", law.law.seconds},
          {"residuals", law.law.residuals}};
}

Json fallbacks_json(const Fallbacks& fallbacks) {
  Json json = Json::object();
  for (const auto& [type, matrices] : fallbacks.instead) json[std::string(dtype_name(type))] = matrices;
  return json;
}

Json point_json(const SweepPoint& p) {
  const auto predicted = [](const std::optional<Prediction>& prediction, double passes) -> Json {
    if (!prediction) return nullptr;
    return {{"seconds", prediction->seconds() / passes}, {"waits_for", ceiling_name(prediction->ceiling())}};
  };
  return {{"value", p.setting.value},
          {"label", p.setting.label},
          {"type", p.setting.type},
          {"matrices", p.fallbacks.matrices},
          {"fallbacks", fallbacks_json(p.fallbacks)},
          {"parameters", p.parameters},
          {"measured", p.measured ? to_json(*p.measured) : Json()},
          {"predicted_decode_step", predicted(p.decode, p.decode_passes())},
          {"predicted_prefill", predicted(p.prefill, 1)}};
}

Json sweep_json(const Sweep& sweep) {
  Json points = Json::array(), laws = Json::array(), slow = Json::array();
  for (const SweepPoint& point : sweep.points) points.push_back(point_json(point));
  for (const SeriesLaw& law : sweep.laws) laws.push_back(law_json(law));
  for (const SlowBits& bits : sweep.slow_bits)
    slow.push_back({{"fewer", bits.fewer},
                    {"more", bits.more},
                    {"pass", bits.prefill ? "prefill" : "decode"},
                    {"ratio", bits.ratio},
                    {"explained_by_profile", bits.explained},
                    {"why", bits.why}});
  return {{"sweep", dimension_name(sweep.dimension)},
          {"cpu", sweep.system.cpu},
          {"tier", sweep.tier},
          {"seconds", sweep.seconds},
          {"points", points},
          {"laws", laws},
          {"fewer_bits_slower", slow}};
}

std::vector<Measurement> measurements(const Sweep& sweep) {
  std::vector<Measurement> all;
  for (const SweepPoint& point : sweep.points)
    if (point.measured) all.push_back(*point.measured);
  return all;
}

void print_text(const Sweep& sweep) {
  put("{}\n", speed_table(measurements(sweep)).text());
  put("{}", prediction_table(sweep).text());
  if (!sweep.laws.empty()) put("\nfitted laws, 95% intervals in brackets:\n");
  for (const SeriesLaw& law : sweep.laws) put("  {}\n", describe_law(sweep, law));
  for (const SlowBits& bits : sweep.slow_bits) {
    if (&bits == sweep.slow_bits.data()) put("\nfewer bits are not always faster:\n");
    put("  {}\n", describe_slow_bits(sweep, bits));
    if (&bits - sweep.slow_bits.data() == 2) break;  // the report and the JSON have all
  }
  if (std::any_of(sweep.points.begin(), sweep.points.end(), [](const SweepPoint& p) { return p.fallbacks.any(); }))
    put("\nfewer bits: {}\n", describe_no_slow_bits(sweep));
  put("\n{}, {}, page {}, huge pages {}, governor {}; {:.0f} s\n", sweep.system.cpu, sweep.tier,
      binary_size(sweep.system.page_bytes), sweep.system.huge_pages,
      sweep.system.governor.empty() ? "not shown" : sweep.system.governor, sweep.seconds);
}

void print(const Sweep& sweep, const Json& settings, const Machine* profile, Format format) {
  switch (format) {
    case Format::json: return put("{}", json_document("sweep", settings, sweep_json(sweep), profile));
    case Format::csv: put("{}", speed_table(measurements(sweep)).csv()); return;
    case Format::md:
      put("{}\n", speed_table(measurements(sweep)).markdown());
      put("{}", prediction_table(sweep).markdown());
      return;
    case Format::text: print_text(sweep);
  }
}

/// A value of a sweep as it is typed.
double value_of(Dimension dimension, const std::string& text, const char* name) {
  const bool tokens = dimension == Dimension::context || dimension == Dimension::batch;
  return tokens ? static_cast<double>(parse_tokens(text, name)) : parse_count(text, name);
}

/// A model that stays in most caches, in every type: where unpacking shows.
SweepOptions all_types_of_a_small_model(SweepOptions options) {
  options.dimension = Dimension::type;
  options.from.reset();
  options.to.reset();
  options.types.clear();
  options.base = measurement_family()[2];
  return options;
}

}  // namespace

void add_sweep_options(const Command& command, SweepArguments& arguments) {
  std::string names;
  for (const Dimension dimension : kDimensions)
    names += (names.empty() ? "" : "|") + std::string(dimension_name(dimension));
  command
      .add_option("--sweep", arguments.dimension,
                  "Vary one dimension, random weights, the rest as in --preset: " + names)
      .check(readable_by(dimension_from_name));
  const auto count = readable_by([](const std::string& text) { return parse_count(text, "the value"); });
  command
      .add_option("--from", arguments.from,
                  "First value of the sweep, such as 256 or 10M; of positions and rows, a k is 1024")
      .check(count);
  command.add_option("--to", arguments.to, "Last value of the sweep").check(count);
  command.add_option("--steps", arguments.steps, "Values of the sweep (default 6)").range(1, 1000);
  command.add_option("--report", arguments.report, "Write report.html into this folder").type_name("DIR");
  add_machine(command, arguments.machine, "; none: no prediction");
}

void run_sweep_command(const SweepArguments& arguments, SweepOptions options, Progress& progress, Format format) {
  options.dimension = arguments.dimension.empty() ? Dimension::size : dimension_from_name(arguments.dimension);
  if (!arguments.from.empty()) options.from = value_of(options.dimension, arguments.from, "--from");
  if (!arguments.to.empty()) options.to = value_of(options.dimension, arguments.to, "--to");
  if (arguments.steps > 0) options.steps = arguments.steps;
  as_usage([&] { return plan_sweep(options); });  // a mistake is told before the machine is measured
  if (arguments.machine != "none") options.machine = machine_of(arguments.machine, progress);
  if (options.machine) warn_of_threads(*options.machine, options.measure.session.threads);
  const Sweep sweep = run_sweep(options);
  Json settings = measure_settings({}, options.measure);
  settings.update({{"type", options.types},
                   {"threads", options.measure.session.threads},
                   {"kv", kv_type_name(options.measure.session.kv)}});
  print(sweep, settings, options.machine ? &*options.machine : nullptr, format);
  if (arguments.report.empty()) return;
  std::optional<Sweep> types;
  if (options.dimension == Dimension::size) types = run_sweep(all_types_of_a_small_model(options));
  const std::filesystem::path report =
      write_report(arguments.report,
                   {sweep, options.machine, std::time(nullptr), types ? &*types : nullptr, sweep_json(sweep).dump(1)});
  say("{}\n", report.native());
}

}  // namespace plumb::cli
