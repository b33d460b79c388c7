// Look-ups of what the kernels were measured to take.

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "interpolate.hpp"
#include "plumb/perf/machine.hpp"

namespace plumb {
namespace {

using Points = std::vector<std::pair<double, double>>;

/// A straight line through the first and last of some points; flat through one.
double line_at(const Points& points, double x) {
  if (points.empty()) return 0;
  const auto& [x0, y0] = points.front();
  const auto& [x1, y1] = points.back();
  return x1 > x0 ? std::max(0.0, y0 + (y1 - y0) * (x - x0) / (x1 - x0)) : y0;
}

}  // namespace

double Machine::kernel_rate(DType type, double columns, int threads, double working_set) const {
  const double x = std::log2(std::max(columns, 1.0));
  return at_threads(kernels, threads, [&](int count) {
    // Seconds per multiply-add are what adds up, so they are what is interpolated.
    std::map<double, Points> by_set;
    for (const KernelRate& rate : kernels)
      if (rate.isa == isa && rate.type == type && rate.threads == count && rate.macs_per_second > 0)
        by_set[rate.working_set].emplace_back(std::log2(rate.columns), 1 / rate.macs_per_second);
    // Where a set lives shows in the time that the read loop takes for a byte.
    const auto slowness = [&](double set) { return 1 / std::max(bandwidth(set, count), 1.0); };
    Points by_slowness;
    for (auto& [set, points] : by_set) {
      std::sort(points.begin(), points.end());
      by_slowness.emplace_back(slowness(set), interpolate(points, x));
    }
    std::sort(by_slowness.begin(), by_slowness.end());
    const double seconds = interpolate(by_slowness, slowness(working_set));
    return seconds > 0 ? 1 / seconds : 0.0;
  });
}

double Machine::attention_seconds(DType kv, int head_dim, double group, bool many, double starts, double scores,
                                  int threads) const {
  const DType stored = kv == DType::q8_0 ? DType::i8 : kv;
  return at_threads(attention, threads, [&](int count) {
    std::map<int, Points> start_by_group, score_by_group;  // of each: by head size
    for (const AttentionCost& cost : attention) {
      if (cost.isa != isa || cost.kv != stored || cost.threads != count || (cost.rows > 1) != many) continue;
      start_by_group[cost.group].emplace_back(cost.head_dim, cost.start);
      score_by_group[cost.group].emplace_back(cost.head_dim, cost.score);
    }
    const auto at = [&](std::map<int, Points>& by_group) {
      Points points;
      for (auto& [g, by_dim] : by_group) {
        std::sort(by_dim.begin(), by_dim.end());
        points.emplace_back(g, line_at(by_dim, head_dim));
      }
      // Beyond the largest measured group every query head costs what it costs there.
      const double beyond = points.empty() ? 1 : std::max(1.0, group / points.back().first);
      return beyond * interpolate(points, group);
    };
    return starts * at(start_by_group) + scores * at(score_by_group);
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

double Machine::meeting_seconds(double layers, int threads) const {
  const auto measured = [&](double SyncCost::*part) {
    return at_threads(syncs, threads, [&](int count) {
      for (const SyncCost& cost : syncs)
        if (cost.threads == count) return cost.*part;
      return 0.0;
    });
  };
  return layers * measured(&SyncCost::layer) + measured(&SyncCost::pass);
}

}  // namespace plumb
