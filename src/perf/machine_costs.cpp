// Look-ups of what the kernels were measured to take.

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "interpolate.hpp"
#include "plumb/perf/machine.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using Points = std::vector<std::pair<double, double>>;

/// The straight line through the two neighbours of x among points with rising x; outside of all, the one through the
/// first and the last of them, going on from the nearer end. Level through a single point, never below zero.
double line_at(const Points& points, double x) {
  if (points.empty()) return 0;
  const auto& [first, y_first] = points.front();
  const auto& [last, y_last] = points.back();
  if (last <= first) return y_first;
  if (x >= first && x <= last) return interpolate(points, x);
  const double slope = (y_last - y_first) / (last - first);
  return std::max(0.0, x < first ? y_first + slope * (x - first) : y_last + slope * (x - last));
}

/// Seconds of something at a memory that takes `slowness` seconds for a byte, from (slowness, seconds) points. Slower
/// memory than any that was met goes on along the last stretch; faster memory makes nothing faster.
double at_slowness(Points points, double slowness) {
  if (points.empty()) return 0;
  std::sort(points.begin(), points.end());
  const auto& [slowest, most] = points.back();
  if (slowness <= slowest || points.size() == 1) return interpolate(points, slowness);
  const auto& [before, less] = points[points.size() - 2];
  return most + std::max(0.0, most - less) * (slowness - slowest) / std::max(slowest - before, 1e-15);
}

/// What the kernel of one type takes for a multiply-add: in one working set, by the logarithm of the columns.
struct KernelCurve {
  double working_set = 0, inputs = 0, slowness = 0;
  Points by_columns;
  double seconds(double columns) const { return interpolate(by_columns, columns); }
};

/// What attention with one group and head size takes, by the slowness of memory.
struct AttentionCurve {
  Points start, score;
};

}  // namespace

double Machine::kernel_rate(DType type, double columns, int threads, double working_set, double inputs) const {
  const double x = std::log2(std::max(columns, 1.0));
  return at_threads(kernels, threads, [&](int count) {
    const auto slowness = [&](double set) { return 1 / std::max(bandwidth(set, count), 1.0); };
    std::map<std::pair<double, double>, KernelCurve> curves;  // by inputs and working set
    for (const KernelRate& rate : kernels) {
      if (rate.isa != isa || rate.type != type || rate.threads != count || rate.macs_per_second <= 0) continue;
      KernelCurve& curve = curves[{rate.inputs, rate.working_set}];
      curve.working_set = rate.working_set;
      curve.inputs = rate.inputs;
      curve.slowness = rate.bandwidth > 0 ? 1 / rate.bandwidth : slowness(rate.working_set);
      curve.by_columns.emplace_back(std::log2(rate.columns), 1 / rate.macs_per_second);
    }
    if (curves.empty()) return 0.0;
    for (auto& [key, curve] : curves) std::sort(curve.by_columns.begin(), curve.by_columns.end());
    // Seconds per multiply-add are what adds up, so they are what is interpolated.
    const double most_inputs = curves.rbegin()->second.inputs;
    Points by_slowness;
    const double most_columns = curves.rbegin()->second.by_columns.back().first;
    for (const auto& [key, curve] : curves)  // those that know about so many columns
      if (curve.inputs == most_inputs && curve.by_columns.back().first >= std::min(x, most_columns))
        by_slowness.emplace_back(curve.slowness, curve.seconds(x));
    double seconds = at_slowness(by_slowness, slowness(working_set));
    const KernelCurve& brief = curves.begin()->second;
    if (inputs > 0 && brief.inputs < most_inputs) {
      // An output costs something whatever its inputs: what the shorter rows took longer in the same working set.
      const auto distance = [&](const KernelCurve& c) { return std::abs(std::log(c.working_set / brief.working_set)); };
      const KernelCurve* same = &curves.rbegin()->second;
      for (const auto& [key, curve] : curves)
        if (curve.inputs == most_inputs && distance(curve) < distance(*same)) same = &curve;
      const double output = (brief.seconds(x) - same->seconds(x)) / (1 / brief.inputs - 1 / most_inputs);
      seconds += std::max(0.0, output) * (1 / inputs - 1 / most_inputs);
    }
    return seconds > 0 ? 1 / seconds : 0.0;
  });
}

double Machine::attention_seconds(DType kv, int head_dim, double group, bool many, bool rounded, double starts,
                                  double scores, double working_set, int threads) const {
  return at_threads(attention, threads, [&](int count) {
    const auto slowness = [&](double set) { return 1 / std::max(bandwidth(set, count), 1.0); };
    std::map<int, std::map<int, AttentionCurve>> by_group;  // of each: by head size
    for (const AttentionCost& cost : attention) {
      if (cost.isa != isa || cost.kv != kv || cost.threads != count || (cost.rows > 1) != many ||
          cost.rounded != rounded)
        continue;
      AttentionCurve& curve = by_group[cost.group][cost.head_dim];
      const double own = cost.bandwidth > 0 ? 1 / cost.bandwidth : slowness(cost.working_set);
      curve.start.emplace_back(own, cost.start);
      curve.score.emplace_back(own, cost.score);
    }
    if (by_group.empty()) return 0.0;
    const double now = slowness(working_set);
    Points points;
    for (auto& [g, by_dim] : by_group) {
      Points start, score;
      for (auto& [dim, curve] : by_dim) {
        start.emplace_back(dim, at_slowness(curve.start, now));
        score.emplace_back(dim, at_slowness(curve.score, now));
      }
      points.emplace_back(g, starts * line_at(start, head_dim) + scores * line_at(score, head_dim));
    }
    // Beyond the largest measured group every query head costs what it costs there.
    return std::max(1.0, group / points.back().first) * interpolate(points, group);
  });
}

double Machine::step_seconds(Op op, bool int8, double rows, double elements, int threads) const {
  return at_threads(steps, threads, [&](int count) {
    std::map<int, Points> by_rows;
    for (const StepCost& step : steps)
      if (step.op == op && step.int8 == int8 && step.threads == count)
        by_rows[step.rows].emplace_back(step.elements, step.seconds);
    Points points;
    for (auto& [n, by_elements] : by_rows) {
      std::sort(by_elements.begin(), by_elements.end());
      points.emplace_back(n, line_at(by_elements, elements));
    }
    const double beyond = points.empty() ? 1 : std::max(1.0, rows / points.back().first);
    return beyond * interpolate(points, rows);
  });
}

double Machine::meeting_seconds(double layers, double busy, int threads) const {
  const auto measured = [&](double SyncCost::*part) {
    return at_threads(syncs, threads, [&](int count) {
      for (const SyncCost& cost : syncs)
        if (cost.threads == count) return cost.*part;
      return 0.0;
    });
  };
  return layers * measured(&SyncCost::layer) + measured(&SyncCost::pass) + busy * measured(&SyncCost::skew);
}

}  // namespace plumb
