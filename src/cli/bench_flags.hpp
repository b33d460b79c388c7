#pragma once
/// The flags of llama-bench as its users type them.

#include <string>
#include <string_view>
#include <vector>

#include "arguments.hpp"

namespace plumb::cli {

/// "512", "8k", "1,2,4", "32-128*2", "64-256+64": whole numbers of 0 or more. @throws Error{invalid_argument} naming
/// what is expected, also for more numbers than anybody waits for.
std::vector<int> parse_numbers(std::string_view text, std::string_view name);
/// Of several such lists, one after the other; `otherwise` where there are none.
std::vector<int> all_numbers(const std::vector<std::string>& lists, std::vector<int> otherwise);

/// Flags that have no meaning here, or only one value: accepted, so that command lines of llama-bench run as they are.
class ForeignFlags {
 public:
  /// Declares them on the command. Must outlive the parse.
  void add(const Command& command);
  /// A note for each flag that was given. @throws UsageError for a value that asks for something else than what is
  /// done, such as another device.
  std::vector<std::string> notes() const;

 private:
  std::vector<std::vector<std::string>> values_;  // of each flag of the table
  bool offline_ = false, verbose_ = false;
};

/// llama-bench has flags of one dash and several letters (-pg, -ub, -ctk), which no option parser takes: gives them
/// their second dash; and underscores for dashes. For the arguments of `plumb bench` only.
std::vector<std::string> bench_arguments(std::vector<std::string> arguments);

}  // namespace plumb::cli
