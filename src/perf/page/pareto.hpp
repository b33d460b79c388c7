#pragma once
/// Quality against speed against memory: which of several models are worth choosing from.

#include <string>
#include <vector>

#include "plot.hpp"

namespace plumb::inline PLUMB_ABI::page {

/// One choice. A speed or a size that is not known is 0, and keeps the choice out of the pictures that need it.
struct Choice {
  std::string name;  ///< "Q4_K_M", "qwen3-0.6b Q4_0"
  double loss = 0;   ///< what quality costs: less is better
  double tokens_per_second = 0;
  double bytes = 0;
  bool marked = false;  ///< drawn hollow: disturbed or estimated
};

/// Indices of the choices that no other beats or equals in loss, speed and bytes at once (one that is equal in all
/// three to an earlier choice counts as beaten). In the given order.
std::vector<std::size_t> pareto_front(const std::vector<Choice>& choices);

/// How the loss is called, and what stands for a choice without any ("the base").
struct LossAxis {
  std::string title = "KL divergence (less is better)";
  Scale::Kind kind = Scale::Kind::logarithmic;
};

/// Loss against speed, dots as large as the memory, and loss against memory; the choices that nothing beats in the two
/// measures of a picture are joined by a line. A choice without loss (the base itself) is a dashed line at its speed or
/// size where the axis is logarithmic. `id` begins the ids of both.
std::vector<Picture> pareto_pictures(const std::string& id, const std::vector<Choice>& choices,
                                     const LossAxis& axis = {}, const std::string& marked_means = "disturbed");

}  // namespace plumb::inline PLUMB_ABI::page
