#include "plumb/perf/sweep.hpp"

#include <algorithm>
#include <map>
#include <memory>

#include "plumb/core/parallel.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/model/named_types.hpp"
#include "stopwatch.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// A turn of a point lasts at least this long, or this many repetitions: a small model is done in a millisecond, and
/// one interruption by the system should not be a fifth of what is known of it.
constexpr double kTurnSeconds = 0.03;
constexpr int kMostPerTurn = 10;

/// Runs points in groups that fit in memory together.
class SweepRunner {
 public:
  SweepRunner(const SweepOptions& options, std::vector<SweepPoint>& points) : options_(options), points_(points) {
    budget_ = options.memory > 0 ? options.memory : read_system_info().memory_available / 2;
  }

  void run() {
    for (first_ = 0; first_ < points_.size(); first_ = last_) {
      last_ = end_of_group();
      run_group();
    }
  }

 private:
  static double bytes(const SweepPoint& point) {
    const SweepCase& c = point.setting;
    return memory_use(c.spec, weight_types_by_name(c.type, c.spec), c.measure.session.kv, c.measure.session.context,
                      c.measure.session.sequences, c.measure.session.batch)
        .total();
  }
  std::size_t end_of_group() const {
    double sum = bytes(points_[first_]);
    std::size_t end = first_ + 1;
    while (end < points_.size() && sum + bytes(points_[end]) <= budget_) sum += bytes(points_[end++]);
    return end;
  }

  /// Points that differ only in how the model is used share it.
  static bool same_model(const SweepCase& a, const SweepCase& b) {
    ModelSpec named = b.spec;  // names differ
    named.name = a.spec.name;
    return a.type == b.type && a.spec == named;
  }

  void run_group() {
    std::vector<std::unique_ptr<Measuring>> alive;
    for (std::size_t i = first_; i < last_; ++i) {
      const SweepCase& c = points_[i].setting;
      announce("making", c, i, 0);
      const bool again = i > first_ && same_model(points_[i - 1].setting, c);
      const Model model =
          again ? alive.back()->session().model() : Model::random(c.spec, weight_types_by_name(c.type, c.spec));
      MeasureOptions quiet = c.measure;
      quiet.progress = {};
      alive.push_back(std::make_unique<Measuring>(model, quiet));
    }
    const double start = now_seconds(), allowed = options_.measure.max_seconds * static_cast<double>(alive.size());
    for (int turn = 0; turn < options_.measure.repetitions; ++turn) {
      if (turn > 0 && now_seconds() - start > allowed) break;
      for (std::size_t i = 0; i < alive.size(); ++i) {
        announce("timing", points_[first_ + i].setting, first_ + i,
                 static_cast<double>(turn + 1) / (options_.measure.repetitions + 1));
        const double turn_start = now_seconds();
        for (int again = 0; again < kMostPerTurn; ++again) {
          alive[i]->repeat();
          if (now_seconds() - turn_start > kTurnSeconds) break;
        }
      }
    }
    for (std::size_t i = 0; i < alive.size(); ++i) {
      SweepPoint& point = points_[first_ + i];
      const Measurement& timed = alive[i]->result();
      alive[i]->trace(timed.decode.median() + timed.prefill.median() < kTurnSeconds ? kMostPerTurn : 1);
      point.measured = alive[i]->result();
      point.measured->name = point.setting.label;  // points may share a model
    }
  }

  void announce(std::string_view what, const SweepCase& c, std::size_t point, double turn) const {
    if (!options_.progress) return;
    const double share = static_cast<double>(last_ - first_) * turn + static_cast<double>(point - first_) / 8;
    options_.progress(std::string(what) + ' ' + c.label + ' ' + c.type,
                      std::min(1.0, (static_cast<double>(first_) + share) / static_cast<double>(points_.size())));
  }

  const SweepOptions& options_;
  std::vector<SweepPoint>& points_;
  double budget_ = 0;
  std::size_t first_ = 0, last_ = 0;
};

LawPoint law_point(Dimension dimension, const SweepPoint& point, bool prefill) {
  const Measurement& m = *point.measured;
  const PassTiming& timing = prefill ? m.prefill : m.decode;
  const Traffic bytes = timing.work.bytes();
  const double passes = timing.passes * (dimension == Dimension::threads ? static_cast<double>(m.threads) : 1.0);
  return {(bytes.weights() + bytes.kv_read + bytes.kv_write) / passes, timing.work.operations().total() / passes,
          timing.seconds_per_pass()};
}

}  // namespace

void predict_point(SweepPoint& point, const Machine& machine) {
  const int threads = point.setting.measure.session.threads > 0 ? point.setting.measure.session.threads
                                                                : std::min(default_threads(), machine.max_threads());
  const auto sum = [&](const std::vector<Ledger>& passes) -> std::optional<Prediction> {
    if (passes.empty()) return std::nullopt;
    Prediction total;
    for (const Ledger& pass : passes) total += predict(pass, machine, threads);
    return total;
  };
  point.prefill = sum(point.passes.prefill);
  point.decode = sum(point.passes.decode);
}

std::vector<SeriesLaw> fit_laws(Dimension dimension, const std::vector<SweepPoint>& points) {
  std::map<std::string, std::vector<std::size_t>> series;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (points[i].measured) series[dimension == Dimension::type ? "all types" : points[i].setting.type].push_back(i);
  std::vector<SeriesLaw> laws;
  for (const auto& [name, members] : series)
    for (const bool prefill : {false, true}) {
      std::vector<LawPoint> observed;
      for (const std::size_t i : members)
        if ((prefill ? points[i].measured->prefill : points[i].measured->decode).passes > 0)
          observed.push_back(law_point(dimension, points[i], prefill));
      if (observed.size() < kLawPoints) continue;
      laws.push_back(
          {name, prefill, members, fit_law(observed, prefill ? LawPriority::operations : LawPriority::bytes)});
    }
  return laws;
}

Sweep run_sweep(const SweepOptions& options) {
  const double start = now_seconds();
  Sweep sweep;
  sweep.dimension = options.dimension;
  sweep.system = read_system_info();
  sweep.tier = active_kernels().name;
  for (SweepCase& c : plan_sweep(options)) {
    SweepPoint point;
    point.passes = timed_passes(c.spec, weight_types_by_name(c.type, c.spec), c.measure);
    point.fallbacks = fallbacks_of(c.type, c.spec);
    point.parameters = static_cast<double>(count_parameters(c.spec).total());
    point.setting = std::move(c);
    sweep.points.push_back(std::move(point));
  }
  SweepRunner(options, sweep.points).run();
  if (options.machine)
    for (SweepPoint& point : sweep.points) predict_point(point, *options.machine);
  sweep.laws = fit_laws(options.dimension, sweep.points);
  sweep.slow_bits = find_slow_bits(sweep.points, options.machine);
  sweep.seconds = now_seconds() - start;
  return sweep;
}

}  // namespace plumb
