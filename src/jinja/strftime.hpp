#pragma once
/// Dates as text, in English whatever the locale.

#include <string>
#include <string_view>

#include "plumb/jinja/template.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

/// strftime; a directive that is not known stays as it is spelled. Throws {limit}.
std::string strftime_text(std::string_view format, const LocalTime& time, Budget& budget);

}  // namespace plumb
