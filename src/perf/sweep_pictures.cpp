#include "sweep_pictures.hpp"

#include <algorithm>
#include <cmath>

#include "../core/format.hpp"
#include "condition.hpp"
#include "page/quantities.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// One series a type, or a single nameless one where the types are what is compared.
std::vector<std::string> series_of(const Sweep& sweep) {
  if (sweep.dimension == Dimension::type) return {""};
  std::vector<std::string> types;
  for (const SweepPoint& p : sweep.points)
    if (std::find(types.begin(), types.end(), p.setting.type) == types.end()) types.push_back(p.setting.type);
  return types;
}
bool in_series(const SweepPoint& point, const std::string& series) {
  return series.empty() || point.setting.type == series;
}

double measured_of(const SweepPoint& p, bool prefill) { return prefill ? p.prefill_seconds() : p.decode_seconds(); }
double predicted_of(const SweepPoint& p, bool prefill) {
  return prefill ? p.prefill_predicted() : p.decode_predicted();
}

/// What can be drawn of a ratio: beyond it dots stand at the edge.
constexpr double kLeastRatio = 0.4, kMostRatio = 2.5;

}  // namespace

std::string axis_title(Dimension dimension) {
  switch (dimension) {
    case Dimension::size: return "parameters";
    case Dimension::type: return "bits per weight";
    case Dimension::width: return "width";
    case Dimension::depth: return "layers";
    case Dimension::vocab: return "vocabulary";
    case Dimension::gqa: return "query heads per KV head";
    case Dimension::experts: return "experts per layer";
    case Dimension::context: return "tokens in the cache";
    case Dimension::batch: return "sequences side by side";
    case Dimension::threads: return "threads";
  }
  return "";
}

std::string type_text(const SweepPoint& point) { return point.fallbacks.beside(point.setting.type); }

bool disturbed(const SweepPoint& point, bool prefill) {
  return point.measured && disturbed(prefill ? point.measured->prefill : point.measured->decode);
}

page::Picture latency_picture(const Sweep& sweep, bool prefill) {
  const bool types = sweep.dimension == Dimension::type;
  page::Plot plot{
      .id = prefill ? "latency-prompt" : "latency-token",
      .title = formatted("Time of {} by {}", prefill ? "a whole prompt" : "a token", axis_title(sweep.dimension)),
      .description = {},
      .x = {axis_title(sweep.dimension), types ? page::Scale::Kind::linear : page::Scale::Kind::logarithmic},
      .y = {prefill ? "ms for the prompt" : "ms per token", page::Scale::Kind::logarithmic}};
  plot.description = formatted("{} against {}.", plot.y.title, plot.x.title);
  int colour = 0;
  bool any_predicted = false, any_disturbed = false;
  for (const std::string& series : series_of(sweep)) {
    page::Curve line{.points = {}, .label = series, .colour = colour, .dashed = false};
    double last = 0, last_seconds = 0;
    for (const SweepPoint& p : sweep.points) {
      if (!in_series(p, series)) continue;
      const double measured = measured_of(p, prefill), predicted = predicted_of(p, prefill);
      if (predicted > 0 && !types) line.points.emplace_back(p.setting.value, predicted * 1e3);
      if (!(measured > 0) && !types) continue;
      const double shown = measured > 0 ? measured : predicted;
      const bool marked = disturbed(p, prefill);
      const std::string text =
          formatted("{} {}: {}{}", p.setting.label, type_text(p), page::seconds_text(shown),
                    predicted > 0 && measured > 0 ? formatted(", predicted {}", page::seconds_text(predicted)) : "");
      plot.dots.push_back({.x = p.setting.value,
                           .y = shown * 1e3,
                           .label = types ? p.setting.type + (p.fallbacks.any() ? "*" : "") : "",
                           .tip = text,
                           .colour = colour,
                           .radius = 4,
                           .hollow = marked});
      any_disturbed = any_disturbed || marked;
      plot.description += ' ' + text + '.';
      last = p.setting.value;
      last_seconds = shown;
    }
    any_predicted = any_predicted || !line.points.empty();
    if (line.points.empty() && !series.empty() && last > 0)  // no line to write the name at
      plot.dots.push_back({.x = last, .y = last_seconds * 1e3, .label = series, .colour = colour, .radius = 4});
    if (!line.points.empty()) plot.curves.push_back(line);
    ++colour;
  }
  std::string caption = "Dots are measured";
  caption += any_predicted ? ", lines predicted." : ".";
  if (std::any_of(sweep.points.begin(), sweep.points.end(), [](const SweepPoint& p) { return p.fallbacks.any(); }) &&
      types)
    caption += " With a star: not all tensors have that type (the table says which).";
  if (any_disturbed) caption += " Hollow: " + std::string(kDisturbedMeans) + '.';
  return draw(plot, caption);
}

page::Picture ratio_picture(const Sweep& sweep) {
  page::Plot plot{.id = "ratio",
                  .title = "How good the predictions were",
                  .description = "Predicted over measured time, against the measured time.",
                  .x = {"measured, ms", page::Scale::Kind::logarithmic},
                  .y = {"predicted / measured", page::Scale::Kind::logarithmic}};
  double low = INFINITY, high = 0, furthest = 1.25;
  for (const bool prefill : {false, true})
    for (const SweepPoint& p : sweep.points) {
      const double measured = measured_of(p, prefill), predicted = predicted_of(p, prefill);
      if (!(measured > 0 && predicted > 0)) continue;
      const double ratio = predicted / measured;
      low = std::min(low, measured * 1e3);
      high = std::max(high, measured * 1e3);
      furthest = std::max({furthest, ratio * 1.05, 1.05 / ratio});
      const bool beyond = ratio < kLeastRatio || ratio > kMostRatio, off = ratio < 1 / 1.1 || ratio > 1.1;
      const std::string name = p.setting.label.find(p.setting.type) == std::string::npos
                                   ? p.setting.label + ' ' + p.setting.type
                                   : p.setting.label;
      plot.dots.push_back({.x = measured * 1e3,
                           .y = std::clamp(ratio, kLeastRatio, kMostRatio),
                           .label = off ? (sweep.dimension == Dimension::type ? p.setting.type : name) : "",
                           .tip = formatted("{}, {}: {} measured, {:.2f} times that predicted", name,
                                            prefill ? "prompt" : "token", page::seconds_text(measured), ratio),
                           .colour = prefill ? 1 : 0,
                           .shape = prefill ? page::Shape::triangle : page::Shape::circle,
                           .hollow = beyond || disturbed(p, prefill)});
    }
  furthest = std::min(furthest, kMostRatio);
  plot.y.low = 1 / furthest;
  plot.y.high = furthest;
  if (high > 0) {
    const auto level = [&](double y, const char* label, bool dashed) {
      plot.curves.push_back({{{low / 1.2, y}, {high * 1.2, y}}, label, 7, dashed});
    };
    level(1, "", false);
    level(1.1, "10% above", true);
    level(1 / 1.1, "10% below", true);
  }
  return draw(
      plot,
      "Dots: tokens; triangles: prompts; names where the prediction is more than 10% off. Hollow: disturbed, or "
      "beyond the picture.");
}

}  // namespace plumb
