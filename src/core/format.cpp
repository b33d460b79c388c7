// The one file of the library that compiles {fmt}. As inline functions, so that a program may link another {fmt}
// beside.
#define FMT_HEADER_ONLY 1
#include "format.hpp"

#include <fmt/format.h>

namespace plumb::inline PLUMB_ABI {

std::string format_values(fmt::string_view pattern, fmt::format_args values) { return fmt::vformat(pattern, values); }

}  // namespace plumb
