#include "pareto.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "../../core/format.hpp"
#include "quantities.hpp"

namespace plumb::inline PLUMB_ABI::page {
namespace {

/// Values further apart than this stand on a logarithmic axis.
constexpr double kWideRange = 10;
constexpr double kSmallestDot = 3.5, kLargestDot = 11;

/// One of the two pictures: what is to the right, and whether more of it is better.
struct View {
  const char* id;
  std::string what;  ///< "speed"
  std::string title;
  std::function<double(const Choice&)> value;
  bool more_is_better;
};

/// Those that nothing beats in loss and this value, best value first.
std::vector<const Choice*> front_of(const std::vector<const Choice*>& shown, const View& view) {
  std::vector<const Choice*> sorted = shown;
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Choice* a, const Choice* b) {
    const double x = view.value(*a), y = view.value(*b);
    return x != y ? (view.more_is_better ? x > y : x < y) : a->loss < b->loss;
  });
  std::vector<const Choice*> front;
  for (const Choice* choice : sorted)
    if (front.empty() || choice->loss < front.back()->loss) front.push_back(choice);
  return front;
}

std::string names_of(const std::vector<const Choice*>& choices) {
  std::string names;
  for (std::size_t i = 0; i < choices.size(); ++i)
    names += (i == 0 ? "" : i + 1 == choices.size() ? " and " : ", ") + choices[i]->name;
  return names;
}

Picture picture(const std::string& id, const std::vector<Choice>& choices, const LossAxis& axis, const View& view,
                const std::string& marked_means) {
  Plot plot{.id = id + view.id, .title = {}, .description = {}, .x = {view.title}, .y = {axis.title, axis.kind}};
  std::vector<const Choice*> shown, without_loss;
  double low = INFINITY, high = 0, most_bytes = 0;
  for (const Choice& choice : choices) {
    if (!(view.value(choice) > 0)) continue;
    (axis.kind == Scale::Kind::logarithmic && !(choice.loss > 0) ? without_loss : shown).push_back(&choice);
    low = std::min(low, view.value(choice));
    high = std::max(high, view.value(choice));
    most_bytes = std::max(most_bytes, choice.bytes);
  }
  if (high > kWideRange * low) plot.x.kind = Scale::Kind::logarithmic;
  const std::vector<const Choice*> front = front_of(shown, view);
  Curve line{.points = {}, .label = "", .colour = 7, .dashed = false};
  for (const Choice* choice : front) line.points.emplace_back(view.value(*choice), choice->loss);
  plot.curves.push_back(line);
  bool any_marked = false;
  for (const Choice* choice : shown) {
    const bool best = std::find(front.begin(), front.end(), choice) != front.end();
    const double share = most_bytes > 0 ? choice->bytes / most_bytes : 0;
    plot.dots.push_back({.x = view.value(*choice),
                         .y = choice->loss,
                         .label = choice->name,
                         .tip = formatted("{}: loss {:.3g}, {}, {}", choice->name, choice->loss,
                                          rate_text(choice->tokens_per_second), bytes_text(choice->bytes)),
                         .colour = best ? 0 : 7,
                         .radius = view.more_is_better ? std::max(kSmallestDot, kLargestDot * std::sqrt(share)) : 5,
                         .hollow = choice->marked});
    any_marked = any_marked || choice->marked;
  }
  // What has no loss stands outside a logarithmic axis: a line across it.
  double bottom = INFINITY, top = 0;
  for (const Choice* choice : shown) {
    bottom = std::min(bottom, choice->loss);
    top = std::max(top, choice->loss);
  }
  for (const Choice* choice : without_loss)
    if (top > 0)
      plot.curves.push_back({{{view.value(*choice), top}, {view.value(*choice), bottom}}, choice->name, 2, true});
  plot.title = "Quality against " + view.what;
  plot.description = formatted("{} against {}.", axis.title, view.title);
  for (const Choice* choice : shown)
    plot.description += formatted(" {}: {:.3g} at {:.4g}.", choice->name, choice->loss, view.value(*choice));
  for (const Choice* choice : without_loss)
    plot.description += formatted(" {}: no loss at {:.4g}.", choice->name, view.value(*choice));
  std::string caption = front.empty() ? ""
                                      : formatted("Nothing beats {} in both: the line joins {}.", names_of(front),
                                                  front.size() == 1 ? "nothing, one dot is best" : "them");
  if (front.size() == 1) caption = formatted("{} is the best in both.", front.front()->name);
  caption += view.more_is_better ? " Better is down and to the right; the larger a dot, the more memory it takes."
                                 : " Better is down and to the left.";
  if (!without_loss.empty()) caption += formatted(" Dashed: {}, without loss.", names_of(without_loss));
  if (any_marked) caption += " Hollow: " + marked_means + ".";
  return draw(plot, caption);
}

}  // namespace

std::vector<std::size_t> pareto_front(const std::vector<Choice>& choices) {
  const auto as_good = [](const Choice& a, const Choice& b) {
    return a.loss <= b.loss && a.tokens_per_second >= b.tokens_per_second && a.bytes <= b.bytes;
  };
  std::vector<std::size_t> front;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    bool beaten = false;
    for (std::size_t j = 0; j < choices.size() && !beaten; ++j)
      beaten = i != j && as_good(choices[j], choices[i]) && (j < i || !as_good(choices[i], choices[j]));
    if (!beaten) front.push_back(i);
  }
  return front;
}

std::vector<Picture> pareto_pictures(const std::string& id, const std::vector<Choice>& choices, const LossAxis& axis,
                                     const std::string& marked_means) {
  const View views[] = {
      {"-speed", "speed", "tokens/s while decoding", [](const Choice& c) { return c.tokens_per_second; }, true},
      {"-memory", "memory", "weights, MB", [](const Choice& c) { return c.bytes * 1e-6; }, false},
  };
  std::vector<Picture> pictures;
  for (const View& view : views)
    if (std::any_of(choices.begin(), choices.end(), [&](const Choice& c) { return view.value(c) > 0; }))
      pictures.push_back(picture(id, choices, axis, view, marked_means));
  return pictures;
}

}  // namespace plumb::inline PLUMB_ABI::page
