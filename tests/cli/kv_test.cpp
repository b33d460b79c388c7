/// --kv in every command that has it: one list of names, printed as one, refused as one.

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/support/run_command.hpp"

namespace plumb::kv_test {
namespace {

using test::run_plumb;

TEST(KvOption, IsTheSameInEveryCommand) {
  std::set<std::string> lines;  // of the help, but for bench, which takes several types
  for (const std::string command :
       {"generate", "logits", "perplexity", "compare-logits", "calibrate", "measure", "explain", "predict", "decide",
        "compare", "report-card", "chat", "embed", "bench"}) {
    SCOPED_TRACE(command);
    const auto help = run_plumb({command, "--help"});
    ASSERT_EQ(help.exit_code, 0) << help.err;
    const std::size_t at = help.out.find("--kv");
    ASSERT_NE(at, std::string::npos) << help.out;
    if (command != "bench") lines.insert(help.out.substr(at, help.out.find('\n', at) - at));
    const auto refused = run_plumb({command, "--kv", "q4_0"});
    EXPECT_EQ(refused.exit_code, 2);
    for (const char* name : {"q4_0", "f32, f16 or int8", "q8_0"})
      EXPECT_NE(refused.err.find(name), std::string::npos) << refused.err;
  }
  EXPECT_EQ(lines.size(), 1u) << *lines.begin() << '\n' << *lines.rbegin();
}

}  // namespace
}  // namespace plumb::kv_test
