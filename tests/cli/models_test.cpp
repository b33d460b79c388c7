/// plumb models: families and features as tables, those that README shows.

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "plumb/model/family.hpp"
#include "plumb/model/features.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::models_test {
namespace {

using test::run_plumb;

TEST(ModelsCommand, ListsEveryFamilyOfTheRegistry) {
  const auto result = run_plumb({"models", "--format", "json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto listed = nlohmann::json::parse(result.out)["families"];
  const auto known = families();
  ASSERT_EQ(listed.size(), known.size());
  for (std::size_t i = 0; i < known.size(); ++i) {
    EXPECT_EQ(listed[i]["architecture"], known[i].architecture);
    EXPECT_EQ(listed[i]["model_types"].size(), known[i].model_types.size());
    EXPECT_FALSE(known[i].models.empty()) << known[i].architecture;
  }
}

TEST(ModelsCommand, ListsEveryFeature) {
  const auto result = run_plumb({"models", "--format", "json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto listed = nlohmann::json::parse(result.out)["features"];
  const auto known = all_features();
  ASSERT_EQ(listed.size(), known.size());
  for (std::size_t i = 0; i < known.size(); ++i) {
    EXPECT_EQ(listed[i]["feature"], known[i].name);
    EXPECT_EQ(listed[i]["runs"], refusal_of(known[i]).empty());
    EXPECT_EQ(listed[i]["families_of_presets"], families_with(known[i]));
  }
  EXPECT_EQ(run_plumb({"models", "--format", "csv"}).exit_code, 0);
}

TEST(ModelsCommand, TablesAreThoseInTheReadme) {
  const auto result = run_plumb({"models", "--format", "md"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  std::ifstream file(std::string(PLUMB_SOURCE_DIR) + "/README.md");
  const std::string readme(std::istreambuf_iterator<char>(file), {});
  EXPECT_NE(readme.find("\n" + result.out), std::string::npos)
      << "README.md does not hold the tables that `plumb models --format md` prints:\n"
      << result.out;
}

}  // namespace
}  // namespace plumb::models_test
