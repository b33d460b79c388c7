#pragma once
/// The points of a sweep as pictures.

#include <string>

#include "page/plot.hpp"
#include "plumb/perf/sweep.hpp"

namespace plumb::inline PLUMB_ABI {

/// What the horizontal axis of a sweep says: "parameters".
std::string axis_title(Dimension dimension);

/// A point as a table and a picture name it: type, and what of it is another one.
std::string type_text(const SweepPoint& point);
bool disturbed(const SweepPoint& point, bool prefill);

/// Time of a token, or of the whole prompt, against what is varied: dots are measured, lines predicted.
page::Picture latency_picture(const Sweep& sweep, bool prefill);
/// Predicted over measured.
page::Picture ratio_picture(const Sweep& sweep);

}  // namespace plumb
